//! The binary: every role, and the operator's command line.
//!
//! `cli` says what can be asked for, `settings` reads what the services are told, `role` runs a service until it
//! is asked to end, `operate` calls the services of others.
//!
//! What a command ends with is said by `angarium --help`.

mod account_ref;
mod cli;
mod dev;
mod doctor;
mod failed;
mod listen;
mod metrics;
mod operate;
mod output;
mod receiving;
mod role;
mod settings;
mod topics;
mod version;

use std::process::ExitCode;

use angarium_runtime::config::Mistakes;
use clap::Parser;
use cli::{Cli, Command, ConfigCommand, TopicsCommand};
use failed::Failed;

/// The command line or the settings are wrong: the same as clap's own.
const WRONG_USE: u8 = 2;

fn main() -> ExitCode {
    let cli = Cli::parse();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return complain(&anyhow::Error::new(error).context("cannot start tokio")),
    };
    let code = runtime
        .block_on(dispatch(cli))
        .unwrap_or_else(|error| complain(&error));
    // What still runs after the drain must not hold the process: a blocking call has no other end.
    runtime.shutdown_background();
    code
}

fn openapi() -> anyhow::Result<()> {
    let document = angarium_rest::openapi(angarium_proto::FILE_DESCRIPTOR_SET, env!("CARGO_PKG_VERSION"))?;
    output::print(&format!("{document:#}\n"))
}

async fn dispatch(cli: Cli) -> anyhow::Result<ExitCode> {
    match cli.command {
        Command::Dev(args) => dev::run(args).await,
        Command::Ingest(given) => role::run(role::Role::Ingest, &given).await,
        Command::Registry(given) => role::run(role::Role::Registry, &given).await,
        Command::Fanout(given) => role::run(role::Role::Fanout, &given).await,
        Command::Delivery(given) => role::run(role::Role::Delivery, &given).await,
        Command::Notifier(given) => role::run(role::Role::Notifier, &given).await,
        Command::Console(given) => role::run(role::Role::Console, &given).await,
        Command::Topics {
            command: TopicsCommand::Apply(given),
        } => done(topics::apply(&given).await),
        Command::Config {
            command: ConfigCommand::Reference,
        } => done(output::print(&settings::reference())),
        Command::Config {
            command: ConfigCommand::Check { role, given },
        } => done(role::check(role, &given)),
        Command::Doctor(asked) => doctor::run(asked).await,
        Command::Metrics => done(output::print(&metrics::catalogue())),
        Command::Openapi => done(openapi()),
        Command::Version { verbose } => done(output::print(&version::text(verbose))),
        Command::Account { command } => done(operate::account(command).await),
        Command::Webhook { command } => operate::webhook(command).await,
        Command::Explain(asked) => done(operate::explain(asked).await),
        Command::Event(asked) => done(operate::event(asked).await),
        Command::Journal(asked) => done(operate::journal(asked).await),
        Command::Apply(asked) => operate::apply(asked).await,
        Command::EventType { command } => done(operate::event_type(command).await),
        Command::Key { command } => done(operate::key(command).await),
        Command::Audit(asked) => done(operate::audit(asked).await),
        Command::Listen(asked) => listen::run(asked).await,
        Command::Completion { shell } => done(output::print(&cli::completion(shell))),
        Command::Publish(publish) => done(operate::publish(publish).await),
    }
}

fn done(result: anyhow::Result<()>) -> anyhow::Result<ExitCode> {
    result.map(|()| ExitCode::SUCCESS)
}

/// The one place that tells a person why a command failed.
fn complain(error: &anyhow::Error) -> ExitCode {
    output::complain(&format!("angarium: {error:#}"));
    let wrong_use =
        error.is::<Mistakes>() || error.is::<cli::WrongUse>() || error.is::<settings::WrongProfile>();
    let failed = error.chain().find_map(|cause| cause.downcast_ref::<Failed>());
    ExitCode::from(match failed {
        _ if wrong_use => WRONG_USE,
        Some(failed) => failed.exit_code(),
        None => 1,
    })
}
