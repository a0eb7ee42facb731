//! Following a whole topic.

use std::collections::BTreeMap;
use std::time::Duration;

use angarium_runtime::{Shutdown, Tasks};
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use tokio::runtime::Handle;
use tokio::sync::mpsc;

use crate::connection::{Connection, Log, ends};
use crate::error::Error;
use crate::record::Record;

/// Where to begin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum From {
    /// At the oldest record of each partition.
    Beginning,
    /// At what is written from now on.
    End,
    /// At these offsets; at the oldest record of a partition that has none here, or whose offset is not in the log.
    Places(BTreeMap<i32, i64>),
}

impl From {
    /// Where a partition begins whose log has these ends.
    fn within(&self, partition: i32, (low, high): Ends) -> i64 {
        match self {
            Self::Beginning => low,
            Self::End => high,
            Self::Places(places) => {
                let place = places.get(&partition).copied();
                place.filter(|place| (low..=high).contains(place)).unwrap_or(low)
            }
        }
    }
}

/// What a [`Tail`] tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TailEvent {
    /// A record; in order within its partition.
    Record(Record),
    /// Told once: every partition has reached the end that it had when the tail began.
    CaughtUp,
}

/// Follows all partitions of a topic, through outages too. Dropping this handle changes nothing; the tail ends with the
/// process, by [`close`](Self::close), or when the receiver of its events is dropped.
#[derive(Debug)]
pub struct Tail {
    closing: Shutdown,
}

/// Events that may wait for the receiver; then the thread waits, and librdkafka's own queue fills.
const EVENTS: usize = 1_024;
const FETCH_WAIT: Duration = Duration::from_millis(100);
const FETCHED_AHEAD_KIB: u32 = 16 * 1024;
/// The longest sleep in `poll`, and so how late the thread sees that it should end.
const TURN: Duration = Duration::from_millis(100);
/// How long Kafka has for a question, and the pause before it is asked again.
const PATIENCE: Duration = Duration::from_secs(5);
const ASK_AGAIN: Duration = Duration::from_secs(1);

impl Tail {
    /// Begins to follow `topic`, as soon as Kafka can be reached and the topic exists. Call it inside a tokio runtime.
    ///
    /// # Errors
    /// If librdkafka refuses the settings.
    pub fn open(
        connection: &Connection,
        topic: &str,
        from: From,
        client_id: &str,
        tasks: &Tasks,
    ) -> Result<(Self, mpsc::Receiver<TailEvent>), Error> {
        let consumer: BaseConsumer<Log> = connection
            // It joins no group, but rdkafka serves records only to clients that have a name for one.
            .consumer(client_id, client_id, FETCH_WAIT, FETCHED_AHEAD_KIB)
            .set("enable.partition.eof", "true")
            .create_with_context(Log::new(client_id))
            .map_err(Error::Client)?;
        let closing = tasks.shutdown().child();
        let (events, receiver) = mpsc::channel(EVENTS);
        let worker = Worker {
            consumer,
            topic: topic.to_owned(),
            events,
            closing: closing.clone(),
            runtime: Handle::current(),
            positions: BTreeMap::new(),
            awaited: BTreeMap::new(),
        };
        tasks.spawn_thread("kafka tail", move || worker.run(&from));
        Ok((Self { closing }, receiver))
    }

    /// Ends it soon.
    pub fn close(&self) {
        self.closing.begin();
    }
}

struct Worker {
    consumer: BaseConsumer<Log>,
    topic: String,
    events: mpsc::Sender<TailEvent>,
    closing: Shutdown,
    runtime: Handle,
    /// The next offset of each partition.
    positions: BTreeMap<i32, i64>,
    /// The ends that are still to be reached.
    awaited: BTreeMap<i32, i64>,
}

/// The first offset of a partition, and one past its last.
type Ends = (i64, i64);

