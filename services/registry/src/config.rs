//! Settings.

use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::time::Duration;

use angarium_model::MaxWebhooks;
use angarium_policy::egress;
use angarium_runtime::access::OperatorKey;
use angarium_runtime::grpc;

use crate::election::Election;
use crate::seal::SealKeys;
use crate::sessions::RETURN;

/// Settings of the registry.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where gRPC listens; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Where HTTP listens; port 0 takes a free one.
    pub listen_http: SocketAddr,
    /// Where a fanout worker is: HTTP has its methods too.
    pub fanout: grpc::Place,
    /// Where a delivery worker is: HTTP has its methods too.
    pub delivery: grpc::Place,
    /// Where other registries reach this one, as `http://host:port`; the address that it listens on unless given.
    pub advertise: Option<String>,
    /// How it is settled who writes.
    pub election: Election,
    /// How long followers that went on without a registry have to come back before writes are answered: from a start, or
    /// from when this registry begins to write a partition. Zero if there can be none.
    pub followers_return: Duration,
    /// The key that every call carries.
    pub key: OperatorKey,
    /// What seals secrets in the topic.
    pub seal_keys: SealKeys,
    /// The most webhooks of an account that has no number of its own (W3).
    pub webhooks_per_account: MaxWebhooks,
    /// For how long a deleted webhook may be brought back; zero: not at all.
    pub deleted_webhooks_kept: Duration,
    /// Where calls may lead: as delivery has it. It is asked again with each call.
    pub egress: egress::Rules,
    /// How long Kafka may take to acknowledge a write, and the reader to meet it; each.
    pub write_timeout: Duration,
    /// How many writes may wait, per partition; more are refused.
    pub max_waiting: NonZeroUsize,
    /// How many changes are kept for followers that come back or are slow; who misses more gets a new snapshot.
    pub recent_changes: NonZeroUsize,
}

impl Config {
    /// W3.
    const DEFAULT_WEBHOOKS_PER_ACCOUNT: MaxWebhooks = match MaxWebhooks::new(5) {
        Ok(five) => five,
        Err(_) => unreachable!(),
    };
    const DEFAULT_DELETED_WEBHOOKS_KEPT: Duration = Duration::from_hours(24);
    const DEFAULT_WRITE_TIMEOUT: Duration = Duration::from_secs(5);
    const DEFAULT_MAX_WAITING: NonZeroUsize = NonZeroUsize::new(256).unwrap();
    const DEFAULT_RECENT_CHANGES: NonZeroUsize = NonZeroUsize::new(10_000).unwrap();

    /// The defaults: HTTP on a free port, which knows of no other service, no other registry, secrets are not sealed, 5 webhooks an account, deleted ones are kept for 24 h, calls to the public over https, writes time out after 5 s, 256 may wait, 10,000 changes are kept.
    #[must_use]
    pub fn new(listen: SocketAddr, key: OperatorKey) -> Self {
        Self {
            listen,
            listen_http: SocketAddr::new(listen.ip(), 0),
            fanout: grpc::Place::default(),
            delivery: grpc::Place::default(),
            advertise: None,
            election: Election::Alone,
            followers_return: RETURN,
            key,
            seal_keys: SealKeys::none(),
            webhooks_per_account: Self::DEFAULT_WEBHOOKS_PER_ACCOUNT,
            deleted_webhooks_kept: Self::DEFAULT_DELETED_WEBHOOKS_KEPT,
            egress: egress::Rules::default(),
            write_timeout: Self::DEFAULT_WRITE_TIMEOUT,
            max_waiting: Self::DEFAULT_MAX_WAITING,
            recent_changes: Self::DEFAULT_RECENT_CHANGES,
        }
    }
}
