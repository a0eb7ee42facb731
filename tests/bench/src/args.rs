//! The command line.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, bail};
use clap::Parser;

use crate::registry::Extent;
use crate::scenario::{Scenario, Size};

/// Measures events and deliveries per second beside the floor: produce, consume, sign and POST with the same
/// libraries and nothing else.
///
/// Starts a Kafka, a Redis and every role of target/release/angarium as a process of its own. CPU and memory are
/// those of the roles alone; the publisher, the receiver and the floor are this process. All share the machine.
#[derive(Debug, Parser)]
#[command(name = "angarium-bench", max_term_width = 100)]
pub(crate) struct Args {
    /// Which scenarios, in this order
    #[arg(long, value_delimiter = ',', value_enum, default_values_t = Scenario::ALL)]
    pub(crate) scenarios: Vec<Scenario>,
    /// The registry alone, with 100,000 webhooks in 10,000 accounts: its start, memory, reads and writes
    #[arg(long, conflicts_with_all = ["scenarios", "events", "webhooks", "pairs"])]
    pub(crate) registry: bool,
    /// Ingest alone: events per second on streams and over HTTP, beside a bare producer
    #[arg(long, conflicts_with_all = ["scenarios", "webhooks", "registry"])]
    pub(crate) ingest: bool,
    /// Events per run; by default what a scenario gets through in some seconds
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..=10_000_000))]
    events: Option<u64>,
    /// Webhooks; rounded up to a multiple of those that one event goes to
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..=1_000))]
    webhooks: Option<u64>,
    /// Pairs of runs (floor, Angarium) that count, after one that warms up; below 5 a ratio says little
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=100), default_value_t = 5)]
    pairs: u32,
    /// The longest that one run may take, in seconds; what has not arrived by then is lost
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..=3_600), default_value_t = 120)]
    seconds: u64,
    /// A smoke test: one pair of few events; its figures say nothing
    #[arg(long, conflicts_with = "pairs")]
    quick: bool,
    /// Also write an array with an object per scenario to this file
    #[arg(long, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,
    /// An environment variable for the processes that are measured, such as `ANGARIUM_METRICS_LISTEN=127.0.0.1:0` to see what
    /// telemetry costs; over what the benchmark sets. May be given several times
    #[arg(long, value_name = "NAME=VALUE", value_parser = variable)]
    pub(crate) env: Vec<(String, String)>,
    /// The binary to measure; by default the one beside this program
    #[arg(long, value_name = "FILE")]
    angarium: Option<PathBuf>,
}

impl Args {
    pub(crate) const fn pairs(&self) -> u32 {
        if self.quick { 1 } else { self.pairs }
    }

    pub(crate) const fn limit(&self) -> Duration {
        Duration::from_secs(self.seconds)
    }

    pub(crate) fn size(&self, scenario: Scenario) -> Size {
        let mut size = if self.quick {
            scenario.quick_size()
        } else {
            scenario.size()
        };
        if let Some(events) = self.events {
            size.events = events;
        }
        if let Some(webhooks) = self.webhooks {
            size.accounts = webhooks.div_ceil(size.fan);
        }
        size
    }

    pub(crate) const fn extent(&self) -> Extent {
        let (accounts, seconds) = if self.quick { (100, 1) } else { (10_000, 10) };
        Extent {
            accounts,
            webhooks_each: 10,
            lasts: Duration::from_secs(seconds),
        }
    }

    /// Events a run of ingest alone.
    pub(crate) fn to_ingest(&self) -> u64 {
        self.events.unwrap_or(if self.quick { 2_000 } else { 200_000 })
    }

    pub(crate) fn binary(&self) -> anyhow::Result<PathBuf> {
        let binary = match &self.angarium {
            Some(given) => given.clone(),
            None => std::env::current_exe()
                .context("cannot tell where this program is")?
                .with_file_name("angarium"),
        };
        if !binary.is_file() {
            bail!(
                "there is no {}: build it with `cargo build --release -p angarium`",
                binary.display()
            );
        }
        Ok(binary)
    }
}

fn variable(given: &str) -> Result<(String, String), String> {
    match given.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("must be NAME=VALUE".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    fn parse(args: &[&str]) -> Args {
        Args::try_parse_from([&["angarium-bench"], args].concat()).unwrap()
    }

    #[test]
    fn the_command_line_is_consistent() {
        Args::command().debug_assert();
    }

    #[test]
    fn scenarios_are_named_as_in_the_report() {
        assert_eq!(parse(&[]).scenarios, Scenario::ALL);
        for scenario in Scenario::ALL {
            assert_eq!(parse(&["--scenarios", scenario.name()]).scenarios, [scenario]);
        }
        let two = parse(&["--scenarios", "fanout10,single"]).scenarios;
        assert_eq!(two, [Scenario::Fanout10, Scenario::Single]);
    }

    #[test]
    fn webhooks_are_rounded_up_to_full_accounts() {
        let args = parse(&["--webhooks", "11", "--events", "7"]);
        let size = args.size(Scenario::Fanout10);
        assert_eq!((size.accounts, size.webhooks(), size.events), (2, 20, 7));
        assert_eq!(args.size(Scenario::Single).accounts, 11);
    }

    #[test]
    fn variables_have_a_name_and_may_have_an_equals_sign_within() {
        let args = parse(&["--env", "A=b=c", "--env", "B="]);
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(args.env, [pair("A", "b=c"), pair("B", "")]);
        for wrong in ["A", "=b"] {
            assert!(Args::try_parse_from(["angarium-bench", "--env", wrong]).is_err());
        }
    }

    #[test]
    fn quick_is_one_small_pair() {
        let args = parse(&["--quick"]);
        assert_eq!(args.pairs(), 1);
        assert!(args.size(Scenario::Single).events <= 1_000);
    }
}