impl Worker {
    fn run(mut self, from: &From) {
        let Some(ends) = self.insist(|worker| worker.all_ends()) else {
            return;
        };
        for (partition, (low, high)) in ends {
            let position = from.within(partition, (low, high));
            self.positions.insert(partition, position);
            if position < high {
                self.awaited.insert(partition, high);
            }
        }
        self.assign();
        let mut told = false;
        while !self.is_closing() {
            if !told && self.awaited.is_empty() {
                told = true;
                self.tell(TailEvent::CaughtUp);
            }
            match self.consumer.poll(TURN) {
                None => {}
                Some(Ok(message)) => self.pass_on(Record::copied(&message)),
                // Placed after the ends were asked for, so this end is not before the one that is awaited.
                Some(Err(KafkaError::PartitionEOF(partition))) => {
                    self.awaited.remove(&partition);
                }
                Some(Err(error)) if error.rdkafka_error_code() == Some(RDKafkaErrorCode::AutoOffsetReset) => {
                    self.put_right();
                }
                // The log has it already, through the context. librdkafka goes on when the brokers are back.
                Some(Err(_)) => {}
            }
        }
    }

    fn is_closing(&self) -> bool {
        self.closing.has_begun() || self.events.is_closed()
    }

    fn pass_on(&mut self, record: Record) {
        let (partition, next) = (record.partition, record.offset + 1);
        self.positions.insert(partition, next);
        self.tell(TailEvent::Record(record));
        if self.awaited.get(&partition).is_some_and(|end| next >= *end) {
            self.awaited.remove(&partition);
        }
    }

    /// Waits for room. If the receiver has gone, or we are to end, the event is of no use to anybody.
    fn tell(&self, event: TailEvent) {
        let Err(mpsc::error::TrySendError::Full(event)) = self.events.try_send(event) else {
            return;
        };
        self.runtime.block_on(async {
            tokio::select! {
                () = self.closing.begun() => {}
                _ = self.events.send(event) => {}
            }
        });
    }

    /// Asks until Kafka answers; `None` if we are to end before.
    fn insist<T>(&self, ask: impl Fn(&Self) -> KafkaResult<T>) -> Option<T> {
        while !self.is_closing() {
            match ask(self) {
                Ok(answer) => return Some(answer),
                Err(error) => {
                    tracing::warn!(topic = self.topic, %error, "cannot follow the topic yet; asking again")
                }
            }
            self.runtime.block_on(async {
                tokio::select! {
                    () = self.closing.begun() => {}
                    () = tokio::time::sleep(ASK_AGAIN) => {}
                }
            });
        }
        None
    }

    fn all_ends(&self) -> KafkaResult<BTreeMap<i32, Ends>> {
        let metadata = self.consumer.fetch_metadata(None, PATIENCE)?;
        let topic = metadata.topics().iter().find(|topic| topic.name() == self.topic);
        let topic = topic.ok_or(KafkaError::MetadataFetch(RDKafkaErrorCode::UnknownTopic))?;
        let partitions = topic.partitions().iter().map(|partition| partition.id());
        partitions
            .map(|partition| Ok((partition, self.ends(partition)?)))
            .collect()
    }

    fn ends(&self, partition: i32) -> KafkaResult<Ends> {
        ends(&self.consumer, &self.topic, partition, PATIENCE)
    }

    /// A place is gone: goes on at the oldest record of each partition for which that is so.
    fn put_right(&mut self) {
        let Some(ends) = self.insist(|worker| worker.all_ends()) else {
            return;
        };
        for (partition, position) in &mut self.positions {
            let Some((low, high)) = ends.get(partition) else {
                continue;
            };
            if !(*low..=*high).contains(position) {
                let topic = self.topic.as_str();
                tracing::error!(
                    topic,
                    partition,
                    position,
                    low,
                    high,
                    "not in the log: reading on from its start"
                );
                *position = *low;
            }
        }
        self.assign();
    }

    fn assign(&self) {
        let mut list = TopicPartitionList::new();
        let assigned = self
            .positions
            .iter()
            .try_for_each(|(partition, offset)| {
                list.add_partition_offset(&self.topic, *partition, Offset::Offset(*offset))
            })
            .and_then(|()| self.consumer.assign(&list));
        if let Err(error) = assigned {
            tracing::error!(topic = self.topic, %error, "librdkafka refused to assign partitions");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_that_is_not_in_the_log_any_more_gives_way_to_the_oldest_record() {
        let from = From::Places(BTreeMap::from([(0, 7), (1, 2), (2, 99)]));
        let begins = |partition| from.within(partition, (5, 10));
        assert_eq!([begins(0), begins(1), begins(2), begins(3)], [7, 5, 5, 5]);
    }
}
