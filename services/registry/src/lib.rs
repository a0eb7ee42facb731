//! The registry: accounts, webhooks and API keys, and the only writer of `angarium.registry` (DESIGN §5).
//!
//! Kafka is the database. Everything is in memory, put there by one reader that tails the compacted topic from its
//! beginning; serving starts when it has reached the end. **State changes only by what is read back**: a write is
//! checked against the state, appended, and answered when the reader has met it. A write whose outcome is unknown,
//! because Kafka did not acknowledge in time, therefore changes nothing until it shows up in the topic, or never.
//!
//! All things of an account are in one partition, as are those of the platform (its `home`), and every rule (an id is
//! taken, a revision is current, an account has no webhooks) speaks of one home. So each partition has one writer at a time, and the offset of a record is the
//! revision of what it says.
//!
//! Several registries may run. A consumer group says which of them writes a partition (`election`), a transactional id
//! keeps out who wrote it before, and a record in the partition tells the others where its writer is: they pass
//! writes on to it (`routing`), and read the topic themselves.
//!
//! - `request` checks what callers send, `plan` and `patch` decide what is written, `writer` writes it.
//! - `store` holds the `state` and the `feed` of recent changes, fed by `reader`.
//! - `audit` tells who changed what.
//! - `watch` sends followers a snapshot and then the feed; nobody waits for a slow one.
//! - `sessions` knows how far each follower has come: a write is answered once all have it that may act. `following` is
//!   one of them, and `upstream` is this registry as a follower of the others.

mod api;
mod audit;
mod changes;
mod config;
mod election;
mod error;
mod feed;
mod following;
mod home;
mod keys;
mod metrics;
mod named;
mod page;
mod patch;
mod peers;
mod plan;
mod queue;
mod reader;
mod record;
mod refusal;
mod request;
mod revisions;
mod routing;
mod seal;
mod sessions;
mod state;
mod store;
mod types;
mod upstream;
mod watch;
mod writer;
mod writers;

use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::sync::Arc;

use angarium_kafka::{Connection, From, LogReader, Tail, topics};
use angarium_policy::egress::Policy;
use angarium_proto::audit::v1::audit_service_server::AuditServiceServer;
use angarium_proto::delivery::v1::{delivery_service_server, replay_service_server};
use angarium_proto::explain::v1::explain_service_server;
use angarium_proto::journal::v1::journal_service_server;
use angarium_proto::registry::v1::registry_service_server::RegistryServiceServer;
use angarium_proto::{FILE_DESCRIPTOR_SET, METHOD_SCOPES};
use angarium_rest::Elsewhere;
use angarium_runtime::access::{Gate, Uses};
use angarium_runtime::grpc::InvalidEndpoint;
use angarium_runtime::{Clock, Tasks, grpc, http};
use tokio::net::TcpListener;
use tokio::sync::oneshot;

pub use config::Config;
pub use election::Election;
pub use error::Error;
pub use metrics::METRICS;
pub use record::UnreadableRecord;
pub use seal::{InvalidKeys, SealKeys};

use crate::api::Api;
use crate::audit::{AuditLog, Auditor};
use crate::following::Followers;
use crate::keys::KnownKeys;
use crate::named::Named;
use crate::peers::Peers;
use crate::routing::Routing;
use crate::sessions::Sessions;
use crate::store::Store;
use crate::upstream::Upstream;
use crate::writers::Writers;

/// Name in the brokers' logs.
const CLIENT_ID: &str = "angarium-registry";

/// The registry service; see [`Service::start`].
#[derive(Debug)]
pub struct Service;

/// A registry that serves. It ends with its [`Tasks`].
#[derive(Clone, Copy, Debug)]
pub struct Handle {
    address: SocketAddr,
    http: SocketAddr,
}

impl Handle {
    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where HTTP is served.
    #[must_use]
    pub const fn http(&self) -> SocketAddr {
        self.http
    }
}

