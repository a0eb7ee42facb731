//! A Kafka in memory, workers of fanout, and what they produce.

use std::num::NonZeroU32;
use std::time::Duration;

use angarium_directory::Directory;
use angarium_fanout::{Config, Service};
use angarium_kafka::topics::Layout;
use angarium_kafka::{
    From, MockBroker, Outgoing, Producer, ProducerConfig, Record, Tail, TailEvent, partition_of,
};
use angarium_model::{
    AccountId, Event, EventId, EventName, JsonObject, Lane, TargetUrl, Timestamp, TypePattern, Webhook,
    WebhookId,
};
use angarium_proto::convert;
use angarium_proto::delivery::v1::DeliveryRecord;
use angarium_proto::journal::v1::JournalRecord;
use angarium_runtime::{Shutdown, Tasks};
use prost::Message;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::mpsc;
use uuid::Uuid;

/// The first rebalance of the in-process Kafka takes 3 s, and the tests run side by side.
const PATIENCE: Duration = Duration::from_secs(60);

/// One event for one webhook.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Delivered {
    pub(crate) lane: Lane,
    pub(crate) account: u64,
    pub(crate) name: String,
    pub(crate) info: String,
    pub(crate) data: String,
    /// The first byte of its id: tests number webhooks so.
    pub(crate) webhook: u8,
    pub(crate) trace: Option<String>,
}

pub(crate) struct World {
    broker: MockBroker,
    layout: Layout,
    producer: Producer,
    tasks: Tasks,
    lanes: [(Lane, mpsc::Receiver<TailEvent>); 2],
    journal: mpsc::Receiver<TailEvent>,
    published: u64,
    _tails: Vec<Tail>,
}

/// A worker with a runtime of its own, so that it can be taken away at once.
pub(crate) struct Worker {
    runtime: Option<Runtime>,
    tasks: Tasks,
}

impl World {
    pub(crate) fn start() -> Self {
        let layout = Layout::default();
        let broker = MockBroker::start(&layout).unwrap();
        let tasks = Tasks::new(Shutdown::new());
        let producer = Producer::open(
            &broker.connection(),
            &ProducerConfig {
                client_id: "test".into(),
                max_queued: 10_000,
                max_queued_kib: 65_536,
                delivery_timeout: Some(PATIENCE),
                gapless: false,
                linger: Duration::ZERO,
            },
        )
        .unwrap();
        let mut tails = Vec::new();
        let mut follow = |topic: &str| {
            let (tail, events) =
                Tail::open(&broker.connection(), topic, From::Beginning, "test", &tasks).unwrap();
            tails.push(tail);
            events
        };
        let lanes = Lane::ALL.map(|lane| (lane, follow(layout.names().deliveries(lane))));
        let journal = follow(layout.names().journal());
        Self {
            broker,
            layout,
            producer,
            tasks,
            lanes,
            journal,
            published: 0,
            _tails: tails,
        }
    }

    pub(crate) async fn publish(&mut self, account: AccountId, name: &str, trace: Option<&str>, data: &[u8]) {
        self.published += 1;
        let event = Event {
            account,
            id: EventId::new(self.published.to_string()).unwrap(),
            name: EventName::new(name).unwrap(),
            timestamp: Timestamp::new(self.published),
            info: None,
            data: JsonObject::parse(data.to_vec().into()).unwrap(),
        };
        let value = convert::event_to_record(event).encode_to_vec();
        self.produce(account, &value, trace).await;
    }

    pub(crate) async fn publish_raw(&self, account: AccountId, value: &[u8]) {
        self.produce(account, value, None).await;
    }

    async fn produce(&self, account: AccountId, value: &[u8], trace: Option<&str>) {
        let key = account.to_string();
        let headers: Vec<(&str, &[u8])> = trace
            .iter()
            .flat_map(|trace| [("traceparent", trace.as_bytes()), ("other", b"x".as_slice())])
            .collect();
        let sent = self.producer.send(Outgoing {
            topic: self.layout.names().events(),
            partition: partition_of(key.as_bytes(), self.layout.events),
            key: key.as_bytes(),
            value: Some(value),
            headers: &headers,
        });
        sent.unwrap().await.unwrap();
    }

    /// Cuts all connections to Kafka, and lets them be made again.
    pub(crate) fn interrupt(&self) {
        self.broker.go_away().unwrap();
        self.broker.come_back().unwrap();
    }

    /// The next `count` requests to write are refused, whoever sends them.
    pub(crate) fn refuse_writes(&self, count: usize) {
        self.broker.refuse_writes(count).unwrap();
    }

    /// Starts a worker that knows these webhooks.
    pub(crate) fn fanout(&self, config: Config, webhooks: impl IntoIterator<Item = Webhook>) -> Worker {
        self.fanout_following(config, Directory::fixed([], webhooks))
    }

    /// Starts a worker with this directory.
    pub(crate) fn fanout_following(&self, config: Config, directory: Directory) -> Worker {
        let runtime = Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .unwrap();
        let tasks = Tasks::new(Shutdown::new());
        let (connection, names) = (self.broker.connection(), self.layout.names());
        let owner = tasks.clone();
        runtime.spawn(async move {
            Service::start(config, connection, names, directory, &owner)
                .await
                .expect("fanout starts");
        });
        Worker {
            runtime: Some(runtime),
            tasks,
        }
    }

    /// The next `count` deliveries, or as many more as the last record names.
    pub(crate) async fn deliveries(&mut self, count: usize) -> Vec<Delivered> {
        self.deliveries_until(Vec::new(), |all| all.len() >= count).await
    }

