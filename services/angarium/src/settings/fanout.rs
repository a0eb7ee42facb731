//! Settings of fanout.

use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::time::Duration;

use angarium_fanout::Config;
use angarium_runtime::config::Reader;

use super::shared::{Kafka, endpoint};

const MOST: NonZeroUsize = NonZeroUsize::new(10_000_000).unwrap();
const LEAST_BYTES: usize = 1 << 20;
const MOST_BYTES: usize = 1 << 30;

/// Where others find it, where it listens, and its settings.
pub(super) fn read(reader: &mut Reader, name: &str, kafka: &Kafka) -> (String, SocketAddr, Config) {
    let default = Config::default();
    let mut section = reader.section("fanout");
    let endpoint = endpoint(
        &mut section,
        "http://localhost:8084",
        "Where registry, console and commands find a fanout worker: http://host:port",
    );
    let listen = section.address(
        "grpc_listen",
        ([0, 0, 0, 0], 8084),
        "Where fanout serves gRPC, to explain what it matches: the IP address and port to listen on; port 0 takes a free one, which several workers on one machine need",
    );
    let counts = || NonZeroUsize::MIN..=MOST;
    let config = Config {
        group: format!("{}.fanout", kafka.prefix),
        client_id: format!("{}-{name}", default.client_id),
        session_timeout: section.duration(
            "session_timeout",
            default.session_timeout,
            Duration::from_secs(6)..=Duration::from_mins(5),
            "How long a worker may be silent before Kafka takes it for dead and gives its partitions to others",
        ),
        max_pending_events: section.integer(
            "max_pending_events",
            default.max_pending_events,
            counts(),
            "The most events per partition whose deliveries await Kafka's acknowledgement; then no more are read",
        ),
        max_pending_bytes: NonZeroUsize::new(section.bytes(
            "max_pending_bytes",
            default.max_pending_bytes.get(),
            LEAST_BYTES..=MOST_BYTES,
            "The most bytes of deliveries per partition that await Kafka's acknowledgement; then no more events are read. A single event is always let in",
        ))
        .unwrap_or(default.max_pending_bytes),
        commit_interval: section.duration(
            "commit_interval",
            default.commit_interval,
            Duration::from_millis(10)..=Duration::from_mins(1),
            "How often the place in the events topic is committed to Kafka; after a crash at most the events of this time are matched again",
        ),
    };
    (endpoint, listen, config)
}
