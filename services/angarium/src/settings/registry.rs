//! Settings of the registry, and of those who call it.

use std::num::NonZeroUsize;
use std::time::Duration;

use angarium_registry::Config;
use angarium_runtime::access::OperatorKey;
use angarium_runtime::config::Reader;
use angarium_runtime::grpc::check_endpoint;

const MOST_WAITING: NonZeroUsize = NonZeroUsize::new(100_000).unwrap();
const MOST_CHANGES: NonZeroUsize = NonZeroUsize::new(10_000_000).unwrap();

/// Where others find it, and its own settings.
pub(super) fn read(reader: &mut Reader, key: &OperatorKey) -> (String, Config) {
    let mut section = reader.section("registry");
    let endpoint = section.text(
        "endpoint",
        "http://localhost:8082",
        "Where other roles and commands find the registry",
    );
    if let Err(error) = check_endpoint(&endpoint) {
        section.reject("endpoint", error);
    }
    let listen = section.address(
        "listen",
        ([0, 0, 0, 0], 8082),
        "Where the registry serves gRPC; port 0 takes a free one",
    );
    let default = Config::new(listen, key.clone());
    let config = Config {
        write_timeout: section.duration(
            "write_timeout",
            default.write_timeout,
            Duration::from_millis(100)..=Duration::from_mins(1),
            "How long Kafka may take to acknowledge a write, and the registry to read it back; each",
        ),
        max_waiting: section.integer(
            "max_waiting",
            default.max_waiting,
            NonZeroUsize::MIN..=MOST_WAITING,
            "Writes that may wait, per partition; more are refused",
        ),
        recent_changes: section.integer(
            "recent_changes",
            default.recent_changes,
            NonZeroUsize::MIN..=MOST_CHANGES,
            "Changes kept for followers that come back; who misses more gets a new snapshot",
        ),
        ..default
    };
    (endpoint, config)
}
