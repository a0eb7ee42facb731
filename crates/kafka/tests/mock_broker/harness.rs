//! A mock cluster with a small topic, and everything that runs on it.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::time::Duration;

use angarium_kafka::topics::Layout;
use angarium_kafka::{
    GroupConfig, GroupConsumer, Limit, MockBroker, Outgoing, Owned, Producer, ProducerConfig, Record,
};
use angarium_runtime::{Shutdown, Tasks};
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use tokio::sync::mpsc;

/// Nothing here takes so long unless it is broken.
pub(crate) const PATIENCE: Duration = Duration::from_secs(25);

/// All that is there in one chunk.
pub(crate) const ALL: Limit = Limit {
    records: 10_000,
    bytes: 10_000_000,
};

const GROUP: &str = "group";

pub(crate) struct Harness {
    pub(crate) broker: MockBroker,
    pub(crate) tasks: Tasks,
    pub(crate) topic: String,
    pub(crate) producer: Producer,
}

impl Harness {
    /// A topic with `partitions` partitions.
    pub(crate) fn new(partitions: u32) -> Self {
        // What the members say of a rebalance is shown with the failure of a test; the first test sets it for all.
        drop(
            tracing_subscriber::fmt()
                .with_test_writer()
                .with_env_filter("debug")
                .try_init(),
        );
        let layout = Layout {
            events: NonZeroU32::new(partitions).unwrap(),
            ..Layout::default()
        };
        let broker = MockBroker::start(&layout).unwrap();
        let producer = Producer::open(&broker.connection(), &producer_config()).unwrap();
        let topic = layout.names().events().to_owned();
        Self {
            broker,
            tasks: Tasks::new(Shutdown::new()),
            topic,
            producer,
        }
    }

    /// Writes records whose values are the numbers of `range` to `partition`.
    pub(crate) async fn write(&self, partition: i32, range: std::ops::Range<u32>) {
        let acks: Vec<_> = range
            .map(|number| {
                let value = number.to_string();
                let headers: &[(&str, &[u8])] = &[("traceparent", b"00-1")];
                let (topic, value) = (self.topic.as_str(), Some(value.as_bytes()));
                self.producer
                    .send(Outgoing {
                        topic,
                        partition,
                        key: b"key",
                        value,
                        headers,
                    })
                    .unwrap()
            })
            .collect();
        for ack in acks {
            assert_eq!(within(ack).await.unwrap().partition, partition);
        }
    }

    pub(crate) fn join(&self, max_buffered_records: usize) -> (GroupConsumer, mpsc::Receiver<Owned>) {
        let config = GroupConfig {
            group: GROUP.to_owned(),
            topic: self.topic.clone(),
            client_id: "member".to_owned(),
            // The mock cluster takes a second less for each rebalance but the first, which takes 3 s.
            session_timeout: Duration::from_secs(4),
            max_buffered_records,
            max_buffered_bytes: 1_000_000,
        };
        GroupConsumer::start(&self.broker.connection(), config, &self.tasks).unwrap()
    }

    /// What the group has committed, as someone learns who is no member of it.
    pub(crate) async fn committed(&self, partition: i32) -> Option<i64> {
        let (bootstrap, topic) = (
            self.broker.connection().bootstrap().to_owned(),
            self.topic.clone(),
        );
        let asked = tokio::task::spawn_blocking(move || {
            let stranger: BaseConsumer = ClientConfig::new()
                .set("bootstrap.servers", bootstrap)
                .set("group.id", GROUP)
                .create()?;
            let mut asked = TopicPartitionList::new();
            asked.add_partition(&topic, partition);
            stranger.committed_offsets(asked, PATIENCE)
        });
        let known = asked.await.unwrap().unwrap();
        match known.elements()[0].offset() {
            Offset::Offset(next) => Some(next),
            _ => None,
        }
    }

    /// Everything ends, and nothing has failed.
    pub(crate) async fn end(self) {
        self.tasks.shutdown().begin();
        self.tasks.join(PATIENCE).await.unwrap();
    }
}

pub(crate) fn producer_config() -> ProducerConfig {
    ProducerConfig {
        client_id: "producer".to_owned(),
        max_queued: 10_000,
        max_queued_kib: 10_000,
        delivery_timeout: None,
        gapless: true,
        linger: Duration::from_millis(1),
    }
}

pub(crate) async fn within<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, future)
        .await
        .expect("it should have happened by now")
}

pub(crate) fn number(record: &Record) -> u32 {
    std::str::from_utf8(record.value.as_ref().unwrap())
        .unwrap()
        .parse()
        .unwrap()
}

/// Takes `count` partitions as they are assigned, by number.
pub(crate) async fn take(partitions: &mut mpsc::Receiver<Owned>, count: usize) -> BTreeMap<i32, Owned> {
    let mut taken = BTreeMap::new();
    while taken.len() < count {
        let owned = within(partitions.recv()).await.unwrap();
        taken.insert(owned.partition(), owned);
    }
    taken
}

/// The numbers of the next `count` records.
pub(crate) async fn read(owned: &mut Owned, count: usize) -> Vec<u32> {
    let mut numbers = Vec::new();
    while numbers.len() < count {
        numbers.push(number(&within(owned.recv()).await.unwrap()));
    }
    numbers
}
