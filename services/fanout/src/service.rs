//! Starts fanout and hands its partitions to source actors.

use std::sync::Arc;
use std::time::Duration;

use angarium_directory::Directory;
use angarium_journal::Journal;
use angarium_kafka::topics::{Names, partitions};
use angarium_kafka::{Connection, GroupConfig, GroupConsumer, Owned};
use angarium_model::Lane;
use angarium_runtime::{Clock, Tasks};
use tokio::sync::mpsc;

use crate::config::Config;
use crate::error::Error;
use crate::matching::{Matcher, Partitions};
use crate::metrics::Metrics;
use crate::source::{self, Shared};

/// How long Kafka may take to say how many partitions a topic has.
const ASK: Duration = Duration::from_secs(30);

/// Events of one partition read ahead of its actor; with [`READ_AHEAD_BYTES`] well above what a batch takes.
const READ_AHEAD_RECORDS: usize = 2_000;

/// The same in bytes; one event always fits.
const READ_AHEAD_BYTES: usize = 4 << 20;

/// A running fanout. It ends with the shutdown of its tasks; dropping this handle changes nothing.
#[derive(Debug)]
pub struct Service {
    consumer: GroupConsumer,
}

impl Service {
    /// Joins the group of fanout workers. Partitions that it gets wait until the directory is ready.
    ///
    /// # Errors
    /// When Kafka cannot be reached or lacks one of the topics.
    pub async fn start(
        config: Config,
        connection: Connection,
        names: Names,
        directory: Directory,
        tasks: &Tasks,
    ) -> Result<Self, Error> {
        let deliveries = Partitions {
            realtime: partitions(&connection, names.deliveries(Lane::Realtime), ASK).await?,
            batch: partitions(&connection, names.deliveries(Lane::Batch), ASK).await?,
        };
        let clock = Clock::system();
        let journal = Journal::start(&connection, names.clone(), &config.client_id, clock, tasks).await?;
        let group = GroupConfig {
            group: config.group.clone(),
            topic: names.events().to_owned(),
            client_id: config.client_id.clone(),
            session_timeout: config.session_timeout,
            max_buffered_records: READ_AHEAD_RECORDS,
            max_buffered_bytes: READ_AHEAD_BYTES,
        };
        let (consumer, owned) = GroupConsumer::start(&connection, group, tasks)?;
        let shared = Arc::new(Shared {
            matcher: Matcher::new(directory.clone(), deliveries),
            config,
            connection,
            names,
            directory,
            journal,
            metrics: Metrics::new(),
            tasks: tasks.clone(),
        });
        tasks.spawn("fanout", own(owned, shared));
        Ok(Self { consumer })
    }

    /// Gives all partitions back and leaves the group, while the process lives on.
    pub fn close(&self) {
        self.consumer.close();
    }
}

/// Gives each partition that comes an actor, until the member has left the group.
async fn own(mut partitions: mpsc::Receiver<Owned>, shared: Arc<Shared>) {
    while let Some(owned) = partitions.recv().await {
        let actor = source::run(owned, Arc::clone(&shared));
        shared.tasks.spawn("fanout source", actor);
    }
}
