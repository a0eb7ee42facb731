//! Reading back by place.
//!
//! On a client of its own: on one that tails the same topic the first record would wait for the fetch that is already
//! under way, up to half a second by default, instead of less than a millisecond.

use std::time::Duration;

use angarium_runtime::Tasks;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use crate::connection::{Connection, Log, is_outage};
use crate::error::Error;
use crate::record::Record;

/// How much to read at most. One record always fits.
#[derive(Clone, Copy, Debug)]
pub struct Limit {
    /// Records.
    pub records: usize,
    /// Bytes, by [`Record::size`].
    pub bytes: usize,
}

/// What was read.
#[derive(Clone, Debug)]
pub struct Chunk {
    /// In order.
    pub records: Vec<Record>,
    /// Where to read on: everything before it has been seen. Offsets can have gaps (transaction markers, compaction),
    /// so this can be beyond the last record.
    pub next: i64,
    /// The end of the partition's log when it was read; `next == end` means that nothing is left.
    pub end: i64,
}

/// Why nothing was read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// The place is not in the log: removed by retention if below `low`, never written or truncated if above `high`.
    #[error("offset {offset} is not in the log, which holds {low} up to {high}")]
    OutOfRange {
        /// What was asked for.
        offset: i64,
        /// The first offset that can be read.
        low: i64,
        /// One past the last.
        high: i64,
    },
    /// No record came in time. Try again later.
    #[error("Kafka gave no record within {PATIENCE:?}")]
    TimedOut,
    /// Kafka does not answer. Try again later.
    #[error("Kafka cannot be read now")]
    Unavailable(#[source] KafkaError),
    /// Kafka, or its client, refused.
    #[error("Kafka refused the read")]
    Refused(#[source] KafkaError),
    /// The process is shutting down.
    #[error("the reader has ended because the process is shutting down")]
    Closed,
}

/// Reads a topic back, one request at a time. Cheap to clone; the clones share a thread and a client, which end with
/// the last of them or with the process.
#[derive(Clone, Debug)]
pub struct LogReader {
    requests: mpsc::Sender<Request>,
}

#[derive(Debug)]
struct Request {
    partition: i32,
    offset: i64,
    limit: Limit,
    reply: oneshot::Sender<Result<Chunk, ReadError>>,
}

/// How long Kafka has to answer, and to come up with the first record.
const PATIENCE: Duration = Duration::from_secs(10);
/// Requests that may wait; more wait to be sent.
const REQUESTS: usize = 16;
/// The fetch under way for another partition delays the next request so long at most.
const FETCH_WAIT: Duration = Duration::from_millis(10);
/// What is fetched ahead for the read that will probably follow.
const FETCHED_AHEAD_KIB: u32 = 4 * 1024;

impl LogReader {
    /// Makes a reader. Nothing is contacted yet. Call it inside a tokio runtime.
    ///
    /// # Errors
    /// If librdkafka refuses the settings.
    pub fn open(connection: &Connection, topic: &str, client_id: &str, tasks: &Tasks) -> Result<Self, Error> {
        let consumer: BaseConsumer<Log> = connection
            // It joins no group, but rdkafka serves records only to clients that have a name for one.
            .consumer(client_id, client_id, FETCH_WAIT, FETCHED_AHEAD_KIB)
            .set("enable.partition.eof", "true")
            .create_with_context(Log::new(client_id))
            .map_err(Error::Client)?;
        let (requests, mut queue) = mpsc::channel::<Request>(REQUESTS);
        let (runtime, shutdown) = (tokio::runtime::Handle::current(), tasks.shutdown().clone());
        let mut reader = Reader {
            consumer,
            topic: topic.to_owned(),
            at: None,
        };
        tasks.spawn_thread("kafka log reader", move || {
            let mut next = || {
                runtime.block_on(async {
                    tokio::select! {
                        biased;
                        () = shutdown.begun() => None,
                        request = queue.recv() => request,
                    }
                })
            };
            while let Some(request) = next() {
                if request.reply.is_closed() {
                    continue;
                }
                let chunk = reader.read(request.partition, request.offset, request.limit);
                if request.reply.send(chunk).is_err() {
                    tracing::debug!("whoever asked for a chunk has gone");
                }
            }
        });
        Ok(Self { requests })
    }

    /// Reads from `offset` on. To go on at a chunk's `next` is cheap: nothing is fetched twice.
    ///
    /// It answers with what is there as soon as there is anything, so a chunk can be smaller than `limit` before the
    /// end. It is empty at the end, where `next == end`.
    ///
    /// # Errors
    /// If the place is not in the log, or Kafka does not answer: see [`ReadError`].
    pub async fn read(&self, partition: i32, offset: i64, limit: Limit) -> Result<Chunk, ReadError> {
        let (reply, answer) = oneshot::channel();
        let request = Request {
            partition,
            offset,
            limit,
            reply,
        };
        self.requests
            .send(request)
            .await
            .map_err(|_closed| ReadError::Closed)?;
        answer.await.map_err(|_closed| ReadError::Closed)?
    }
}

/// The thread's side.
struct Reader {
    consumer: BaseConsumer<Log>,
    topic: String,
    /// Where the client stands, if it is assigned.
    at: Option<At>,
}

struct At {
    partition: i32,
    next: i64,
    /// A record that did not fit into the chunk before.
    kept: Option<Record>,
}

impl Reader {
    fn read(&mut self, partition: i32, offset: i64, limit: Limit) -> Result<Chunk, ReadError> {
        let (low, end) = self.watermarks(partition)?;
        if offset < low || offset > end {
            return Err(ReadError::OutOfRange {
                offset,
                low,
                high: end,
            });
        }
        let mut chunk = Chunk {
            records: Vec::new(),
            next: offset,
            end,
        };
        if offset == end {
            return Ok(chunk);
        }
        let filled = self.fill(partition, limit, &mut chunk);
        // At the end the client would ask the broker for more all the time; after an error, who knows where it stands.
        if filled.is_err() || chunk.next >= end {
            self.at = None;
            self.consumer.unassign().map_err(ReadError::Refused)?;
        }
        filled.map(|()| chunk)
    }

    fn fill(&mut self, partition: i32, limit: Limit, chunk: &mut Chunk) -> Result<(), ReadError> {
        let goes_on = self
            .at
            .as_ref()
            .is_some_and(|at| at.partition == partition && at.next == chunk.next);
        // Whether the client was placed after `end` was asked for: then "nothing more" means that `end` is reached.
        let mut placed = !goes_on;
        let mut at = match self.at.take() {
            Some(at) if goes_on => at,
            _ => self.place(partition, chunk.next)?,
        };
        let deadline = Instant::now() + PATIENCE;
        let mut bytes = 0;
        while chunk.next < chunk.end && chunk.records.len() < limit.records.max(1) {
            let found = match at.kept.take() {
                Some(record) => Found::Record(record),
                None if chunk.records.is_empty() => self.poll(partition, deadline)?,
                None => self.poll(partition, Instant::now())?,
            };
            match found {
                Found::Record(record) if record.offset < chunk.next => {}
                Found::Record(record) => {
                    bytes += record.size();
                    if bytes > limit.bytes && !chunk.records.is_empty() {
                        at.kept = Some(record);
                        break;
                    }
                    chunk.next = record.offset + 1;
                    chunk.records.push(record);
                }
                Found::End if placed => chunk.next = chunk.end,
                Found::End if chunk.records.is_empty() => {
                    // An earlier end: the log has grown since.
                    at = self.place(partition, chunk.next)?;
                    placed = true;
                }
                Found::End | Found::Nothing => break,
            }
        }
        at.next = chunk.next;
        self.at = Some(at);
        if chunk.records.is_empty() && chunk.next < chunk.end {
            Err(ReadError::TimedOut)
        } else {
            Ok(())
        }
    }

    fn place(&self, partition: i32, offset: i64) -> Result<At, ReadError> {
        let mut list = TopicPartitionList::new();
        let assigned = list
            .add_partition_offset(&self.topic, partition, Offset::Offset(offset))
            .and_then(|()| self.consumer.assign(&list));
        assigned.map_err(ReadError::Refused)?;
        Ok(At {
            partition,
            next: offset,
            kept: None,
        })
    }

    fn poll(&self, partition: i32, deadline: Instant) -> Result<Found, ReadError> {
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.consumer.poll(left) {
                // Also after an event that is not for us, so look at the time.
                None if left.is_zero() => return Ok(Found::Nothing),
                None => {}
                Some(Ok(message)) => return Ok(Found::Record(Record::copied(&message))),
                Some(Err(KafkaError::PartitionEOF(ended))) if ended == partition => return Ok(Found::End),
                Some(Err(error)) => self.trouble(partition, error)?,
            }
        }
    }

    /// Outages are waited out: they have the read's own deadline.
    fn trouble(&self, partition: i32, error: KafkaError) -> Result<(), ReadError> {
        match error.rdkafka_error_code() {
            Some(code) if is_outage(code) => Ok(()),
            Some(RDKafkaErrorCode::AutoOffsetReset) => {
                let (low, high) = self.watermarks(partition)?;
                // The place was in the log a moment ago, so retention has just overtaken us.
                Err(ReadError::OutOfRange {
                    offset: low.saturating_sub(1),
                    low,
                    high,
                })
            }
            _ if matches!(error, KafkaError::PartitionEOF(_)) => Ok(()),
            _ => Err(ReadError::Refused(error)),
        }
    }

    fn watermarks(&self, partition: i32) -> Result<(i64, i64), ReadError> {
        let answer: KafkaResult<(i64, i64)> =
            self.consumer.fetch_watermarks(&self.topic, partition, PATIENCE);
        answer.map_err(|error| match error.rdkafka_error_code() {
            Some(code) if is_outage(code) => ReadError::Unavailable(error),
            _ => ReadError::Refused(error),
        })
    }
}

enum Found {
    Record(Record),
    /// The client has reached an end of the partition.
    End,
    Nothing,
}
