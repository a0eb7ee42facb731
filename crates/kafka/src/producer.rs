//! Writing records.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use rdkafka::Timestamp;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::future_producer::{Delivery, DeliveryFuture};
use rdkafka::producer::{FutureProducer, FutureRecord, Producer as _, PurgeConfig};

use crate::connection::{Connection, Log, is_outage};
use crate::error::Error;

/// How a producer behaves.
#[derive(Clone, Debug)]
pub struct ProducerConfig {
    /// The name that the brokers' logs and metrics show.
    pub client_id: String,
    /// How many records may wait for their acknowledgement; more are refused.
    pub max_queued: usize,
    /// How much memory they may take, in KiB.
    pub max_queued_kib: usize,
    /// When to give up on a record, including its time in the queue. `None`: never.
    pub delivery_timeout: Option<Duration>,
    /// Whether a record that fails makes the producer fail for good, so that nothing after it is written before it.
    pub gapless: bool,
    /// How long a record waits for others, to share a request with them.
    pub linger: Duration,
}

/// A record to be written.
#[derive(Clone, Copy, Debug)]
pub struct Outgoing<'a> {
    /// The topic.
    pub topic: &'a str,
    /// The partition; see [`crate::partition_of`].
    pub partition: i32,
    /// The key.
    pub key: &'a [u8],
    /// The value; `None` is a tombstone.
    pub value: Option<&'a [u8]>,
    /// Headers, such as a `traceparent`.
    pub headers: &'a [(&'a str, &'a [u8])],
}

/// An idempotent producer: acknowledged by all in-sync replicas, in order per partition, no duplicates from its own
/// retries. Cheap to clone; what is still queued when the last clone goes is dropped, so [`flush`](Self::flush) first.
#[derive(Clone)]
pub struct Producer {
    inner: FutureProducer<Log>,
}

impl Producer {
    /// Makes a producer. Nothing is contacted yet: it connects, and reconnects, in the background.
    ///
    /// # Errors
    /// If librdkafka refuses the settings.
    pub fn open(connection: &Connection, config: &ProducerConfig) -> Result<Self, Error> {
        let timeout_ms = config
            .delivery_timeout
            .map_or(0, |timeout| timeout.as_millis().max(1));
        let inner = connection
            .client(&config.client_id)
            .set("enable.idempotence", "true")
            .set("acks", "all")
            .set("enable.gapless.guarantee", config.gapless.to_string())
            .set("message.timeout.ms", timeout_ms.to_string())
            .set("queue.buffering.max.messages", config.max_queued.to_string())
            .set("queue.buffering.max.kbytes", config.max_queued_kib.to_string())
            .set("linger.ms", (config.linger.as_secs_f64() * 1_000.0).to_string())
            .create_with_context(Log::new(&config.client_id))
            .map_err(Error::Client)?;
        Ok(Self::of(inner))
    }

    pub(crate) const fn of(inner: FutureProducer<Log>) -> Self {
        Self { inner }
    }

    pub(crate) const fn client(&self) -> &FutureProducer<Log> {
        &self.inner
    }

    /// Queues a record. Never blocks. The record is on its way even if the [`Ack`] is dropped.
    ///
    /// # Errors
    /// If it was not queued: see [`SendError`].
    pub fn send(&self, outgoing: Outgoing<'_>) -> Result<Ack, SendError> {
        let mut record = FutureRecord::to(outgoing.topic)
            .partition(outgoing.partition)
            .key(outgoing.key);
        record.payload = outgoing.value;
        if !outgoing.headers.is_empty() {
            let empty = OwnedHeaders::new_with_capacity(outgoing.headers.len());
            let add = |headers: OwnedHeaders, (key, value): &(&str, &[u8])| {
                headers.insert(Header {
                    key,
                    value: Some(*value),
                })
            };
            record.headers = Some(outgoing.headers.iter().fold(empty, add));
        }
        match self.inner.send_result(record) {
            Ok(delivery) => Ok(Ack { delivery }),
            Err((error, _record)) => Err(SendError::from(error)),
        }
    }

    /// Waits until every queued record is acknowledged or has failed.
    ///
    /// # Errors
    /// If some are still on their way after `within`.
    pub async fn flush(&self, within: Duration) -> Result<(), Error> {
        let inner = self.inner.clone();
        let flushed = tokio::task::spawn_blocking(move || inner.flush(within));
        flushed
            .await
            .map_err(|_unfinished| Error::Ending)?
            .map_err(|source| Error::Unflushed { within, source })
    }

    /// Gives up on everything that waits or is under way. Each [`Ack`] resolves with an error, but what had reached
    /// the broker may be written all the same.
    pub fn purge(&self) {
        self.inner.purge(PurgeConfig::default().queue().inflight());
    }

    /// Whether it has failed for good. Nothing can be sent any more: open another one.
    #[must_use]
    pub fn is_fatal(&self) -> bool {
        self.inner.client().fatal_error().is_some()
    }

    /// How many records wait for their acknowledgement.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        usize::try_from(self.inner.in_flight_count()).unwrap_or_default()
    }
}

impl std::fmt::Debug for Producer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Producer")
            .field("in_flight", &self.in_flight())
            .finish_non_exhaustive()
    }
}

/// The acknowledgement of a record: a future. Dropping it does not take the record back.
#[must_use = "a record counts as written only once its acknowledgement is there"]
pub struct Ack {
    delivery: DeliveryFuture,
}

