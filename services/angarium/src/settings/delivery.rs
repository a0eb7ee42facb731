//! Settings of delivery.

use std::time::Duration;

use angarium_delivery::Config;
use angarium_policy::{Backoff, egress};
use angarium_runtime::config::{Reader, Section};

use super::shared::Kafka;

const KIB: usize = 1 << 10;
const MIB: usize = 1 << 20;
const GIB: usize = 1 << 30;
const MOST_CALLS: usize = 100_000;

pub(super) fn read(reader: &mut Reader, kafka: &Kafka, egress: egress::Rules) -> Config {
    let default = Config::default();
    let mut section = reader.section("delivery");
    let intervals = || Duration::from_millis(10)..=Duration::from_mins(1);
    Config {
        group: format!("{}.delivery", kafka.prefix),
        session_timeout: section.duration(
            "session_timeout",
            default.session_timeout,
            Duration::from_secs(6)..=Duration::from_mins(5),
            "How long a worker may be silent before Kafka gives its partitions to others",
        ),
        max_group_events: section.integer(
            "max_group_events",
            default.max_group_events,
            1..=256,
            "Events that one POST carries at most",
        ),
        max_group_bytes: section.bytes(
            "max_group_bytes",
            default.max_group_bytes,
            KIB..=MIB,
            "Bytes of events that one POST carries at most; one event always fits",
        ),
        max_in_flight: section.integer(
            "max_in_flight",
            default.max_in_flight,
            1..=MOST_CALLS,
            "First attempts under way at once, all webhooks together",
        ),
        max_probes: section.integer(
            "max_probes",
            default.max_probes,
            1..=MOST_CALLS,
            "Retries under way at once; receivers that hang take nothing from those that answer",
        ),
        max_queued_bytes: section.bytes(
            "max_queued_bytes",
            default.max_queued_bytes,
            MIB..=4 * GIB,
            "What the queues of one partition may hold; beyond it events are read back from Kafka",
        ),
        backoff: backoff(&mut section),
        checkpoint_interval: section.duration(
            "checkpoint_interval",
            default.checkpoint_interval,
            intervals(),
            "How often what is done is remembered in Redis; a crash repeats at most this much",
        ),
        commit_interval: section.duration(
            "commit_interval",
            default.commit_interval,
            intervals(),
            "How often the place in the deliveries topics is committed",
        ),
        egress,
        ..default
    }
}

/// D2: 5 s, doubling to 5 minutes.
fn backoff(section: &mut Section<'_>) -> Backoff {
    const FIRST: Duration = Duration::from_secs(5);
    const CAP: Duration = Duration::from_mins(5);
    let bounds = || Duration::from_millis(1)..=Duration::from_hours(24);
    let first = section.duration(
        "retry_first",
        FIRST,
        bounds(),
        "The wait after a webhook's first failure; it doubles",
    );
    let cap = section.duration("retry_cap", CAP, bounds(), "The longest wait between attempts");
    Backoff::new(first, cap).unwrap_or_else(|error| {
        section.reject("retry_first", error);
        Backoff::default()
    })
}
