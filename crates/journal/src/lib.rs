//! The journal: what became of each event, for people. It is written here, and read back ([`accepted`], [`matched`], [`list`]).
//!
//! Fanout and delivery hand over what happened and go on; one task writes it with a producer of its own. It is best
//! effort: what does not fit the queue, or is not taken by Kafka, is counted and forgotten, so that the journal never
//! holds up an event. It carries ids, positions and reasons, never payloads or secrets.

mod list;
mod past;

use std::collections::VecDeque;
use std::num::NonZeroU32;
use std::time::Duration;

use angarium_kafka::topics::{self, Names};
use angarium_kafka::{Ack, Connection, Error, Outgoing, Producer, ProducerConfig, partition_of};
use angarium_model::AccountId;
use angarium_proto::journal::v1::JournalRecord;
use angarium_proto::journal::v1::journal_record::Entry;
use angarium_runtime::metrics::Definition;
use angarium_runtime::{Clock, Tasks};
use futures::FutureExt;
use opentelemetry::KeyValue;
use opentelemetry::metrics::Counter;
use prost::Message;
use tokio::sync::mpsc;

pub use list::{Listed, Rest, Wanted, list, speaks_of_event};
pub use past::{Accepted, accepted, matched};

/// Entries that may wait for the writer.
const MAX_QUEUED: usize = 10_000;
/// Records that may wait for Kafka, and the memory they may take.
const MAX_IN_FLIGHT: usize = 20_000;
const MAX_IN_FLIGHT_KIB: usize = 16 * 1024;
/// After that a record is given up: nobody waits for it.
const DELIVERY_TIMEOUT: Duration = Duration::from_secs(30);
/// Records wait so long for others, to share a request: nobody waits for them, and requests are what a broker works for.
const LINGER: Duration = Duration::from_millis(100);
/// How long Kafka has for the last records when the process ends.
const LAST_FLUSH: Duration = Duration::from_secs(3);
/// How long to wait for Kafka to say how many partitions the journal has.
const METADATA_TIMEOUT: Duration = Duration::from_secs(10);

const DROPPED: Definition = Definition::counter(
    "angarium.journal.dropped",
    "{record}",
    &["error.type"],
    "Journal records that were not written: the queue was full (`queue_full`), or Kafka did not take them (`failed`)",
);

/// What is measured here.
pub const METRICS: &[Definition] = &[DROPPED];

/// A handle on the writer. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Journal {
    queue: mpsc::Sender<(AccountId, Entry)>,
    dropped: Counter<u64>,
}

impl Journal {
    /// Starts the writer; it ends when the last handle is dropped.
    ///
    /// # Errors
    /// When Kafka does not tell the journal's partitions within 10 s, or refuses the producer's settings.
    pub async fn start(
        connection: &Connection,
        names: Names,
        client_id: &str,
        clock: Clock,
        tasks: &Tasks,
    ) -> Result<Self, Error> {
        let partitions = topics::partitions(connection, names.journal(), METADATA_TIMEOUT).await?;
        let producer = Producer::open(
            connection,
            &ProducerConfig {
                client_id: format!("{client_id}-journal"),
                max_queued: MAX_IN_FLIGHT,
                max_queued_kib: MAX_IN_FLIGHT_KIB,
                delivery_timeout: Some(DELIVERY_TIMEOUT),
                gapless: false,
                linger: LINGER,
            },
        )?;
        let dropped = DROPPED.count();
        // There from the start: a rise from nothing is seen by no alert.
        for why in [Dropped::QueueFull, Dropped::Failed] {
            count(&dropped, 0, why);
        }
        let (queue, incoming) = mpsc::channel(MAX_QUEUED);
        let dropped_by_writer = dropped.clone();
        let writer = Writer {
            producer,
            names,
            partitions,
            clock,
            dropped: dropped_by_writer,
            pending: VecDeque::new(),
        };
        tasks.spawn("journal", writer.run(incoming));
        Ok(Self { queue, dropped })
    }

    /// Writes it some time, or counts it as dropped.
    pub fn write(&self, account: AccountId, entry: Entry) {
        if self.queue.try_send((account, entry)).is_err() {
            count(&self.dropped, 1, Dropped::QueueFull);
        }
    }
}

/// Why a journal record was not written.
#[derive(Clone, Copy, Debug)]
enum Dropped {
    QueueFull,
    Failed,
}

fn count(dropped: &Counter<u64>, records: u64, why: Dropped) {
    let reason = match why {
        Dropped::QueueFull => "queue_full",
        Dropped::Failed => "failed",
    };
    dropped.add(records, &[KeyValue::new("error.type", reason)]);
}

struct Writer {
    producer: Producer,
    names: Names,
    partitions: NonZeroU32,
    clock: Clock,
    dropped: Counter<u64>,
    /// Reports to come, oldest first; as many as the producer's queue can hold.
    pending: VecDeque<Ack>,
}

impl Writer {
    async fn run(mut self, mut incoming: mpsc::Receiver<(AccountId, Entry)>) {
        while let Some((account, entry)) = incoming.recv().await {
            self.write(account, entry);
            self.count_failures();
        }
        if self.producer.flush(LAST_FLUSH).await.is_err() {
            tracing::warn!("the journal's last records were not acknowledged in time");
        }
        self.count_failures();
    }

    fn write(&mut self, account: AccountId, entry: Entry) {
        let topic = if is_success(&entry) {
            self.names.journal_ok()
        } else {
            self.names.journal()
        };
        let key = account.to_string();
        let record = JournalRecord {
            account_id: account.get(),
            at_ms: self.clock.now_ms(),
            entry: Some(entry),
        };
        let sent = self.producer.send(Outgoing {
            topic,
            partition: partition_of(key.as_bytes(), self.partitions),
            key: key.as_bytes(),
            value: Some(&record.encode_to_vec()),
            headers: &[],
        });
        match sent {
            Ok(ack) => self.pending.push_back(ack),
            Err(error) => {
                tracing::debug!(%error, "a journal record was dropped");
                count(&self.dropped, 1, Dropped::QueueFull);
            }
        }
    }

    fn count_failures(&mut self) {
        while let Some(report) = self.pending.front_mut().and_then(FutureExt::now_or_never) {
            self.pending.pop_front();
            if let Err(error) = report {
                tracing::debug!(%error, "Kafka did not take a journal record");
                count(&self.dropped, 1, Dropped::Failed);
            }
        }
    }
}

/// Successes are many and soon of no interest: they have a topic of their own, kept for a day (DESIGN §3).
fn is_success(entry: &Entry) -> bool {
    matches!(entry, Entry::Attempt(attempt) if attempt.error_class.is_empty())
}
