//! How fast Angarium is, and how far from the floor: the same work with the same libraries and nothing else.
//!
//! A Kafka and a Redis are started, and for each scenario a receiver, the floor and every role of the real
//! binary, each in a process of its own. Both sides get the same events in turn, floor first, and a ratio is
//! the median over the pairs. `docs/PERFORMANCE.md` says what the figures mean.
//!
//! - [`scenario`] and [`workload`] say what is published; [`payload`] what an event looks like.
//! - [`floor`] and [`system`] are the two sides; [`publish`] feeds the second.
//! - [`receiver`] takes the calls of both, [`ledger`] keeps count of them.
//! - [`registry`] is measured by itself, with `--registry`, and [`ingest`] with `--ingest`.
//! - [`measure`] runs the pairs; [`stats`] and [`report`] make figures and tables of them.

mod args;
mod connection;
mod epoch;
mod floor;
mod ingest;
mod ledger;
mod measure;
mod payload;
mod proc;
mod publish;
mod receiver;
mod registry;
mod report;
mod role;
mod scenario;
mod stats;
mod system;
mod workload;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use angarium_local::{Group, Kafka, KafkaConfig, Parts, Redis, cache_dir};
use angarium_runtime::{Clock, signals};
use anyhow::{Context, bail};
use clap::Parser;

use args::Args;
use measure::{Bench, Outcome};

fn main() -> ExitCode {
    let args = Args::parse();
    angarium_telemetry::log(angarium_telemetry::Format::Text, "info");
    match bench(&args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            report::progress(&format!("angarium-bench: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

fn bench(args: &Args) -> anyhow::Result<()> {
    let binary = args.binary()?;
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/bench");
    fs::create_dir_all(&dir).with_context(|| format!("cannot create {}", dir.display()))?;
    let lock = fs::File::create(dir.join("lock")).context("cannot create the lock of the benchmark")?;
    lock.try_lock()
        .context("another benchmark runs in this checkout: wait for it")?;

    let parts = Parts::ensure(&cache_dir(), &mut report::progress)?;
    let data = Scratch::new(dir.join("data"))?;
    let kafka = Kafka::start(&parts, &KafkaConfig::new(data.0.join("kafka")))?;
    let redis = Redis::start(&parts, &data.0.join("redis"), Group::Shared)?;

    let bench = Bench {
        bootstrap: kafka.bootstrap(),
        redis: redis.url(),
        binary,
        environment: args.env.clone(),
        logs: dir.join("logs"),
        name: format!("bench-{}", Clock::system().now_ms()),
        pairs: args.pairs(),
        limit: args.limit(),
    };
    if args.registry {
        return alone(
            &bench,
            args,
            registry::run(&bench, args.extent()),
            registry::table,
        );
    }
    if args.ingest {
        let table = |all: &Vec<ingest::Figures>| ingest::table(all);
        return alone(&bench, args, ingest::run(&bench, args.to_ingest()), table);
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let outcomes = runtime.block_on(async {
        tokio::select! {
            outcomes = all(&bench, args) => outcomes,
            () = signals::terminated() => bail!("interrupted"),
        }
    })?;
    runtime.shutdown_background();

    report::print(&outcomes);
    if let Some(file) = &args.json {
        let json = report::json(&outcomes)?;
        fs::write(file, json).with_context(|| format!("cannot write {}", file.display()))?;
    }
    verdict(&outcomes)
}

/// Measures one service by itself.
fn alone<F: serde::Serialize>(
    bench: &Bench,
    args: &Args,
    run: impl Future<Output = anyhow::Result<F>>,
    table: impl FnOnce(&F) -> String,
) -> anyhow::Result<()> {
    fs::create_dir_all(&bench.logs).with_context(|| format!("cannot create {}", bench.logs.display()))?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let figures = runtime.block_on(async {
        tokio::select! {
            figures = run => figures,
            () = signals::terminated() => bail!("interrupted"),
        }
    })?;
    runtime.shutdown_background();
    report::show(&table(&figures));
    if let Some(file) = &args.json {
        let json = serde_json::to_string_pretty(&figures)? + "\n";
        fs::write(file, json).with_context(|| format!("cannot write {}", file.display()))?;
    }
    Ok(())
}

async fn all(bench: &Bench, args: &Args) -> anyhow::Result<Vec<Outcome>> {
    fs::create_dir_all(&bench.logs).with_context(|| format!("cannot create {}", bench.logs.display()))?;
    let mut outcomes = Vec::new();
    for &scenario in &args.scenarios {
        let size = args.size(scenario);
        let outcome = bench
            .run(scenario, size)
            .await
            .with_context(|| format!("scenario {}", scenario.name()))?;
        outcomes.push(outcome);
    }
    Ok(outcomes)
}

/// A fast wrong answer is no figure.
fn verdict(outcomes: &[Outcome]) -> anyhow::Result<()> {
    for outcome in outcomes {
        let faults = outcome.faults;
        if faults.lost > 0 || faults.out_of_order > 0 {
            bail!(
                "{}: {} deliveries lost and {} out of order, which no healthy run may have",
                outcome.scenario,
                faults.lost,
                faults.out_of_order
            );
        }
    }
    Ok(())
}

/// A directory that goes when the run is over: gigabytes of events are in it.
struct Scratch(PathBuf);

impl Scratch {
    fn new(path: PathBuf) -> anyhow::Result<Self> {
        if path.exists() {
            fs::remove_dir_all(&path).with_context(|| format!("cannot remove {}", path.display()))?;
        }
        fs::create_dir_all(&path).with_context(|| format!("cannot create {}", path.display()))?;
        Ok(Self(path))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.0) {
            report::progress(&format!("cannot remove {}: {error}", self.0.display()));
        }
    }
}
