//! What can be set.

use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::time::Duration;

use angarium_model::Strictness;
use angarium_runtime::access::OperatorKey;
use angarium_runtime::http::Bounds;

use crate::own_types::OwnTypes;

/// The settings of ingest.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where HTTP is served; port 0 takes a free one.
    pub listen_http: SocketAddr,
    /// Where gRPC is served; port 0 takes a free one.
    pub listen_grpc: SocketAddr,
    /// The key without which nothing is open.
    pub key: OperatorKey,
    /// How much one request may bring.
    pub limits: Limits,
    /// How many connections and requests are served at once, and how long a sender may take.
    pub traffic: Traffic,
    /// The longest that a request waits for Kafka's acknowledgement.
    pub produce_timeout: Duration,
    /// The most records that await Kafka's acknowledgement; beyond it requests are refused.
    pub max_queued: NonZeroUsize,
    /// How repeated events are recognised.
    pub idempotency: Idempotency,
}

impl Config {
    /// The defaults, with recognition of repeats in this process alone.
    #[must_use]
    pub fn new(listen_http: SocketAddr, listen_grpc: SocketAddr, key: OperatorKey) -> Self {
        Self {
            listen_http,
            listen_grpc,
            key,
            limits: Limits::default(),
            traffic: Traffic::default(),
            produce_timeout: Duration::from_secs(5),
            max_queued: const { NonZeroUsize::new(100_000).unwrap() },
            idempotency: Idempotency::default(),
        }
    }

    /// The longest that a gRPC call may take: its message comes within the read timeout, as over HTTP, the store is
    /// asked up to three times (to claim, to release, to mark), and Kafka once.
    pub(crate) fn call_timeout(&self) -> Duration {
        self.traffic.read_timeout + self.idempotency.timeout * 3 + self.produce_timeout
    }
}

/// What events of a request are held against.
#[derive(Clone, Debug)]
pub(crate) struct Rules {
    /// Those of the installation.
    pub(crate) limits: Limits,
    /// That of their account.
    pub(crate) strictness: Strictness,
    /// The types that it may have beside those of the catalogue.
    pub(crate) types: OwnTypes,
}

/// How much one request may bring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The largest event, in bytes of its JSON text.
    pub event_bytes: usize,
    /// The largest request body, in bytes.
    pub request_bytes: usize,
    /// The most events of one request.
    pub events: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            event_bytes: 256 * 1024,
            request_bytes: 5 * 1024 * 1024,
            events: 1_000,
        }
    }
}

/// How many connections and requests are served at once, and how long a sender may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Traffic {
    /// The most HTTP connections; more wait to be accepted.
    pub connections: usize,
    /// The most requests under way, over HTTP and gRPC together; more are answered 503 and `RESOURCE_EXHAUSTED`.
    /// Each may hold a body in memory. A `PublishStream` counts as one while it has events under way; eight times as
    /// many may be open.
    pub requests: usize,
    /// The longest that reading a request's head, and then its body, may take.
    pub read_timeout: Duration,
    /// The longest that requests in work may take once the shutdown has begun.
    pub drain: Duration,
}

impl Traffic {
    /// As the HTTP server has them.
    pub(crate) fn bounds(&self) -> Bounds {
        Bounds {
            connections: self.connections,
            read_timeout: self.read_timeout,
            drain: self.drain,
            ..Bounds::default()
        }
    }

    /// The most open streams: most are quiet most of the time.
    pub(crate) const fn streams(&self) -> usize {
        const FOR_EACH_REQUEST: usize = 8;
        self.requests.saturating_mul(FOR_EACH_REQUEST)
    }
}

impl Default for Traffic {
    fn default() -> Self {
        let Bounds {
            connections,
            read_timeout,
            drain,
            ..
        } = Bounds::default();
        Self {
            connections,
            requests: 512,
            read_timeout,
            drain,
        }
    }
}

/// How repeated events are recognised (DESIGN §4).
#[derive(Clone, Debug)]
pub struct Idempotency {
    /// Where ids are remembered.
    pub store: StoreConfig,
    /// How long an accepted id is remembered.
    pub remember: Duration,
    /// How long an id stays claimed by a request that came to no end.
    pub pending: Duration,
    /// The longest that a request waits for the store; then it goes on without.
    pub timeout: Duration,
}

impl Default for Idempotency {
    fn default() -> Self {
        Self {
            store: StoreConfig::Memory {
                entries: const { NonZeroUsize::new(100_000).unwrap() },
            },
            remember: Duration::from_secs(60 * 60),
            pending: Duration::from_secs(30),
            timeout: Duration::from_millis(100),
        }
    }
}

/// Where ids are remembered.
#[derive(Clone)]
pub enum StoreConfig {
    /// In a Redis that all replicas of ingest share.
    Redis {
        /// `redis://[:password@]host:port[/database]`.
        url: String,
        /// What all keys begin with, before a colon.
        prefix: String,
    },
    /// In this process: for one replica only, and forgotten with it.
    Memory {
        /// The most ids; the oldest go first.
        entries: NonZeroUsize,
    },
}

impl std::fmt::Debug for StoreConfig {
    /// A URL may carry a password, so it is not shown.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Redis { .. } => f.write_str("Redis(…)"),
            Self::Memory { entries } => f.debug_struct("Memory").field("entries", entries).finish(),
        }
    }
}
