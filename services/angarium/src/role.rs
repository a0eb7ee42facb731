//! Runs a service until it is asked to end.

use std::pin::pin;
use std::process::ExitCode;

use angarium_delivery::Checkpoints;
use angarium_directory::{Directory, Keep};
use angarium_runtime::{Clock, Shutdown, Tasks, Unfinished, grpc, raise_open_files, signals};
use angarium_telemetry::{Options, Telemetry};
use anyhow::Context;
use clap::ValueEnum;

use crate::cli::Given;
use crate::output::print;
use crate::settings::Settings;

/// A service that a process can be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Role {
    Ingest,
    Registry,
    Fanout,
    Delivery,
    Notifier,
    Console,
}

impl Role {
    #[cfg(test)]
    pub(crate) const ALL: [Self; 6] = [
        Self::Ingest,
        Self::Registry,
        Self::Fanout,
        Self::Delivery,
        Self::Notifier,
        Self::Console,
    ];

    const fn name(self) -> &'static str {
        match self {
            Self::Ingest => "ingest",
            Self::Registry => "registry",
            Self::Fanout => "fanout",
            Self::Delivery => "delivery",
            Self::Notifier => "notifier",
            Self::Console => "console",
        }
    }

    /// As telemetry calls it.
    const fn service(self) -> &'static str {
        match self {
            Self::Ingest => "angarium-ingest",
            Self::Registry => "angarium-registry",
            Self::Fanout => "angarium-fanout",
            Self::Delivery => "angarium-delivery",
            Self::Notifier => "angarium-notifier",
            Self::Console => "angarium-console",
        }
    }

    /// The sections of settings that it uses.
    pub(crate) const fn sections(self) -> &'static [&'static str] {
        match self {
            Self::Ingest => &[
                "log", "metrics", "process", "kafka", "redis", "registry", "operator", "ingest",
            ],
            Self::Registry => &[
                "log", "metrics", "process", "kafka", "operator", "seal", "egress", "registry", "fanout",
                "delivery",
            ],
            Self::Fanout => &[
                "log", "metrics", "process", "kafka", "registry", "operator", "fanout",
            ],
            Self::Delivery => &[
                "log", "metrics", "process", "kafka", "redis", "registry", "operator", "egress", "delivery",
            ],
            Self::Notifier => &[
                "log", "metrics", "process", "kafka", "registry", "operator", "notifier",
            ],
            // What it presents to the others is its callers' own keys.
            Self::Console => &[
                "log", "metrics", "process", "kafka", "registry", "fanout", "delivery", "console",
            ],
        }
    }
}

/// Says whether `role` would start.
///
/// # Errors
/// Every mistake in its settings.
pub(crate) fn check(role: Role, given: &Given) -> anyhow::Result<()> {
    Settings::read(given, role.sections())?;
    print(&format!("the settings of {} are fine\n", role.name()))
}

