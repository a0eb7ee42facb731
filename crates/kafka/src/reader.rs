//! Reading back by place.
//!
//! On a client of its own: on one that tails the same topic the first record would wait for the fetch that is already
//! under way, up to half a second by default, instead of less than a millisecond.

use std::time::Duration;

use angarium_runtime::Tasks;
use rdkafka::Message as _;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use crate::connection::{Connection, Log, ends, is_outage};
use crate::error::Error;
use crate::group::Watermarks;
use crate::record::Record;

/// How much to read at most. One record always fits.
#[derive(Clone, Copy, Debug)]
pub struct Limit {
    /// Records, those that are passed over included.
    pub records: usize,
    /// Bytes of those that are not, by [`Record::size`].
    pub bytes: usize,
}

/// Which records are of use, by their values.
type Use = Box<dyn Fn(Option<&[u8]>) -> bool + Send>;

/// What was read.
#[derive(Clone, Debug)]
pub struct Chunk {
    /// In order.
    pub records: Vec<Record>,
    /// How many there are with those that were passed over.
    pub seen: usize,
    /// Where to read on: everything before it has been seen. Offsets can have gaps (transaction markers, compaction),
    /// so this can be beyond the last record.
    pub next: i64,
    /// The end of the partition's log: where it was a moment ago if `next` has reached it, which means that nothing is
    /// left, else where it was when reading last jumped to a place.
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
    /// The topic has no such partition.
    #[error("there is no such partition")]
    NoPartition,
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

/// Where the answer goes.
type Reply<T> = oneshot::Sender<Result<T, ReadError>>;

enum Request {
    Read {
        partition: i32,
        offset: i64,
        limit: Limit,
        of_use: Use,
        reply: Reply<Chunk>,
    },
    Ends {
        partition: i32,
        reply: Reply<Watermarks>,
    },
    At {
        partition: i32,
        at_ms: i64,
        reply: Reply<i64>,
    },
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
                reader.serve(request);
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
        self.read_those(partition, offset, limit, |_value| true).await
    }

    /// The same, and passes over the records whose value is of no use: they are not copied, and cost next to nothing
    /// beside their way from Kafka. It is asked on the reader's thread.
    ///
    /// # Errors
    /// As for [`read`](Self::read).
    pub async fn read_those(
        &self,
        partition: i32,
        offset: i64,
        limit: Limit,
        of_use: impl Fn(Option<&[u8]>) -> bool + Send + 'static,
    ) -> Result<Chunk, ReadError> {
        self.ask(|reply| Request::Read {
            partition,
            offset,
            limit,
            of_use: Box::new(of_use),
            reply,
        })
        .await
    }

