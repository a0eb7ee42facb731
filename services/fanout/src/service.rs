//! Starts fanout and hands its partitions to source actors.

use std::sync::Arc;
use std::time::Duration;

use angarium_directory::Directory;
use angarium_journal::Journal;
use angarium_kafka::topics::{Names, partitions};
use angarium_kafka::{Connection, GroupConfig, GroupConsumer, Owned};
use angarium_model::Lane;
use angarium_runtime::{Clock, Shutdown, Tasks};
use tokio::sync::mpsc;

use crate::config::Config;
use crate::error::Error;
use crate::matching::{Matcher, Partitions};
use crate::metrics::Metrics;
use crate::producers::{Producers, Room};
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
    closing: Shutdown,
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
        let sources = partitions(&connection, names.events(), ASK).await?;
        let clock = Clock::system();
        let journal = Journal::start(
            &connection,
            names.clone(),
            &config.client_id,
            clock.clone(),
            tasks,
        )
        .await?;
        let group = GroupConfig {
            group: config.group.clone(),
            topic: names.events().to_owned(),
            client_id: config.client_id.clone(),
            session_timeout: config.session_timeout,
            max_buffered_records: READ_AHEAD_RECORDS,
            max_buffered_bytes: READ_AHEAD_BYTES,
        };
        let (consumer, owned) = GroupConsumer::start(&connection, group, tasks)?;
        let producers = Producers::new(
            connection,
            &config.client_id,
            room(&config),
            usize::try_from(sources.get()).unwrap_or(usize::MAX),
            tasks.clone(),
        );
        let shared = Arc::new(Shared {
            matcher: Matcher::new(deliveries),
            producers: Arc::new(producers),
            config,
            names,
            directory,
            journal,
            metrics: Metrics::new(),
            clock,
            tasks: tasks.clone(),
        });
        let closing = tasks.shutdown().child();
        // Without its membership the process would live on and do nothing: it ends, and is started again.
        tasks.spawn_critical("fanout", own(owned, shared, closing.clone()));
        Ok(Self { consumer, closing })
    }

    /// Gives all partitions back and leaves the group, while the process lives on.
    pub fn close(&self) {
        self.closing.begin();
        self.consumer.close();
    }
}

/// Gives each partition that comes an actor, until the member has left the group.
async fn own(
    mut partitions: mpsc::Receiver<Owned>,
    shared: Arc<Shared>,
    closing: Shutdown,
) -> Result<(), Error> {
    while let Some(owned) = partitions.recv().await {
        let actor = source::run(owned, Arc::clone(&shared));
        shared.tasks.spawn("fanout source", actor);
    }
    if closing.has_begun() {
        Ok(())
    } else {
        Err(Error::LeftGroup)
    }
}

/// What waits of one partition, as its actor bounds it.
fn room(config: &Config) -> Room {
    /// An event becomes few records as a rule; while it becomes more, the actor waits for room.
    const RECORDS_PER_EVENT: usize = 4;
    /// Room for one record of the largest size whatever the setting, in KiB.
    const ONE_RECORD_KIB: usize = 2_048;
    Room {
        records: config.max_pending_events.get().saturating_mul(RECORDS_PER_EVENT),
        kib: (config.max_pending_bytes.get() / 1_024).saturating_add(ONE_RECORD_KIB),
    }
}
