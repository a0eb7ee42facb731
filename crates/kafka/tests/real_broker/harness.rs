//! The Kafka of `cargo xtask test`, and topics of a test's own in it.

use std::num::NonZeroU32;
use std::time::Duration;

use angarium_kafka::topics::{Change, Layout, apply};
use angarium_kafka::{Connection, Outgoing, Producer, ProducerConfig, Record};
use angarium_runtime::{Clock, Shutdown, Tasks};
use rdkafka::admin::{AdminClient, AdminOptions, AlterConfig, ConfigResource, ResourceSpecifier};
use rdkafka::client::DefaultClientContext;
use rdkafka::config::ClientConfig;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

/// Nothing here takes so long unless it is broken.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) struct Harness {
    pub(crate) connection: Connection,
    pub(crate) layout: Layout,
    pub(crate) tasks: Tasks,
}

impl Harness {
    /// Nothing is created yet. The topics of a test are its own, also when it runs again on the same broker.
    pub(crate) fn new(test: &str) -> Self {
        Self::with_partitions(test, 2)
    }

    /// The same, with so many partitions of the events topic.
    #[expect(
        clippy::disallowed_methods,
        reason = "tests have no settings; `cargo xtask test` tells them where Kafka is"
    )]
    pub(crate) fn with_partitions(test: &str, events: u32) -> Self {
        let bootstrap = std::env::var("ANGARIUM_TEST_KAFKA")
            .expect("ANGARIUM_TEST_KAFKA is not set: run the tests with `cargo xtask test`");
        let two = NonZeroU32::new(2).unwrap();
        let layout = Layout {
            prefix: format!("test-{test}-{}", Clock::system().now_ms()),
            events: NonZeroU32::new(events).unwrap(),
            deliveries: two,
            registry: NonZeroU32::MIN,
            journal: two,
            ..Layout::default()
        };
        Self {
            connection: Connection::new(bootstrap),
            layout,
            tasks: Tasks::new(Shutdown::new()),
        }
    }

    pub(crate) fn events(&self) -> String {
        self.layout.names().events().to_owned()
    }

    /// What was done with each topic.
    pub(crate) async fn apply(&self) -> Vec<Change> {
        let applied = apply(&self.connection, &self.layout).await.unwrap();
        applied.into_iter().map(|applied| applied.change).collect()
    }

    pub(crate) fn client(&self) -> ClientConfig {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", self.connection.bootstrap());
        config
    }

    fn admin(&self) -> AdminClient<DefaultClientContext> {
        self.client().create().unwrap()
    }

    /// Sets exactly these settings of the events topic, as an operator would.
    pub(crate) async fn alter_events(&self, settings: &[(&str, &str)]) {
        let events = self.events();
        let altered = AlterConfig::new(ResourceSpecifier::Topic(&events));
        let altered = settings
            .iter()
            .fold(altered, |altered, (name, value)| altered.set(name, value));
        let results = self.admin().alter_configs([&altered], &AdminOptions::new()).await;
        results.unwrap().remove(0).unwrap();
        // The broker knows a moment later.
        for (name, value) in settings {
            within(async { while self.setting(&events, name).await != *value {} }).await;
        }
    }

    /// A setting of a topic.
    pub(crate) async fn setting(&self, topic: &str, name: &str) -> String {
        let topic = ResourceSpecifier::Topic(topic);
        let described = self
            .admin()
            .describe_configs([&topic], &AdminOptions::new())
            .await;
        let described: ConfigResource = described.unwrap().remove(0).unwrap();
        described.get(name).unwrap().value.clone().unwrap()
    }

    /// Removes what is before `offset`, as retention does.
    pub(crate) async fn expire(&self, partition: i32, offset: i64) {
        let mut list = TopicPartitionList::new();
        list.add_partition_offset(&self.events(), partition, Offset::Offset(offset))
            .unwrap();
        let deleted = self
            .admin()
            .delete_records(&list, &AdminOptions::new())
            .await
            .unwrap();
        deleted.elements()[0].error().unwrap();
    }

    /// Writes records whose values are the numbers of `range` to a partition of the events topic.
    pub(crate) async fn write(&self, partition: i32, range: std::ops::Range<u32>) {
        let config = ProducerConfig {
            client_id: "test".to_owned(),
            max_queued: 10_000,
            max_queued_kib: 10_000,
            delivery_timeout: None,
            gapless: true,
            linger: Duration::from_millis(1),
        };
        let producer = Producer::open(&self.connection, &config).unwrap();
        let topic = self.events();
        let send = |number: u32| {
            let value = number.to_string();
            let (topic, value) = (topic.as_str(), Some(value.as_bytes()));
            producer
                .send(Outgoing {
                    topic,
                    partition,
                    key: b"key",
                    value,
                    headers: &[],
                })
                .unwrap()
        };
        for ack in range.map(send).collect::<Vec<_>>() {
            within(ack).await.unwrap();
        }
    }

    /// Everything ends, and nothing has failed.
    pub(crate) async fn end(self) {
        self.tasks.shutdown().begin();
        self.tasks.join(PATIENCE).await.unwrap();
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