    /// The record at an offset, if there is one.
    ///
    /// # Errors
    /// If Kafka does not answer.
    pub async fn record(&self, partition: i32, offset: i64) -> Result<Option<Record>, ReadError> {
        const ONE: Limit = Limit { records: 1, bytes: 0 };
        match self.read(partition, offset, ONE).await {
            Ok(chunk) => Ok(chunk.records.into_iter().find(|record| record.offset == offset)),
            Err(ReadError::OutOfRange { .. } | ReadError::NoPartition) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Some records from an offset on, or from where the log begins, and where to go on; `None` at the end.
    ///
    /// # Errors
    /// If Kafka does not answer.
    pub async fn some(
        &self,
        partition: i32,
        offset: i64,
        limit: Limit,
    ) -> Result<Option<(Vec<Record>, i64)>, ReadError> {
        match self.read(partition, offset, limit).await {
            Ok(chunk) if chunk.next > offset => Ok(Some((chunk.records, chunk.next))),
            Ok(_) => Ok(None),
            Err(ReadError::OutOfRange { low, .. }) if offset < low => Ok(Some((Vec::new(), low))),
            Err(ReadError::OutOfRange { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The ends of a partition's log now.
    ///
    /// # Errors
    /// As for [`read`](Self::read), but for [`ReadError::OutOfRange`].
    pub async fn ends(&self, partition: i32) -> Result<Watermarks, ReadError> {
        self.ask(|reply| Request::Ends { partition, reply }).await
    }

    /// The offset of the first record that was written at this time or later, by the broker's clock in Unix
    /// milliseconds; the end of the log if there is none.
    ///
    /// # Errors
    /// As for [`ends`](Self::ends).
    pub async fn offset_at(&self, partition: i32, at_ms: i64) -> Result<i64, ReadError> {
        self.ask(|reply| Request::At {
            partition,
            at_ms,
            reply,
        })
        .await
    }

    async fn ask<T>(&self, request: impl FnOnce(Reply<T>) -> Request) -> Result<T, ReadError> {
        let (reply, answer) = oneshot::channel();
        self.requests
            .send(request(reply))
            .await
            .map_err(|_closed| ReadError::Closed)?;
        answer.await.map_err(|_closed| ReadError::Closed)?
    }
}

/// The thread's side.
struct Reader {
    consumer: BaseConsumer<Log>,
    topic: String,
    /// Where the client stands, if there is more to read from there.
    at: Option<At>,
}

struct At {
    partition: i32,
    next: i64,
    /// The end of the log when the client was placed.
    end: i64,
    /// A record that did not fit into the chunk before.
    kept: Option<Record>,
}

enum Found {
    Record(Record),
    /// One that is of no use, at this offset.
    Passed(i64),
    /// The client has come to an end of the partition, up to this offset: everything before it has been seen.
    End(i64),
    Nothing,
}

impl Reader {
    fn serve(&mut self, request: Request) {
        let is_told = match request {
            Request::Read { reply, .. } if reply.is_closed() => false,
            Request::Read {
                partition,
                offset,
                limit,
                of_use,
                reply,
            } => reply.send(self.read(partition, offset, limit, &of_use)).is_ok(),
            Request::Ends { partition, reply } => {
                let ends = self.watermarks(partition);
                reply
                    .send(ends.map(|(low, high)| Watermarks { low, high }))
                    .is_ok()
            }
            Request::At {
                partition,
                at_ms,
                reply,
            } => reply.send(self.offset_at(partition, at_ms)).is_ok(),
        };
        if !is_told {
            tracing::debug!("whoever asked has gone");
        }
    }

    fn read(&mut self, partition: i32, offset: i64, limit: Limit, of_use: &Use) -> Result<Chunk, ReadError> {
        // Taken in any case: once the client is placed elsewhere, or its reading fails, it stands there no more.
        let mut at = match self.at.take() {
            Some(at) if at.partition == partition && at.next == offset => at,
            _ => self.place(partition, offset)?,
        };
        let (records, seen) = self.fill(&mut at, limit, of_use)?;
        if at.next < at.end {
            let chunk = Chunk {
                records,
                seen,
                next: at.next,
                end: at.end,
            };
            self.at = Some(at);
            return Ok(chunk);
        }
        // Left at the end, the client would ask the broker for more all the time. If the log has grown meanwhile, the
        // next read places the client anew: what it tells of an end is about the old one.
        self.consumer.unassign().map_err(ReadError::Refused)?;
        let end = if seen == 0 {
            at.end
        } else {
            self.watermarks(partition)?.1
        };
        Ok(Chunk {
            records,
            seen,
            next: at.next,
            end,
        })
    }

    /// Makes the client fetch from `offset` on.
    fn place(&self, partition: i32, offset: i64) -> Result<At, ReadError> {
        let (low, end) = self.watermarks(partition)?;
        if !(low..=end).contains(&offset) {
            return Err(ReadError::OutOfRange {
                offset,
                low,
                high: end,
            });
        }
        if offset < end {
            self.assign(partition, offset)?;
        }
        Ok(At {
            partition,
            next: offset,
            end,
            kept: None,
        })
    }

    fn assign(&self, partition: i32, offset: i64) -> Result<(), ReadError> {
        let mut list = TopicPartitionList::new();
        let assigned = list
            .add_partition_offset(&self.topic, partition, Offset::Offset(offset))
            .and_then(|()| self.consumer.assign(&list));
        assigned.map_err(ReadError::Refused)
    }

    /// Reads what fits into `limit`, and what is there without waiting after the first record. How many records were seen
    /// comes along.
    fn fill(&self, at: &mut At, limit: Limit, of_use: &Use) -> Result<(Vec<Record>, usize), ReadError> {
        let deadline = Instant::now() + PATIENCE;
        let (mut records, mut bytes, mut seen) = (Vec::new(), 0, 0);
        while at.next < at.end && seen < limit.records.max(1) {
            let found = match at.kept.take() {
                // Whoever asked before may have had use for it.
                Some(record) if of_use(record.value.as_deref()) => Ok(Found::Record(record)),
                Some(record) => Ok(Found::Passed(record.offset)),
                None if seen == 0 => self.poll(at, deadline, of_use),
                None => self.poll(at, Instant::now(), of_use),
            };
            match found {
                Ok(Found::Record(record)) => {
                    bytes += record.size();
                    if bytes > limit.bytes && !records.is_empty() {
                        at.kept = Some(record);
                        break;
                    }
                    at.next = record.offset + 1;
                    seen += 1;
                    records.push(record);
                }
                Ok(Found::Passed(offset)) => {
                    at.next = offset + 1;
                    seen += 1;
                }
                // Passes what is no record, such as the marker of a transaction, and skips nothing: an end that comes
                // too early moves us no further than the client has come.
                Ok(Found::End(seen)) => at.next = at.next.max(seen.min(at.end)),
                Ok(Found::Nothing) if seen == 0 => return Err(ReadError::TimedOut),
                Err(error) if seen == 0 => return Err(error),
                // The next read meets it again.
                Ok(Found::Nothing) | Err(_) => break,
            }
        }
        Ok((records, seen))
    }

    fn poll(&self, at: &At, deadline: Instant, of_use: &Use) -> Result<Found, ReadError> {
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.consumer.poll(left) {
                // Also after an event that is not for us, so look at the time.
                None if left.is_zero() => return Ok(Found::Nothing),
                None => {}
                // Fetched before the client was placed.
                Some(Ok(message)) if message.partition() != at.partition || message.offset() < at.next => {}
                Some(Ok(message)) if of_use(message.payload()) => {
                    return Ok(Found::Record(Record::copied(&message)));
                }
                Some(Ok(message)) => return Ok(Found::Passed(message.offset())),
                Some(Err(KafkaError::PartitionEOF(ended))) if ended == at.partition => {
                    return Ok(Found::End(self.position(at)?));
                }
                Some(Err(error)) => self.trouble(at, error)?,
            }
        }
    }

    /// One past what the client has handed out or passed since it was placed; where that was if it is nothing yet.
    fn position(&self, at: &At) -> Result<i64, ReadError> {
        let positions = self.consumer.position().map_err(ReadError::Refused)?;
        let position = positions.find_partition(&self.topic, at.partition);
        Ok(match position.map(|position| position.offset()) {
            Some(Offset::Offset(next)) => next,
            _ => at.next,
        })
    }

    /// Outages are waited out: they have the read's own deadline.
    fn trouble(&self, at: &At, error: KafkaError) -> Result<(), ReadError> {
        match error.rdkafka_error_code() {
            _ if matches!(error, KafkaError::PartitionEOF(_)) => Ok(()),
            Some(code) if is_outage(code) => Ok(()),
            // It was there when the client was placed: retention has overtaken us, or the log was truncated.
            Some(RDKafkaErrorCode::AutoOffsetReset) => {
                let (low, high) = self.watermarks(at.partition)?;
                Err(ReadError::OutOfRange {
                    offset: at.next,
                    low,
                    high,
                })
            }
            _ => Err(ReadError::Refused(error)),
        }
    }

    fn offset_at(&self, partition: i32, at_ms: i64) -> Result<i64, ReadError> {
        let mut list = TopicPartitionList::new();
        list.add_partition_offset(&self.topic, partition, Offset::Offset(at_ms))
            .map_err(ReadError::Refused)?;
        let found = self
            .consumer
            .offsets_for_times(list, PATIENCE)
            .map_err(not_read)?;
        let found = found.find_partition(&self.topic, partition);
        match found.map(|found| (found.error(), found.offset())) {
            Some((Ok(()), Offset::Offset(offset))) => Ok(offset),
            Some((Err(error), _)) => Err(not_read(error)),
            _ => Ok(self.watermarks(partition)?.1),
        }
    }

    fn watermarks(&self, partition: i32) -> Result<(i64, i64), ReadError> {
        let answer = ends(&self.consumer, &self.topic, partition, PATIENCE);
        answer.map_err(not_read)
    }
}

fn not_read(error: KafkaError) -> ReadError {
    match error.rdkafka_error_code() {
        Some(code) if is_outage(code) => ReadError::Unavailable(error),
        Some(RDKafkaErrorCode::UnknownPartition | RDKafkaErrorCode::UnknownTopicOrPartition) => {
            ReadError::NoPartition
        }
        _ => ReadError::Refused(error),
    }
}
