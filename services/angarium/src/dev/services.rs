//! Starts the services, as production does, on loopback ports.

use std::net::{Ipv4Addr, SocketAddr};
use std::num::NonZeroUsize;
use std::time::Duration;

use angarium_delivery::{Checkpoints, Memory};
use angarium_directory::{Directory, Keep};
use angarium_ingest::{Idempotency, StoreConfig, Surroundings};
use angarium_kafka::topics::{self, Change, Layout, Names};
use angarium_kafka::{Connection, MockBroker};
use angarium_policy::egress;
use angarium_runtime::access::OperatorKey;
use angarium_runtime::grpc::Place;
use angarium_runtime::{Clock, Tasks, grpc};
use anyhow::{Context, bail};
use tempfile::TempDir;
use tokio::net::TcpListener;

use super::Args;
use super::setup::RegistryClient;

/// What all keys in Redis begin with.
const REDIS_PREFIX: &str = "angarium";
/// Ids of events that are remembered, to recognise repeats.
const REMEMBERED_IDS: NonZeroUsize = NonZeroUsize::new(100_000).unwrap();

/// A loopback address; port 0 is a free one.
pub(super) const fn loopback(port: u16) -> SocketAddr {
    SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), port)
}

/// Where the services will listen.
#[derive(Debug)]
pub(super) struct Ports {
    http: u16,
    grpc: u16,
    registry: u16,
    registry_http: u16,
    fanout: u16,
    delivery: u16,
    metrics: u16,
    console: u16,
    /// What the user must know of the choice.
    pub(super) notes: Vec<String>,
}

impl Ports {
    /// What the command line says; else the default; else, if that is taken, a free port.
    ///
    /// # Errors
    /// If a port that was asked for is taken.
    pub(super) async fn choose(args: &Args) -> anyhow::Result<Self> {
        let mut notes = Vec::new();
        Ok(Self {
            http: choose("--http-port", args.http_port, 8080, &mut notes).await?,
            grpc: choose("--grpc-port", args.grpc_port, 8081, &mut notes).await?,
            registry: choose("--registry-port", args.registry_port, 8082, &mut notes).await?,
            registry_http: choose("--registry-http-port", args.registry_http_port, 8085, &mut notes).await?,
            fanout: choose("--fanout-port", args.fanout_port, 8084, &mut notes).await?,
            delivery: choose("--delivery-port", args.delivery_port, 8083, &mut notes).await?,
            metrics: choose("--metrics-port", args.metrics_port, 9464, &mut notes).await?,
            console: choose("--console-port", args.console_port, 8086, &mut notes).await?,
            notes,
        })
    }

    /// Where Prometheus finds metrics.
    pub(super) fn metrics(&self) -> SocketAddr {
        loopback(self.metrics)
    }
}

async fn choose(
    flag: &str,
    asked: Option<u16>,
    default: u16,
    notes: &mut Vec<String>,
) -> anyhow::Result<u16> {
    let port = asked.unwrap_or(default);
    match (TcpListener::bind(loopback(port)).await, asked) {
        (Ok(_free), _) => Ok(port),
        (Err(error), None) => {
            notes.push(format!(
                "Port {port} cannot be used ({error}): a free one is taken instead. {flag} sets another."
            ));
            Ok(0)
        }
        (Err(error), Some(_)) => {
            bail!(
                "{flag} {port}: cannot listen there ({error}); leave it out, or give 0, to take a free port"
            )
        }
    }
}

/// The Kafka that everything stands on.
#[derive(Debug)]
pub(super) struct Kafka {
    pub(super) connection: Connection,
    pub(super) topics: Names,
    /// What the console keeps of it; removed at the end, as a second run reads it again.
    pub(super) folder: TempDir,
    /// What was done to a real one.
    _mock: Option<MockBroker>,
}

