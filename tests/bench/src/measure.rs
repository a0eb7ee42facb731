//! Runs the pairs of a scenario and makes figures of them.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::Duration;

use angarium_kafka::Connection;
use angarium_kafka::topics::{self, Layout};
use angarium_runtime::{Clock, Shutdown, Tasks};
use anyhow::Context;
use tokio::time::timeout;

use crate::epoch::{Epoch, nanos};
use crate::floor::{Floor, Topic};
use crate::ledger::{self, Faults, Ledger};
use crate::proc::Usage;
use crate::publish::{self, Maker, Published};
use crate::receiver::{Mood, Receiver};
use crate::report::progress;
use crate::scenario::{Scenario, Size, Way};
use crate::stats::{float, median, per_second, ratio, seconds, spread};
use crate::system::System;
use crate::workload::Batch;

/// The share of a run's events that is published once, uncounted, to warm both sides up.
const WARM_UP: u64 = 5;
/// How long the tasks of a scenario may take to end.
const END_LIMIT: Duration = Duration::from_secs(10);

/// What all scenarios share.
#[derive(Debug)]
pub(crate) struct Bench {
    pub(crate) bootstrap: String,
    pub(crate) redis: String,
    /// The program that is measured.
    pub(crate) binary: PathBuf,
    /// What its processes find in their environment, over what the benchmark sets.
    pub(crate) environment: Vec<(String, String)>,
    /// Directory for the logs of its processes.
    pub(crate) logs: PathBuf,
    /// Makes topics and event ids unique.
    pub(crate) name: String,
    pub(crate) pairs: u32,
    /// The longest that a run may take.
    pub(crate) limit: Duration,
}

/// The figures of a scenario: medians over its runs.
#[derive(Clone, Debug)]
pub(crate) struct Outcome {
    pub(crate) scenario: &'static str,
    pub(crate) events_per_s: f64,
    pub(crate) deliveries_per_s: f64,
    pub(crate) floor_deliveries_per_s: f64,
    pub(crate) ratio: f64,
    /// The smallest and the largest ratio of a pair.
    pub(crate) ratio_spread: (f64, f64),
    pub(crate) p50_ms: f64,
    pub(crate) p99_ms: f64,
    pub(crate) floor_p50_ms: f64,
    pub(crate) floor_p99_ms: f64,
    pub(crate) cpu_s_per_100k: f64,
    /// CPU seconds per 100,000 deliveries by role.
    pub(crate) cpu_by_role: BTreeMap<&'static str, f64>,
    /// Memory by role after the last run.
    pub(crate) memory: BTreeMap<&'static str, Memory>,
    pub(crate) faults: Faults,
}

/// Resident memory of a role, in MiB.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Memory {
    /// Now.
    pub(crate) now: f64,
    /// The most that it ever was.
    pub(crate) peak: f64,
}

impl Memory {
    fn of(usage: Usage) -> Self {
        Self {
            now: f64::from(usage.resident_kib) / 1024.0,
            peak: f64::from(usage.peak_kib) / 1024.0,
        }
    }
}

/// The figures of one run of one side.
#[derive(Clone, Debug)]
struct Run {
    events_per_s: f64,
    deliveries_per_s: f64,
    p50_ms: f64,
    p99_ms: f64,
    deliveries: u64,
}

impl Bench {
    /// Starts both sides afresh, warms them up, and runs the pairs.
    pub(crate) async fn run(&self, scenario: Scenario, size: Size) -> anyhow::Result<Outcome> {
        let tasks = Tasks::new(Shutdown::new());
        let outcome = self.run_on(&tasks, scenario, size).await;
        tasks.shutdown().begin();
        let ended = tasks.join(END_LIMIT).await;
        let outcome = outcome?;
        ended?;
        Ok(outcome)
    }

