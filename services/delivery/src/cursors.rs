//! The cursors topic: claims, reading a partition's sets, appending to the own one.

use angarium_kafka::topics::Names;
use angarium_kafka::{
    Ack, Acked, Connection, Limit, LogReader, Outgoing, ProduceError, Producer, ProducerConfig, ReadError,
    SendError,
};
use angarium_model::Lane;
use angarium_proto::delivery::v1::cursor_record::Entry;
use angarium_proto::delivery::v1::{Claim, CursorRecord};
use angarium_runtime::Tasks;
use prost::Message as _;
use std::time::Duration;

use crate::cursor::{Found, Key, Sets};
use crate::error::Error;

/// Records that may wait for Kafka, all partitions of this worker together; what comes beyond waits with its actor.
const MAX_QUEUED: usize = 100_000;
const MAX_QUEUED_KIB: usize = 64 * 1024;
/// What one read of a takeover brings at most.
const READ: Limit = Limit {
    records: 10_000,
    bytes: 4 * 1024 * 1024,
};

/// The cursors topic. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Cursors {
    producer: Producer,
    reader: LogReader,
    topic: String,
    worker: String,
}

/// A takeover did not get on.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TakeoverError {
    #[error("the claim was not queued")]
    NotQueued(#[from] SendError),
    #[error("the cursors topic did not take a record")]
    NotWritten(#[from] ProduceError),
    #[error("the cursors topic cannot be read")]
    NotRead(#[from] ReadError),
    #[error(
        "{0} records of this partition's cursors cannot be read: a newer version wrote them, or something else did. \
         Nothing is sent before they are gone, for what they say would be lost: run the version that wrote them, or \
         remove them with a record without a value"
    )]
    Unreadable(usize),
}

impl TakeoverError {
    /// Whether trying again has no hope in this process.
    pub(crate) fn is_fatal(&self) -> bool {
        matches!(
            self,
            Self::NotQueued(SendError::Fatal(_)) | Self::NotWritten(ProduceError::Fatal(_))
        )
    }
}

impl Cursors {
    /// The producer of what must be on record before an event counts as done: cursors, and dead letters.
    ///
    /// # Errors
    /// If librdkafka refuses the settings.
    pub(crate) fn producer(kafka: &Connection, client_id: &str) -> Result<Producer, Error> {
        let config = ProducerConfig {
            client_id: format!("{client_id}-records"),
            max_queued: MAX_QUEUED,
            max_queued_kib: MAX_QUEUED_KIB,
            // What is not on record holds the place: waiting is right.
            delivery_timeout: None,
            gapless: false,
            linger: Duration::from_millis(1),
        };
        Ok(Producer::open(kafka, &config)?)
    }

    /// Prepares to use the topic; it need not be reachable yet.
    ///
    /// # Errors
    /// If librdkafka refuses the settings.
    pub(crate) fn open(
        kafka: &Connection,
        names: &Names,
        client_id: &str,
        producer: Producer,
        tasks: &Tasks,
    ) -> Result<Self, Error> {
        let topic = names.cursors().to_owned();
        Ok(Self {
            producer,
            reader: LogReader::open(kafka, &topic, &format!("{client_id}-cursors-reader"), tasks)?,
            topic,
            worker: client_id.to_owned(),
        })
    }

    /// Claims a partition: the offset of the claim is the epoch.
    pub(crate) async fn claim(
        &self,
        lane: Lane,
        partition: i32,
        now_ms: i64,
    ) -> Result<Acked, TakeoverError> {
        let claim = Entry::Claim(Claim {
            worker: self.worker.clone(),
            at_ms: now_ms,
        });
        Ok(self.append(partition, Key::Claim(lane), Some(claim))?.await?)
    }

    /// Reads all sets of a lane's partition, up to the claim at least.
    pub(crate) async fn read(&self, lane: Lane, partition: i32, claim: i64) -> Result<Sets, TakeoverError> {
        let mut sets = Sets::new(lane);
        let mut next = 0;
        while next <= claim {
            let chunk = match self.reader.read(partition, next, READ).await {
                Ok(chunk) => chunk,
                // Compaction keeps what counts, but not the offset where the log began.
                Err(ReadError::OutOfRange { offset, low, .. }) if offset < low => {
                    next = low;
                    continue;
                }
                Err(error) => return Err(error.into()),
            };
            for record in &chunk.records {
                sets.read(record.offset, &record.key, record.value.as_deref());
            }
            next = chunk.next;
        }
        match sets.unreadable() {
            0 => Ok(sets),
            count => Err(TakeoverError::Unreadable(count)),
        }
    }

    /// The set of the owner of a lane's partition, as it is on record now.
    pub(crate) async fn found(&self, lane: Lane, partition: i32) -> Result<Found, TakeoverError> {
        let end = self.reader.ends(partition).await?.high;
        let sets = self.read(lane, partition, end - 1).await?;
        Ok(sets.found().unwrap_or_default())
    }

    /// Queues a record; no entry: a tombstone.
    pub(crate) fn append(&self, partition: i32, key: Key, entry: Option<Entry>) -> Result<Ack, SendError> {
        let value = entry.map(|entry| CursorRecord { entry: Some(entry) }.encode_to_vec());
        self.producer.send(Outgoing {
            topic: &self.topic,
            partition,
            key: key.to_string().as_bytes(),
            value: value.as_deref(),
            headers: &[],
        })
    }
}
