//! The floor: produce, consume, sign, POST, and nothing else.
//!
//! One idempotent producer, one consumer that remembers nothing, and up to 64 connections, each with its own
//! webhooks, so that order is kept here too. One event a POST; an event for ten webhooks is consumed once.

use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use angarium_kafka::partition_of;
use angarium_runtime::{Clock, Tasks};
use angarium_signing::{
    Secret, Signer, WEBHOOK_ID_HEADER, WEBHOOK_SIGNATURE_HEADER, WEBHOOK_TIMESTAMP_HEADER,
};
use anyhow::{Context, bail};
use bytes::Bytes;
use http_body_util::Full;
use hyper::header::CONTENT_TYPE;
use hyper::{Request, StatusCode};
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::{DeliveryResult, Message};
use rdkafka::producer::{BaseRecord, ProducerContext, ThreadedProducer};
use rdkafka::{ClientContext, Offset, TopicPartitionList};
use tokio::sync::{Semaphore, mpsc};

use crate::connection::Connection;
use crate::epoch::Epoch;
use crate::payload::{Event, account_id};
use crate::publish::Published;
use crate::receiver::path;
use crate::scenario::Size;
use crate::workload::Batch;

/// As many unanswered events as ingest takes on the streams of a run.
const WINDOW: u32 = 4_096;
const MAX_CONNECTIONS: u64 = 64;
/// Calls that wait for one connection.
const QUEUE: usize = 256;
/// How often the consumer looks whether it should end.
const POLL: Duration = Duration::from_millis(100);

/// The running floor; it ends with the tasks.
pub(crate) struct Floor {
    producer: Producer,
    topic: Topic,
}

/// A producer, and nothing else.
pub(crate) struct Producer {
    inner: ThreadedProducer<Acks>,
    acks: Acks,
}

/// Where the floor's events go.
#[derive(Clone, Debug)]
pub(crate) struct Topic {
    pub(crate) bootstrap: String,
    pub(crate) name: String,
    pub(crate) partitions: NonZeroU32,
}

/// One POST to be made.
#[derive(Debug)]
struct Call {
    hook: u64,
    body: Bytes,
}

impl Floor {
    pub(crate) async fn start(
        topic: Topic,
        size: Size,
        receiver: SocketAddr,
        tasks: &Tasks,
    ) -> anyhow::Result<Self> {
        let mut connections = Vec::new();
        let targets = Arc::new(Target::all(size.webhooks())?);
        for _ in 0..size.webhooks().min(MAX_CONNECTIONS) {
            let (calls, queue) = mpsc::channel(QUEUE);
            let caller = Caller {
                connection: Connection::open(receiver, tasks).await?,
                targets: Arc::clone(&targets),
                clock: Clock::system(),
            };
            let ended = tasks.shutdown().begun();
            tasks.spawn("floor caller", async move {
                tokio::select! {
                    () = ended => {}
                    () = caller.run(queue) => {}
                }
            });
            connections.push(calls);
        }
        let consumer = consumer(&topic)?;
        let shutdown = tasks.shutdown().clone();
        tasks.spawn_thread("floor consumer", move || {
            while !shutdown.has_begun() {
                match consumer.poll(POLL) {
                    None => {}
                    Some(Ok(message)) => {
                        let Some(()) = pass_on(&message, size.fan, &connections) else {
                            return;
                        };
                    }
                    Some(Err(error)) => tracing::warn!(%error, "the floor's consumer"),
                }
            }
        });
        Ok(Self {
            producer: Producer::open(&topic.bootstrap)?,
            topic,
        })
    }

    /// Publishes a batch. Ends when Kafka has acknowledged all of it.
    pub(crate) async fn publish(&self, batch: Batch, name: &str, epoch: Epoch) -> anyhow::Result<Published> {
        let clock = Clock::system();
        for planned in batch.lane(0, 1) {
            if let Some(due) = planned.due_ns {
                tokio::time::sleep_until(epoch.at(due)).await;
            }
            self.producer.room().await?;
            let sent_ns = planned.due_ns.unwrap_or_else(|| epoch.now_ns());
            let event = Event::new(name, planned, sent_ns, u64::try_from(clock.now_ms())?);
            let (key, value) = (account_id(planned.account).to_string(), event.envelope());
            self.producer.send(&self.topic, &key, value.as_bytes())?;
        }
        self.producer.acknowledged().await?;
        Ok(Published {
            last_ns: epoch.now_ns(),
        })
    }
}

impl Producer {
    pub(crate) fn open(bootstrap: &str) -> anyhow::Result<Self> {
        let acks = Acks {
            window: Arc::new(Semaphore::new(usize::try_from(WINDOW)?)),
        };
        let inner = client(bootstrap)
            .set("enable.idempotence", "true")
            .set("acks", "all")
            // As ingest.
            .set("linger.ms", "1")
            .create_with_context(acks.clone())
            .context("cannot make the floor's producer")?;
        Ok(Self { inner, acks })
    }