    async fn run_on(&self, tasks: &Tasks, scenario: Scenario, size: Size) -> anyhow::Result<Outcome> {
        let mut sides = Sides::start(self, tasks, scenario, size).await?;
        let warm_up = size.events.div_ceil(WARM_UP);
        sides.floor(warm_up).await?;
        sides.angarium(warm_up).await?;
        let (mut pairs, mut cpu) = (Vec::new(), Vec::new());
        for pair in 1..=self.pairs {
            let floor = sides.floor(size.events).await?;
            let before = sides.system.usage()?;
            let angarium = sides.subject(size.events).await?;
            cpu.push(cpu_per_100k(&before, &sides.system.usage()?, angarium.deliveries));
            progress(&format!(
                "{} {pair}/{}: floor {:.0}, angarium {:.0} deliveries/s",
                scenario.name(),
                self.pairs,
                floor.deliveries_per_s,
                angarium.deliveries_per_s
            ));
            pairs.push((floor, angarium));
        }
        let memory = sides
            .system
            .usage()?
            .into_iter()
            .map(|(role, usage)| (role, Memory::of(usage)));
        Ok(outcome(scenario, &pairs, &cpu, memory.collect(), sides.faults()))
    }
}

/// Both sides of a scenario.
struct Sides {
    scenario: Scenario,
    size: Size,
    limit: Duration,
    epoch: Epoch,
    tasks: Tasks,
    /// `None` where Angarium without trouble stands in its place.
    floor: Option<(Floor, Receiver)>,
    /// Events published so far on each side.
    floor_published: u64,
    system: System,
    receiver: Receiver,
    published: u64,
    maker: Maker,
}

impl Sides {
    async fn start(bench: &Bench, tasks: &Tasks, scenario: Scenario, size: Size) -> anyhow::Result<Self> {
        let prefix = format!("{}-{}", bench.name, scenario.name());
        progress(&format!(
            "{}: starting, {} events a run to {} webhooks",
            scenario.name(),
            size.events,
            size.webhooks()
        ));
        let connection = Connection::new(&bench.bootstrap);
        let apply = async |prefix: String| -> anyhow::Result<(String, NonZeroU32)> {
            let layout = Layout {
                prefix,
                ..Layout::default()
            };
            topics::apply(&connection, &layout)
                .await
                .context("cannot make the topics")?;
            Ok((layout.names().events().to_owned(), layout.events))
        };
        apply(prefix.clone()).await?;
        // The floor's topic is another system's events topic.
        let (name, partitions) = apply(format!("{prefix}-floor")).await?;
        let topic = Topic {
            bootstrap: bench.bootstrap.clone(),
            name,
            partitions,
        };

        let epoch = Epoch::start();
        let floor = if scenario.has_trouble() {
            None
        } else {
            let receiver = Receiver::start(size.webhooks(), scenario, epoch, tasks).await?;
            Some((
                Floor::start(topic, size, receiver.address, tasks).await?,
                receiver,
            ))
        };
        let receiver = Receiver::start(size.webhooks(), scenario, epoch, tasks).await?;
        let system = System::start(bench, &prefix, scenario, size, &receiver).await?;
        Ok(Self {
            scenario,
            size,
            limit: bench.limit,
            epoch,
            tasks: tasks.clone(),
            floor,
            floor_published: 0,
            system,
            receiver,
            published: 0,
            maker: Maker {
                name: prefix,
                epoch,
                clock: Clock::system(),
            },
        })
    }

    fn batch(&self, first: u64, events: u64) -> Batch {
        Batch {
            first,
            events,
            accounts: self.size.accounts,
            start_ns: self.epoch.now_ns(),
            period_ns: self.scenario.period().map(nanos),
        }
    }

    /// What Angarium is held against.
    async fn floor(&mut self, events: u64) -> anyhow::Result<Run> {
        let Some((floor, receiver)) = &self.floor else {
            return self.angarium(events).await;
        };
        let batch = self.batch(self.floor_published, events);
        self.floor_published += events;
        let due = self.floor_published * self.size.fan;
        let publish = floor.publish(batch, &self.maker.name, self.epoch);
        follow(publish, &receiver.ledger, batch, due, self.limit).await
    }

    /// What is measured: Angarium, with the scenario's trouble if it has one. What that kept back is waited for, so that
    /// the next run begins without it.
    async fn subject(&mut self, events: u64) -> anyhow::Result<Run> {
        self.receiver.is(Mood::Troubled);
        let run = if self.scenario.recovers() {
            self.recovery(events).await
        } else {
            self.angarium(events).await
        };
        self.receiver.is(Mood::Well);
        let due = self.published * self.size.fan;
        // What does not come is told as lost at the end.
        let _late = timeout(self.limit, self.receiver.ledger.reached_by_all(due)).await;
        run
    }