impl Kafka {
    /// The one at `bootstrap`, with its topics brought in line; else one in memory.
    ///
    /// # Errors
    /// If it cannot be reached, or has topics that differ in what must not be changed.
    pub(super) async fn start(bootstrap: Option<&str>) -> anyhow::Result<Self> {
        let layout = Layout::default();
        let topics = layout.names();
        let folder = tempfile::tempdir().context("cannot make a temporary folder for the console")?;
        let Some(bootstrap) = bootstrap else {
            let mock = MockBroker::start(&layout).context("cannot start a Kafka in memory")?;
            return Ok(Self {
                connection: mock.connection(),
                topics,
                folder,
                _mock: Some(mock),
            });
        };
        let connection = Connection::new(bootstrap);
        let applied = topics::apply(&connection, &layout)
            .await
            .with_context(|| format!("cannot use the Kafka at {bootstrap}"))?;
        let created = applied
            .iter()
            .filter(|applied| matches!(applied.change, Change::Created))
            .count();
        tracing::info!(created, "topics are in line");
        Ok(Self {
            connection,
            topics,
            folder,
            _mock: None,
        })
    }
}

/// Where the services listen.
#[derive(Clone, Copy, Debug)]
pub(super) struct Running {
    pub(super) http: SocketAddr,
    pub(super) grpc: SocketAddr,
    pub(super) registry: SocketAddr,
    pub(super) registry_http: SocketAddr,
    pub(super) fanout: SocketAddr,
    pub(super) delivery: SocketAddr,
    pub(super) console: SocketAddr,
}

/// Starts the registry, then `set_up`, then those that follow the registry: so they know all from the beginning.
///
/// # Errors
/// If a service cannot start, or `set_up` fails.
pub(super) async fn start<T>(
    args: &Args,
    ports: &Ports,
    kafka: &Kafka,
    key: &OperatorKey,
    tasks: &Tasks,
    set_up: impl AsyncFnOnce(RegistryClient) -> anyhow::Result<T>,
) -> anyhow::Result<(Running, T)> {
    let (clock, connection, names) = (Clock::system(), &kafka.connection, &kafka.topics);
    let places = [Place::default(), Place::default()];
    let starting = angarium_registry::Service::start(
        registry_config(ports, key, &places),
        connection,
        names,
        clock.clone(),
        tasks,
    );
    let started = starting.await.context("cannot start the registry")?;
    let (registry, registry_http) = (started.address(), started.http());
    let set_up = set_up(super::setup::client(registry, key)?).await?;

    let endpoint = format!("http://{registry}");
    let follow = |keep| -> anyhow::Result<Directory> {
        Ok(Directory::follow(
            grpc::Address::new(&endpoint, key)?,
            keep,
            clock.clone(),
            tasks,
        ))
    };
    let around = Surroundings {
        kafka: connection.clone(),
        topics: names.clone(),
        directory: follow(Keep::Nothing)?,
        clock: clock.clone(),
    };
    let ids = remembered_ids(args.redis.as_deref(), &clock);
    let ingest = angarium_ingest::Service::start(ingest_config(ports, key, ids), around, tasks);
    let ingest = ingest.await.context("cannot start ingest")?;

    let directory = follow(Keep::Interests)?;
    let fanout = fanout(ports.fanout, directory, kafka, key, clock.clone(), tasks).await?;

    let dependencies = angarium_delivery::Dependencies {
        kafka: connection.clone(),
        topics: names.clone(),
        directory: follow(Keep::Everything)?,
        registry: grpc::client(&endpoint, key)?,
        checkpoints: match &args.redis {
            Some(url) => Checkpoints::redis(url, REDIS_PREFIX)?,
            None => Checkpoints::Memory(Memory::default()),
        },
        clock: clock.clone(),
    };
    let config = angarium_delivery::Config {
        egress: egress::Rules::this_machine(),
        ..angarium_delivery::Config::new(loopback(ports.delivery), key.clone())
    };
    let starting = angarium_delivery::run(config, dependencies, tasks);
    let delivery = starting.await.context("cannot start delivery")?.grpc();
    for (place, address) in places.iter().zip([fanout, delivery]) {
        place.tell(format!("http://{address}"));
    }
    let others = [registry, fanout, delivery];
    let console = console(ports.console, others, kafka, key, clock, tasks).await?;
    Ok((
        Running {
            http: ingest.http(),
            grpc: ingest.grpc(),
            registry,
            registry_http,
            fanout,
            delivery,
            console,
        },
        set_up,
    ))
}

