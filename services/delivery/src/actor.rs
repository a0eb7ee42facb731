//! The partition actor: one task that owns all state of a partition's webhooks; no locks.
//!
//! It reads the live stream, reads back what webhooks that fell behind wait for, makes the calls and remembers what is
//! done. What to do is [`Partition`]'s decision; this is its hands. Being dropped costs duplicates, never an event:
//! Kafka's committed offset never passes what is undone.

mod calls;
mod journal;
mod reading;
mod told;

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use angarium_directory::Directory;
use angarium_kafka::{LogReader, Owned, Record};
use angarium_model::{Lane, WebhookId};
use angarium_policy::{Answer, classify};
use angarium_proto::convert;
use angarium_proto::delivery::v1::{DeliveryRecord, RetryState};
use angarium_runtime::Clock;
use futures::StreamExt;
use futures::stream::FuturesUnordered;
use prost::Message;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep, timeout_at};

use self::calls::CallEnd;
use self::reading::ReadEnd;
use self::told::Told;
use crate::call::Patience;
use crate::checkpoint::{CheckpointError, Checkpoints};
use crate::config::Config;
use crate::metrics::Metrics;
use crate::partition::{Effect, Incoming, Partition, Rules};
use crate::record::Delivery;

pub(crate) use self::calls::{Budget, Calls, signed_headers};

/// Records taken off the live stream in one turn.
const LIVE_TURN: usize = 256;
/// What all partition actors of a lane share.
#[derive(Clone, Debug)]
pub(crate) struct Shared {
    pub(crate) lane: Lane,
    pub(crate) config: Arc<Config>,
    pub(crate) directory: Directory,
    pub(crate) reader: LogReader,
    pub(crate) checkpoints: Checkpoints,
    pub(crate) calls: Calls,
    pub(crate) journal: angarium_journal::Journal,
    pub(crate) metrics: Metrics,
    pub(crate) clock: Clock,
}

type Saved = (Vec<WebhookId>, Result<(), CheckpointError>);
type Work<T> = Option<Pin<Box<dyn Future<Output = T> + Send>>>;

/// The actor of one partition.
pub(crate) struct Actor {
    shared: Shared,
    owned: Owned,
    partition: Partition,
    calls: FuturesUnordered<Pin<Box<dyn Future<Output = Option<CallEnd>> + Send>>>,
    reading: Work<ReadEnd>,
    saving: Work<Saved>,
    committed: Option<i64>,
    /// Whether the last checkpoint was not taken.
    redis_is_away: bool,
    told: Told,
}

impl Actor {
    /// Takes a partition over: learns what is remembered of it, and begins to read where nothing is passed that is
    /// undone.
    pub(crate) async fn take_over(mut owned: Owned, shared: Shared) -> Self {
        let (lane, number) = (shared.lane, owned.partition());
        let stored = shared.checkpoints.load(lane, number).await.unwrap_or_else(|error| {
            let error = &error as &dyn std::error::Error;
            tracing::warn!(%lane, partition = number, error, "what is done is not known: some events will be sent again");
            shared.metrics.checkpoint_failed(lane);
            Default::default()
        });
        let low = owned.watermarks().low;
        let committed = owned.committed().unwrap_or(low);
        if committed < low {
            let lost = low - committed;
            tracing::error!(
                %lane, partition = number, committed, low, lost,
                "records of the deliveries topic were removed before they were done: what their webhooks had not got by \
                 then is lost (D5)"
            );
        }
        let start = committed.max(low);
        owned.start(start);
        let config = &shared.config;
        let rules = Rules {
            group: crate::group::GroupLimit {
                events: config.max_group_events,
                bytes: config.max_group_bytes,
            },
            backoff: config.backoff,
            max_queued_bytes: config.max_queued_bytes,
        };
        tracing::info!(%lane, partition = number, start, known = stored.len(), "took a partition over");
        let (directory, now_ms) = (shared.directory.clone(), shared.clock.now_ms());
        Self {
            partition: Partition::new(lane, rules, directory, start, stored, now_ms),
            shared,
            owned,
            calls: FuturesUnordered::new(),
            reading: None,
            saving: None,
            committed: None,
            redis_is_away: false,
            told: Told::default(),
        }
    }

