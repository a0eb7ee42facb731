//! `angarium dev`: all services in one process, sample events, and an account of what becomes of them.
//!
//! ```text
//!  publisher ──HTTP──▶ ingest ▶ Kafka ▶ fanout ▶ Kafka ▶ delivery ──POST──▶ sample receiver
//!      │                 └──────── registry (gRPC) ────────┘ │                    │
//!      │                                                     ▼ journal            │
//!      └───────────────────────────────▶ narrator ◀────────────────────────────────┘
//! ```
//!
//! The services are the ones of production, started by the same calls, and they talk to one another over gRPC. Only
//! what they stand on differs: Kafka is librdkafka's mock cluster, and the state of retries and the ids of events are
//! in memory, unless `--kafka` and `--redis` say otherwise. The narrator knows nothing from inside: it sees what ingest
//! answers, what the journal says, and what the receiver got.
//!
//! With a real Kafka a second run finds what the first left. Accounts that exist are kept, and webhooks of the same
//! name are led to the new receiver under a new secret. Ids of events are remembered for each run by itself, also in
//! Redis: else the samples of a second run would be repeats, which ingest answers and nobody delivers.
//! What was still pending is sent too, and told, but not counted.
//!
//! - [`services`] starts them, [`setup`] makes accounts and webhooks, [`receiver`] is the sample receiver.
//! - [`publisher`] publishes; [`narrator`] reads, [`story`] understands, [`table`] formats; [`tally`] counts.
//! - [`mails`] runs the notifier and tells of each mail (D4).
//! - [`summary`] says how it went and what to try next.

mod mails;
mod narrator;
mod publisher;
mod receiver;
mod recent;
mod screen;
mod services;
mod setup;
mod story;
mod summary;
mod table;
mod tally;

use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::Duration;

use angarium_model::samples::{AS_PUBLISHED, INTRODUCTION, Sample};
use angarium_runtime::access::OperatorKey;
use angarium_runtime::{Clock, Shutdown, Tasks, Unfinished, signals};
use angarium_telemetry::{Format, Options, Telemetry};
use anyhow::{Context, bail};
use tokio::sync::{mpsc, watch};

use narrator::Narrator;
use publisher::{Publisher, event_name};
use receiver::Receiver;
use screen::Screen;
use services::{Kafka, Ports};
use setup::{Hook, Secrets};
use story::{Happening, Published};
use tally::{Tally, WARM_UP};

/// How long everything may take to be ready: a Kafka that still holds the place of a run that was killed gives it
/// away after 25 s.
const START: Duration = Duration::from_secs(60);
/// How long the samples may take to arrive.
const ARRIVAL: Duration = Duration::from_secs(60);
/// The next sample waits for the account of the one before, but no longer than this.
const PACE: Duration = Duration::from_secs(2);
/// How long everything may take to end.
const DRAIN: Duration = Duration::from_secs(8);
/// Happenings that may wait to be told; who reports more waits.
const WAITING: usize = 1_024;

/// What the command line says.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// End when the samples have arrived: with exit code 0 if all went as promised, else with 1
    #[arg(long)]
    once: bool,
    /// Use this Kafka, not one in memory. Topics are created; no other Angarium may be using it
    #[arg(long, value_name = "HOST:PORT")]
    kafka: Option<String>,
    /// Keep the state of retries and the ids of this run's events in this Redis, not in memory
    #[arg(long, value_name = "URL")]
    redis: Option<String>,
    /// Hand mails to this server, such as smtp://localhost:1025, and do not only tell of them here
    #[arg(long, value_name = "URL")]
    smtp_url: Option<String>,
    /// Serve ingest's HTTP here; 0 takes a free port [default: 8080, or a free one]
    #[arg(long, value_name = "PORT")]
    http_port: Option<u16>,
    /// Serve ingest's gRPC here; 0 takes a free port [default: 8081, or a free one]
    #[arg(long, value_name = "PORT")]
    grpc_port: Option<u16>,
    /// Serve the registry's gRPC here; 0 takes a free port [default: 8082, or a free one]
    #[arg(long, value_name = "PORT")]
    registry_port: Option<u16>,
    /// Serve the registry's HTTP here; 0 takes a free port [default: 8085, or a free one]
    #[arg(long, value_name = "PORT")]
    registry_http_port: Option<u16>,
    /// Serve fanout's gRPC here; 0 takes a free port [default: 8084, or a free one]
    #[arg(long, value_name = "PORT")]
    fanout_port: Option<u16>,
    /// Serve delivery's gRPC here; 0 takes a free port [default: 8083, or a free one]
    #[arg(long, value_name = "PORT")]
    delivery_port: Option<u16>,
    /// Serve metrics for Prometheus here; 0 takes a free port [default: 9464, or a free one]
    #[arg(long, value_name = "PORT")]
    metrics_port: Option<u16>,
    /// Serve the console here; 0 takes a free port [default: 8086, or a free one]
    #[arg(long, value_name = "PORT")]
    console_port: Option<u16>,
}

