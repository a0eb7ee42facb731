//! Every chore of the project: `cargo xtask --help`.
//!
//! Nothing has to be installed to run it. A chore that needs a tool gets it: from the system's packages (on Debian
//! as root; elsewhere it names what to install) or from a package registry into `target/`.

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "this is a command line, its output is for a person"
)]

mod down;
mod interrupt;
mod paths;
mod up;

use std::process::ExitCode;

use clap::Parser;

/// Every chore of the project.
#[derive(Debug, Parser)]
#[command(
    name = "cargo xtask",
    bin_name = "cargo xtask",
    disable_help_subcommand = true
)]
enum Chore {
    /// Start Apache Kafka and Redis on this machine, without a container engine.
    Up(up::Args),
    /// Stop what `up` started, by process id.
    Down,
}

fn main() -> ExitCode {
    let done = match Chore::parse() {
        Chore::Up(args) => up::run(&args).map(|()| ExitCode::SUCCESS),
        Chore::Down => down::run().map(|()| ExitCode::SUCCESS),
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
