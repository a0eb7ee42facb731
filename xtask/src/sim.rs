//! `cargo xtask sim`: the simulation of the delivery protocol.

use std::ffi::OsString;
use std::process::ExitCode;

use crate::cargo::cargo;
use crate::interrupt::Interrupt;
use crate::pass_on;

/// Simulate the delivery protocol over many seeds, each a world of crashes and lost messages.
///
/// Builds and runs `angarium-sim`; nothing has to be installed.
#[derive(Debug, clap::Args)]
#[command(disable_help_flag = true)]
pub(crate) struct Args {
    /// For the simulation; `--help` lists them.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "ARGS")]
    args: Vec<OsString>,
}

pub(crate) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let interrupt = Interrupt::install()?;
    let mut command = cargo();
    command
        .args([
            "run",
            "--quiet",
            "--locked",
            "--release",
            "-p",
            "angarium-sim",
            "--",
        ])
        .args(&args.args);
    Ok(pass_on(interrupt.run(&mut command)?))
}
