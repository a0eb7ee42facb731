//! Settings.

use std::net::SocketAddr;
use std::time::Duration;

use angarium_policy::{Backoff, Reminders, egress};
use angarium_runtime::access::OperatorKey;

use crate::call::Authorities;

/// Settings of delivery. The defaults suit a worker with all partitions and 512 MiB of memory, of which it may need 2 GiB
/// when some hundred accounts whose groups are large do not answer.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where gRPC listens; port 0 takes a free one.
    pub listen_grpc: SocketAddr,
    /// The key that every gRPC call carries.
    pub key: OperatorKey,
    /// Consumer groups of all delivery workers are `<group>.realtime` and `<group>.batch`.
    pub group: String,
    /// How Kafka's groups, logs and metrics name this worker: it alone, and the same when it is started again.
    pub client_id: String,
    /// How long a worker may be silent before Kafka gives its partitions to others.
    pub session_timeout: Duration,
    /// The most events that one POST carries, 1 to 256.
    pub max_group_events: usize,
    /// The most bytes of events that one POST carries; one event always fits. At most 1 MiB.
    pub max_group_bytes: usize,
    /// First attempts that may be under way at once, all webhooks together that keep up.
    pub max_in_flight: usize,
    /// First attempts of webhooks that are behind; they have a budget of their own, so that a thousand that recover
    /// at once take nothing from those that keep up.
    pub max_catch_up: usize,
    /// Retries that may be under way at once; they have a budget of their own, so that receivers that hang take
    /// nothing from those that answer.
    pub max_probes: usize,
    /// What the queues of all partitions may hold, in bytes.
    pub max_queued_bytes: usize,
    /// How a failing webhook is retried (D2).
    pub backoff: Backoff,
    /// Whether `Retry-After` of a 429 or 503 may lengthen one wait, up to an hour (D2).
    pub honours_retry_after: bool,
    /// Whether 410 Gone switches the webhook off (D2).
    pub disables_gone: bool,
    /// When someone is reminded of a webhook that still fails (D4).
    pub reminders: Reminders,
    /// How often what is done is remembered in Redis: what a crash repeats is at most this long.
    pub checkpoint_interval: Duration,
    /// How often the place in the deliveries topic is committed.
    pub commit_interval: Duration,
    /// Where calls may lead; by default to the public alone.
    pub egress: egress::Rules,
    /// Whose certificates are trusted beside those of the public authorities.
    pub authorities: Authorities,
}

impl Config {
    /// The defaults.
    #[must_use]
    pub fn new(listen_grpc: SocketAddr, key: OperatorKey) -> Self {
        Self {
            listen_grpc,
            key,
            group: "angarium.delivery".to_owned(),
            client_id: "angarium-delivery".to_owned(),
            session_timeout: Duration::from_secs(25),
            max_group_events: 100,
            max_group_bytes: 1024 * 1024,
            max_in_flight: 1_024,
            max_catch_up: 256,
            max_probes: 256,
            max_queued_bytes: 64 * 1024 * 1024,
            backoff: Backoff::default(),
            honours_retry_after: true,
            disables_gone: true,
            reminders: Reminders::default(),
            checkpoint_interval: Duration::from_millis(200),
            commit_interval: Duration::from_secs(1),
            egress: egress::Rules::default(),
            authorities: Authorities::default(),
        }
    }
}
