//! Who had what sent again: told in the audit log before it is done, so that nothing is done untold.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use angarium_kafka::topics::{self, Names};
use angarium_kafka::{Connection, Outgoing, ProduceError, Producer, ProducerConfig, SendError, partition_of};
use angarium_model::{AccountId, Actor};
use angarium_proto::audit::v1::AuditRecord;
use angarium_proto::audit::v1::audit_record::Asked;
use angarium_proto::convert::actor_to_wire;
use prost::Message as _;
use tokio::sync::OnceCell;

use super::PATIENCE;
use super::refusal::Refusal;
use super::request::Subject;
use crate::error::Error;

/// Kafka takes what is told within this, or nothing is done.
const WITHIN: Duration = Duration::from_secs(5);
/// What may wait for it: nobody asks for more at once.
const MAX_QUEUED: usize = 1_000;
const MAX_QUEUED_KIB: usize = 1_024;

/// Why it was not told.
#[derive(Debug, thiserror::Error)]
pub(super) enum NotTold {
    #[error("the record cannot be sent")]
    Send(#[from] SendError),
    #[error("Kafka did not take the record")]
    Produce(#[from] ProduceError),
}

/// Writes the audit log, with a producer of its own: what waits here holds up no event. Cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct Trail {
    kafka: Connection,
    topic: String,
    producer: Producer,
    partitions: Arc<OnceCell<NonZeroU32>>,
}

/// What is told: of no more than what was checked.
#[derive(Clone, Debug)]
pub(super) struct Told {
    pub(super) by: Actor,
    pub(super) asked: Asked,
}

impl Trail {
    /// # Errors
    /// If librdkafka refuses the settings.
    pub(super) fn open(kafka: &Connection, names: &Names, client_id: &str) -> Result<Self, Error> {
        let config = ProducerConfig {
            client_id: format!("{client_id}-audit"),
            max_queued: MAX_QUEUED,
            max_queued_kib: MAX_QUEUED_KIB,
            delivery_timeout: Some(WITHIN),
            gapless: false,
            linger: Duration::from_millis(1),
        };
        Ok(Self {
            kafka: kafka.clone(),
            topic: names.audit().to_owned(),
            producer: Producer::open(kafka, &config)?,
            partitions: Arc::default(),
        })
    }

    /// Tells what someone asks for; resolves once Kafka has it.
    pub(super) async fn tell(&self, subject: Subject, told: Told) -> Result<(), Refusal> {
        let ask = || topics::partitions(&self.kafka, &self.topic, PATIENCE);
        let partitions = self.partitions.get_or_try_init(ask).await;
        let partitions = partitions.map_err(|error| Refusal::Topics(Box::new(error)))?;
        let key = subject.account.to_string();
        let sent = self.producer.send(Outgoing {
            topic: &self.topic,
            partition: partition_of(key.as_bytes(), *partitions),
            key: key.as_bytes(),
            value: Some(&record(subject, told).encode_to_vec()),
            headers: &[],
        });
        // It ends within its time.
        let acked = sent.map_err(NotTold::from)?.await;
        acked.map_err(NotTold::from)?;
        Ok(())
    }
}

fn record(subject: Subject, Told { by, asked }: Told) -> AuditRecord {
    let method = match asked {
        Asked::ReplayWebhook(_) => "ReplayWebhook",
        Asked::CancelReplay(_) => "CancelReplay",
        Asked::ResendEvent(_) => "ResendEvent",
    };
    AuditRecord {
        actor: Some(actor_to_wire(by)),
        account_id: Some(AccountId::get(subject.account)),
        method: method.to_owned(),
        subject: format!("webhook/{}", subject.webhook),
        before: None,
        after: None,
        asked: Some(asked),
    }
}

#[cfg(test)]
mod tests {
    use angarium_model::{KeyId, WebhookId};
    use angarium_proto::audit::v1;
    use angarium_proto::delivery::v1::{CancelReplayRequest, ReplayWebhookRequest, ResendEventRequest};

    use super::*;

    #[test]
    fn a_record_says_who_asks_for_what_of_which_webhook() {
        let subject = Subject {
            account: AccountId::new(7).unwrap(),
            webhook: WebhookId::from_bytes([1; 16]),
        };
        for (asked, method) in [
            (
                Asked::ReplayWebhook(ReplayWebhookRequest::default()),
                "ReplayWebhook",
            ),
            (
                Asked::CancelReplay(CancelReplayRequest::default()),
                "CancelReplay",
            ),
            (Asked::ResendEvent(ResendEventRequest::default()), "ResendEvent"),
        ] {
            let by = Actor::Key(KeyId::from_bytes([2; 16]));
            let told = record(
                subject,
                Told {
                    by,
                    asked: asked.clone(),
                },
            );
            assert_eq!((told.method.as_str(), told.account_id), (method, Some(7)));
            assert_eq!(told.subject, format!("webhook/wh_{}", "01".repeat(16)));
            let key = v1::actor::Kind::ApiKeyId(format!("ak_{}", "02".repeat(16)));
            assert_eq!(told.actor.unwrap().kind, Some(key));
            assert_eq!((told.before, told.after, told.asked), (None, None, Some(asked)));
        }
    }
}
