//! What the actor puts on record: appends to the cursors topic, and checkpoints to Redis.

use std::collections::VecDeque;
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

use angarium_kafka::{Acked, ProduceError, SendError};
use angarium_model::WebhookId;
use angarium_proto::delivery::v1::Place;
use angarium_proto::delivery::v1::cursor_record::Entry;
use futures::Stream;
use futures::stream::FuturesOrdered;
use tokio::time::Instant;

use super::{Actor, Ending};
use crate::checkpoint::{Checkpoint, CheckpointError, Saved};
use crate::cursor::{Cursor, Key};

/// The place is appended at least so often: less than a comparison of the clocks counts for.
const PLACE_AT_LEAST: Duration = Duration::from_secs(60);

/// A record on its way to the cursors topic.
#[derive(Clone, Copy, Debug)]
pub(super) enum Appended {
    Cursor(WebhookId),
    Removed,
    Place(i64),
}

type Ack = Pin<Box<dyn Future<Output = (Appended, Result<Acked, ProduceError>)> + Send>>;

/// Appends of one partition, in order.
pub(super) struct Appends {
    under_way: FuturesOrdered<Ack>,
    /// What the producer had no room for, in order.
    unsent: VecDeque<(Appended, Key, Option<Entry>)>,
    /// The last place that was appended.
    place: i64,
    /// When.
    placed_at: Instant,
}

impl Appends {
    pub(super) fn new(place: i64) -> Self {
        Self {
            under_way: FuturesOrdered::new(),
            unsent: VecDeque::new(),
            place,
            placed_at: Instant::now(),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.under_way.is_empty() && self.unsent.is_empty()
    }

    /// The next one that is acknowledged, or has failed; never, when there is none.
    pub(super) async fn next(&mut self) -> (Appended, Result<Acked, ProduceError>) {
        std::future::poll_fn(|cx| match Pin::new(&mut self.under_way).poll_next(cx) {
            Poll::Ready(Some(ended)) => Poll::Ready(ended),
            Poll::Ready(None) | Poll::Pending => Poll::Pending,
        })
        .await
    }
}

impl Actor {
    pub(super) fn append_cursor(&mut self, webhook: WebhookId, cursor: Option<&Cursor>) {
        let key = Key::Webhook(self.shared.lane, self.epoch, webhook);
        let what = cursor.map_or(Appended::Removed, |_| Appended::Cursor(webhook));
        let entry = cursor.map(Entry::from);
        self.appends.unsent.push_back((what, key, entry));
    }

    /// The place, when it has moved, behind the cursors that it relies on: they are acknowledged. From time to time also
    /// when it stands still: the broker tells the time with it.
    pub(super) fn append_place(&mut self) {
        let place = self.partition.place();
        let is_due = self.appends.placed_at.elapsed() >= PLACE_AT_LEAST;
        if place > self.appends.place || is_due {
            self.appends.place = place;
            self.appends.placed_at = Instant::now();
            let entry = Entry::Place(Place { offset: place });
            let key = Key::Place(self.shared.lane, self.epoch);
            self.appends
                .unsent
                .push_back((Appended::Place(place), key, Some(entry)));
        }
    }

    /// Sends what is to be appended, as far as there is room.
    pub(super) fn send_appends(&mut self) {
        while let Some((what, key, entry)) = self.appends.unsent.pop_front() {
            let sent = self
                .shared
                .cursors
                .append(self.owned.partition(), key, entry.clone());
            match sent {
                Ok(ack) => self
                    .appends
                    .under_way
                    .push_back(Box::pin(async move { (what, ack.await) })),
                Err(SendError::QueueFull) => {
                    self.appends.unsent.push_front((what, key, entry));
                    return;
                }
                Err(error) => return self.start_over(&error),
            }
        }
    }

    pub(super) fn on_appended(&mut self, (what, written): (Appended, Result<Acked, ProduceError>)) {
        match written {
            Ok(acked) => self.compare_clocks(acked.appended_at_ms),
            Err(error) => return self.start_over(&error),
        }
        match what {
            Appended::Cursor(webhook) => self.partition.appended(webhook, self.shared.clock.now_ms()),
            Appended::Removed => {}
            Appended::Place(place) => {
                self.partition.place_is(place);
                // A copy, for tools that show the lag, and for the lease.
                self.owned.commit(place);
            }
        }
    }

    /// An acknowledgement has come with the broker's time.
    fn compare_clocks(&mut self, brokers_ms: Option<i64>) {
        let (lane, partition) = (self.shared.lane, self.owned.partition());
        let apart_ms = self
            .partition
            .compare_clocks(self.shared.clock.now_ms(), brokers_ms);
        match apart_ms {
            Some(apart_ms) if !self.clocks_disagree => tracing::error!(
                %lane, partition, apart_ms,
                "this machine's clock and the broker's are more than 5 minutes apart: until they agree no event \
                 expires (D5) and no webhook is switched off (D3). Set the clock that is wrong"
            ),
            None if self.clocks_disagree => tracing::info!(%lane, partition, "the clocks agree again"),
            _ => {}
        }
        self.clocks_disagree = apart_ms.is_some();
    }

    pub(super) fn start_over(&mut self, error: &(dyn std::error::Error + 'static)) {
        let (lane, partition) = (self.shared.lane, self.owned.partition());
        tracing::error!(%lane, partition, error, "what must be on record was not written: taking the partition over again");
        self.ending = Some(Ending::StartOver);
    }

    /// One at a time: a slow Redis delays the next checkpoint, nothing else.
    pub(super) fn start_saving(&mut self) {
        if self.saving.is_none() {
            let checkpoint = self.partition.take_checkpoint();
            if !checkpoint.is_empty() {
                self.saving = Some(Box::pin(self.save(checkpoint)));
            }
        }
    }

    pub(super) fn save(
        &self,
        checkpoint: Checkpoint,
    ) -> impl Future<Output = (Checkpoint, Result<Saved, CheckpointError>)> + Send + use<> {
        let checkpoints = self.shared.checkpoints.clone();
        let redis = self.shared.metrics.redis.clone();
        let (lane, number, epoch) = (self.shared.lane, self.owned.partition(), self.epoch);
        async move {
            let began = Instant::now();
            let saved = checkpoints.save(lane, number, epoch, &checkpoint).await;
            redis.asked("save", began, saved.is_ok());
            (checkpoint, saved)
        }
    }

    /// An outage of Redis is told at its begin and at its end, not five times a second.
    pub(super) fn on_saved(&mut self, (checkpoint, saved): (Checkpoint, Result<Saved, CheckpointError>)) {
        let (lane, partition) = (self.shared.lane, self.owned.partition());
        match saved {
            Ok(Saved::Superseded(epoch)) => {
                tracing::warn!(%lane, partition, epoch, "another worker has the partition: this one stops");
                self.ending = Some(Ending::Superseded);
            }
            Ok(Saved::Taken) if self.redis_is_away => {
                tracing::info!(%lane, partition, "checkpoints are taken again");
                self.redis_is_away = false;
            }
            Ok(Saved::Taken) => {}
            Err(error) => {
                if !self.redis_is_away {
                    let error = &error as &dyn std::error::Error;
                    tracing::warn!(
                        %lane, partition, error,
                        "checkpoints are not taken: deliveries go on, but a restart would repeat some; trying again"
                    );
                    self.redis_is_away = true;
                }
                self.shared.metrics.checkpoint_failed(lane);
                self.partition.not_saved(checkpoint);
            }
        }
    }
}
