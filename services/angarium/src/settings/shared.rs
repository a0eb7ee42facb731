//! Settings that several roles share.

use std::net::SocketAddr;
use std::num::{NonZeroU16, NonZeroU32};
use std::time::Duration;

use angarium_kafka::Connection;
use angarium_kafka::topics::{Layout, Names};
use angarium_runtime::access::OperatorKey;
use angarium_runtime::config::{Reader, Secret, Section};
use angarium_runtime::grpc::check_endpoint;
use angarium_runtime::host_name;
use angarium_telemetry::Format;

/// Where others find a service over gRPC.
pub(super) fn endpoint(section: &mut Section<'_>, default: &'static str, text: &'static str) -> String {
    let endpoint = section.text("endpoint", default, text);
    if let Err(error) = check_endpoint(&endpoint) {
        section.reject("endpoint", error);
    }
    endpoint
}

/// What is in the file that a setting names; `None` without one, and when it cannot be read, which is told.
pub(super) fn file(section: &mut Section<'_>, name: &'static str, meaning: &'static str) -> Option<Vec<u8>> {
    let path = section
        .optional_text(name, meaning)
        .filter(|path| !path.is_empty())?;
    std::fs::read(&path)
        .map_err(|error| section.reject(name, format!("cannot be read: {error}")))
        .ok()
}

/// Where Kafka is, and what our topics and groups there are called.
#[derive(Debug)]
pub(crate) struct Kafka {
    pub(crate) bootstrap: String,
    pub(crate) prefix: String,
}

impl Kafka {
    pub(crate) fn connection(&self) -> Connection {
        Connection::new(&self.bootstrap)
    }

    pub(crate) fn names(&self) -> Names {
        Names::new(&self.prefix)
    }
}

/// How `angarium topics apply` makes the topics.
#[derive(Debug)]
pub(crate) struct Topics {
    events: NonZeroU32,
    deliveries: NonZeroU32,
    registry: NonZeroU32,
    journal: NonZeroU32,
    replication: NonZeroU16,
}

impl Topics {
    pub(crate) fn layout(&self, kafka: &Kafka) -> Layout {
        Layout {
            prefix: kafka.prefix.clone(),
            events: self.events,
            deliveries: self.deliveries,
            registry: self.registry,
            journal: self.journal,
            replication: self.replication,
        }
    }
}

pub(super) fn log(reader: &mut Reader) -> Format {
    let text = ("text", Format::Text);
    reader.section("log").choice(
        "format",
        &text,
        &[("json", Format::Json)],
        "How a line of the log looks: for people, or as a JSON object for programs",
    )
}

/// Where Prometheus finds metrics.
pub(super) fn metrics(reader: &mut Reader) -> Option<SocketAddr> {
    let meaning = "Where Prometheus finds metrics, at `/metrics`: an address and a port, such as 0.0.0.0:9464. Without it they are not served. What is pushed over OTLP the `OTEL_*` variables say";
    reader.section("metrics").optional_address("listen", meaning)
}

/// What this process is called. On one machine with others of its role it needs a name of its own.
pub(super) fn name(reader: &mut Reader) -> String {
    const LONGEST: usize = 128;
    let meaning = "What this process is called among those of its role, in Kafka's consumer groups and logs and in the log of cursors: letters, digits, `.`, `_` and `-`, at most 128. It must be unique, and the same after a restart; by default the name of the machine, on Kubernetes of the pod. A worker that is started again waits until the group has forgotten the one of its name that was killed, which else would hold up all others";
    let is_fine = |name: &str| {
        name.len() <= LONGEST
            && name
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
    };
    let mut section = reader.section("process");
    let Some(name) = section
        .optional_text("name", meaning)
        .filter(|name| !name.is_empty())
    else {
        return host_name()
            .chars()
            .filter(|c| is_fine(c.encode_utf8(&mut [0; 4])))
            .take(LONGEST)
            .collect();
    };
    if !is_fine(&name) {
        section.reject(
            "name",
            "has more than letters, digits, `.`, `_` and `-`, or is longer than 128 characters",
        );
    }
    name
}

pub(super) fn drain(reader: &mut Reader) -> Duration {
    const DEFAULT: Duration = Duration::from_secs(25);
    let bounds = Duration::from_secs(1)..=Duration::from_mins(10);
    let meaning = "The longest that the process may take to end once it is asked to (SIGTERM); then it is cut off. Keep it below what the supervisor grants, on Kubernetes terminationGracePeriodSeconds (30 s)";
    reader
        .section("process")
        .duration("drain", DEFAULT, bounds, meaning)
}

pub(super) fn kafka(reader: &mut Reader) -> Kafka {
    let mut kafka = reader.section("kafka");
    Kafka {
        bootstrap: kafka.text(
            "bootstrap",
            "localhost:9092",
            "The Kafka brokers to ask first: host:port, separated by commas; the others are learnt from them",
        ),
        prefix: kafka.text(
            "prefix",
            "angarium",
            "What the names of all topics, consumer groups and Redis keys begin with; two installations on one Kafka or Redis need different ones",
        ),
    }
}

pub(super) fn topics(reader: &mut Reader) -> Topics {
    const MOST: NonZeroU32 = NonZeroU32::new(10_000).unwrap();
    const MOST_REPLICAS: NonZeroU16 = NonZeroU16::new(9).unwrap();
    let default = Layout::default();
    let bounds = || NonZeroU32::MIN..=MOST;
    let mut topics = reader.section("topics");
    Topics {
        events: topics.integer(
            "events",
            default.events,
            bounds(),
            "Partitions of the events topic: how many fanout workers can share the work. Fixed once the topic exists",
        ),
        deliveries: topics.integer(
            "deliveries",
            default.deliveries,
            bounds(),
            "Partitions of each of the two deliveries topics (lanes): how many delivery workers can share the work. Fixed once they exist",
        ),
        registry: topics.integer(
            "registry",
            default.registry,
            bounds(),
            "Partitions of the registry topic, and of the audit topic. Fixed once they exist",
        ),
        journal: topics.integer(
            "journal",
            default.journal,
            bounds(),
            "Partitions of each of the two journal topics. Fixed once they exist",
        ),
        replication: topics.integer(
            "replication",
            default.replication,
            NonZeroU16::MIN..=MOST_REPLICAS,
            "Brokers that hold a copy of each partition; 3 in production, and not more than there are brokers",
        ),
    }
}

pub(super) fn redis(reader: &mut Reader) -> Secret {
    let meaning = "Where Redis is, and which of its databases: redis://[:password@]host:port[/database]";
    reader
        .section("redis")
        .secret_text("url", "redis://localhost:6379", meaning)
}

pub(super) fn key(reader: &mut Reader) -> OperatorKey {
    let meaning = "The key that opens everything: services present it to one another, and commands if they have no API key; 16 or more visible ASCII characters";
    let key = reader
        .section("operator")
        .secret("key", meaning, OperatorKey::new);
    // A key that nobody knows, in case somebody forgets to look at the mistakes.
    key.unwrap_or_else(OperatorKey::generate)
}

/// What commands present instead of the operator's key.
pub(super) fn api_key(reader: &mut Reader) -> Option<OperatorKey> {
    let meaning =
        "The API key that commands send instead of the operator's key, as `angarium key create` showed it";
    let mut section = reader.section("api");
    let given = section.optional_secret("key", meaning)?;
    match OperatorKey::new(given.expose()) {
        Ok(key) => Some(key),
        Err(error) => {
            section.reject("key", error);
            None
        }
    }
}
