//! Who had what sent again: told in the audit log before it is done, so that nothing is done untold.

use std::num::NonZeroU32;
use std::sync::Arc;

use angarium_kafka::topics::{self, Names};
use angarium_kafka::{Connection, Outgoing, Producer, partition_of};
use angarium_model::{AccountId, Actor};
use angarium_proto::audit::v1::audit_record::Asked;
use angarium_proto::audit::v1::{self, AuditRecord};
use prost::Message as _;
use tokio::sync::OnceCell;
use tokio::time::timeout;

use super::PATIENCE;
use super::refusal::Refusal;
use super::request::Subject;

/// Writes the audit log. Cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct Trail {
    kafka: Connection,
    topic: String,
    producer: Producer,
    partitions: Arc<OnceCell<NonZeroU32>>,
}

/// What is told.
#[derive(Clone, Debug)]
pub(super) struct Told {
    pub(super) by: Actor,
    pub(super) asked: Asked,
}

impl Trail {
    pub(super) fn new(kafka: &Connection, names: &Names, producer: Producer) -> Self {
        Self {
            kafka: kafka.clone(),
            topic: names.audit().to_owned(),
            producer,
            partitions: Arc::default(),
        }
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
        let ack = sent.map_err(|_error| Refusal::NotTold)?;
        let acked = timeout(PATIENCE, ack).await;
        match acked {
            Ok(Ok(_acked)) => Ok(()),
            Ok(Err(_)) | Err(_) => Err(Refusal::NotTold),
        }
    }
}

fn record(subject: Subject, Told { by, asked }: Told) -> AuditRecord {
    let kind = match by {
        Actor::Operator => v1::actor::Kind::OperatorKey(v1::OperatorKey {}),
        Actor::Key(id) => v1::actor::Kind::ApiKeyId(id.to_string()),
    };
    let method = match asked {
        Asked::ReplayWebhook(_) => "ReplayWebhook",
        Asked::CancelReplay(_) => "CancelReplay",
        Asked::ResendEvent(_) => "ResendEvent",
    };
    AuditRecord {
        actor: Some(v1::Actor { kind: Some(kind) }),
        account_id: Some(AccountId::get(subject.account)),
        method: method.to_owned(),
        subject: format!("webhook/{}", subject.webhook),
        before: None,
        after: None,
        asked: Some(asked),
    }
}
