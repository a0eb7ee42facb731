//! What Kafka's clients measure of themselves: librdkafka tells it every few seconds, and what all clients of this process told last
//! is summed when metrics are read.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use angarium_runtime::metrics::{Definition, figure, figure_of};
use opentelemetry::KeyValue;
use opentelemetry::metrics::Counter;
use rdkafka::Statistics;

const GROUP: &str = "messaging.consumer.group.name";
const TOPIC: &str = "messaging.destination.name";
const TYPE: &str = "angarium.kafka.client";

const LAG: Definition = Definition::gauge(
    "angarium.kafka.consumer.lag",
    "{record}",
    &[GROUP, TOPIC],
    "Records of the partitions of this process that are not committed: a place is committed behind all that came of it. Every 5 s",
);
const LAG_TIME: Definition = Definition::gauge(
    "angarium.kafka.consumer.lag.time",
    "s",
    &[GROUP, TOPIC],
    "Age of the record that was read last, of the partition of this process where it is greatest and any is not committed; 0 when all is",
);
const CLIENTS: Definition = Definition::gauge(
    "angarium.kafka.clients",
    "{client}",
    &[TYPE],
    "Clients of Kafka in this process: `producer` or `consumer`",
);
const CUT_OFF: Definition = Definition::gauge(
    "angarium.kafka.clients.cut_off",
    "{client}",
    &[TYPE],
    "Of those, how many have no connection to any broker",
);
const RTT: Definition = Definition::gauge(
    "angarium.kafka.request.p99",
    "s",
    &[TYPE],
    "The time that brokers took for an answer, for 99 of 100, of the client where it is greatest, in the last 5 s. Of consumers it includes \
     the wait for records",
);
const QUEUED: Definition = Definition::gauge(
    "angarium.kafka.producer.queued",
    "{record}",
    &[],
    "Records that wait in this process for Kafka to take them",
);
const QUEUED_BYTES: Definition = Definition::gauge(
    "angarium.kafka.producer.queued.size",
    "By",
    &[],
    "What these records hold in memory",
);
const MISPLACED: Definition = Definition::counter(
    "angarium.kafka.consumer.misplaced",
    "{occurrence}",
    &[GROUP, TOPIC],
    "Partitions whose next record was no longer in the log while they were read: retention had taken it, or the topic was cut or created \
     anew. Reading went on from the start of the log",
);
const ERRORS: Definition = Definition::counter(
    "angarium.kafka.errors",
    "{error}",
    &["error.type"],
    "Troubles that Kafka's clients told of, by librdkafka's name of them; while a broker is away, one an attempt",
);

/// All of it.
pub const METRICS: &[Definition] = &[
    LAG,
    LAG_TIME,
    CLIENTS,
    CUT_OFF,
    RTT,
    QUEUED,
    QUEUED_BYTES,
    MISPLACED,
    ERRORS,
];

/// How often librdkafka tells: it costs some JSON of each client.
pub(crate) const EVERY_MS: &str = "5000";

/// What one client told last; it is gone when this is dropped.
#[derive(Debug)]
pub(crate) struct Told {
    id: u64,
    errors: Counter<u64>,
    misplaced: Counter<u64>,
    /// Of each partition, when the record was written that was read last: Unix milliseconds.
    newest: Mutex<HashMap<i32, i64>>,
}

/// What is kept of it.
#[derive(Clone, Debug, Default)]
struct Client {
    is_producer: bool,
    is_cut_off: bool,
    p99: Duration,
    queued: u64,
    queued_bytes: u64,
    lags: BTreeMap<(String, String), Lag>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Lag {
    records: u64,
    age_ms: i64,
}

type Board = Mutex<HashMap<u64, Client>>;

fn board() -> MutexGuard<'static, HashMap<u64, Client>> {
    static BOARD: OnceLock<Board> = OnceLock::new();
    let board = BOARD.get_or_init(|| {
        observe();
        Board::default()
    });
    board.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Told {
    pub(crate) fn new() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        // Measured from the first client on.
        drop(board());
        Self {
            id: NEXT.fetch_add(1, Ordering::Relaxed),
            errors: ERRORS.count(),
            misplaced: MISPLACED.count(),
            newest: Mutex::default(),
        }
    }

    /// An error that librdkafka told.
    pub(crate) fn error(&self, name: String) {
        self.errors.add(1, &[KeyValue::new("error.type", name)]);
    }

    /// Of so many partitions the next record was not in the log; 0 tells that it may happen.
    pub(crate) fn misplaced(&self, group: &str, topic: &str, partitions: u64) {
        let labels = [
            KeyValue::new(GROUP, group.to_owned()),
            KeyValue::new(TOPIC, topic.to_owned()),
        ];
        self.misplaced.add(partitions, &labels);
    }

    /// A record of a group's partition was read, which was written then.
    pub(crate) fn read(&self, partition: i32, written_ms: i64) {
        self.newest().insert(partition, written_ms);
    }

    /// A partition is not this client's any more.
    pub(crate) fn gone(&self, partition: i32) {
        self.newest().remove(&partition);
    }

