//! What someone is to be told of a webhook: the notices topic, from which mails are made (D4).

use std::time::Duration;

use angarium_kafka::topics::Names;
use angarium_kafka::{Ack, Outgoing, ProduceError, Producer, SendError};
use angarium_model::{AccountId, Lane, WebhookId};
use angarium_proto::convert::lane_to_wire;
use angarium_proto::notice::v1::NoticeRecord;
use angarium_proto::notice::v1::notice_record::Notice;
use angarium_runtime::Clock;
use prost::Message as _;
use tokio::time::sleep;

use crate::metrics::Metrics;

/// Before a notice that must be on record is tried again, for which there was no room.
const NO_ROOM: Duration = Duration::from_millis(100);

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
}

impl Notices {
    pub(crate) fn new(producer: Producer, names: &Names, clock: Clock, metrics: Metrics) -> Self {
        Self {
            producer,
            topic: names.notices().to_owned(),
            clock,
            metrics,
        }
    }

    /// Writes it some time, or counts it as dropped: nothing waits for it.
    pub(crate) fn tell(&self, about: About, notice: Notice) {
        if self.send(about, notice).is_err() {
            self.metrics.notice_dropped(about.lane);
        }
    }

    /// Returns when it is on record.
    ///
    /// # Errors
    /// When the producer has failed for good.
    pub(crate) async fn record(&self, about: About, notice: Notice) -> Result<(), NotRecorded> {
        loop {
            match self.send(about, notice.clone()) {
                Ok(ack) => {
                    ack.await?;
                    return Ok(());
                }
                Err(SendError::QueueFull) => sleep(NO_ROOM).await,
                Err(error) => return Err(error.into()),
            }
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

/// A notice cannot be put on record.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NotRecorded {
    #[error("the notice was not queued")]
    NotQueued(#[from] SendError),
    #[error("the notices topic did not take it")]
    NotWritten(#[from] ProduceError),
}