    async fn angarium(&mut self, events: u64) -> anyhow::Result<Run> {
        let batch = self.batch(self.published, events);
        self.published += events;
        let due = self.watched(self.published);
        let ledger = &self.receiver.ledger;
        follow(self.publish(batch), ledger, batch, due, self.limit).await
    }

    /// Publishes while receivers fail, then lets them recover: the run begins with their first receipt.
    async fn recovery(&mut self, events: u64) -> anyhow::Result<Run> {
        let batch = self.batch(self.published, events);
        self.published += events;
        let due = self.watched(self.published);
        let published = timeout(self.limit, self.publish(batch)).await;
        let published = published.context("the events were not published in time")??;
        let ledger = &self.receiver.ledger;
        ledger.begin();
        self.receiver.is(Mood::Recovered);
        // What is missing is told as lost at the end.
        let _late = timeout(self.limit, ledger.reached(due)).await;
        let run = ledger.run();
        Ok(Run {
            deliveries_per_s: per_second(run.receipts, run.last_ns.saturating_sub(run.first_ns)),
            ..Run::of(&run, batch, published.last_ns)
        })
    }

    async fn publish(&self, batch: Batch) -> anyhow::Result<Published> {
        let system = &self.system;
        match self.scenario.way() {
            Way::Stream => publish::on_streams(&system.publishers, batch, &self.maker).await,
            Way::Http => {
                let (http, key) = (system.ingest_http, &system.authorization);
                publish::over_http(http, key, batch, &self.maker, &self.tasks).await
            }
        }
    }

    /// How many deliveries of the first `events` go to webhooks that are watched.
    fn watched(&self, events: u64) -> u64 {
        let hooks = |event: u64| {
            let account = event % self.size.accounts;
            account * self.size.fan..(account + 1) * self.size.fan
        };
        let is_watched = |hook: &u64| self.scenario.is_watched(*hook);
        let watched = (0..events).map(|event| hooks(event).filter(is_watched).count());
        watched
            .map(|count| u64::try_from(count).unwrap_or(u64::MAX))
            .sum()
    }

    /// Of Angarium's side.
    fn faults(&self) -> Faults {
        self.receiver.ledger.faults(self.published * self.size.fan)
    }
}

/// Publishes a batch and waits for its receipts, `due` counted through all runs of the side.
async fn follow(
    publish: impl Future<Output = anyhow::Result<Published>>,
    ledger: &Ledger,
    batch: Batch,
    due: u64,
    limit: Duration,
) -> anyhow::Result<Run> {
    ledger.begin();
    let run = async {
        let published = publish.await?;
        ledger.reached(due).await;
        anyhow::Ok(published)
    };
    let acknowledged_ns = match timeout(limit, run).await {
        Ok(published) => published?.last_ns,
        // What is missing is told as lost at the end.
        Err(_elapsed) => batch.start_ns + nanos(limit),
    };
    Ok(Run::of(&ledger.run(), batch, acknowledged_ns))
}

impl Run {
    /// What was received of a batch whose last event was acknowledged then.
    fn of(run: &ledger::Run, batch: Batch, acknowledged_ns: u64) -> Self {
        Self {
            events_per_s: per_second(batch.events, acknowledged_ns.saturating_sub(batch.start_ns)),
            deliveries_per_s: per_second(run.receipts, run.last_ns.saturating_sub(batch.start_ns)),
            p50_ms: run.latencies.quantile_ms(0.50),
            p99_ms: run.latencies.quantile_ms(0.99),
            deliveries: run.receipts,
        }
    }
}