impl Service {
    /// Reads the topic to its end, then listens and serves until the shutdown of `tasks` begins.
    ///
    /// # Errors
    /// When Kafka does not answer, the topic is missing or holds something unreadable, the address cannot be
    /// listened on, or the shutdown begins first.
    pub async fn start(
        config: Config,
        connection: &Connection,
        names: &topics::Names,
        clock: Clock,
        tasks: &Tasks,
    ) -> Result<Handle, Error> {
        let elsewhere = elsewhere(&config)?;
        let (store, partitions) = load(&config, connection, names, tasks).await?;
        let (listener, address) = listen(config.listen).await?;
        let endpoint = config
            .advertise
            .clone()
            .unwrap_or_else(|| format!("http://{address}"));
        let count = i32::try_from(partitions.get()).unwrap_or(i32::MAX);
        let mandates = election::stand(&config.election, connection, names.registry(), count, tasks)
            .map_err(|error| *error)?;
        let kafka = (connection, (names.registry(), names.audit()), partitions);
        let sessions = Arc::new(Sessions::new(config.followers_return));
        metrics::observe(&store, &sessions);
        let shutdown = tasks.shutdown();
        let keeping_time = Arc::clone(&sessions).keep_time(shutdown.clone());
        tasks.spawn("registry sessions", keeping_time);
        let writers = Writers::start(
            &config,
            &endpoint,
            kafka,
            mandates,
            (&store, &sessions, &clock),
            tasks,
        );
        let peers = Peers::new(config.key.clone());
        let upstream = Upstream::new(&store, &sessions, &writers, &peers);
        tasks.spawn("registry upstreams", upstream.clone().follow(tasks.clone()));
        let followers = Followers {
            store: Arc::clone(&store),
            sessions: Arc::clone(&sessions),
            upstream,
            shutdown: shutdown.clone(),
        };
        let routing = Routing {
            store,
            writers,
            sessions,
            peers,
            clock,
            egress: Policy::new(config.egress),
            patience: config.write_timeout,
        };
        let named = Named {
            store: Arc::clone(&routing.store),
            patience: routing.patience,
        };
        let (uses, used) = Uses::new();
        let keys = KnownKeys::new(&routing.store, &followers.upstream, &uses);
        let gate = Gate::new(config.key.clone(), Arc::new(keys), routing.clock.clone());
        let audit_client = format!("{CLIENT_ID}-audit");
        let reader = LogReader::open(connection, names.audit(), &audit_client, tasks)?;
        let auditor = AuditServiceServer::new(Auditor::new(AuditLog::new(reader), routing.writers.clone()));
        let routing = Arc::new(routing);
        let noting = keys::note_uses(Arc::clone(&routing), uses, used, shutdown.clone());
        tasks.spawn("registry key uses", noting);
        let api = Api::new(routing, followers);
        let service = RegistryServiceServer::new(api).max_decoding_message_size(grpc::MAX_MESSAGE_BYTES);
        let server = grpc::Server::new(gate.clone(), METHOD_SCOPES)
            .reflection(FILE_DESCRIPTOR_SET)?
            .add_service(service)
            .add_service(auditor.max_decoding_message_size(grpc::MAX_MESSAGE_BYTES));
        let http = serve_http(config.listen_http, (&server, gate), (named, elsewhere), tasks).await?;
        tasks.spawn_critical(
            "registry server",
            server.serve(listener, tasks.shutdown().clone()),
        );
        tracing::info!(%address, %http, endpoint, "the registry serves");
        Ok(Handle { address, http })
    }
}

/// Whose methods HTTP has beside those of the registry.
fn elsewhere(config: &Config) -> Result<Vec<Elsewhere>, InvalidEndpoint> {
    const FANOUT: &[&str] = &[
        explain_service_server::SERVICE_NAME,
        journal_service_server::SERVICE_NAME,
    ];
    const DELIVERY: &[&str] = &[
        delivery_service_server::SERVICE_NAME,
        replay_service_server::SERVICE_NAME,
    ];
    config.fanout.check()?;
    config.delivery.check()?;
    Ok(vec![
        Elsewhere::new("fanout", FANOUT, config.fanout.clone()),
        Elsewhere::new("delivery", DELIVERY, config.delivery.clone()),
    ])
}

/// Serves the same over HTTP with JSON. Returns where.
async fn serve_http(
    listen_http: SocketAddr,
    (server, gate): (&grpc::Server, Gate),
    (named, elsewhere): (Named, Vec<Elsewhere>),
    tasks: &Tasks,
) -> Result<SocketAddr, Error> {
    let bounds = http::Bounds::default();
    let router = angarium_rest::router(
        FILE_DESCRIPTOR_SET,
        (server.services(), gate),
        elsewhere,
        Arc::new(named),
        bounds.read_timeout,
        env!("CARGO_PKG_VERSION"),
    )?;
    let (listener, address) = listen(listen_http).await?;
    tasks.spawn(
        "registry http",
        http::serve(listener, router, bounds, tasks.clone()),
    );
    Ok(address)
}

/// Reads the topic to its end, and goes on reading.
async fn load(
    config: &Config,
    connection: &Connection,
    names: &topics::Names,
    tasks: &Tasks,
) -> Result<(Arc<Store>, NonZeroU32), Error> {
    let topic = names.registry();
    let partitions = topics::partitions(connection, topic, config.write_timeout).await?;
    let audited = topics::partitions(connection, names.audit(), config.write_timeout).await?;
    if audited != partitions {
        return Err(Error::PartitionsDiffer {
            registry: partitions,
            audit: audited,
        });
    }
    let store = Arc::new(Store::new(
        partitions,
        config.recent_changes,
        config.seal_keys.clone(),
    ));
    let (_tail, events) = Tail::open(connection, topic, From::Beginning, CLIENT_ID, tasks)?;
    let (caught_up, reached_end) = oneshot::channel();
    let reading = reader::run(events, Arc::clone(&store), caught_up, tasks.shutdown().clone());
    tasks.spawn_critical("registry reader", reading);
    // When the reader ends first it has failed, or the shutdown has begun: its own error is the one to report.
    reached_end
        .await
        .map_err(|_reader_ended| Error::EndedWhileLoading)?;
    Ok((store, partitions))
}

async fn listen(address: SocketAddr) -> Result<(TcpListener, SocketAddr), Error> {
    let listening = angarium_runtime::listen(address).await;
    listening.map_err(|source| Error::Listen { address, source })
}
