//! Puts delivery together and runs it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use angarium_directory::Directory;
use angarium_journal::Journal;
use angarium_kafka::topics::Names;
use angarium_kafka::{Connection, GroupConfig, GroupConsumer, LogReader, Producer};
use angarium_model::Lane;
use angarium_policy::egress::Policy;
use angarium_runtime::access::Gate;
use angarium_runtime::{Clock, Shutdown, Tasks, grpc};
use tokio::time::interval;

use crate::actor::{self, Budget, Calls, Memory, Shared};
use crate::call::{Caller, Patience, Pool, TlsSetup};
use crate::checkpoint::Checkpoints;
use crate::config::Config;
use crate::cursors::Cursors;
use crate::disabling::Disabling;
use crate::error::Error;
use crate::metrics::{Board, Metrics};
use crate::notices::Notices;
use crate::replays::{self, Replays};
use crate::server;
use crate::tester::{Means, Tester};

/// Records and bytes of one partition that may wait for its actor.
const MAX_BUFFERED_RECORDS: usize = 1_000;
const MAX_BUFFERED_BYTES: usize = 1024 * 1024;
/// How often idle connections are looked through.
const SWEEP: Duration = Duration::from_secs(5);

/// What delivery stands on.
#[derive(Clone, Debug)]
pub struct Dependencies {
    /// Kafka.
    pub kafka: Connection,
    /// The names of the topics.
    pub topics: Names,
    /// Webhooks with their secrets.
    pub directory: Directory,
    /// The registry, to have webhooks switched off (D3).
    pub registry: grpc::Client,
    /// Where marks are kept.
    pub checkpoints: Checkpoints,
    /// The time.
    pub clock: Clock,
}

/// A running delivery.
#[derive(Clone, Copy, Debug)]
pub struct Handle {
    grpc: SocketAddr,
}

impl Handle {
    /// Where gRPC is served.
    #[must_use]
    pub const fn grpc(&self) -> SocketAddr {
        self.grpc
    }
}

/// Runs delivery until the shutdown begins: serves gRPC, waits for the first snapshot of the registry, joins the consumer
/// groups of both lanes, and runs an actor for each partition that comes.
///
/// # Errors
/// When it cannot begin; later trouble is waited out.
pub async fn run(config: Config, on: Dependencies, tasks: &Tasks) -> Result<Handle, Error> {
    let producer = Cursors::producer(&on.kafka, &config.client_id)?;
    let cursors = Cursors::open(&on.kafka, &on.topics, &config.client_id, producer.clone(), tasks)?;
    let parts = Parts {
        policy: Arc::new(Policy::new(config.egress.clone())),
        tls: TlsSetup::trusting(&config.authorities)?,
        config: Arc::new(config),
        on,
        producer,
        cursors,
    };
    // First, so that an address that is taken is told before this worker takes partitions from others.
    let grpc = answer(&parts, tasks).await?;
    let handle = Handle { grpc };
    tokio::select! {
        () = parts.on.directory.ready() => {}
        () = tasks.shutdown().begun() => return Ok(handle),
    }
    deliver(parts, tasks).await?;
    Ok(handle)
}

/// What both halves of delivery stand on: who is asked, and who sends.
struct Parts {
    config: Arc<Config>,
    on: Dependencies,
    policy: Arc<Policy>,
    tls: TlsSetup,
    producer: Producer,
    cursors: Cursors,
}

/// Serves gRPC; returns where.
async fn answer(parts: &Parts, tasks: &Tasks) -> Result<SocketAddr, Error> {
    let (config, on) = (&parts.config, &parts.on);
    let means = Means {
        policy: Arc::clone(&parts.policy),
        tls: parts.tls.clone(),
        patience: Patience::D1,
    };
    let tester = Tester::new(on.directory.clone(), means, on.clock.clone(), tasks);
    // Its own reader: no takeover waits for someone who asks how far a replay is.
    let client_id = format!("{}-replay", config.client_id);
    let means = replays::Means {
        directory: on.directory.clone(),
        producer: parts.producer.clone(),
        cursors: Cursors::open(&on.kafka, &on.topics, &client_id, parts.producer.clone(), tasks)?,
        clock: on.clock.clone(),
    };
    let replays = Replays::open(&on.kafka, &on.topics, &config.client_id, means, tasks)?;
    let gate = Gate::new(
        config.key.clone(),
        Arc::new(on.directory.clone()),
        on.clock.clone(),
    );
    server::serve(config.listen_grpc, gate, tester, Some(replays), tasks).await
}

