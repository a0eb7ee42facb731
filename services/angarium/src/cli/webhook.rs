//! `angarium webhook …`

mod about;
mod filter;
mod secret;
mod sending;

use angarium_model::AccountRef;
use std::path::PathBuf;

use clap::{ArgGroup, Args, Subcommand};

use super::replay::{DeadLetters, Replay, ReplayCancel, ReplayStatus, Resend};
use super::{AtDelivery, AtRegistry};

pub(crate) use about::{AboutArgs, ListArgs, Pair, pair};
pub(crate) use filter::{FilterArg, TestFilter};
pub(crate) use secret::{RevokeSecret, RotateSecret};
pub(crate) use sending::{FormatArg, OrDefault, OrderingArg, SendingArgs};

#[derive(Debug, Subcommand)]
pub(crate) enum WebhookCommand {
    /// Create a webhook; its secret is shown this once
    Create(Box<WebhookCreate>),
    /// List the webhooks of an account, a line each; `get` and `--output json` show all of one
    List {
        /// The account: its id, or `ext:` and its external id [default: that of the profile]
        #[arg(long, value_name = "ID")]
        account: Option<AccountRef>,
        #[command(flatten)]
        wanted: ListArgs,
        #[command(flatten)]
        at: AtRegistry,
    },
    /// Write the webhooks of an account as a file for `angarium apply`, in YAML and without secrets
    Export {
        /// The account: its id, or `ext:` and its external id [default: that of the profile]
        #[arg(long, value_name = "ID")]
        account: Option<AccountRef>,
        #[command(flatten)]
        at: AtRegistry,
    },
    /// Show one webhook
    Get(WebhookName),
    /// Change what is given and leave the rest
    Update(Box<WebhookUpdate>),
    /// Send a sample event and show what the receiver answers; exits 0 only if it would count as delivered
    Test(WebhookTest),
    /// Try a filter on a sample, and show what it looks at there; exits 0 only if the event would be sent
    TestFilter(TestFilter),
    /// Send again what a webhook was sent before; what comes meanwhile is sent behind it
    Replay(Replay),
    /// Show how far a replay is
    ReplayStatus(ReplayStatus),
    /// End the replay under way; the webhook goes on where it was before
    ReplayCancel(ReplayCancel),
    /// Send a webhook one event once more, by itself
    Resend(Resend),
    /// List the events that were refused for good and put aside; they can be sent again until their 7 days end
    DeadLetters(DeadLetters),
    /// Give a webhook a new secret, shown this once; the one before signs beside it for a while
    RotateSecret(RotateSecret),
    /// End the secrets before the current one at once
    RevokeSecret(RevokeSecret),
    /// Seal every secret with the first of the registry's seal.keys: after a change of keys, before the old one is taken away
    Reseal(AtRegistry),
    /// Delete a webhook; what is pending for it is not sent, and for 24 hours `undelete` brings it back
    Delete(WebhookName),
    /// Bring a deleted webhook back with its secrets; `list --deleted` shows which can be
    Undelete(WebhookName),
}

/// Names one webhook, the same way in every command.
#[derive(Debug, Args)]
pub(crate) struct Subject {
    /// The webhook: wh_ and 32 hexadecimal digits
    pub(crate) webhook: String,
    /// The account it belongs to: its id, or `ext:` and its external id [default: that of the profile]
    #[arg(long, value_name = "ID")]
    pub(crate) account: Option<AccountRef>,
}

/// Names one webhook, for the registry.
#[derive(Debug, Args)]
pub(crate) struct WebhookName {
    #[command(flatten)]
    pub(crate) of: Subject,
    #[command(flatten)]
    pub(crate) at: AtRegistry,
}

#[derive(Debug, Args)]
pub(crate) struct WebhookTest {
    #[command(flatten)]
    pub(crate) of: Subject,
    /// The type of the sample [default: the first that the webhook names in full, else CI_STATS]
    #[arg(long, value_name = "NAME", default_value = "", hide_default_value = true)]
    pub(crate) event_type: String,
    #[command(flatten)]
    pub(crate) at: AtDelivery,
}

#[derive(Debug, Args)]
#[command(group = ArgGroup::new("method").required(true).args(["signature", "secret", "basic", "header", "no_auth"]))]
pub(crate) struct WebhookCreate {
    /// The account it belongs to: its id, or `ext:` and its external id [default: that of the profile]
    #[arg(long, value_name = "ID")]
    pub(crate) account: Option<AccountRef>,
    /// What this creation is called by: given again within 24 hours, as after an answer that was lost, it shows what was created and creates nothing
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    pub(crate) request_id: String,
    /// What people call it
    #[arg(long)]
    pub(crate) name: String,
    /// What it is for
    #[arg(long, default_value = "")]
    pub(crate) description: String,
    /// Where events are sent
    #[arg(long)]
    pub(crate) url: String,
    /// Types of events, separated by commas; `PREFIX_*` takes all that begin so, `*` takes all
    #[arg(long, required = true, value_delimiter = ',')]
    pub(crate) events: Vec<String>,
    #[command(flatten)]
    pub(crate) filter: FilterArg,
    #[command(flatten)]
    pub(crate) about: AboutArgs,
    #[command(flatten)]
    pub(crate) method: Method,
    /// Write the secret there as JSON, for its owner's eyes alone (mode 0600), and do not show it; the file must not exist
    #[arg(long, value_name = "FILE", conflicts_with_all = ["basic", "header", "no_auth"])]
    pub(crate) secret_file: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) timetable: TimetableArgs,
    /// Whether events are matched from now on
    #[arg(long, default_value_t = true, action = clap::ArgAction::Set)]
    pub(crate) active: bool,
    #[command(flatten)]
    pub(crate) sending: SendingArgs,
    #[command(flatten)]
    pub(crate) at: AtRegistry,
}

