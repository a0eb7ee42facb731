//! Every chore of the project: `cargo xtask --help`.
//!
//! Nothing has to be installed to run it. A chore that needs a tool gets it: from the system's packages (on Debian
//! as root; elsewhere it names what to install) or from a package registry into `target/`.

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "this is a command line, its output is for a person"
)]

mod bench;
mod cargo;
mod chart;
mod check;
mod dashboards;
mod down;
mod interrupt;
mod paths;
mod sim;
mod stopwatch;
mod test;
mod tools;
mod up;

use std::process::{ExitCode, ExitStatus};

use clap::Parser;

/// Every chore of the project.
#[derive(Debug, Parser)]
#[command(
    name = "cargo xtask",
    bin_name = "cargo xtask",
    disable_help_subcommand = true
)]
enum Chore {
    Up(up::Args),
    /// Stop what `up` started, by process id.
    Down,
    Test(test::Args),
    Check(check::Args),
    Chart(chart::Args),
    Dashboards(dashboards::Args),
    Bench(bench::Args),
    Sim(sim::Args),
}

fn main() -> ExitCode {
    let done = match Chore::parse() {
        Chore::Up(args) => up::run(&args).map(|()| ExitCode::SUCCESS),
        Chore::Down => down::run().map(|()| ExitCode::SUCCESS),
        Chore::Test(args) => test::run(&args),
        Chore::Check(args) => check::run(&args),
        Chore::Chart(args) => chart::run(&args),
        Chore::Dashboards(args) => dashboards::run(&args),
        Chore::Bench(args) => bench::run(&args),
        Chore::Sim(args) => sim::run(&args),
    };
    done.unwrap_or_else(|error| {
        eprintln!("error: {error:#}");
        ExitCode::FAILURE
    })
}

/// A line of progress, apart from the results on stdout.
fn say(line: &str) {
    eprintln!("{line}");
}

/// What a program that we ran for the user ended with becomes our own end.
fn pass_on(status: ExitStatus) -> ExitCode {
    status
        .code()
        .and_then(|code| u8::try_from(code).ok())
        .map_or(ExitCode::FAILURE, ExitCode::from)
}
