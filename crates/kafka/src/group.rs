//! Sharing the partitions of a topic between processes.
//!
//! ```text
//!  librdkafka ──callback──▶ [rebalances] ──▶ worker thread ──▶ Owned (one per partition) ──▶ its owner, a task
//!                                              ▲   bounded queue of records, revoked, lost       │
//!                                              └──────────── start, commit, release ◀────────────┘
//! ```
//!
//! The worker alone talks to librdkafka. The rebalance callback only notes what came or went: it runs inside `poll`,
//! where draining would stall everything. A partition that came is offered as an [`Owned`] and enters librdkafka's
//! assignment when its owner says where to start, so nothing is fetched before. A revoked partition is handed back
//! once its owner has let go, or after 20 s; while that lasts librdkafka pauses the other partitions too, so owners
//! should drain without delay.

mod client;
mod context;
mod held;
mod lease;
mod owned;
mod predecessor;
mod worker;

use std::time::Duration;

use angarium_runtime::{Shutdown, Tasks};
use rdkafka::consumer::BaseConsumer;
use tokio::sync::mpsc;

use crate::connection::Connection;
use crate::error::Error;
use context::GroupContext;
use worker::Worker;

pub use lease::Lease;
pub use owned::{Owned, Watermarks};

/// How a member of a consumer group behaves.
#[derive(Clone, Debug)]
pub struct GroupConfig {
    /// The group.
    pub group: String,
    /// The topic whose partitions the group shares.
    pub topic: String,
    /// The name that the brokers' logs and metrics show: of this member alone, and the same when it is started again. It
    /// joins when the group has no member of this name, which it may have for `session_timeout` after a crash.
    pub client_id: String,
    /// A member that is silent for so long loses its partitions to others.
    pub session_timeout: Duration,
    /// Records that may wait for the owner of one partition. A partition that has more is paused.
    pub max_buffered_records: usize,
    /// Bytes that may wait for the owner of one partition; one record always fits.
    pub max_buffered_bytes: usize,
}

/// A member of a consumer group. Dropping this handle changes nothing; the member leaves the group when the process
/// shuts down, when [`close`](Self::close) is called, or when the receiver of partitions is dropped.
#[derive(Debug)]
pub struct GroupConsumer {
    closing: Shutdown,
}

/// Partitions that may wait for someone to take them off the channel; more wait inside.
const OFFERED: usize = 64;
/// A commit is a record in Kafka too. What a crash reads again is bounded by this.
const COMMIT_EVERY: Duration = Duration::from_millis(200);
/// A member learns with its heartbeat that another has come or gone: the others wait for as long.
const HEARTBEAT: Duration = Duration::from_secs(1);
/// The longest that a broker holds a fetch that finds nothing, and so the delay of a start or a resume.
const FETCH_WAIT: Duration = Duration::from_millis(50);
/// What librdkafka may fetch ahead, in KiB, all partitions together.
const FETCHED_AHEAD_KIB: u32 = 16 * 1024;

impl GroupConsumer {
    /// Joins the group. Partitions come out of the channel as they are assigned; it ends when the member has left the
    /// group, or has failed for good (which is logged).
    ///
    /// # Errors
    /// If librdkafka refuses the settings.
    pub fn start(
        connection: &Connection,
        config: GroupConfig,
        tasks: &Tasks,
    ) -> Result<(Self, mpsc::Receiver<Owned>), Error> {
        let heartbeat = (config.session_timeout / 5).min(HEARTBEAT);
        let consumer: BaseConsumer<GroupContext> = connection
            .consumer(&config.client_id, &config.group, FETCH_WAIT, FETCHED_AHEAD_KIB)
            .set("partition.assignment.strategy", "cooperative-sticky")
            // Commits what `store` has stored, again until it is accepted, and for the last time before a partition is
            // handed back: the group waits for that. Nothing is stored by itself.
            .set("enable.auto.commit", "true")
            .set("auto.commit.interval.ms", COMMIT_EVERY.as_millis().to_string())
            .set(
                "session.timeout.ms",
                config.session_timeout.as_millis().to_string(),
            )
            .set("heartbeat.interval.ms", heartbeat.as_millis().to_string())
            .create_with_context(GroupContext::new(&config.client_id, &config.group))
            .map_err(Error::Client)?;

        let closing = tasks.shutdown().child();
        let (offers, partitions) = mpsc::channel(OFFERED);
        let worker = Worker::new(consumer, config, offers, closing.clone());
        tasks.spawn_thread("kafka group consumer", move || worker.run());
        Ok((Self { closing }, partitions))
    }

    /// Begins to leave the group: every owner sees its partition revoked.
    pub fn close(&self) {
        self.closing.begin();
    }
}
