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
        "Where `angarium publish` finds ingest: http://host:port",
    );
    let http = section.address(
        "listen",
        ([0, 0, 0, 0], 8080),
        "Where producers reach ingest over HTTP: the IP address and port to listen on; port 0 takes a free one",
    );
    let grpc = section.address(
        "grpc_listen",
        ([0, 0, 0, 0], 8081),
        "Where producers reach ingest over gRPC: the IP address and port to listen on; port 0 takes a free one",
    );
    let default = Config::new(http, grpc, key.clone());
    let config = Config {
        limits: limits(&mut section, default.limits),
        traffic: traffic(&mut section, default.traffic, drain),
        produce_timeout: section.duration(
            "produce_timeout",
            default.produce_timeout,
            100 * MILLISECOND..=MINUTE,
            "The longest that a request waits for Kafka's acknowledgement; then it is answered 503 (gRPC: UNAVAILABLE)",
        ),
        max_queued: section.integer(
            "max_queued",
            default.max_queued,
            NonZeroUsize::MIN..=MOST_QUEUED,
            "The most events that await Kafka's acknowledgement, all requests together, and never more than 256 MiB of them; further ones are answered 429 (gRPC: RESOURCE_EXHAUSTED)",
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
            "The largest event: bytes of its JSON text, or of its gRPC message",
        ),
        request_bytes: section.bytes(
            "max_request",
            default.request_bytes,
            KIB..=64 * MIB,
            "The largest body of an HTTP request, or gRPC message; not less than `ingest.max_event`",
        ),
        events: section.integer(
            "max_events",
            default.events,
            1..=10_000,
            "The most events in one request",
        ),
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
            "The most HTTP connections open at once; further ones wait to be accepted",
        ),
        requests: section.integer(
            "max_requests",
            default.requests,
            1..=100_000,
            "The most requests under way at once, over HTTP and gRPC together; further ones are answered 503 (gRPC: RESOURCE_EXHAUSTED). Each may hold its body in memory; a PublishStream counts as one while it has events under way, and eight times as many may be open",
        ),
        read_timeout: section.duration(
            "read_timeout",
            default.read_timeout,
            SECOND..=10 * MINUTE,
            "The longest that a request's head, and then its body, may take to arrive; a late body is answered 408",
        ),
        drain: section.duration(
            "drain",
            default.drain,
            Duration::ZERO..=10 * MINUTE,
            "The longest that requests under way may take once the process is asked to end; then they are cut off. Not more than `process.drain`",
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
            "Where the ids of accepted events are remembered, to recognise an event that is sent again: in Redis, or in the memory of this process, which only suits a single ingest",
        ),
        remember: section.duration(
            "ids_remember",
            default.remember,
            MINUTE..=WEEK,
            "How long the id of an accepted event is remembered; the same event sent later than that is accepted again",
        ),
        pending: section.duration(
            "ids_pending",
            default.pending,
            SECOND..=10 * MINUTE,
            "How long an id stays reserved for the request that brought it, should ingest crash before the answer",
        ),
        timeout: section.duration(
            "ids_timeout",
            default.timeout,
            MILLISECOND..=5 * SECOND,
            "The longest that a request waits for Redis; then its events are accepted without a look for repeats",
        ),
    }
}
