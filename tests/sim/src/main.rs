//! `cargo xtask sim`.
#![expect(clippy::print_stdout, reason = "a program for people")]

use std::process::ExitCode;

use angarium_delivery::simulation::{self, What};
use clap::Parser;

/// Simulate the delivery protocol: crashes, frozen owners, lost answers, a Redis that forgets, one world a seed.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask sim", bin_name = "cargo xtask sim")]
struct Args {
    /// How many seeds to run.
    #[arg(long, default_value_t = 10_000, value_name = "N")]
    seeds: u64,
    /// The first seed.
    #[arg(long, default_value_t = 0, value_name = "S")]
    from: u64,
    /// Tell what happens in the first seed, a line a step, and run no other.
    #[arg(long)]
    tell: bool,
    /// Have a thousand webhooks catch up together, and tell what it took; run no world.
    #[arg(long)]
    crowd: bool,
}

fn main() -> ExitCode {
    let args = Args::parse();
    if args.crowd {
        return match simulation::recover(args.from) {
            Ok(recovery) => {
                println!("{recovery:#?}");
                ExitCode::SUCCESS
            }
            Err(what) => {
                println!("broken: {what}");
                ExitCode::FAILURE
            }
        };
    }
    if args.tell {
        let (ended, story) = simulation::tell(args.from);
        for line in story {
            println!("{line}");
        }
        return match ended {
            Ok(summary) => {
                println!("nothing was broken: {summary:?}");
                ExitCode::SUCCESS
            }
            Err(breach) => {
                println!("broken: {breach}");
                ExitCode::FAILURE
            }
        };
    }
    let report = angarium_sim::run(args.from..args.from.saturating_add(args.seeds));
    match report.breach {
        None => {
            let total = report.total;
            println!(
                "{} worlds, nothing broken: {} takeovers, {} POSTs, {} events owed, {} received, {} given up as they may be",
                report.runs, total.takeovers, total.calls, total.owed, total.received, total.given_up
            );
            for what in What::ALL {
                println!("{:>10} {what:?}", total.happened.times(what));
            }
            ExitCode::SUCCESS
        }
        Some(breach) => {
            println!("broken: {breach}");
            println!(
                "again, with its story: cargo xtask sim --from {} --tell",
                breach.seed
            );
            ExitCode::FAILURE
        }
    }
}
