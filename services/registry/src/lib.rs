//! The registry: accounts and webhooks, and the only writer of `angarium.registry` (DESIGN §5).
//!
//! Kafka is the database. Everything is in memory, put there by one reader that tails the compacted topic from its
//! beginning; serving starts when it has reached the end. **State changes only by what is read back**: a write is
//! checked against the state, appended, and answered when the reader has met it. A write whose outcome is unknown,
//! because Kafka did not acknowledge in time, therefore changes nothing until it shows up in the topic, or never.
//!
//! All things of an account are in one partition, and every rule (an id is taken, a revision is current, an account
//! has no webhooks) speaks of one account. So each partition has a writer of its own that takes one write at a time,
//! and the offset of a record is the revision of what it says. This process writes all partitions; sharing them
//! among replicas changes who runs a writer, not what it does.
//!
//! - `request` checks what callers send, `plan` and `patch` decide what is written, `writer` writes it.
//! - `store` holds the `state` and the `feed` of recent changes, fed by `reader`.
//! - `watch` sends followers a snapshot and then the feed; nobody waits for a slow one.

mod api;
mod config;
mod error;
mod feed;
mod page;
mod patch;
mod plan;
mod reader;
mod record;
mod refusal;
mod request;
mod state;
mod store;
mod watch;
mod writer;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use angarium_kafka::{Connection, From, Producer, ProducerConfig, Tail, topics};
use angarium_proto::FILE_DESCRIPTOR_SET;
use angarium_proto::registry::v1::registry_service_server::RegistryServiceServer;
use angarium_runtime::{Clock, Tasks, grpc};
use tokio::net::TcpListener;
use tokio::sync::oneshot;

pub use config::Config;
pub use error::Error;
pub use record::UnreadableRecord;

use crate::api::Api;
use crate::store::Store;
use crate::writer::Writers;

/// Name in the brokers' logs.
const CLIENT_ID: &str = "angarium-registry";
/// Records on their way to Kafka: each writer has one at a time, so this is far more than there are partitions.
const MAX_QUEUED: usize = 10_000;

/// The registry service; see [`Service::start`].
#[derive(Debug)]
pub struct Service;

/// A registry that serves. It ends with its [`Tasks`].
#[derive(Clone, Copy, Debug)]
pub struct Handle {
    address: SocketAddr,
}

impl Handle {
    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
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
        let topic = names.registry();
        let partitions = topics::partitions(connection, topic, config.write_timeout).await?;
        let store = Arc::new(Store::new(partitions, config.recent_changes));
        let (_tail, events) = Tail::open(connection, topic, From::Beginning, CLIENT_ID, tasks)?;
        let (caught_up, reached_end) = oneshot::channel();
        let reading = reader::run(events, Arc::clone(&store), caught_up, tasks.shutdown().clone());
        tasks.spawn_critical("registry reader", reading);
        // When the reader ends first it has failed, or the shutdown has begun: its own error is the one to report.
        reached_end
            .await
            .map_err(|_reader_ended| Error::EndedWhileLoading)?;

        let producer = Producer::open(
            connection,
            &ProducerConfig {
                client_id: CLIENT_ID.to_owned(),
                max_queued: MAX_QUEUED,
                max_queued_kib: 64 * 1024,
                delivery_timeout: Some(config.write_timeout),
                gapless: false,
                linger: Duration::ZERO,
            },
        )?;
        let writers = Writers::start(&config, topic, partitions, &producer, &store, tasks);
        let listener = TcpListener::bind(config.listen).await;
        let listener = listener.map_err(|source| Error::Listen {
            address: config.listen,
            source,
        })?;
        let address = listener.local_addr().map_err(|source| Error::Listen {
            address: config.listen,
            source,
        })?;
        let api = Api::new(store, writers, clock, tasks.shutdown().clone());
        let service = RegistryServiceServer::new(api).max_decoding_message_size(grpc::MAX_MESSAGE_BYTES);
        let server = grpc::Server::new(config.key)
            .reflection(FILE_DESCRIPTOR_SET)?
            .add_service(service);
        tasks.spawn_critical(
            "registry server",
            server.serve(listener, tasks.shutdown().clone()),
        );
        tracing::info!(%address, "the registry serves");
        Ok(Handle { address })
    }
}
