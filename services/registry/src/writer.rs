//! The writer of a partition: keeps out who wrote before it, then writes what waits as one.
//!
//! It takes the partition over in three steps: it fences the writer before it, so that nothing of that one can come
//! any more; it appends its claim; and it waits until the reader has met the claim, so that the state holds all that was
//! ever written. Only then it takes writes, and after any trouble it begins anew: so the state that a write is checked
//! against is always all there is.
//!
//! What is written is told in the audit log by the same transaction: neither is there without the other.
//!
//! One transaction carries the writes that wait, at most one a home: every rule speaks of one home, or of one external id, so each of
//! them is checked against what is read back, and none against another of the same transaction. Reads of what is current
//! go along. A refusal is answered
//! behind a transaction as well: else one who has been followed, and does not know it, would refuse by what was.

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use angarium_kafka::{Connection, Outgoing, TransactionError, TransactionalConfig, TransactionalProducer};
use angarium_model::Revision;
use angarium_runtime::{Clock, chain};
use tokio::sync::oneshot;
use tokio::time::{Instant, interval, sleep, timeout};

use crate::audit::Change;
use crate::election::Mandate;
use crate::home::Home;
use crate::plan::{Plan, Rules, Write};
use crate::queue::{Command, Queue};
use crate::record::{Claim, Entity, Key};
use crate::refusal::Refusal;
use crate::seal::{SealError, SealKeys};
use crate::sessions::Sessions;
use crate::store::Store;
use crate::writers::{Door, Stored};

/// The most writes in one transaction.
const MAX_BATCH: usize = 256;
/// How often it is looked for webhooks whose deletion is final: from when the writer begins.
const CLEAR_EVERY: Duration = Duration::from_mins(1);
/// Before the partition is taken over anew after a failure.
const PAUSE: Duration = Duration::from_millis(200);

/// Writes one partition.
#[derive(Debug)]
pub(crate) struct Writer {
    pub(crate) connection: Connection,
    pub(crate) topic: String,
    /// Where it is written who changed what.
    pub(crate) audit: String,
    pub(crate) client_id: String,
    /// What this registry says of itself.
    pub(crate) claim: Claim,
    /// How long Kafka has for a transaction, and then the reader to meet it.
    pub(crate) timeout: Duration,
    /// How many writes may wait.
    pub(crate) max_waiting: usize,
    pub(crate) rules: Rules,
    /// By which deleted webhooks go for good.
    pub(crate) clock: Clock,
    pub(crate) keys: SealKeys,
    pub(crate) store: Arc<Store>,
    pub(crate) sessions: Arc<Sessions>,
    pub(crate) door: Door,
}

/// A write that has been checked, and whom to tell.
struct Planned {
    plan: Result<Plan, Refusal>,
    /// What is told of it in the audit log: of what goes along with it, then of itself.
    changes: Vec<Change>,
    reply: oneshot::Sender<Result<Stored, Refusal>>,
}

/// The key and the value of a record; without a value it removes the key.
type Keyed = (String, Option<Vec<u8>>);