    /// Adds deliveries to `all` until there are enough.
    pub(crate) async fn deliveries_until(
        &mut self,
        mut all: Vec<Delivered>,
        enough: impl Fn(&[Delivered]) -> bool,
    ) -> Vec<Delivered> {
        let partitions = self.layout.deliveries;
        let arrive = async {
            while !enough(&all) {
                let [(first_lane, first), (second_lane, second)] = &mut self.lanes;
                let (lane, event) = tokio::select! {
                    event = first.recv() => (*first_lane, event.unwrap()),
                    event = second.recv() => (*second_lane, event.unwrap()),
                };
                if let TailEvent::Record(record) = event {
                    all.extend(delivered(lane, &record, partitions));
                }
            }
        };
        if tokio::time::timeout(PATIENCE, arrive).await.is_err() {
            let last = &all[all.len().saturating_sub(3)..];
            panic!("only {} deliveries came; the last: {last:?}", all.len());
        }
        all
    }

    /// How many deliveries there are in all.
    pub(crate) async fn produced(&self) -> usize {
        let mut count = 0;
        for lane in Lane::ALL {
            let topic = self.layout.names();
            let topic = topic.deliveries(lane);
            let (tail, mut events) = Tail::open(
                &self.broker.connection(),
                topic,
                From::Beginning,
                "count",
                &self.tasks,
            )
            .unwrap();
            loop {
                match tokio::time::timeout(PATIENCE, events.recv()).await {
                    Ok(Some(TailEvent::Record(record))) => {
                        count += delivered(lane, &record, self.layout.deliveries).len();
                    }
                    Ok(Some(TailEvent::CaughtUp)) => break,
                    other => panic!("the end of {topic} was not reached: {other:?}"),
                }
            }
            tail.close();
        }
        count
    }

    /// The next `count` records of the journal.
    pub(crate) async fn journal(&mut self, count: usize) -> Vec<JournalRecord> {
        let mut records = Vec::new();
        while records.len() < count {
            let event = tokio::time::timeout(PATIENCE, self.journal.recv()).await;
            match event.expect("the journal is written in time").unwrap() {
                TailEvent::Record(record) => {
                    records.push(JournalRecord::decode(record.value.unwrap()).unwrap())
                }
                TailEvent::CaughtUp => {}
            }
        }
        records
    }
}

impl Worker {
    /// Ends it as a signal would.
    pub(crate) async fn close(mut self) {
        self.tasks.shutdown().begin();
        self.tasks.join(PATIENCE).await.unwrap();
        self.stop_runtime().await;
    }

    /// Takes its tasks away wherever they are; only then its group learns that it is gone.
    pub(crate) async fn crash(mut self) {
        self.stop_runtime().await;
        self.tasks.shutdown().begin();
    }

    async fn stop_runtime(&mut self) {
        let runtime = self.runtime.take().unwrap();
        let stopped = tokio::task::spawn_blocking(move || runtime.shutdown_timeout(PATIENCE));
        stopped.await.unwrap();
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
        self.tasks.shutdown().begin();
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.tasks.shutdown().begin();
    }
}

fn delivered(lane: Lane, record: &Record, partitions: NonZeroU32) -> Vec<Delivered> {
    let value = DeliveryRecord::decode(record.value.clone().unwrap()).unwrap();
    let trace = record.headers.iter().find(|(name, _)| name == "traceparent");
    assert!(
        record.headers.len() <= 1,
        "only the trace is copied: {:?}",
        record.headers
    );
    let ids: Vec<_> = convert::webhook_ids(&value.webhook_ids).unwrap().collect();
    assert_eq!(*record.key, *ids[0].as_bytes(), "the key is the first webhook");
    let of_webhook = |id: &WebhookId| {
        assert_eq!(partition_of(id.as_bytes(), partitions), record.partition);
        Delivered {
            lane,
            account: value.account_id,
            name: value.event_name.clone(),
            info: value.event_info.clone(),
            data: String::from_utf8(value.data.to_vec()).unwrap(),
            webhook: id.as_bytes()[0],
            trace: trace.map(|(_, value)| String::from_utf8(value.to_vec()).unwrap()),
        }
    };
    ids.iter().map(of_webhook).collect()
}

pub(crate) fn account(id: u64) -> AccountId {
    AccountId::new(id).unwrap()
}

pub(crate) fn webhook(number: u8, account_id: u64, types: &[&str], active: bool) -> Webhook {
    with_id(WebhookId::from_bytes([number; 16]), account_id, types, active)
}

/// `count` webhooks that want everything and whose deliveries share a partition.
pub(crate) fn webhooks_in_one_partition(count: usize, account_id: u64) -> Vec<Webhook> {
    let partitions = Layout::default().deliveries;
    std::iter::repeat_with(|| WebhookId::from(Uuid::now_v7()))
        .filter(|id| partition_of(id.as_bytes(), partitions) == 0)
        .take(count)
        .map(|id| with_id(id, account_id, &["*"], true))
        .collect()
}

fn with_id(id: WebhookId, account_id: u64, types: &[&str], active: bool) -> Webhook {
    Webhook {
        event_types: types
            .iter()
            .map(|text| TypePattern::parse(text).unwrap())
            .collect(),
        active,
        ..Webhook::new(
            id,
            account(account_id),
            "test",
            TargetUrl::parse("https://example.com/").unwrap(),
        )
    }
}