#[derive(Debug, Args)]
pub(crate) struct WebhookUpdate {
    #[command(flatten)]
    pub(crate) webhook: WebhookName,
    #[command(flatten)]
    pub(crate) change: WebhookChange,
}

/// What to change of a webhook.
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("method").args(["signature", "secret", "basic", "header", "no_auth"]))]
pub(crate) struct WebhookChange {
    /// What people call it
    #[arg(long)]
    pub(crate) name: Option<String>,
    /// What it is for
    #[arg(long)]
    pub(crate) description: Option<String>,
    /// Where events are sent
    #[arg(long)]
    pub(crate) url: Option<String>,
    /// Types of events, separated by commas
    #[arg(long, value_delimiter = ',')]
    pub(crate) events: Option<Vec<String>>,
    #[command(flatten)]
    pub(crate) filter: FilterArg,
    #[command(flatten)]
    pub(crate) about: AboutArgs,
    #[command(flatten)]
    pub(crate) method: Method,
    #[command(flatten)]
    pub(crate) timetable: TimetableArgs,
    /// Whether events are matched: false retires it, true takes it up again
    #[arg(long)]
    pub(crate) active: Option<bool>,
    /// Change it only if its revision is this one
    #[arg(long, default_value_t = 0, hide_default_value = true)]
    pub(crate) revision: i64,
    #[command(flatten)]
    pub(crate) sending: SendingArgs,
}

/// How calls prove who sends them.
#[derive(Debug, Args)]
pub(crate) struct Method {
    /// Sign calls with a secret that the registry generates (an update keeps the secret there is)
    #[arg(long)]
    pub(crate) signature: bool,
    /// Sign calls with this secret: whsec_ and the base64 of 24 to 64 bytes
    #[arg(long, value_name = "WHSEC")]
    pub(crate) secret: Option<String>,
    /// Send calls with this user name and the password of --password-file (an update without it keeps the password)
    #[arg(long, value_name = "USER")]
    pub(crate) basic: Option<String>,
    /// The file that holds the password; `-` is standard input
    #[arg(long, value_name = "FILE", requires = "basic")]
    pub(crate) password_file: Option<PathBuf>,
    /// Send calls with a header of this name, for example authorization, and the value of --header-file (an update without
    /// it keeps the value)
    #[arg(long, value_name = "NAME")]
    pub(crate) header: Option<String>,
    /// The file that holds the value of the header, for example `Bearer …`; `-` is standard input
    #[arg(long, value_name = "FILE", requires = "header")]
    pub(crate) header_file: Option<PathBuf>,
    /// Send calls without any proof
    #[arg(long)]
    pub(crate) no_auth: bool,
}

/// When events of the batch class are sent.
#[derive(Debug, Args)]
pub(crate) struct TimetableArgs {
    /// When events of the batch class are sent, for example '*/15 * * * *'
    #[arg(long)]
    pub(crate) cron: Option<String>,
    /// The time zone of the timetable, for example Europe/Rome; default UTC
    #[arg(long, requires = "cron", value_name = "ZONE")]
    pub(crate) time_zone: Option<String>,
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use crate::cli::Cli;

    fn create(method: &[&str]) -> Result<Cli, clap::Error> {
        let fixed = [
            "angarium",
            "webhook",
            "create",
            "--account",
            "1",
            "--name",
            "n",
            "--url",
            "http://a",
            "--events",
            "*",
        ];
        Cli::try_parse_from(fixed.iter().chain(method))
    }

    #[test]
    fn a_limit_is_a_number_or_the_word_default() {
        for good in ["1", "default", "4294967295"] {
            assert!(
                create(&["--no-auth", "--max-group-events", good]).is_ok(),
                "{good}"
            );
        }
        for bad in ["", "-1", "many", "4294967296"] {
            assert!(
                create(&["--no-auth", "--max-group-events", bad]).is_err(),
                "{bad}"
            );
        }
    }

    #[test]
    fn a_new_webhook_says_how_calls_prove_who_sends_them() {
        assert!(create(&[]).is_err());
        assert!(create(&["--signature", "--no-auth"]).is_err());
        assert!(create(&["--password-file", "f"]).is_err());
        assert!(create(&["--no-auth", "--secret-file", "f"]).is_err());
        for method in [
            &["--signature", "--secret-file", "f"] as &[_],
            &["--no-auth"],
            &["--secret", "whsec_x"],
            &["--basic", "us", "--password-file", "-"],
            &["--header", "authorization", "--header-file", "f"],
        ] {
            assert!(create(method).is_ok(), "{method:?}");
        }
    }
}