/// Why a writer has to take its partition over anew.
#[derive(Debug, thiserror::Error)]
enum Interrupted {
    #[error("it cannot be taken over")]
    NotFenced(#[from] angarium_kafka::Error),
    #[error("a transaction failed")]
    Transaction(#[from] TransactionError),
    #[error("a secret cannot be sealed")]
    NotSealed(#[from] SealError),
    #[error("what was written is not read back")]
    NotReadBack,
}

impl Writer {
    /// Writes until the mandate ends.
    pub(crate) async fn run(self, mut mandate: Mandate) {
        let partition = mandate.partition;
        loop {
            let interrupted = tokio::select! {
                biased;
                () = mandate.ended() => return,
                taken = self.take_over(partition) => match taken {
                    Ok(producer) => self.serve(&producer, &mut mandate).await,
                    Err(error) => Err(error),
                },
            };
            match interrupted {
                Ok(()) => return,
                Err(Interrupted::Transaction(error)) if error.is_fenced() => tracing::warn!(
                    partition,
                    "another registry has taken over a partition that this one writes: taking it back"
                ),
                Err(error) => tracing::warn!(
                    partition,
                    error = chain(&error),
                    "the registry cannot write a partition; trying again"
                ),
            }
            tokio::select! {
                () = mandate.ended() => return,
                () = sleep(PAUSE) => {}
            }
        }
    }

    async fn take_over(&self, partition: i32) -> Result<TransactionalProducer, Interrupted> {
        let config = TransactionalConfig {
            client_id: self.client_id.clone(),
            transactional_id: format!("{}-writer-{partition}", self.topic),
            timeout: self.timeout,
        };
        let begun = Instant::now();
        let producer = TransactionalProducer::fence(&self.connection, &config).await?;
        let claim = Entity::Writer(self.claim.clone());
        let claim = [(Key::Writer.to_string(), Some(claim.encode(&self.keys)?))];
        let places = self.append(&producer, partition, (&claim, &[])).await?;
        tracing::info!(
            partition,
            epoch = places.first(),
            took = ?begun.elapsed(),
            "this registry writes a partition"
        );
        Ok(producer)
    }

    /// Takes writes while the mandate lasts.
    async fn serve(
        &self,
        producer: &TransactionalProducer,
        mandate: &mut Mandate,
    ) -> Result<(), Interrupted> {
        let (open, mut queue) = Queue::new(self.max_waiting);
        // Behind the claim, by which others have learnt to follow this registry.
        self.sessions.begins_to_write(mandate.partition);
        self.door.open(open, mandate.lease());
        let mut waiting = VecDeque::new();
        let mut clearing = interval(CLEAR_EVERY);
        let outcome = loop {
            tokio::select! {
                biased;
                () = mandate.ended() => break Ok(()),
                _ = clearing.tick() => match self.clear(producer, mandate.partition).await {
                    Ok(()) => continue,
                    Err(interrupted) => break Err(interrupted),
                },
                // What waits has its turn at once.
                () = std::future::ready(()), if !waiting.is_empty() => {}
                command = queue.recv() => waiting.extend(command),
            }
            while waiting.len() < self.max_waiting
                && let Ok(command) = queue.try_recv()
            {
                if command.write.goes_ahead() {
                    waiting.push_front(command);
                } else {
                    waiting.push_back(command);
                }
            }
            let batch = self.plan(&mut waiting);
            if let Err(interrupted) = self.write(producer, mandate.partition, batch).await {
                break Err(interrupted);
            }
        };
        self.door.close();
        // Who comes too late, or waits still, looks for the next writer.
        queue.close();
        while let Ok(command) = queue.try_recv() {
            waiting.push_back(command);
        }
        for command in waiting {
            command.reply.send(Err(Refusal::NotWriter)).ok();
        }
        outcome
    }

    /// Removes for good what was deleted long enough ago, and external ids that are kept for nobody.
    async fn clear(&self, producer: &TransactionalProducer, partition: i32) -> Result<(), Interrupted> {
        let now_ms = self.clock.now_ms();
        let gone: Vec<Keyed> = self.store.read(|state| {
            let here = |home| state.partition_of(home) == partition;
            let deleted = state
                .gone(now_ms)
                .filter(|deleted| here(Home::Account(deleted.webhook.account)))
                .map(|deleted| Key::Deleted(deleted.webhook.id));
            let lapsed = here(Home::Platform).then(|| state.lapsed(now_ms));
            let lapsed = lapsed.into_iter().flatten();
            let lapsed = lapsed.map(|reservation| Key::ExternalId(reservation.external_id.clone()));
            let gone = lapsed.chain(deleted).take(MAX_BATCH);
            gone.map(|key| (key.to_string(), None)).collect()
        });
        if gone.is_empty() {
            return Ok(());
        }
        self.append(producer, partition, (&gone, &[])).await.map(drop)
    }

    /// Takes the writes that go together, and checks them against the state; of reads, all: however many there are, one
    /// transaction is behind them. What is left waits for the next turn, in order.
    fn plan(&self, waiting: &mut VecDeque<Command>) -> Vec<Planned> {
        let (now, now_ms) = (Instant::now(), self.clock.now_ms());
        let mut turns = HashSet::new();
        let mut batch = Vec::new();
        let mut rest = VecDeque::new();
        self.store.read(|state| {
            for mut command in waiting.drain(..) {
                let is_read = matches!(command.write, Write::Read(_));
                let is_late = command.until_ms.is_some_and(|until_ms| until_ms <= now_ms);
                if command.deadline <= now || is_late {
                    command.reply.send(Err(Refusal::NotWritten)).ok();
                } else if is_read || (turns.len() < MAX_BATCH && turns.insert(command.write.turn())) {
                    command.begins();
                    let (home, method) = (command.write.home(), command.write.method());
                    let plan = command.write.plan(state, self.rules, command.by);
                    let changes = plan
                        .as_ref()
                        .map(|plan| Change::all(state, plan, (command.by.actor, home, method)))
                        .unwrap_or_default();
                    batch.push(Planned {
                        plan,
                        changes,
                        reply: command.reply,
                    });
                } else {
                    rest.push_back(command);
                }
            }
        });
        *waiting = rest;
        batch
    }

    /// Writes a batch and answers it.
    async fn write(
        &self,
        producer: &TransactionalProducer,
        partition: i32,
        mut batch: Vec<Planned>,
    ) -> Result<(), Interrupted> {
        if batch.is_empty() {
            return Ok(());
        }
        let (mut records, mut changes) = (Vec::new(), Vec::new());
        for planned in &mut batch {
            if let Ok(Plan::Record {
                key, entity, along, ..
            }) = &planned.plan
            {
                match entity
                    .as_ref()
                    .map(|entity| entity.encode(&self.keys))
                    .transpose()
                {
                    Ok(value) => {
                        records.extend(along.iter().map(|key| (key.to_string(), None)));
                        records.push((key.to_string(), value));
                        changes.extend(
                            planned
                                .changes
                                .iter()
                                .map(Change::encode)
                                .map(|(key, value)| (key, Some(value))),
                        );
                    }
                    Err(error) => planned.plan = Err(Refusal::NotSealed(error)),
                }
            }
        }
        if records.is_empty() {
            records.push((Key::Barrier.to_string(), None));
        }
        // The callers may have gone; what was written stays.
        match self.append(producer, partition, (&records, &changes)).await {
            Ok(places) => {
                let mut places = places.into_iter();
                for planned in batch {
                    planned
                        .reply
                        .send(planned.plan.and_then(|plan| stored(plan, partition, &mut places)))
                        .ok();
                }
                Ok(())
            }
            Err(interrupted) => {
                for planned in batch {
                    planned.reply.send(Err(interrupted.refusal(&planned.plan))).ok();
                }
                Err(interrupted)
            }
        }
    }

    /// Appends records, and what is told of them, as one, and waits until the reader has met them; says where they are.
    async fn append(
        &self,
        producer: &TransactionalProducer,
        partition: i32,
        (records, changes): (&[Keyed], &[Keyed]),
    ) -> Result<Vec<i64>, Interrupted> {
        let records_out = records
            .iter()
            .map(|(key, value)| outgoing(&self.topic, partition, key, value.as_deref()));
        let changes_out = changes
            .iter()
            .map(|(key, value)| outgoing(&self.audit, partition, key, value.as_deref()));
        let outgoing: Vec<_> = records_out.chain(changes_out).collect();
        let acked = producer.write(&outgoing).await?;
        let places: Vec<i64> = acked
            .iter()
            .take(records.len())
            .map(|acked| acked.offset)
            .collect();
        let last = places.last().copied().unwrap_or_default();
        timeout(self.timeout, self.store.reached(partition, last))
            .await
            .map_err(|_elapsed| Interrupted::NotReadBack)?;
        Ok(places)
    }
}

const fn outgoing<'a>(topic: &'a str, partition: i32, key: &'a str, value: Option<&'a [u8]>) -> Outgoing<'a> {
    Outgoing {
        topic,
        partition,
        key: key.as_bytes(),
        value,
        headers: &[],
    }
}

/// What a write left behind, of which the record is at the next of these places.
fn stored(plan: Plan, partition: i32, places: &mut impl Iterator<Item = i64>) -> Result<Stored, Refusal> {
    match plan {
        Plan::Record {
            entity, shown, along, ..
        } => {
            // What is removed along with it comes before it.
            let offset = places.nth(along.len()).ok_or(Refusal::Unknown)?;
            let entity = entity.map(|entity| entity.at(Revision::from_offset(offset)));
            Ok(Stored {
                entity,
                shown,
                is_new: true,
                place: (partition, offset),
            })
        }
        Plan::Unchanged { entity, shown } => {
            let offset = entity.revision().offset();
            Ok(Stored {
                entity: Some(entity),
                shown,
                is_new: false,
                place: (partition, offset),
            })
        }
    }
}

impl Interrupted {
    /// What the caller of a write is told that was under way.
    fn refusal(&self, plan: &Result<Plan, Refusal>) -> Refusal {
        let may_be_written = match self {
            Self::NotFenced(_) | Self::NotSealed(_) | Self::Transaction(TransactionError::NotWritten(_)) => {
                false
            }
            Self::Transaction(TransactionError::Unknown(_)) | Self::NotReadBack => true,
        };
        match plan {
            Ok(Plan::Record { .. }) if may_be_written => Refusal::Unknown,
            _ => Refusal::NotWritten,
        }
    }
}
