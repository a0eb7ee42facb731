//! Where accepted events go: the events topic.

use std::num::NonZeroU32;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use angarium_kafka::{Ack, Connection, Outgoing, Producer, ProducerConfig, SendError, partition_of, topics};
use angarium_model::{AccountId, Event};
use angarium_proto::convert::event_to_record;
use angarium_runtime::trace::TraceContext;
use angarium_runtime::{Shutdown, chain};
use prost::Message as _;
use tokio::sync::watch;
use tokio::time::Instant;

/// How long a record waits for others, to share a request to Kafka with them.
const LINGER: Duration = Duration::from_millis(1);
/// The memory that records which await Kafka may take, in KiB.
const MAX_QUEUED_KIB: usize = 256 * 1024;
/// How long Kafka may take to describe the topic, and the longest pause before it is asked again.
const ASK_TIMEOUT: Duration = Duration::from_secs(2);
const FIRST_PAUSE: Duration = Duration::from_millis(100);

/// Writes events.
#[derive(Debug)]
pub(crate) struct Outlet {
    connection: Connection,
    config: ProducerConfig,
    topic: String,
    producer: Mutex<Producer>,
    /// `None` until Kafka has told: it may be away when we start.
    partitions: watch::Sender<Option<NonZeroU32>>,
}

impl Outlet {
    /// Contacts nothing yet.
    ///
    /// # Errors
    /// If Kafka's client refuses the settings.
    pub(crate) fn open(
        connection: Connection,
        topic: &str,
        max_queued: usize,
        produce_timeout: Duration,
    ) -> Result<Self, Box<angarium_kafka::Error>> {
        let config = ProducerConfig {
            client_id: "angarium-ingest".to_owned(),
            max_queued,
            max_queued_kib: MAX_QUEUED_KIB,
            delivery_timeout: Some(produce_timeout),
            // A record that failed was not acknowledged to its producer, who may send it again: others go on.
            gapless: false,
            linger: LINGER,
        };
        let producer = Mutex::new(Producer::open(&connection, &config).map_err(Box::new)?);
        Ok(Self {
            connection,
            config,
            topic: topic.to_owned(),
            producer,
            partitions: watch::Sender::new(None),
        })
    }

    /// Learns how many partitions the topic has, however long Kafka is away. Ends then, or with the shutdown.
    pub(crate) async fn learn_partitions(&self, shutdown: &Shutdown) {
        let mut pause = FIRST_PAUSE;
        loop {
            let asked = topics::partitions(&self.connection, &self.topic, ASK_TIMEOUT);
            let answer = tokio::select! {
                answer = asked => answer,
                () = shutdown.begun() => return,
            };
            match answer {
                Ok(partitions) => {
                    self.partitions.send_replace(Some(partitions));
                    return;
                }
                Err(error) => tracing::warn!(error = chain(&error), "cannot accept events yet; asking again"),
            }
            tokio::select! {
                () = tokio::time::sleep(pause) => pause = (pause * 2).min(ASK_TIMEOUT),
                () = shutdown.begun() => return,
            }
        }
    }

    /// Whether the topic is known.
    pub(crate) fn is_ready(&self) -> bool {
        self.partitions.borrow().is_some()
    }

    /// The way to an account's partition; `None` if Kafka has not described the topic by the deadline.
    pub(crate) async fn route(&self, account: AccountId, deadline: Instant) -> Option<Route<'_>> {
        let mut known = self.partitions.subscribe();
        let wait = known.wait_for(Option::is_some);
        let partitions = (*tokio::time::timeout_at(deadline, wait).await.ok()?.ok()?)?;
        let key = account.to_string();
        let partition = partition_of(key.as_bytes(), partitions);
        Some(Route {
            topic: &self.topic,
            producer: self.producer(),
            partition,
            key,
        })
    }

    /// The producer; another one if it has failed for good, as an idempotent producer does when it cannot tell what
    /// the broker has.
    fn producer(&self) -> Producer {
        let mut producer = self.producer.lock().unwrap_or_else(PoisonError::into_inner);
        if producer.is_fatal() {
            match Producer::open(&self.connection, &self.config) {
                Ok(another) => {
                    tracing::warn!("Kafka's producer had failed for good and was replaced");
                    *producer = another;
                }
                Err(error) => tracing::error!(error = chain(&error), "cannot replace Kafka's producer"),
            }
        }
        producer.clone()
    }
}

/// The way to one account's partition.
#[derive(Debug)]
pub(crate) struct Route<'a> {
    topic: &'a str,
    producer: Producer,
    partition: i32,
    key: String,
}

impl Route<'_> {
    /// Queues an event behind those that were queued before it.
    ///
    /// # Errors
    /// If it was not queued.
    pub(crate) fn send(&self, event: Event, trace: Option<&str>) -> Result<Ack, SendError> {
        let value = event_to_record(event).encode_to_vec();
        let trace = trace.map(|trace| (TraceContext::HEADER, trace.as_bytes()));
        self.producer.send(Outgoing {
            topic: self.topic,
            partition: self.partition,
            key: self.key.as_bytes(),
            value: Some(&value),
            headers: trace.as_slice(),
        })
    }
}