/// Fanout and delivery start after the registry: their places are told then.
fn registry_config(ports: &Ports, key: &OperatorKey, places: &[Place; 2]) -> angarium_registry::Config {
    let [fanout, delivery] = places.clone();
    angarium_registry::Config {
        // Nobody follows yet who could have gone on without it: it begins together with them.
        followers_return: Duration::ZERO,
        listen_http: loopback(ports.registry_http),
        fanout,
        delivery,
        // Receivers are on this machine: the sample, and those that people try out.
        egress: egress::Rules::this_machine(),
        ..angarium_registry::Config::new(loopback(ports.registry), key.clone())
    }
}

/// Starts fanout; says where it is asked.
async fn fanout(
    port: u16,
    directory: Directory,
    kafka: &Kafka,
    key: &OperatorKey,
    clock: Clock,
    tasks: &Tasks,
) -> anyhow::Result<SocketAddr> {
    let (connection, names) = (&kafka.connection, &kafka.topics);
    let config = angarium_fanout::Config::default();
    let explainer = angarium_fanout::Explainer::open(
        connection,
        names,
        &config.client_id,
        directory.clone(),
        clock,
        tasks,
    )?;
    let serving = explainer.serve(loopback(port), key.clone(), tasks);
    let address = serving.await.context("cannot start fanout")?;
    let starting =
        angarium_fanout::Service::start(config, connection.clone(), names.clone(), directory, tasks);
    // It ends with the shutdown; the handle would only end it earlier.
    drop(starting.await.context("cannot start fanout")?);
    Ok(address)
}

/// Starts the console, which asks the registry, fanout and delivery at these addresses.
async fn console(
    port: u16,
    others: [SocketAddr; 3],
    kafka: &Kafka,
    key: &OperatorKey,
    clock: Clock,
    tasks: &Tasks,
) -> anyhow::Result<SocketAddr> {
    let [registry, fanout, delivery] = others.map(|address| format!("http://{address}"));
    let folder = kafka.folder.path().to_owned();
    let config = angarium_console::Config {
        // The pages are for whoever sits here; nobody has to find a key first.
        local_operator: Some(key.clone()),
        secure_cookies: false,
        ..angarium_console::Config::new(loopback(port), registry, fanout, delivery, folder)
    };
    let starting = angarium_console::Service::start(config, &kafka.connection, &kafka.topics, clock, tasks);
    Ok(starting.await.context("cannot start the console")?.address())
}

fn ingest_config(ports: &Ports, key: &OperatorKey, ids: StoreConfig) -> angarium_ingest::Config {
    let (http, grpc) = (loopback(ports.http), loopback(ports.grpc));
    angarium_ingest::Config {
        idempotency: Idempotency {
            store: ids,
            ..Idempotency::default()
        },
        ..angarium_ingest::Config::new(http, grpc, key.clone())
    }
}

/// Each run remembers ids of its own, in Redis too: else the samples of a second run would be repeats, which ingest
/// answers and nobody delivers.
fn remembered_ids(redis: Option<&str>, clock: &Clock) -> StoreConfig {
    match redis {
        Some(url) => StoreConfig::Redis {
            url: url.to_owned(),
            prefix: format!("{REDIS_PREFIX}:dev-{}-{}", clock.now_ms(), std::process::id()),
        },
        None => StoreConfig::Memory {
            entries: REMEMBERED_IDS,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_default_port_that_is_taken_is_told_and_replaced_by_a_free_one() {
        let taken = TcpListener::bind(loopback(0)).await.unwrap();
        let port = taken.local_addr().unwrap().port();
        let mut notes = Vec::new();
        assert_eq!(choose("--http-port", None, port, &mut notes).await.unwrap(), 0);
        assert!(
            notes[0].contains(&format!("Port {port} cannot be used")),
            "{notes:?}"
        );
        assert!(notes[0].contains("--http-port"), "{notes:?}");
    }

    #[tokio::test]
    async fn a_port_that_was_asked_for_is_not_replaced() {
        let taken = TcpListener::bind(loopback(0)).await.unwrap();
        let port = taken.local_addr().unwrap().port();
        let error = choose("--http-port", Some(port), 8080, &mut Vec::new())
            .await
            .unwrap_err()
            .to_string();
        assert!(error.contains(&format!("--http-port {port}")), "{error}");
    }
}