    /// Works until the partition is taken back or lost.
    pub(crate) async fn run(mut self) {
        let revoked = self.owned.revoked();
        let mut revoked = std::pin::pin!(revoked);
        let mut changes = self.shared.directory.changes();
        let mut checkpoint = every(self.shared.config.checkpoint_interval);
        let mut commit = every(self.shared.config.commit_interval);
        let mut records = Vec::with_capacity(LIVE_TURN);
        loop {
            self.perform();
            self.start_reading();
            let due = self.until_due();
            tokio::select! {
                () = &mut revoked => return self.hand_back().await,
                Some(Some(end)) = self.calls.next() => self.on_call_end(&end),
                end = pending(&mut self.reading) => self.on_read(end),
                saved = pending(&mut self.saving) => self.on_saved(saved),
                taken = self.owned.recv_many(&mut records, LIVE_TURN) => {
                    if taken == 0 {
                        return self.tell_lost();
                    }
                    self.on_live(&mut records);
                }
                // The sender lives as long as the directory that this actor holds.
                Ok(()) = changes.changed() => self.partition.refresh(self.shared.clock.now_ms()),
                () = sleep(due) => self.partition.tick(self.shared.clock.now_ms()),
                _ = checkpoint.tick() => self.start_saving(),
                _ = commit.tick() => self.commit(),
            }
        }
    }

    /// Does what the partition has decided.
    fn perform(&mut self) {
        for effect in self.partition.take_effects() {
            match effect {
                Effect::Call {
                    webhook,
                    target,
                    group,
                    attempt,
                } => {
                    let calls = self.shared.calls.clone();
                    let revoked = self.owned.revoked();
                    self.calls
                        .push(Box::pin(calls.make(webhook, target, group, attempt, revoked)));
                }
                Effect::Expired { webhook, events } => self.note_expired(webhook, &events),
            }
        }
    }

    fn note_expired(&self, webhook: WebhookId, events: &[Arc<Delivery>]) {
        self.shared.metrics.expired(self.shared.lane, events.len());
        tracing::warn!(%webhook, events = events.len(), "events older than 7 days were not sent");
        let entry = journal::expired(self.shared.lane, webhook, events);
        if let (Some(first), Some(entry)) = (events.first(), entry) {
            self.shared.journal.write(first.account, entry);
        }
    }

    fn on_live(&mut self, records: &mut Vec<Record>) {
        let now_ms = self.shared.clock.now_ms();
        for record in records.drain(..) {
            let offset = record.offset;
            match self.read(record) {
                Some(incoming) => self.partition.live(&incoming, now_ms),
                None => self.partition.skip(offset),
            }
        }
    }

    /// Reads a record. One that cannot be read was not written by a fanout of ours: it is counted and passed over.
    fn read(&self, record: Record) -> Option<Incoming> {
        let offset = record.offset;
        let read = || -> Result<Incoming, Box<dyn std::error::Error>> {
            let value = record.value.ok_or("it has no value")?;
            let record = DeliveryRecord::decode(value)?;
            let webhooks = convert::webhook_ids(&record)?.collect();
            Ok(Incoming {
                offset,
                delivery: Arc::new(Delivery::try_from(record)?),
                webhooks,
            })
        };
        read()
            .map_err(|error| {
                self.shared.metrics.poison(self.shared.lane);
                tracing::error!(
                    lane = %self.shared.lane, partition = self.owned.partition(), offset, error = error.as_ref(),
                    "a delivery record cannot be read and is passed over"
                );
            })
            .ok()
    }