/// Joins the consumer groups of both lanes, and sends.
async fn deliver(parts: Parts, tasks: &Tasks) -> Result<(), Error> {
    let Parts { config, on, .. } = parts;
    let pool = Pool::default();
    let caller = Caller::new(pool.clone(), parts.policy, parts.tls, Patience::D1, tasks.clone());
    let budget = Budget::new(&config);
    let calls = Calls::new(caller, budget.clone(), on.clock.clone());
    let memory = Memory::new(config.max_queued_bytes);
    let journal = Journal::start(
        &on.kafka,
        on.topics.clone(),
        &config.client_id,
        on.clock.clone(),
        tasks,
    )
    .await?;
    let metrics = Metrics::new();
    let board = Board::default();
    board.observe(&on.clock);
    budget.observe();
    memory.observe();
    let notices = Notices::start(
        parts.producer,
        &on.topics,
        on.clock.clone(),
        metrics.clone(),
        tasks,
    );
    let disabling = Disabling::new(on.registry, notices.clone(), tasks);
    for lane in Lane::ALL {
        let topic = on.topics.deliveries(lane);
        let client_id = format!("{}-{lane}-reader", config.client_id);
        let shared = Shared {
            lane,
            config: Arc::clone(&config),
            directory: on.directory.clone(),
            reader: LogReader::open(&on.kafka, topic, &client_id, tasks)?,
            cursors: parts.cursors.clone(),
            checkpoints: on.checkpoints.clone(),
            calls: calls.clone(),
            memory: memory.clone(),
            journal: journal.clone(),
            notices: notices.clone(),
            disabling: disabling.clone(),
            metrics: metrics.clone(),
            board: board.clone(),
            clock: on.clock.clone(),
        };
        tail(lane, topic, shared, &on.kafka, tasks)?;
    }
    tasks.spawn("connection sweeper", sweep(pool, tasks.shutdown().clone()));
    Ok(())
}

/// Closes connections that have been idle for too long, until the shutdown begins.
async fn sweep(pool: Pool, shutdown: Shutdown) {
    let mut turns = interval(SWEEP);
    loop {
        tokio::select! {
            () = shutdown.begun() => return,
            _ = turns.tick() => pool.sweep(),
        }
    }
}

/// Joins a lane's consumer group; every partition that comes gets an actor. The task ends with the membership.
fn tail(lane: Lane, topic: &str, shared: Shared, kafka: &Connection, tasks: &Tasks) -> Result<(), Error> {
    let config = &shared.config;
    let group = GroupConfig {
        group: format!("{}.{lane}", config.group),
        topic: topic.to_owned(),
        client_id: format!("{}-{lane}", config.client_id),
        session_timeout: config.session_timeout,
        max_buffered_records: MAX_BUFFERED_RECORDS,
        max_buffered_bytes: MAX_BUFFERED_BYTES,
    };
    let (_member, mut partitions) = GroupConsumer::start(kafka, group, tasks)?;
    let actors = tasks.clone();
    // Without its membership the process would live on and do nothing: it ends, and is started again.
    tasks.spawn_critical("delivery lane", async move {
        while let Some(owned) = partitions.recv().await {
            let shared = shared.clone();
            actors.spawn_critical("partition actor", actor::work(owned, shared));
        }
        if actors.shutdown().has_begun() {
            Ok(())
        } else {
            Err(Error::LeftGroup(lane))
        }
    });
    Ok(())
}