/// Runs `role` until a signal or a failure, then drains. A second signal ends it at once.
///
/// # Errors
/// Mistakes in its settings. Later failures are in the log, and in the exit code.
pub(crate) async fn run(role: Role, given: &Given) -> anyhow::Result<ExitCode> {
    let settings = Settings::read(given, role.sections())?;
    let mut telemetry = Telemetry::start(Options {
        service: role.service(),
        instance: &settings.name,
        version: env!("CARGO_PKG_VERSION"),
        format: settings.log,
        filter: "info",
        prometheus: settings.metrics,
    });
    let name = role.name();
    let drain = settings.drain;
    let tasks = Tasks::new(Shutdown::new());
    let outcome = tokio::select! {
        outcome = work(role, settings, &mut telemetry, &tasks) => outcome,
        () = signals::terminated() => Ok(()),
    };
    if let Err(error) = &outcome {
        tracing::error!(role = name, error = format!("{error:#}"), "cannot start");
    }
    tasks.shutdown().begin();
    let mut again = pin!(signals::terminated());
    let ended = tokio::select! {
        ended = tasks.join(drain) => ended,
        () = &mut again => {
            tracing::warn!(role = name, "asked to end a second time: leaving what is in work");
            return Ok(ExitCode::FAILURE);
        }
    };
    match &ended {
        Ok(()) => tracing::info!(role = name, "ended"),
        // The failure itself has been logged.
        Err(error @ Unfinished::Failed(_)) => tracing::error!(role = name, "{error}"),
        Err(error @ Unfinished::TimedOut { .. }) => tracing::error!(role = name, "{error}"),
    }
    telemetry.end().await;
    Ok(if outcome.is_ok() && ended.is_ok() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// Delivery has up to 1,536 calls under way and 2,000 idle connections by default; others have fewer.
const ENOUGH_FILES: u64 = 4_096;

/// Starts the service and lasts until the shutdown begins.
async fn work(
    role: Role,
    settings: Settings,
    telemetry: &mut Telemetry,
    tasks: &Tasks,
) -> anyhow::Result<()> {
    tracing::info!(
        role = role.name(),
        version = env!("CARGO_PKG_VERSION"),
        "starting"
    );
    if let Some(open_files) = raise_open_files().filter(|most| *most < ENOUGH_FILES) {
        tracing::warn!(
            open_files,
            "this process may open few files, and each connection is one: raise the hard limit (`ulimit -Hn`, LimitNOFILE)"
        );
    }
    telemetry.serve(tasks).await.context("metrics.listen")?;
    start(role, settings, tasks).await?;
    tasks.shutdown().begun().await;
    Ok(())
}

async fn start(role: Role, settings: Settings, tasks: &Tasks) -> anyhow::Result<()> {
    let (kafka, names, clock) = (
        settings.kafka.connection(),
        settings.kafka.names(),
        Clock::system(),
    );
    match role {
        Role::Registry => {
            angarium_registry::Service::start(settings.registry, &kafka, &names, clock, tasks).await?;
        }
        Role::Ingest => {
            let around = angarium_ingest::Surroundings {
                directory: directory(&settings, Keep::Nothing, tasks)?,
                kafka,
                topics: names,
                clock,
            };
            angarium_ingest::Service::start(settings.ingest, around, tasks).await?;
        }
        Role::Fanout => {
            let directory = directory(&settings, Keep::Interests, tasks)?;
            let client_id = &settings.fanout.client_id;
            // First, so that an address that is taken is told before this worker takes partitions from others.
            angarium_fanout::Explainer::open(&kafka, &names, client_id, directory.clone(), clock, tasks)?
                .serve(settings.fanout_listen, settings.key, tasks)
                .await?;
            angarium_fanout::Service::start(settings.fanout, kafka, names, directory, tasks).await?;
        }
        Role::Delivery => {
            let on = angarium_delivery::Dependencies {
                directory: directory(&settings, Keep::Everything, tasks)?,
                registry: registry(&settings)?,
                checkpoints: Checkpoints::redis(settings.redis.expose(), &settings.kafka.prefix)?,
                kafka,
                topics: names,
                clock,
            };
            angarium_delivery::run(settings.delivery, on, tasks).await?;
        }
        Role::Notifier => {
            let registry = registry(&settings)?;
            // What it lacks has been told as mistakes.
            let config = settings.notifier.context("the notifier is not configured")?;
            angarium_notifier::Service::start(config, (&kafka, &names), registry, clock, tasks).await?;
        }
        Role::Console => {
            angarium_console::Service::start(settings.console, &kafka, &names, clock, tasks).await?;
        }
    }
    Ok(())
}

/// Only delivery calls webhooks, and needs all of them.
fn directory(settings: &Settings, keep: Keep, tasks: &Tasks) -> anyhow::Result<Directory> {
    Ok(Directory::follow(
        grpc::Address::new(&settings.registry_endpoint, &settings.key).context("registry.endpoint")?,
        keep,
        Clock::system(),
        tasks,
    ))
}

fn registry(settings: &Settings) -> anyhow::Result<grpc::Client> {
    grpc::client(&settings.registry_endpoint, &settings.key).context("registry.endpoint")
}
