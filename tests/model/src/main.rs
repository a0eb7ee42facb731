//! Checks the model's configurations, the large ones too when asked.
#![expect(clippy::print_stdout, reason = "a program for people")]

use std::process::ExitCode;

use angarium_model_check::configurations::{QUICK, THOROUGH};
use angarium_model_check::{Protocol, check};
use clap::Parser;

/// Visit every state of the delivery protocol's model within its bounds.
#[derive(Debug, Parser)]
struct Args {
    /// Also the large configurations: minutes, and up to 2 GiB.
    #[arg(long)]
    thorough: bool,
    /// Only the configurations whose name contains this.
    #[arg(long, default_value = "")]
    only: String,
    /// How many threads visit states.
    #[arg(long, default_value_t = 2)]
    threads: usize,
}

fn main() -> ExitCode {
    let args = Args::parse();
    let large: &[_] = if args.thorough { THOROUGH } else { &[] };
    let mut all_hold = true;
    for configuration in QUICK.iter().chain(large).filter(|c| c.name.contains(&args.only)) {
        let report = check(Protocol::within(configuration.bounds), args.threads);
        let verdict = if report.broken.is_empty() {
            "holds"
        } else {
            "BROKEN"
        };
        println!(
            "{:<68} {:>10} states  {verdict}",
            configuration.name, report.states
        );
        for (property, trace) in &report.broken {
            println!("broken: {property}\n{trace}");
        }
        all_hold &= report.broken.is_empty();
    }
    if all_hold {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}