/// Runs until Ctrl-C, or with `--once` until the samples have arrived.
///
/// # Errors
/// When something cannot be started, a service fails, or with `--once` not everything arrived.
pub(crate) async fn run(args: Args) -> anyhow::Result<ExitCode> {
    let ports = Ports::choose(&args).await?;
    let mut telemetry = Telemetry::start(Options {
        service: "angarium-dev",
        instance: "dev",
        version: env!("CARGO_PKG_VERSION"),
        format: Format::Text,
        // The log goes to standard error and would tear the table: only what needs attention is told.
        filter: "warn",
        prometheus: Some(ports.metrics()),
    });
    tracing::debug!(open_files = ?angarium_runtime::raise_open_files(), "starting");
    // Outlives all tasks: a mock cluster that goes first leaves them waiting for it.
    let kafka = Kafka::start(args.kafka.as_deref()).await?;
    let tasks = Tasks::new(Shutdown::new());
    let metrics = telemetry.serve(&tasks).await?;
    let screen = Screen::new(tasks.shutdown().clone());
    let told = tokio::select! {
        told = tell(&args, (&ports, metrics), &kafka, &screen, &tasks) => told,
        () = signals::terminated() => interrupted(&args),
        () = tasks.shutdown().begun() => interrupted(&args),
    };
    tasks.shutdown().begin();
    let ended = tasks.join(DRAIN).await;
    telemetry.end().await;
    match ended {
        Ok(()) => {}
        Err(Unfinished::TimedOut {
            tasks, failure: None, ..
        }) => {
            tracing::warn!(?tasks, "not everything ended in time");
        }
        // What failed is the reason of whatever else went wrong.
        Err(failed) => return Err(failed.into()),
    }
    told.map(|()| ExitCode::SUCCESS)
}

/// Being interrupted is how it ends, unless the samples were to be proven first.
fn interrupted(args: &Args) -> anyhow::Result<()> {
    if args.once {
        Err(anyhow::anyhow!("ended before the samples had arrived"))
    } else {
        Ok(())
    }
}

/// Starts everything, publishes, tells. Without `--once` it never comes to an end by itself.
async fn tell(
    args: &Args,
    (ports, metrics): (&Ports, Option<SocketAddr>),
    kafka: &Kafka,
    screen: &Screen,
    tasks: &Tasks,
) -> anyhow::Result<()> {
    let key = OperatorKey::generate();
    screen.show(&summary::opening(args, ports));
    let secrets = Secrets::generate()?;
    let (happenings, incoming) = mpsc::channel(WAITING);
    let receiver = Receiver::start(&secrets, happenings.clone(), Clock::system(), tasks).await?;

    let starting = services::start(args, ports, kafka, &key, tasks, async |registry| {
        setup::accounts_and_webhooks(registry, receiver, &secrets).await
    });
    let (running, webhooks) = starting.await?;
    mails::start(args, kafka, &running, &key, screen, tasks).await?;
    let services = summary::services(&running, (receiver, metrics), mails::taker(args), &webhooks);
    screen.show(&services);

    let (tally, counted) = watch::channel(Tally::default());
    let journal = narrator::open_journal(kafka, tasks, START).await?;
    let narrator = Narrator::new(screen.clone(), webhooks.batch(), tally);
    tasks.spawn(
        "narrator",
        narrator.run(journal, incoming, tasks.shutdown().clone()),
    );

    let publisher = Publisher::new(running.http, &key);
    warm_up(&publisher, &happenings, counted.clone(), screen).await?;
    setup::remove(running.registry, &key, &webhooks, Hook::WarmUp).await?;
    screen.show(&table::samples_heading());
    publish_samples(&publisher, &happenings, counted.clone()).await?;
    let mut counted = counted;
    let arrived = tokio::time::timeout(ARRIVAL, counted.wait_for(Tally::all_ended))
        .await
        .is_ok();
    let tally = counted.borrow().clone();
    screen.show(&summary::closing(&tally, &running, &webhooks, &key, args));
    if args.once {
        return judge(&tally, arrived);
    }
    std::future::pending().await
}

fn judge(tally: &Tally, arrived: bool) -> anyhow::Result<()> {
    let missing = tally.not_as_promised();
    if missing.is_empty() {
        return Ok(());
    }
    let waited = if arrived {
        String::new()
    } else {
        format!(" within {} s", ARRIVAL.as_secs())
    };
    bail!(
        "not everything went as promised{waited}:\n  {}",
        missing.join("\n  ")
    )
}

/// The first event shows when all services have their partitions; until then times would tell of that alone.
async fn warm_up(
    publisher: &Publisher,
    happenings: &mpsc::Sender<Happening>,
    mut counted: watch::Receiver<Tally>,
    screen: &Screen,
) -> anyhow::Result<()> {
    screen.show(&table::warm_up_heading());
    publish(publisher, happenings, WARM_UP, &INTRODUCTION).await?;
    tokio::time::timeout(START, counted.wait_for(|tally| tally.is_verified(WARM_UP)))
        .await
        .with_context(|| format!("the first event did not arrive within {} s", START.as_secs()))??;
    Ok(())
}

/// One after the other, as they are published.
async fn publish_samples(
    publisher: &Publisher,
    happenings: &mpsc::Sender<Happening>,
    mut counted: watch::Receiver<Tally>,
) -> anyhow::Result<()> {
    for (number, sample) in (WARM_UP + 1..).zip(&AS_PUBLISHED) {
        publish(publisher, happenings, number, sample).await?;
        let told = tokio::time::timeout(PACE, counted.wait_for(|tally| tally.is_told(number)));
        if told.await.is_err() {
            tracing::info!(sample = sample.title, "no word of it yet; going on");
        }
    }
    Ok(())
}

async fn publish(
    publisher: &Publisher,
    happenings: &mpsc::Sender<Happening>,
    number: usize,
    sample: &Sample,
) -> anyhow::Result<()> {
    let title = sample.title;
    if number != WARM_UP && event_name(sample.text).is_some_and(|name| name != title) {
        happenings.send(Happening::Announced { title }).await?;
    }
    let account = if number == WARM_UP {
        Hook::WarmUp.account()
    } else {
        Hook::Realtime.account()
    };
    let answer = publisher.publish(account, sample.text).await?;
    happenings
        .send(Happening::Published(Published {
            number,
            title,
            answer,
        }))
        .await?;
    Ok(())
}
