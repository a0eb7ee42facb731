//! What can be asked for on the command line.

mod account;
mod apply;
mod audit;
mod event;
mod event_type;
mod explain;
mod journal;
mod key;
mod listen;
mod replay;
mod webhook;

use std::path::PathBuf;

use angarium_model::AccountRef;
use clap::{Args, CommandFactory as _, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;

pub(crate) use account::{
    AccountCommand, AccountCreate, AccountDelete, AccountName, AccountUpdate, ReactionArg,
};
pub(crate) use apply::Apply;
pub(crate) use audit::Audit;
pub(crate) use event::Event;
pub(crate) use event_type::{
    ClassArg, EventTypeCommand, EventTypeCreate, EventTypeDelete, EventTypeGet, EventTypeList,
    EventTypeOpenapi, EventTypeUpdate,
};
pub(crate) use explain::Explain;
pub(crate) use journal::Journal;
pub(crate) use key::{GrantArgs, HomeArgs, KeyCommand, KeyCreate, KeyName, KeyRotate, KeyUpdate};
pub(crate) use listen::Listen;
pub(crate) use replay::{DeadLetters, LaneArg, Replay, ReplayCancel, ReplayStatus, Resend};
pub(crate) use webhook::{
    AboutArgs, FormatArg, ListArgs, Method, OrDefault, OrderingArg, Pair, RevokeSecret, RotateSecret,
    SendingArgs, Subject, TestFilter, TimetableArgs, WebhookChange, WebhookCommand, WebhookCreate,
    WebhookName, WebhookTest, WebhookUpdate,
};

use crate::dev;
use crate::role::Role;

/// Delivers events to webhooks: in order, at least once, for as long as it takes.
///
/// Producers publish events to `ingest`, which acknowledges what Kafka holds. `fanout` matches them to the
/// webhooks that `registry` knows, and `delivery` calls the receivers until they answer. Kafka holds the events,
/// Redis the state of retries.
#[derive(Debug, Parser)]
#[command(version, propagate_version = false, max_term_width = 100, after_help = START_HERE)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// One line a paragraph: clap wraps them to the terminal.
const START_HERE: &str = "\
Start here: `angarium dev` runs all of it in one process, with sample events and a sample receiver.

With Kafka and Redis at hand: `angarium topics apply` once, then a process for each of `registry`, `ingest`, \
`fanout` and `delivery`, and `console` for the pages. `angarium config reference` lists every setting.

Exit codes: 0 when all went well; 1 when it failed, was refused, or something is wrong; 2 when the command line or the settings are wrong; \
3 when `apply --dry-run` found something to change; 4 when a service cannot be reached or cannot do it now, so that nothing was done: ask again; \
5 when there is no such thing; 6 when nobody knows whether it was done: look first.";

/// What a process does.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run everything in one process for a first look, with sample events and a sample receiver
    Dev(dev::Args),
    /// Run ingest: takes events over HTTP and gRPC, and acknowledges what Kafka holds
    Ingest(Given),
    /// Run the registry: keeps accounts and webhooks, and tells every follower of changes
    Registry(Given),
    /// Run fanout: matches accepted events to webhooks
    Fanout(Given),
    /// Run delivery: calls receivers, signs, keeps the order, retries
    Delivery(Given),
    /// Mails people whose webhooks fail, recover, are switched off or lose events
    Notifier(Given),
    /// Run the console: the pages in which people see and change webhooks, and see what becomes of events
    Console(Given),
    /// Create and check Kafka's topics
    Topics {
        #[command(subcommand)]
        command: TopicsCommand,
    },
    /// Look up and check settings
    Config {
        #[command(subcommand)]
        command: ConfigCommand,
    },
    /// Ask everything that these settings lead to whether it is as it should be, and say what to do
    Doctor(Doctor),
    /// Print what services measure, as Markdown: docs/METRICS.md
    Metrics,
    /// Print what the HTTP of the registry serves, as OpenAPI 3.1
    Openapi,
    /// Print the version
    Version {
        /// Also what it was built of and for
        #[arg(long)]
        verbose: bool,
    },
    /// Create, look at, change and delete accounts
    Account {
        #[command(subcommand)]
        command: AccountCommand,
    },
    /// Create, look at, change, test and delete webhooks
    Webhook {
        #[command(subcommand)]
        command: WebhookCommand,
    },
    /// Tell why an event reaches a webhook, or does not
    Explain(Explain),
    /// Show an event that was accepted, with its payload
    Event(Event),
    /// Show what became of events: to whom they went, each attempt, and how webhooks fare
    Journal(Journal),
    /// Make webhooks be as a file says, or show what that would change
    Apply(Apply),
    /// Look at event types, and create, change and delete those that the catalogue lacks
    EventType {
        #[command(subcommand)]
        command: EventTypeCommand,
    },
    /// Create, look at, change, replace and revoke API keys
    Key {
        #[command(subcommand)]
        command: KeyCommand,
    },
    /// Show who changed what of an account, or of the platform, the latest first
    Audit(Audit),
    /// Publish events from a file: one event, an array, an envelope, or one event a line
    Publish(Publish),
    /// Take the calls of webhooks on this machine: check them, show what came and what is missing, answer as you like
    Listen(Listen),
    /// Write what completes commands in a shell, for example `source <(angarium completion bash)`
    Completion {
        /// The shell
        #[arg(value_enum)]
        shell: Shell,
    },
}