    fn on_call_end(&mut self, end: &CallEnd) {
        let (lane, now_ms) = (self.shared.lane, self.shared.clock.now_ms());
        let verdict = match &end.result {
            Ok(answered) => {
                let retry_after = answered.retry_after.as_deref();
                classify(
                    Answer::Status {
                        code: answered.status.as_u16(),
                        retry_after,
                    },
                    now_ms,
                )
            }
            Err(error) => classify(Answer::NoAnswer(error.failure()), now_ms),
        };
        let class = verdict.error_class();
        self.shared
            .metrics
            .called(lane, class, end.duration.as_secs_f64());
        let Some(settled) = self.partition.answered(end.webhook, verdict, end.jitter, now_ms) else {
            return;
        };
        if class.is_none() {
            self.shared.metrics.delivered(lane, settled.group.items.len());
        }
        if let Some((account, entry)) = journal::attempt(lane, end, &settled, class) {
            self.told.call(lane, account, end, &settled, class, now_ms);
            self.shared.journal.write(account, entry);
        }
    }

    fn until_due(&self) -> Duration {
        /// Far enough away: the loop comes round at every checkpoint.
        const NEVER: Duration = Duration::from_secs(60);
        let wait = |due: i64| u64::try_from(due.saturating_sub(self.shared.clock.now_ms())).unwrap_or(0);
        self.partition
            .next_due()
            .map_or(NEVER, |due| Duration::from_millis(wait(due)).min(NEVER))
    }

    /// One at a time: a slow Redis delays the next checkpoint, nothing else.
    fn start_saving(&mut self) {
        if self.saving.is_none() {
            let changed = self.partition.take_changed();
            if !changed.is_empty() {
                self.saving = Some(Box::pin(self.save(changed)));
            }
        }
    }

    fn save(
        &self,
        changed: Vec<(WebhookId, Option<RetryState>)>,
    ) -> impl Future<Output = Saved> + Send + use<> {
        let (checkpoints, lane, number) = (
            self.shared.checkpoints.clone(),
            self.shared.lane,
            self.owned.partition(),
        );
        async move {
            let saved = checkpoints.save(lane, number, &changed).await;
            (changed.into_iter().map(|(id, _)| id).collect(), saved)
        }
    }

    /// An outage of Redis is told at its begin and at its end, not five times a second.
    fn on_saved(&mut self, (changed, saved): Saved) {
        let (lane, partition) = (self.shared.lane, self.owned.partition());
        match saved {
            Ok(()) if self.redis_is_away => {
                tracing::info!(%lane, partition, "checkpoints are taken again");
                self.redis_is_away = false;
            }
            Ok(()) => {}
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
                self.partition.not_saved(changed);
            }
        }
    }

    fn commit(&mut self) {
        let place = self.partition.lowest_undone();
        if self.committed != Some(place) {
            self.owned.commit(place);
            self.committed = Some(place);
        }
    }

    fn tell_lost(&self) {
        let (lane, partition) = (self.shared.lane, self.owned.partition());
        tracing::warn!(%lane, partition, "a partition was lost; another worker has it");
    }

    /// Finishes the calls under way, remembers what is done, and gives the partition back.
    async fn hand_back(mut self) {
        if self.owned.is_lost() {
            return self.tell_lost();
        }
        let deadline = Instant::now() + Patience::D1.total();
        while let Ok(Some(end)) = timeout_at(deadline, self.calls.next()).await {
            if let Some(end) = end {
                self.on_call_end(&end);
            }
            // What could be sent next is the next owner's: such a call ends before it begins.
            self.perform();
        }
        // Before Redis, which may be slow: the commit is what the next owner starts from.
        self.commit();
        if let Some(saving) = self.saving.take() {
            let saved = saving.await;
            self.on_saved(saved);
        }
        let changed = self.partition.take_changed();
        let (_, saved) = self.save(changed).await;
        if let Err(error) = saved {
            let error = &error as &dyn std::error::Error;
            tracing::warn!(lane = %self.shared.lane, error, "the last checkpoint was not taken: the next owner repeats");
        }
        self.owned.release();
    }
}

fn every(period: Duration) -> tokio::time::Interval {
    let mut interval = interval(period);
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    interval
}

/// The end of the work under way, which is then over; never, when there is none.
async fn pending<T>(work: &mut Work<T>) -> T {
    match work {
        Some(future) => {
            let output = future.await;
            *work = None;
            output
        }
        None => std::future::pending().await,
    }
}