/// CPU seconds per 100,000 deliveries of each role.
fn cpu_per_100k(
    before: &[(&'static str, Usage)],
    after: &[(&'static str, Usage)],
    deliveries: u64,
) -> BTreeMap<&'static str, f64> {
    let used = |((role, before), (_, after)): (&(&'static str, Usage), &(&'static str, Usage))| {
        let used = seconds(nanos(after.cpu.saturating_sub(before.cpu)));
        (*role, ratio(used * 100_000.0, float(deliveries)))
    };
    before.iter().zip(after).map(used).collect()
}

fn outcome(
    scenario: Scenario,
    pairs: &[(Run, Run)],
    cpu: &[BTreeMap<&'static str, f64>],
    memory: BTreeMap<&'static str, Memory>,
    faults: Faults,
) -> Outcome {
    let of = |figure: &dyn Fn(&(Run, Run)) -> f64| -> Vec<f64> { pairs.iter().map(figure).collect() };
    let ratios = of(&|(floor, angarium)| ratio(angarium.deliveries_per_s, floor.deliveries_per_s));
    let totals: Vec<f64> = cpu.iter().map(|roles| roles.values().sum()).collect();
    let by_role = |role: &'static str| {
        let values: Vec<f64> = cpu.iter().filter_map(|roles| roles.get(role).copied()).collect();
        (role, median(&values))
    };
    Outcome {
        scenario: scenario.name(),
        events_per_s: median(&of(&|(_, angarium)| angarium.events_per_s)),
        deliveries_per_s: median(&of(&|(_, angarium)| angarium.deliveries_per_s)),
        floor_deliveries_per_s: median(&of(&|(floor, _)| floor.deliveries_per_s)),
        ratio: median(&ratios),
        ratio_spread: spread(&ratios),
        p50_ms: median(&of(&|(_, angarium)| angarium.p50_ms)),
        p99_ms: median(&of(&|(_, angarium)| angarium.p99_ms)),
        floor_p50_ms: median(&of(&|(floor, _)| floor.p50_ms)),
        floor_p99_ms: median(&of(&|(floor, _)| floor.p99_ms)),
        cpu_s_per_100k: median(&totals),
        cpu_by_role: memory.keys().map(|role| by_role(role)).collect(),
        memory,
        faults,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(deliveries_per_s: f64) -> Run {
        Run {
            events_per_s: deliveries_per_s,
            deliveries_per_s,
            p50_ms: 1.0,
            p99_ms: 2.0,
            deliveries: 10,
        }
    }

    fn close(left: f64, right: f64) -> bool {
        (left - right).abs() < 1e-9
    }

    #[test]
    fn a_ratio_is_the_median_over_pairs_not_of_medians() {
        // A machine that gets busy slows both runs of a pair.
        let pairs = [(100.0, 50.0), (1_000.0, 600.0), (10.0, 7.0)];
        let pairs = pairs.map(|(floor, angarium)| (run(floor), run(angarium)));
        let outcome = outcome(Scenario::Single, &pairs, &[], BTreeMap::new(), Faults::default());
        assert!(close(outcome.ratio, 0.6));
        assert!(close(outcome.ratio_spread.0, 0.5) && close(outcome.ratio_spread.1, 0.7));
        assert!(close(outcome.deliveries_per_s, 50.0) && close(outcome.floor_deliveries_per_s, 100.0));
    }

    #[test]
    fn cpu_is_what_was_used_between_and_counts_all_roles() {
        let usage = |ms| Usage {
            cpu: Duration::from_millis(ms),
            resident_kib: 1,
            peak_kib: 1,
        };
        let before = [("fanout", usage(1_000)), ("ingest", usage(500))];
        let after = [("fanout", usage(1_250)), ("ingest", usage(600))];
        let cpu = cpu_per_100k(&before, &after, 50_000);
        assert!(close(cpu["fanout"], 0.5) && close(cpu["ingest"], 0.2));
        let memory = [("fanout", usage(0)), ("ingest", usage(0))];
        let memory = memory.map(|(role, usage)| (role, Memory::of(usage))).into();
        let outcome = outcome(Scenario::Single, &[], &[cpu], memory, Faults::default());
        assert!(close(outcome.cpu_s_per_100k, 0.7));
        assert!(close(outcome.cpu_by_role["ingest"], 0.2));
    }

    #[tokio::test]
    async fn a_run_that_takes_too_long_ends_with_what_there_is() {
        let ledger = Ledger::new(1, |_| true).unwrap();
        let batch = Batch {
            first: 0,
            events: 10,
            accounts: 1,
            start_ns: 0,
            period_ns: None,
        };
        let limit = Duration::from_millis(5);
        let run = follow(std::future::pending(), &ledger, batch, 10, limit)
            .await
            .unwrap();
        assert_eq!(run.deliveries, 0);
        assert!(close(run.events_per_s, 2_000.0));
        assert_eq!(ledger.faults(10).lost, 10);
    }
}
