//! `cargo xtask bench`: the benchmark, with what it needs.

use std::ffi::OsString;
use std::process::{Command, ExitCode};

use angarium_local::{Parts, cache_dir};
use anyhow::Context;

use crate::cargo::cargo;
use crate::interrupt::Interrupt;
use crate::{pass_on, paths, say};

/// Measure events and deliveries per second beside the floor: the same work without Angarium.
///
/// Builds `angarium` and runs `angarium-bench`, which starts a Kafka and a Redis of its own.
#[derive(Debug, clap::Args)]
#[command(disable_help_flag = true)]
pub(crate) struct Args {
    /// For the benchmark; `--help` lists them.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "ARGS")]
    args: Vec<OsString>,
}

pub(crate) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let interrupt = Interrupt::install()?;
    if wants_help(&args.args) {
        // To be told what can be asked for, nothing has to be installed.
        return Ok(pass_on(interrupt.run(&mut help())?));
    }
    Parts::ensure(&cache_dir(), &mut say)?;
    let mut build = cargo();
    build
        .args([
            "build",
            "--locked",
            "--release",
            "-p",
            "angarium",
            "-p",
            "angarium-bench",
        ])
        .current_dir(paths::root());
    let built = interrupt.run(&mut build)?;
    if !built.success() {
        return Ok(pass_on(built));
    }
    // As it was built: alone it would be built with fewer features of its dependencies, and these a second time.
    let bench = std::env::current_exe()
        .context("cannot tell where this program is")?
        .with_file_name("angarium-bench");
    let mut command = Command::new(bench);
    command.args(&args.args).current_dir(paths::root());
    Ok(pass_on(interrupt.run(&mut command)?))
}

fn wants_help(args: &[OsString]) -> bool {
    args.iter().any(|arg| arg == "-h" || arg == "--help")
}

fn help() -> Command {
    let mut command = cargo();
    command
        .args([
            "run",
            "--locked",
            "--release",
            "-p",
            "angarium-bench",
            "--",
            "--help",
        ])
        .current_dir(paths::root());
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn help_is_asked_for_anywhere_among_the_arguments() {
        let wants = |args: &[&str]| wants_help(&args.iter().map(OsString::from).collect::<Vec<_>>());
        assert!(wants(&["--help"]) && wants(&["--quick", "-h"]));
        assert!(!wants(&[]) && !wants(&["--quick"]));
    }
}
