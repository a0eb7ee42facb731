//! `angarium account …`

use angarium_model::{AccountRef, ExternalId};
use clap::{Args, Subcommand, ValueEnum};

use super::AtRegistry;

#[derive(Debug, Subcommand)]
pub(crate) enum AccountCommand {
    /// Create an account
    Create(AccountCreate),
    /// Change an account
    Update(AccountUpdate),
    /// List all accounts
    List(AtRegistry),
    /// Show one account
    Get(AccountName),
    /// Delete an account that has no webhooks, with its API keys and event types
    Delete(AccountDelete),
}

/// Names one account.
#[derive(Debug, Args)]
pub(crate) struct AccountName {
    /// The account: its id, or `ext:` and its external id
    pub(crate) account: AccountRef,
    #[command(flatten)]
    pub(crate) at: AtRegistry,
}

#[derive(Debug, Args)]
pub(crate) struct AccountDelete {
    #[command(flatten)]
    pub(crate) name: AccountName,
    /// Delete it only if its revision is this one
    #[arg(long, default_value_t = 0, hide_default_value = true)]
    pub(crate) revision: i64,
}

#[derive(Debug, Args)]
pub(crate) struct AccountUpdate {
    /// The account: its id, or `ext:` and its external id
    #[arg(long, value_name = "ID")]
    pub(crate) id: AccountRef,
    /// What people call it
    #[arg(long)]
    pub(crate) name: Option<String>,
    /// The product's own id, if the account has none yet; it stays then
    #[arg(long, value_name = "TEXT")]
    pub(crate) external_id: Option<ExternalId>,
    /// The most webhooks that it may have, 1 to 100,000; 0 for what the installation allows
    #[arg(long, value_name = "COUNT")]
    pub(crate) max_webhooks: Option<u32>,
    #[command(flatten)]
    pub(crate) strictness: StrictnessArgs,
    #[command(flatten)]
    pub(crate) at: AtRegistry,
}

/// How strict an account is with its producers.
#[derive(Debug, Args)]
pub(crate) struct StrictnessArgs {
    /// What to do about events whose type the catalogue lacks; the default is refuse
    #[arg(long, value_enum, value_name = "REACTION")]
    pub(crate) unknown_types: Option<ReactionArg>,
    /// What to do about events whose data is not as the schema of their type says; the default is accept
    #[arg(long, value_enum, value_name = "REACTION")]
    pub(crate) schema_violations: Option<ReactionArg>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ReactionArg {
    /// Take them, and say nothing
    Accept,
    /// Take them, and tell the producer
    Warn,
    /// Refuse them, and all of their request
    Refuse,
}

#[derive(Debug, Args)]
pub(crate) struct AccountCreate {
    /// The product's integer id of the account
    #[arg(long, value_name = "ID")]
    pub(crate) id: u64,
    /// The product's own id, by which paths and commands name the account as `ext:TEXT`: letters, digits, `-`, `.`, `_` and `~`
    #[arg(long, value_name = "TEXT")]
    pub(crate) external_id: Option<ExternalId>,
    /// What people call it
    #[arg(long, default_value = "")]
    pub(crate) name: String,
    /// The most webhooks that it may have, 1 to 100,000 [default: what the installation allows]
    #[arg(long, value_name = "COUNT")]
    pub(crate) max_webhooks: Option<u32>,
    #[command(flatten)]
    pub(crate) strictness: StrictnessArgs,
    #[command(flatten)]
    pub(crate) at: AtRegistry,
}