    /// Waits until another record may be under way.
    pub(crate) async fn room(&self) -> anyhow::Result<()> {
        self.acks.window.acquire().await?.forget();
        Ok(())
    }

    pub(crate) fn send(&self, topic: &Topic, key: &str, value: &[u8]) -> anyhow::Result<()> {
        let record = BaseRecord::to(&topic.name)
            .partition(partition_of(key.as_bytes(), topic.partitions))
            .key(key)
            .payload(value);
        match self.inner.send(record) {
            Ok(()) => Ok(()),
            Err((error, _)) => bail!("the floor cannot produce: {error}"),
        }
    }

    /// Waits until Kafka has all.
    pub(crate) async fn acknowledged(&self) -> anyhow::Result<()> {
        drop(self.acks.window.acquire_many(WINDOW).await?);
        Ok(())
    }
}

/// A closed window makes the publisher fail.
#[derive(Clone)]
struct Acks {
    window: Arc<Semaphore>,
}

impl ClientContext for Acks {}

impl ProducerContext for Acks {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        match result {
            Ok(_) => self.window.add_permits(1),
            Err((error, _)) => {
                tracing::error!(%error, "Kafka did not take an event of the floor");
                self.window.close();
            }
        }
    }
}

fn client(bootstrap: &str) -> ClientConfig {
    let mut config = ClientConfig::new();
    config
        .set("bootstrap.servers", bootstrap)
        .set("client.id", "angarium-bench-floor")
        .set("socket.nagle.disable", "true");
    config
}

/// Reads the whole topic, which is new.
fn consumer(topic: &Topic) -> anyhow::Result<BaseConsumer> {
    let consumer: BaseConsumer = client(&topic.bootstrap)
        .set("group.id", "angarium-bench-floor")
        .set("enable.auto.commit", "false")
        .set("enable.auto.offset.store", "false")
        .set("auto.offset.reset", "error")
        .create()
        .context("cannot make the floor's consumer")?;
    let mut places = TopicPartitionList::new();
    for partition in 0..i32::try_from(topic.partitions.get())? {
        places.add_partition_offset(&topic.name, partition, Offset::Beginning)?;
    }
    consumer.assign(&places)?;
    Ok(consumer)
}

/// Hands an event to the connections of its webhooks; `None` once those have ended.
fn pass_on(message: &impl Message, fan: u64, connections: &[mpsc::Sender<Call>]) -> Option<()> {
    let account: u64 = std::str::from_utf8(message.key()?).ok()?.parse().ok()?;
    let account = account - account_id(0);
    let body = Bytes::copy_from_slice(message.payload()?);
    for hook in account * fan..(account + 1) * fan {
        let connection = usize::try_from(hook).ok()? % connections.len();
        let call = Call {
            hook,
            body: body.clone(),
        };
        connections.get(connection)?.blocking_send(call).ok()?;
    }
    Some(())
}

/// What is fixed for a webhook.
struct Target {
    path: String,
    signer: Signer,
}

impl Target {
    fn all(webhooks: u64) -> anyhow::Result<Vec<Self>> {
        let target = |hook| {
            Ok(Self {
                path: path(hook),
                signer: Signer::new(&[Secret::generate()?])?,
            })
        };
        (0..webhooks).map(target).collect()
    }
}

/// Makes the calls of one connection.
struct Caller {
    connection: Connection,
    targets: Arc<Vec<Target>>,
    clock: Clock,
}

impl Caller {
    async fn run(mut self, mut queue: mpsc::Receiver<Call>) {
        let mut made = 0_u64;
        while let Some(call) = queue.recv().await {
            made += 1;
            // What did not arrive shows as a loss.
            if let Err(error) = self.call(call, made).await {
                tracing::error!("a call of the floor failed: {error:#}");
            }
        }
    }

    async fn call(&mut self, call: Call, number: u64) -> anyhow::Result<()> {
        let target = self
            .targets
            .get(usize::try_from(call.hook)?)
            .context("a webhook beyond the last")?;
        let id = format!("floor_{}_{number}", call.hook);
        let seconds = u64::try_from(self.clock.now_ms() / 1_000)?;
        let request = Request::post(&target.path)
            .header(CONTENT_TYPE, "application/json")
            .header(WEBHOOK_ID_HEADER, &id)
            .header(WEBHOOK_TIMESTAMP_HEADER, seconds)
            .header(
                WEBHOOK_SIGNATURE_HEADER,
                target.signer.sign(&id, seconds, &call.body),
            )
            .body(Full::new(call.body))?;
        let (status, _) = self.connection.send(request).await?;
        if status != StatusCode::OK {
            bail!("answered {status}");
        }
        Ok(())
    }
}