/// The script by which a shell completes commands and flags.
pub(crate) fn completion(shell: Shell) -> String {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "angarium", &mut script);
    String::from_utf8_lossy(&script).into_owned()
}

#[derive(Debug, Subcommand)]
pub(crate) enum TopicsCommand {
    /// Create the topics that are missing and check the others; changes nothing that would lose events
    Apply(Given),
}

#[derive(Debug, Subcommand)]
pub(crate) enum ConfigCommand {
    /// Print every setting, its variable, default, bounds and meaning, as Markdown
    Reference,
    /// Say whether a role would start with these settings, and what is wrong with them
    Check {
        /// The role
        #[arg(value_enum)]
        role: Role,
        #[command(flatten)]
        given: Given,
    },
}

/// Kafka and its topics, Redis, and each service; exits with 1 if anything is wrong.
#[derive(Debug, Args)]
pub(crate) struct Doctor {
    /// How the findings are written
    #[arg(long, value_enum, default_value_t = Shape::Table)]
    pub(crate) output: Shape,
    #[command(flatten)]
    pub(crate) given: Given,
}

/// Where settings come from. The command line beats the environment, which beats the file.
#[derive(Debug, Default, Args)]
#[command(next_help_heading = "Settings")]
pub(crate) struct Given {
    /// A TOML file of settings
    #[arg(long, value_name = "FILE", env = "ANGARIUM_CONFIG")]
    pub(crate) config: Option<PathBuf>,
    /// Override a setting, for example `--set ingest.listen=127.0.0.1:8080`; can be repeated
    #[arg(long = "set", value_name = "NAME=VALUE", value_parser = name_and_value)]
    pub(crate) overrides: Vec<(String, String)>,
}

fn name_and_value(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("write it as section.name=value")?;
    Ok((name.trim().to_owned(), value.to_owned()))
}

/// Whole seconds that a secret stays good which is replaced. What is given is never cut to nothing: that would end it at
/// once.
fn overlap(text: &str) -> Result<u32, String> {
    let overlap = humantime::parse_duration(text).map_err(|error| error.to_string())?;
    let seconds = overlap
        .as_secs()
        .saturating_add(u64::from(overlap.subsec_nanos() > 0));
    u32::try_from(seconds).map_err(|_error| "at most 7d is allowed".to_owned())
}

/// The variable of `--profile`.
pub(crate) const PROFILE_VARIABLE: &str = "ANGARIUM_PROFILE";
/// The variable of `--profiles`.
pub(crate) const PROFILES_VARIABLE: &str = "ANGARIUM_PROFILES";

