//! `cargo xtask test`: all tests, over a real Kafka and Redis.

use std::ffi::OsString;
use std::fs;
use std::path::Path;
use std::process::{Command, ExitCode, ExitStatus};

use angarium_local::prerequisites::{self, Tool};
use angarium_local::{Group, Kafka, KafkaConfig, Parts, Redis, State, cache_dir};
use anyhow::Context;

use crate::cargo::cargo;
use crate::interrupt::Interrupt;
use crate::stopwatch::{Seconds, Stopwatch};
use crate::{pass_on, paths, say, tools};

/// Run all tests, over a real Kafka and Redis that are started for them.
///
/// Gets what they need first: a JDK, Maven, Redis, Python, Node.js, Chromium and Prometheus (on Debian as root by installing what is missing,
/// elsewhere it names what to install), Kafka, the public Standard Webhooks libraries, what drives the browser, a mail server, and a fuzzer. Ends what it started,
/// also when a test fails or on Ctrl-C.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Only the tests whose name contains this.
    #[arg(long, value_name = "NAME")]
    filter: Option<String>,
    /// For the test programs, for example `-- --nocapture`.
    #[arg(last = true, value_name = "ARGS")]
    args: Vec<OsString>,
}

pub(crate) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let interrupt = Interrupt::install()?;
    let mut steps = Steps::default();
    let (parts, tools) = steps.time("get what is needed", || {
        let parts = Parts::ensure(&cache_dir(), &mut say)?;
        prerequisites::ensure(
            &[Tool::Python, Tool::Node, Tool::Chromium, Tool::Prometheus],
            &mut say,
        )?;
        Ok((parts, tools::of_tests()?))
    })?;
    // Before the servers start: they and the compiler would only slow each other down.
    let built = steps.time("build", || build(&interrupt))?;
    if !built.success() {
        return Ok(pass_on(built));
    }
    let servers = steps.time("start Kafka and Redis", || Servers::start(&parts))?;
    let tested = steps.time("test", || {
        let mut command = cargo_test();
        command.args(&args.filter).arg("--").args(&args.args);
        command.env("ANGARIUM_TEST_KAFKA", servers.kafka.bootstrap());
        command.env("ANGARIUM_TEST_REDIS", servers.redis.url());
        command.env("ANGARIUM_TEST_TOOLS", &tools);
        interrupt.run(&mut command)
    });
    let stopped = steps.time("stop Kafka and Redis", || servers.stop());
    steps.print();
    let tested = tested?;
    stopped?;
    Ok(pass_on(tested))
}

/// The test programs and, since its crate has some, the binary that scenarios start. One build of everything: by itself
/// the binary would be built with fewer features of its dependencies, and these twice.
fn build(interrupt: &Interrupt) -> anyhow::Result<ExitStatus> {
    interrupt.run(cargo_test().arg("--no-run"))
}

fn cargo_test() -> Command {
    let mut command = cargo();
    // Every test program runs, also when an earlier one failed: one run shows all there is to repair.
    command
        .args(["test", "--locked", "--release", "--workspace", "--no-fail-fast"])
        .current_dir(paths::root());
    command
}

/// The Kafka and Redis of this run. Dropped early, on a failure, they are killed.
struct Servers {
    kafka: Kafka,
    redis: Redis,
}

impl Servers {
    fn start(parts: &Parts) -> anyhow::Result<Self> {
        let dir = paths::target("test/servers");
        let state = state();
        // Of a run that was killed before it could end them.
        if let Some(left) = State::load(&state)? {
            left.stop_all(&state)?;
        }
        empty(&dir)?;
        let redis = Redis::start(parts, &dir.join("redis"), Group::Own)?;
        let config = KafkaConfig {
            group: Group::Own,
            ..KafkaConfig::new(dir.join("kafka"))
        };
        let kafka = Kafka::start(parts, &config)?;
        State::of(&kafka, &redis, &dir)?.save(&state)?;
        Ok(Self { kafka, redis })
    }

    fn stop(mut self) -> anyhow::Result<()> {
        self.kafka.stop()?;
        self.redis.stop()?;
        let state = state();
        fs::remove_file(&state).with_context(|| format!("cannot remove {}", state.display()))
    }
}

fn state() -> std::path::PathBuf {
    paths::target("test/state.json")
}

fn empty(dir: &Path) -> anyhow::Result<()> {
    if dir.exists() {
        fs::remove_dir_all(dir).with_context(|| format!("cannot remove {}", dir.display()))?;
    }
    Ok(())
}

/// What took how long.
#[derive(Default)]
struct Steps(Vec<(&'static str, Seconds)>);

impl Steps {
    fn time<T>(&mut self, name: &'static str, step: impl FnOnce() -> anyhow::Result<T>) -> anyhow::Result<T> {
        say(&format!("== {name}"));
        let watch = Stopwatch::start();
        let result = step();
        self.0.push((name, watch.elapsed()));
        result
    }

    fn print(&self) {
        for (name, seconds) in &self.0 {
            say(&format!("{seconds}  {name}"));
        }
    }
}