/// Where a record was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Acked {
    /// The partition.
    pub partition: i32,
    /// The place in it.
    pub offset: i64,
    /// When the broker wrote it, by its clock: Unix milliseconds. Only of a topic with `LogAppendTime`.
    pub appended_at_ms: Option<i64>,
}

/// What librdkafka's mock broker says whatever the time is.
const MOCKS_TIME: i64 = 1234;

impl Future for Ack {
    type Output = Result<Acked, ProduceError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.delivery)
            .poll(cx)
            .map(|delivered| match delivered {
                Ok(Ok(Delivery {
                    partition,
                    offset,
                    timestamp,
                })) => Ok(Acked {
                    partition,
                    offset,
                    appended_at_ms: match timestamp {
                        Timestamp::LogAppendTime(MOCKS_TIME) => None,
                        Timestamp::LogAppendTime(at_ms) => Some(at_ms),
                        Timestamp::CreateTime(_) | Timestamp::NotAvailable => None,
                    },
                }),
                Ok(Err((error, _message))) => Err(ProduceError::from(error)),
                Err(_canceled) => Err(ProduceError::Abandoned),
            })
    }
}

impl std::fmt::Debug for Ack {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ack").finish_non_exhaustive()
    }
}

/// Why a record was not queued.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SendError {
    /// As many records, or as many bytes, as allowed wait already.
    #[error("too many records wait for Kafka's acknowledgement")]
    QueueFull,
    /// It is larger than a record may be (1 MB).
    #[error("the record is larger than Kafka takes")]
    TooLarge,
    /// The producer has failed for good: open another one.
    #[error("the producer has failed for good")]
    Fatal(#[source] KafkaError),
    /// Anything else, such as a topic or a partition that does not exist.
    #[error("Kafka's client refused the record")]
    Refused(#[source] KafkaError),
}

impl SendError {
    /// Whether the same record can be sent later with hope.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        matches!(self, Self::QueueFull)
    }
}

impl From<KafkaError> for SendError {
    fn from(error: KafkaError) -> Self {
        match error.rdkafka_error_code() {
            Some(RDKafkaErrorCode::QueueFull) => Self::QueueFull,
            Some(RDKafkaErrorCode::MessageSizeTooLarge) => Self::TooLarge,
            Some(code) if is_fatal(code) => Self::Fatal(error),
            _ => Self::Refused(error),
        }
    }
}

/// Why a queued record was not acknowledged. It may have been written all the same, unless it was [`Self::Refused`].
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProduceError {
    /// No acknowledgement within the delivery timeout.
    #[error("Kafka did not acknowledge the record in time")]
    TimedOut(#[source] KafkaError),
    /// The brokers are away or lack replicas.
    #[error("Kafka cannot take records now")]
    Unavailable(#[source] KafkaError),
    /// It was purged, or its producer was dropped.
    #[error("the record was given up before Kafka acknowledged it")]
    Abandoned,
    /// The producer has failed for good: open another one.
    #[error("the producer has failed for good")]
    Fatal(#[source] KafkaError),
    /// The broker will not take this record.
    #[error("Kafka refused the record")]
    Refused(#[source] KafkaError),
}

impl ProduceError {
    /// Whether the same record can be sent again with hope; after [`Self::Fatal`] with another producer only.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        !matches!(self, Self::Refused(_))
    }
}

impl From<KafkaError> for ProduceError {
    fn from(error: KafkaError) -> Self {
        use RDKafkaErrorCode as Code;
        match error.rdkafka_error_code() {
            Some(Code::MessageTimedOut | Code::TimedOutQueue) => Self::TimedOut(error),
            Some(Code::PurgeQueue | Code::PurgeInflight) => Self::Abandoned,
            Some(code) if is_fatal(code) => Self::Fatal(error),
            Some(code) if is_outage(code) => Self::Unavailable(error),
            Some(
                Code::NotEnoughReplicas
                | Code::NotEnoughReplicasAfterAppend
                | Code::ISRInsufficient
                | Code::KafkaStorageError
                | Code::ThrottlingQuotaExceeded,
            ) => Self::Unavailable(error),
            _ => Self::Refused(error),
        }
    }
}

const fn is_fatal(code: RDKafkaErrorCode) -> bool {
    use RDKafkaErrorCode as Code;
    matches!(
        code,
        Code::Fatal
            | Code::GaplessGuarantee
            | Code::Fenced
            | Code::ProducerFenced
            | Code::InvalidProducerEpoch
            | Code::OutOfOrderSequenceNumber
            | Code::UnknownProducerId
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_are_told_apart_by_code() {
        let produce = |code| ProduceError::from(KafkaError::MessageProduction(code));
        assert!(matches!(
            produce(RDKafkaErrorCode::MessageTimedOut),
            ProduceError::TimedOut(_)
        ));
        assert!(matches!(
            produce(RDKafkaErrorCode::NotEnoughReplicas),
            ProduceError::Unavailable(_)
        ));
        assert!(matches!(
            produce(RDKafkaErrorCode::GaplessGuarantee),
            ProduceError::Fatal(_)
        ));
        assert!(matches!(
            produce(RDKafkaErrorCode::PurgeInflight),
            ProduceError::Abandoned
        ));
        assert!(!produce(RDKafkaErrorCode::TopicAuthorizationFailed).is_retryable());
        let send = |code| SendError::from(KafkaError::MessageProduction(code));
        assert!(send(RDKafkaErrorCode::QueueFull).is_retryable());
        assert!(matches!(
            send(RDKafkaErrorCode::MessageSizeTooLarge),
            SendError::TooLarge
        ));
    }
}
