//! What someone is to be told of a webhook: the notices topic, from which mails are made (D4).

use std::time::Duration;

use angarium_kafka::topics::Names;
use angarium_kafka::{Ack, Outgoing, ProduceError, Producer, SendError};
use angarium_model::{AccountId, Lane, WebhookId};
use angarium_proto::convert::lane_to_wire;
use angarium_proto::notice::v1::NoticeRecord;
use angarium_proto::notice::v1::notice_record::Notice;
use angarium_runtime::{Clock, Shutdown, Tasks};
use prost::Message as _;
use tokio::sync::mpsc;
use tokio::time::sleep;

use crate::metrics::Metrics;

/// Before a notice that must be on record is tried again, for which there was no room.
const NO_ROOM: Duration = Duration::from_millis(100);
/// Before one is tried again that Kafka did not take.
const AGAIN: Duration = Duration::from_secs(1);
/// Notices whose acknowledgement is awaited, only to count those that were lost.
const MAX_TOLD: usize = 10_000;

/// Whom a notice is about.
#[derive(Clone, Copy, Debug)]
pub(crate) struct About {
    pub(crate) account: AccountId,
    pub(crate) webhook: WebhookId,
    pub(crate) lane: Lane,
    /// Of its deliveries, and so of its notices.
    pub(crate) partition: i32,
}

/// The notices topic. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Notices {
    producer: Producer,
    topic: String,
    clock: Clock,
    metrics: Metrics,
    told: mpsc::Sender<(Lane, Ack)>,
}

impl Notices {
    pub(crate) fn start(
        producer: Producer,
        names: &Names,
        clock: Clock,
        metrics: Metrics,
        tasks: &Tasks,
    ) -> Self {
        let (told, acks) = mpsc::channel(MAX_TOLD);
        tasks.spawn("notices", count(acks, metrics.clone(), tasks.shutdown().clone()));
        Self {
            producer,
            topic: names.notices().to_owned(),
            clock,
            metrics,
            told,
        }
    }

    /// Writes it some time, or counts it as dropped: nothing waits for it.
    pub(crate) fn tell(&self, about: About, notice: Notice) {
        match self.send(about, notice) {
            // If too many are awaited, what becomes of this one is not looked at.
            Ok(ack) => drop(self.told.try_send((about.lane, ack))),
            Err(error) => {
                tracing::debug!(webhook = %about.webhook, %error, "a notice was not written");
                self.metrics.notice_dropped(about.lane);
            }
        }
    }

    /// Returns when it is on record: what Kafka does not take is tried again, for as long as it may take.
    ///
    /// # Errors
    /// When the producer has failed for good.
    pub(crate) async fn record(&self, about: About, notice: Notice) -> Result<(), NotRecorded> {
        let mut is_told = false;
        loop {
            let error = match self.send(about, notice.clone()) {
                Ok(ack) => match ack.await {
                    Ok(_acked) => return Ok(()),
                    Err(error @ ProduceError::Fatal(_)) => return Err(error.into()),
                    Err(error) => NotRecorded::from(error),
                },
                Err(SendError::QueueFull) => {
                    sleep(NO_ROOM).await;
                    continue;
                }
                Err(error @ SendError::Fatal(_)) => return Err(error.into()),
                Err(error) => error.into(),
            };
            if !std::mem::replace(&mut is_told, true) {
                let error = &error as &dyn std::error::Error;
                tracing::error!(
                    webhook = %about.webhook, topic = self.topic, error,
                    "a notice that must be on record is not taken: an event that is put aside waits for it, and holds up its \
                     webhook; of one that was switched off nobody is told. Trying again; `angarium topics apply` makes the \
                     topic if it is not there"
                );
            }
            sleep(AGAIN).await;
        }
    }

    fn send(&self, about: About, notice: Notice) -> Result<Ack, SendError> {
        let webhook_id = about.webhook.to_string();
        let record = NoticeRecord {
            account_id: about.account.get(),
            webhook_id: webhook_id.clone(),
            lane: lane_to_wire(about.lane).into(),
            at_ms: self.clock.now_ms(),
            notice: Some(notice),
        };
        self.producer.send(Outgoing {
            topic: &self.topic,
            partition: about.partition,
            key: webhook_id.as_bytes(),
            value: Some(&record.encode_to_vec()),
            headers: &[],
        })
    }
}

/// Counts notices that Kafka did not take.
async fn count(mut acks: mpsc::Receiver<(Lane, Ack)>, metrics: Metrics, shutdown: Shutdown) {
    let lost = async {
        while let Some((lane, ack)) = acks.recv().await {
            if let Err(error) = ack.await {
                tracing::debug!(%lane, %error, "a notice was not written");
                metrics.notice_dropped(lane);
            }
        }
    };
    tokio::select! {
        () = shutdown.begun() => {}
        () = lost => {}
    }
}

/// A notice cannot be put on record.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NotRecorded {
    #[error("the notice was not queued")]
    NotQueued(#[from] SendError),
    #[error("the notices topic did not take it")]
    NotWritten(#[from] ProduceError),
}
