//! Settings of delivery.

use std::net::SocketAddr;
use std::time::Duration;

use angarium_delivery::Config;
use angarium_delivery::call::Authorities;
use angarium_policy::{Backoff, Reminders, egress};
use angarium_runtime::access::OperatorKey;
use angarium_runtime::config::{Reader, Section};

use super::shared::{Kafka, endpoint, file};

const KIB: usize = 1 << 10;
const MIB: usize = 1 << 20;
const GIB: usize = 1 << 30;
const MOST_CALLS: usize = 100_000;
const IN_FLIGHT: &str = "The most first attempts under way at once, all webhooks of the process together that keep up; further ones wait. Of these, of `delivery.max_catch_up` and of `delivery.max_probes` an account has at most as many as it leaves to others, or 16";
const CATCH_UP: &str = "The most first attempts under way at once of webhooks that are behind (catching up, in a slot, in a replay), apart from `delivery.max_in_flight`: many that recover at once take nothing from those that keep up";
const PROBES: &str = "The most retries under way at once, apart from `delivery.max_in_flight`: receivers that hang take nothing from those that answer";

/// Where commands find it, and its own settings.
pub(super) fn read(
    reader: &mut Reader,
    name: &str,
    key: &OperatorKey,
    kafka: &Kafka,
    egress: egress::Rules,
) -> (String, Config) {
    let mut section = reader.section("delivery");
    let (endpoint, listen) = grpc(&mut section);
    let default = Config::new(listen, key.clone());
    let intervals = || Duration::from_millis(10)..=Duration::from_mins(1);
    let config = Config {
        group: format!("{}.delivery", kafka.prefix),
        client_id: format!("{}-{name}", default.client_id),
        session_timeout: session_timeout(&mut section, default.session_timeout),
        max_group_events: section.integer(
            "max_group_events",
            default.max_group_events,
            1..=256,
            "The most events that one POST carries",
        ),
        max_group_bytes: section.bytes(
            "max_group_bytes",
            default.max_group_bytes,
            KIB..=MIB,
            "The most bytes of events that one POST carries; a single event is sent whatever its size",
        ),
        max_in_flight: calls(&mut section, "max_in_flight", default.max_in_flight, IN_FLIGHT),
        max_catch_up: calls(&mut section, "max_catch_up", default.max_catch_up, CATCH_UP),
        max_probes: calls(&mut section, "max_probes", default.max_probes, PROBES),
        max_queued_bytes: section.bytes(
            "max_queued_bytes",
            default.max_queued_bytes,
            MIB..=4 * GIB,
            "The most bytes of events that wait in memory, all partitions of the process together; those beyond it are read back from Kafka later. Groups that are being sent come on top",
        ),
        backoff: backoff(&mut section),
        honours_retry_after: section.flag(
            "honour_retry_after",
            default.honours_retry_after,
            "Whether the header `Retry-After` of an answer 429 or 503 may lengthen one wait, up to an hour",
        ),
        disables_gone: section.flag(
            "disable_on_gone",
            default.disables_gone,
            "Whether the answer 410 switches the webhook off; otherwise it is retried like any other failure",
        ),
        reminders: reminders(&mut section),
        checkpoint_interval: section.duration(
            "checkpoint_interval",
            default.checkpoint_interval,
            intervals(),
            "How often the process notes in Redis which events are done; after a crash at most the events of this time are sent again",
        ),
        commit_interval: section.duration(
            "commit_interval",
            default.commit_interval,
            intervals(),
            "How often the place up to which all events are done is committed to Kafka; it is where a restart reads on from",
        ),
        egress,
        authorities: authorities(&mut section),
        ..default
    };
    (endpoint, config)
}

fn authorities(section: &mut Section<'_>) -> Authorities {
    let pem = file(
        section,
        "ca_file",
        "A file of PEM certificates: authorities to trust beside the public ones when receivers are called over TLS, such as your company's own. Read at the start",
    );
    let Some(pem) = pem else {
        return Authorities::default();
    };
    Authorities::from_pem(&pem).unwrap_or_else(|error| {
        section.reject("ca_file", error);
        Authorities::default()
    })
}

fn session_timeout(section: &mut Section<'_>, default: Duration) -> Duration {
    section.duration(
        "session_timeout",
        default,
        Duration::from_secs(20)..=Duration::from_mins(5),
        "How long a worker may be silent before Kafka takes it for dead and gives its partitions to others. A call starts only while the time of an answer, 5 s, is left of it since the last renewal, five of which fall into it",
    )
}

/// How many calls of one class may be under way.
fn calls(section: &mut Section<'_>, name: &'static str, default: usize, text: &'static str) -> usize {
    section.integer(name, default, 1..=MOST_CALLS, text)
}

/// Where others find its gRPC, and where it listens.
fn grpc(section: &mut Section<'_>) -> (String, SocketAddr) {
    let endpoint = endpoint(
        section,
        "http://localhost:8083",
        "Where registry, console and commands find a delivery worker: http://host:port",
    );
    let listen = section.address(
        "grpc_listen",
        ([0, 0, 0, 0], 8083),
        "Where delivery serves gRPC, to test webhooks: the IP address and port to listen on; port 0 takes a free one, which several workers on one machine need",
    );
    (endpoint, listen)
}

/// D4: after 15 minutes, then every 24 hours.
fn reminders(section: &mut Section<'_>) -> Reminders {
    let bounds = || Duration::from_secs(1)..=Duration::from_hours(7 * 24);
    let first = section.duration(
        "reminder_first",
        Duration::from_mins(15),
        bounds(),
        "How long a webhook has failed when its subscriber is first reminded; told with its next failed attempt",
    );
    let every = section.duration(
        "reminder_every",
        Duration::from_hours(24),
        bounds(),
        "How often its subscriber is reminded after that while it fails",
    );
    Reminders::new(first, every)
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
        "The wait before the first retry of a webhook that fails; it doubles with each further failure",
    );
    let cap = section.duration(
        "retry_cap",
        CAP,
        bounds(),
        "The longest wait between two attempts at a webhook that fails; not less than `delivery.retry_first`",
    );
    Backoff::new(first, cap).unwrap_or_else(|error| {
        section.reject("retry_first", error);
        Backoff::default()
    })
}