    fn newest(&self) -> MutexGuard<'_, HashMap<i32, i64>> {
        self.newest.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What librdkafka tells of a client, which is a member of this group, if of any.
    pub(crate) fn statistics(&self, told: &Statistics, group: Option<&str>) {
        let now_ms = told.time.saturating_mul(1_000);
        // Those that were learnt; the addresses that were given are in the list too, without an id.
        let mut brokers = told
            .brokers
            .values()
            .filter(|broker| broker.nodeid >= 0)
            .peekable();
        let is_cut_off = brokers.peek().is_some() && !brokers.any(|broker| broker.state == "UP");
        let waits = told.brokers.values().filter_map(|broker| broker.rtt.as_ref());
        let mut client = Client {
            is_producer: told.client_type == "producer",
            is_cut_off,
            p99: waits
                .filter_map(|wait| u64::try_from(wait.p99).ok())
                .max()
                .map_or(Duration::ZERO, Duration::from_micros),
            queued: told.msg_cnt,
            queued_bytes: told.msg_size,
            lags: BTreeMap::new(),
        };
        if let Some(group) = group {
            for topic in told.topics.values() {
                let lag = self.lag_of(topic, now_ms);
                client.lags.insert((group.to_owned(), topic.topic.clone()), lag);
            }
        }
        board().insert(self.id, client);
    }

    fn lag_of(&self, topic: &rdkafka::statistics::Topic, now_ms: i64) -> Lag {
        let newest = self.newest();
        let mut sum = Lag::default();
        for partition in topic.partitions.values() {
            let records = u64::try_from(partition.consumer_lag).unwrap_or(0);
            sum.records += records;
            if let Some(written_ms) = newest.get(&partition.partition).filter(|_| records > 0) {
                sum.age_ms = sum.age_ms.max(now_ms.saturating_sub(*written_ms));
            }
        }
        sum
    }
}

impl Drop for Told {
    fn drop(&mut self) {
        board().remove(&self.id);
    }
}

type Tell<'a> = &'a mut dyn FnMut(f64, &[KeyValue]);

fn observe() {
    let by_group = |definition: Definition, value: fn(Lag) -> f64| {
        definition.observe(move |tell| {
            for ((group, topic), lag) in lags() {
                tell(
                    value(lag),
                    &[KeyValue::new(GROUP, group), KeyValue::new(TOPIC, topic)],
                );
            }
        });
    };
    by_group(LAG, |lag| figure(lag.records));
    by_group(LAG_TIME, |lag| seconds(lag.age_ms));
    let by_type = |definition: Definition, value: fn(&[Client]) -> f64| {
        definition.observe(move |tell: Tell<'_>| {
            for (is_producer, name) in [(true, "producer"), (false, "consumer")] {
                let clients = board()
                    .values()
                    .filter(|client| client.is_producer == is_producer)
                    .cloned()
                    .collect::<Vec<_>>();
                tell(value(&clients), &[KeyValue::new(TYPE, name)]);
            }
        });
    };
    by_type(CLIENTS, |clients| figure_of(clients.len()));
    by_type(CUT_OFF, |clients| {
        figure_of(clients.iter().filter(|client| client.is_cut_off).count())
    });
    by_type(RTT, |clients| {
        let slowest = clients.iter().map(|client| client.p99).max();
        slowest.unwrap_or_default().as_secs_f64()
    });
    QUEUED.observe(|tell| tell(figure(board().values().map(|client| client.queued).sum()), &[]));
    QUEUED_BYTES.observe(|tell| {
        tell(
            figure(board().values().map(|client| client.queued_bytes).sum()),
            &[],
        )
    });
}

/// Of each group and topic, all clients together.
fn lags() -> BTreeMap<(String, String), Lag> {
    let mut sums = BTreeMap::<_, Lag>::new();
    for client in board().values() {
        for (of, lag) in &client.lags {
            let sum = sums.entry(of.clone()).or_default();
            sum.records += lag.records;
            sum.age_ms = sum.age_ms.max(lag.age_ms);
        }
    }
    sums
}

fn seconds(age_ms: i64) -> f64 {
    Duration::from_millis(u64::try_from(age_ms).unwrap_or(0)).as_secs_f64()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn statistics(lags: &[(i32, i64)]) -> Statistics {
        let mut topic = rdkafka::statistics::Topic {
            topic: "t".to_owned(),
            ..Default::default()
        };
        for (partition, lag) in lags {
            let told = rdkafka::statistics::Partition {
                partition: *partition,
                consumer_lag: *lag,
                ..Default::default()
            };
            topic.partitions.insert(*partition, told);
        }
        let mut told = Statistics {
            client_type: "consumer".to_owned(),
            time: 100,
            ..Default::default()
        };
        told.topics.insert("t".to_owned(), topic);
        told
    }

    #[test]
    fn the_lag_of_a_group_is_that_of_its_partitions_and_goes_with_the_client() {
        let told = Told::new();
        for (partition, written_ms) in [(0, 90_000), (1, 10_000), (2, 70_000)] {
            told.read(partition, written_ms);
        }
        // What is unknown is -1; of partition 1 all is committed.
        told.statistics(&statistics(&[(0, 5), (1, 0), (2, 7), (-1, -1)]), Some("g"));
        let of = ("g".to_owned(), "t".to_owned());
        let expected = Lag {
            records: 12,
            age_ms: 30_000,
        };
        assert_eq!(lags().get(&of), Some(&expected));
        told.gone(2);
        told.statistics(&statistics(&[(0, 5)]), Some("g"));
        assert_eq!(lags()[&of].age_ms, 10_000);
        drop(told);
        assert_eq!(lags().get(&of), None);
    }
}
