//! The writers: one per partition, one write at a time.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use angarium_kafka::{Outgoing, Producer, partition_of};
use angarium_model::Revision;
use angarium_proto::convert::{Secrets, account_to_wire, webhook_to_wire};
use angarium_proto::registry::v1;
use angarium_runtime::{Tasks, chain};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, timeout};

use crate::plan::{Plan, Write};
use crate::record::{Entity, Key};
use crate::refusal::Refusal;
use crate::store::Store;
use crate::{Config, Error};

/// Cheap handle to the writers. They end when the last handle is gone.
#[derive(Clone, Debug)]
pub(crate) struct Writers {
    queues: Arc<[mpsc::Sender<Command>]>,
    partitions: NonZeroU32,
    patience: Duration,
}

/// A write that waits for its turn.
#[derive(Debug)]
struct Command {
    write: Write,
    /// From then on nobody should wait for it any more.
    deadline: Instant,
    reply: oneshot::Sender<Result<Stored, Refusal>>,
}

/// What a write left behind, at its revision; nothing after a deletion.
#[derive(Debug)]
pub(crate) struct Stored {
    entity: Option<Entity>,
    new_secret: bool,
}

impl Stored {
    pub(crate) fn account(&self) -> Option<v1::Account> {
        match &self.entity {
            Some(Entity::Account(account)) => Some(account_to_wire(account)),
            _ => None,
        }
    }

    /// The webhook, with its secret if this write set it.
    pub(crate) fn webhook(&self) -> Option<v1::Webhook> {
        let secrets = if self.new_secret {
            Secrets::Include
        } else {
            Secrets::Omit
        };
        match &self.entity {
            Some(Entity::Webhook(webhook)) => Some(webhook_to_wire(webhook, secrets)),
            _ => None,
        }
    }
}

impl Writers {
    /// Starts a writer for each partition.
    pub(crate) fn start(
        config: &Config,
        topic: &str,
        partitions: NonZeroU32,
        producer: &Producer,
        store: &Arc<Store>,
        tasks: &Tasks,
    ) -> Self {
        let start = |partition| {
            let (sender, queue) = mpsc::channel(config.max_waiting.get());
            let writer = Writer {
                topic: topic.to_owned(),
                partition,
                producer: producer.clone(),
                store: Arc::clone(store),
                read_back: config.write_timeout,
                settled: false,
            };
            tasks.spawn_critical("registry writer", writer.run(queue));
            sender
        };
        let queues = (0_i32..)
            .zip(0..partitions.get())
            .map(|(partition, _)| start(partition))
            .collect();
        Self {
            queues,
            partitions,
            patience: config.write_timeout,
        }
    }

    /// Writes, and answers once it is read back. What has been handed over happens even if the caller goes away.
    pub(crate) async fn write(&self, write: Write) -> Result<Stored, Refusal> {
        let partition = partition_of(write.account().to_string().as_bytes(), self.partitions);
        let queue = usize::try_from(partition).ok().and_then(|at| self.queues.get(at));
        let (reply, answer) = oneshot::channel();
        let command = Command {
            write,
            deadline: Instant::now() + self.patience,
            reply,
        };
        let Some(queue) = queue else {
            return Err(Refusal::NotWritten);
        };
        match queue.try_send(command) {
            Ok(()) => {}
            Err(mpsc::error::TrySendError::Full(_)) => return Err(Refusal::Busy),
            Err(mpsc::error::TrySendError::Closed(_)) => return Err(Refusal::NotWritten),
        }
        // A writer that ended in the middle of it has told nobody how far it got.
        answer.await.unwrap_or(Err(Refusal::Unknown))
    }
}

/// Writes one partition.
#[derive(Debug)]
struct Writer {
    topic: String,
    partition: i32,
    producer: Producer,
    store: Arc<Store>,
    read_back: Duration,
    /// Whether the state holds all that this writer has appended. It does not know at the beginning, and after a
    /// write that was not acknowledged or not read back in time.
    settled: bool,
}

impl Writer {
    /// Takes writes until no handle is left.
    ///
    /// # Errors
    /// When the producer has failed for good.
    async fn run(mut self, mut queue: mpsc::Receiver<Command>) -> Result<(), Error> {
        // Makes the connection too, so that the first caller need not wait for it. If it fails, the next write tries.
        self.settle().await.ok();
        while let Some(Command {
            write,
            deadline,
            reply,
        }) = queue.recv().await
        {
            let outcome = if Instant::now() < deadline {
                self.write(write).await
            } else {
                Err(Refusal::NotWritten)
            };
            // The caller may have gone; what was written stays.
            reply.send(outcome).ok();
            if self.producer.is_fatal() {
                return Err(Error::Producer);
            }
        }
        Ok(())
    }

    async fn write(&mut self, write: Write) -> Result<Stored, Refusal> {
        self.settle().await?;
        match self.store.read(|state| write.plan(state))? {
            Plan::Record {
                key,
                entity,
                new_secret,
            } => {
                let value = entity.as_ref().map(Entity::encode);
                let offset = self.append(key, value.as_deref()).await?;
                let revision = Revision::from_offset(offset);
                Ok(Stored {
                    entity: entity.map(|entity| entity.at(revision)),
                    new_secret,
                })
            }
            Plan::Unchanged(entity) => Ok(Stored {
                entity: Some(entity),
                new_secret: false,
            }),
        }
    }

    /// Makes sure that the state holds everything appended before. A record whose acknowledgement was missed is in
    /// front of the barrier or will never be in the topic: the producer is idempotent, so nothing of it can come late.
    async fn settle(&mut self) -> Result<(), Refusal> {
        if !self.settled {
            self.append(Key::Barrier, None)
                .await
                .map_err(|_barrier_only| Refusal::NotWritten)?;
        }
        Ok(())
    }

    /// Appends a record and waits until the reader has met it; says where it is.
    async fn append(&mut self, key: Key, value: Option<&[u8]>) -> Result<i64, Refusal> {
        let key = key.to_string();
        let outgoing = Outgoing {
            topic: &self.topic,
            partition: self.partition,
            key: key.as_bytes(),
            value,
            headers: &[],
        };
        let sent = self.producer.send(outgoing).map_err(|error| {
            tracing::warn!(
                key,
                partition = self.partition,
                error = chain(&error),
                "a write was not sent to Kafka"
            );
            Refusal::NotWritten
        })?;
        self.settled = false;
        let acked = sent.await.map_err(|error| {
            tracing::warn!(
                key,
                partition = self.partition,
                error = chain(&error),
                "Kafka did not acknowledge a write"
            );
            Refusal::Unknown
        })?;
        let reached = self.store.reached(self.partition, acked.offset);
        timeout(self.read_back, reached)
            .await
            .map_err(|_elapsed| Refusal::Unknown)?;
        self.settled = true;
        Ok(acked.offset)
    }
}