/// How to reach the services, and how answers look.
#[derive(Debug, Args)]
#[command(next_help_heading = "Connection and output")]
pub(crate) struct Reach {
    /// Where the services are, the key and the account: a name in the file of profiles, which beats variables and --config,
    /// and is beaten by other flags
    #[arg(long, value_name = "NAME", env = PROFILE_VARIABLE)]
    pub(crate) profile: Option<String>,
    /// The file of profiles [default: ~/.config/angarium/profiles.toml]
    #[arg(long, value_name = "FILE", env = PROFILES_VARIABLE)]
    pub(crate) profiles: Option<PathBuf>,
    /// An API key, or the operator's key [variable: ANGARIUM_API_KEY, else ANGARIUM_OPERATOR_KEY]
    #[arg(long, value_name = "KEY")]
    pub(crate) key: Option<String>,
    /// How answers look
    #[arg(long, value_enum, default_value_t = Shape::Table)]
    pub(crate) output: Shape,
    #[command(flatten)]
    pub(crate) given: Given,
}

/// How to reach the registry.
#[derive(Debug, Args)]
#[command(next_help_heading = "Connection and output")]
pub(crate) struct AtRegistry {
    /// Where the registry is, as http://host:port [variable: ANGARIUM_REGISTRY_ENDPOINT]
    #[arg(long, value_name = "URL")]
    pub(crate) registry: Option<String>,
    #[command(flatten)]
    pub(crate) reach: Reach,
}

/// How to reach delivery.
#[derive(Debug, Args)]
#[command(next_help_heading = "Connection and output")]
pub(crate) struct AtDelivery {
    /// Where a delivery worker is, as http://host:port [variable: ANGARIUM_DELIVERY_ENDPOINT]
    #[arg(long, value_name = "URL")]
    pub(crate) delivery: Option<String>,
    #[command(flatten)]
    pub(crate) reach: Reach,
}

/// A fanout worker that is asked.
#[derive(Debug, Args)]
pub(crate) struct AtFanout {
    /// Where a fanout worker is, as http://host:port [variable: ANGARIUM_FANOUT_ENDPOINT]
    #[arg(long, value_name = "URL")]
    pub(crate) fanout: Option<String>,
    #[command(flatten)]
    pub(crate) reach: Reach,
}

/// How an answer is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Shape {
    /// Aligned columns, for people
    Table,
    /// For programs
    Json,
}

#[derive(Debug, Args)]
pub(crate) struct Publish {
    /// The account that the events belong to: its id, or `ext:` and its external id [default: that of the profile]
    #[arg(long, value_name = "ID")]
    pub(crate) account: Option<AccountRef>,
    /// The file; `-` is standard input
    pub(crate) file: PathBuf,
    /// Where ingest is, as http://host:port [variable: ANGARIUM_INGEST_ENDPOINT]
    #[arg(long, value_name = "URL")]
    pub(crate) ingest: Option<String>,
    #[command(flatten)]
    pub(crate) reach: Reach,
}

/// A command line that clap lets through and that still asks for nothing sensible.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct WrongUse(pub(crate) &'static str);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shell_completes_what_there_is() {
        for shell in Shell::value_variants() {
            let script = completion(*shell);
            assert!(
                script.contains("rotate-secret") && script.contains("dry-run"),
                "{shell}"
            );
        }
    }

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn help_says_where_to_start_and_what_each_role_does() {
        let help = Cli::command().render_long_help().to_string();
        for text in [
            "Start here: `angarium dev`",
            "Run ingest: takes events",
            "Run delivery: calls receivers",
        ] {
            assert!(help.contains(text), "{help}");
        }
    }

    #[test]
    fn an_overlap_is_whole_seconds_and_never_cut_to_nothing() {
        assert_eq!(overlap("24h"), Ok(86_400));
        assert_eq!(overlap("0s"), Ok(0));
        assert_eq!(overlap("1ms"), Ok(1));
        assert!(overlap("1000y").is_err() && overlap("soon").is_err());
    }

    #[test]
    fn an_override_without_a_value_is_refused() {
        assert!(Cli::try_parse_from(["angarium", "ingest", "--set", "ingest.listen"]).is_err());
        let cli = Cli::try_parse_from(["angarium", "ingest", "--set", "a.b=c=d"]).unwrap();
        let Command::Ingest(given) = cli.command else {
            panic!("{cli:?}")
        };
        assert_eq!(given.overrides, [("a.b".to_owned(), "c=d".to_owned())]);
    }
}
