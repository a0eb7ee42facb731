//! Where Kafka is, and the settings that all our clients share.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use rdkafka::config::{ClientConfig, RDKafkaLogLevel};
use rdkafka::consumer::{BaseConsumer, Consumer as _, ConsumerContext};
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::{ClientContext, Statistics};
use tokio::time::Instant;

use crate::metrics::{EVERY_MS, Told};

/// The address of a Kafka cluster; cheap to clone.
#[derive(Clone, Debug)]
pub struct Connection {
    bootstrap: String,
}

impl Connection {
    /// `bootstrap` is a comma-separated list of `host:port`. Nothing is contacted yet.
    #[must_use]
    pub fn new(bootstrap: impl Into<String>) -> Self {
        Self {
            bootstrap: bootstrap.into(),
        }
    }

    /// The addresses, as given.
    #[must_use]
    pub fn bootstrap(&self) -> &str {
        &self.bootstrap
    }

    pub(crate) fn client(&self, client_id: &str) -> ClientConfig {
        let mut config = ClientConfig::new();
        config
            .set("bootstrap.servers", &self.bootstrap)
            .set("client.id", client_id)
            // The default of 10 s would keep us away long after a restarted broker is back.
            .set("reconnect.backoff.max.ms", "1000")
            // Nagle's algorithm and delayed acknowledgements together would cost up to 40 ms a request.
            .set("socket.nagle.disable", "true")
            .set("statistics.interval.ms", EVERY_MS)
            .set_log_level(RDKafkaLogLevel::Info);
        config
    }

    /// For consumers. `fetch_wait` is how long a broker may hold a fetch that finds nothing: a partition that is
    /// started or resumed meanwhile waits as long.
    pub(crate) fn consumer(
        &self,
        client_id: &str,
        group: &str,
        fetch_wait: Duration,
        queue_kib: u32,
    ) -> ClientConfig {
        let mut config = self.client(client_id);
        config
            .set("group.id", group)
            .set("enable.auto.commit", "false")
            .set("enable.auto.offset.store", "false")
            .set("isolation.level", "read_committed")
            // We always say where to start. A place that is gone must be seen, never be skipped in silence.
            .set("auto.offset.reset", "error")
            .set("fetch.wait.max.ms", fetch_wait.as_millis().to_string())
            // With the default of 1 s a partition whose queue was full for a moment would sleep that long.
            .set("fetch.queue.backoff.ms", "10")
            .set("queued.max.messages.kbytes", queue_kib.to_string())
            .set("fetch.max.bytes", "8388608");
        config
    }
}

/// The ends of a partition's log: the offset of the first record, and one past the last.
///
/// A broker that starts tells of a topic before it knows all its partitions, and librdkafka takes that for final until it
/// asks again by itself, up to five minutes later: a partition that is missing, or has no leader, is asked for once
/// more.
pub(crate) fn ends<C: ConsumerContext>(
    consumer: &BaseConsumer<C>,
    topic: &str,
    partition: i32,
    patience: Duration,
) -> KafkaResult<(i64, i64)> {
    match consumer.fetch_watermarks(topic, partition, patience) {
        Err(error) if error.rdkafka_error_code().is_some_and(may_be_outdated) => {
            consumer.fetch_metadata(Some(topic), patience)?;
            consumer.fetch_watermarks(topic, partition, patience)
        }
        answer => answer,
    }
}

const fn may_be_outdated(code: RDKafkaErrorCode) -> bool {
    matches!(
        code,
        RDKafkaErrorCode::UnknownPartition | RDKafkaErrorCode::LeaderNotAvailable
    )
}

/// What librdkafka tells us, into the log: at most one warning every few seconds while brokers are away.
#[derive(Debug)]
pub(crate) struct Log {
    client_id: String,
    last_warning: Mutex<Option<Instant>>,
    pub(crate) told: Told,
}

const WARN_EVERY: Duration = Duration::from_secs(5);

impl Log {
    pub(crate) fn new(client_id: &str) -> Self {
        Self {
            client_id: client_id.to_owned(),
            last_warning: Mutex::default(),
            told: Told::new(),
        }
    }

    fn may_warn(&self) -> bool {
        let now = Instant::now();
        let mut last = self.last_warning.lock().unwrap_or_else(PoisonError::into_inner);
        let due = last.is_none_or(|last| now.duration_since(last) >= WARN_EVERY);
        if due {
            *last = Some(now);
        }
        due
    }
}

/// Troubles that pass by themselves when the brokers are back, and that librdkafka reports once per attempt.
pub(crate) const fn is_outage(code: RDKafkaErrorCode) -> bool {
    matches!(
        code,
        RDKafkaErrorCode::BrokerTransportFailure
            | RDKafkaErrorCode::AllBrokersDown
            | RDKafkaErrorCode::Resolve
            | RDKafkaErrorCode::OperationTimedOut
            | RDKafkaErrorCode::RequestTimedOut
            | RDKafkaErrorCode::NetworkException
            | RDKafkaErrorCode::LeaderNotAvailable
            | RDKafkaErrorCode::NotLeaderForPartition
            | RDKafkaErrorCode::BrokerNotAvailable
            | RDKafkaErrorCode::ReplicaNotAvailable
            | RDKafkaErrorCode::WaitingForCoordinator
            | RDKafkaErrorCode::CoordinatorNotAvailable
            | RDKafkaErrorCode::CoordinatorLoadInProgress
            | RDKafkaErrorCode::NotCoordinator
    )
}

impl ClientContext for Log {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        let client = self.client_id.as_str();
        match level {
            // Failures of a connection, one line an attempt: `error` below tells of them, throttled. And remarks on
            // settings, which are the same at every start.
            _ if matches!(facility, "FAIL" | "ERROR" | "CONFWARN") => {
                tracing::debug!(client, facility, "librdkafka: {message}")
            }
            RDKafkaLogLevel::Emerg
            | RDKafkaLogLevel::Alert
            | RDKafkaLogLevel::Critical
            | RDKafkaLogLevel::Error => {
                tracing::error!(client, facility, "librdkafka: {message}");
            }
            RDKafkaLogLevel::Warning => tracing::warn!(client, facility, "librdkafka: {message}"),
            RDKafkaLogLevel::Notice | RDKafkaLogLevel::Info | RDKafkaLogLevel::Debug => {
                tracing::debug!(client, facility, "librdkafka: {message}");
            }
        }
    }

    fn stats(&self, statistics: Statistics) {
        self.told.statistics(&statistics, None);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        let client = self.client_id.as_str();
        if let Some(code) = error.rdkafka_error_code().filter(|code| is_trouble(*code)) {
            self.told.error(format!("{code:?}"));
        }
        match error.rdkafka_error_code() {
            Some(code) if !is_trouble(code) => {}
            Some(code) if is_outage(code) && !self.may_warn() => tracing::debug!(client, %error, "{reason}"),
            _ => tracing::warn!(client, %error, "Kafka: {reason}"),
        }
    }
}

/// The end of a partition is news, not trouble; an offset that is gone is handled, and told, by who reads.
const fn is_trouble(code: RDKafkaErrorCode) -> bool {
    !matches!(
        code,
        RDKafkaErrorCode::PartitionEOF | RDKafkaErrorCode::AutoOffsetReset
    )
}

impl ConsumerContext for Log {}
