//! Settings of ingest, and of the command that publishes to it.

use std::num::NonZeroUsize;
use std::time::Duration;

use angarium_ingest::{Config, Idempotency, Limits, StoreConfig, Traffic};
use angarium_runtime::access::OperatorKey;
use angarium_runtime::config::{Reader, Secret, Section};

const KIB: usize = 1 << 10;
const MIB: usize = 1 << 20;
const MILLISECOND: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_mins(1);
const WEEK: Duration = Duration::from_hours(7 * 24);
const MOST_QUEUED: NonZeroUsize = NonZeroUsize::new(10_000_000).unwrap();

/// Where commands find it, and its own settings.
pub(super) fn read(
    reader: &mut Reader,
    key: &OperatorKey,
    (redis, prefix): (&Secret, &str),
    drain: Duration,
) -> (String, Config) {
    let mut section = reader.section("ingest");
    let endpoint = section.text(
        "endpoint",
        "http://localhost:8080",
        "Where `angarium publish` finds ingest",
    );
    let http = section.address(
        "listen",
        ([0, 0, 0, 0], 8080),
        "Where HTTP is served; port 0 takes a free one",
    );
    let grpc = section.address(
        "grpc_listen",
        ([0, 0, 0, 0], 8081),
        "Where gRPC is served; port 0 takes a free one",
    );
    let default = Config::new(http, grpc, key.clone());
    let config = Config {
        limits: limits(&mut section, default.limits),
        traffic: traffic(&mut section, default.traffic, drain),
        produce_timeout: section.duration(
            "produce_timeout",
            default.produce_timeout,
            100 * MILLISECOND..=MINUTE,
            "The longest that a request waits for Kafka; then it is answered 503",
        ),
        max_queued: section.integer(
            "max_queued",
            default.max_queued,
            NonZeroUsize::MIN..=MOST_QUEUED,
            "Events that may await Kafka's acknowledgement; beyond it requests are answered 429",
        ),
        idempotency: idempotency(&mut section, default.idempotency, redis, prefix),
        ..default
    };
    (endpoint, config)
}

fn limits(section: &mut Section<'_>, default: Limits) -> Limits {
    // A delivery record, which is an event and the webhooks that it goes to, fits Kafka's 1 MiB.
    let limits = Limits {
        event_bytes: section.bytes(
            "max_event",
            default.event_bytes,
            KIB..=512 * KIB,
            "The largest event, as JSON",
        ),
        request_bytes: section.bytes(
            "max_request",
            default.request_bytes,
            KIB..=64 * MIB,
            "The largest request body",
        ),
        events: section.integer("max_events", default.events, 1..=10_000, "Events in one request"),
    };
    if limits.request_bytes < limits.event_bytes {
        section.reject(
            "max_request",
            "is less than ingest.max_event, so that events would be refused that it allows",
        );
    }
    limits
}

fn traffic(section: &mut Section<'_>, default: Traffic, drain: Duration) -> Traffic {
    let traffic = Traffic {
        connections: section.integer(
            "max_connections",
            default.connections,
            1..=1_000_000,
            "HTTP connections; more wait to be accepted",
        ),
        requests: section.integer(
            "max_requests",
            default.requests,
            1..=100_000,
            "HTTP requests in work at once; more are answered 503",
        ),
        read_timeout: section.duration(
            "read_timeout",
            default.read_timeout,
            SECOND..=10 * MINUTE,
            "The longest that a request's head, and then its body, may take to come",
        ),
        drain: section.duration(
            "drain",
            default.drain,
            Duration::ZERO..=10 * MINUTE,
            "The longest that requests in work may take once the process is asked to end",
        ),
    };
    if traffic.drain > drain {
        section.reject("drain", "is more than process.drain, which would cut it short");
    }
    traffic
}

fn idempotency(section: &mut Section<'_>, default: Idempotency, redis: &Secret, prefix: &str) -> Idempotency {
    let shared = (
        "redis",
        StoreConfig::Redis {
            url: redis.expose().to_owned(),
            prefix: prefix.to_owned(),
        },
    );
    let alone = ("memory", default.store);
    Idempotency {
        store: section.choice(
            "ids",
            &shared,
            &[alone],
            "Where ids of accepted events are remembered: in Redis, or in this process, which only suits a single one",
        ),
        remember: section.duration(
            "ids_remember",
            default.remember,
            MINUTE..=WEEK,
            "How long an accepted id is remembered",
        ),
        pending: section.duration(
            "ids_pending",
            default.pending,
            SECOND..=10 * MINUTE,
            "How long an id stays claimed by a request that came to no end",
        ),
        timeout: section.duration(
            "ids_timeout",
            default.timeout,
            MILLISECOND..=5 * SECOND,
            "The longest that a request waits for Redis; then it goes on without",
        ),
    }
}
