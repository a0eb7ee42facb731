//! `angarium account …`

use clap::{Args, Subcommand};

use super::AtRegistry;

#[derive(Debug, Subcommand)]
pub(crate) enum AccountCommand {
    /// Create an account
    Create(AccountCreate),
    /// Change an account
    Update(AccountUpdate),
    /// List all accounts
    List(AtRegistry),
}

#[derive(Debug, Args)]
pub(crate) struct AccountUpdate {
    /// The product's integer id of the account
    #[arg(long, value_name = "ID")]
    pub(crate) id: u64,
    /// What people call it
    #[arg(long)]
    pub(crate) name: Option<String>,
    /// The most webhooks that it may have, 1 to 100,000; 0 for what the installation allows
    #[arg(long, value_name = "COUNT")]
    pub(crate) max_webhooks: Option<u32>,
    #[command(flatten)]
    pub(crate) at: AtRegistry,
}

#[derive(Debug, Args)]
pub(crate) struct AccountCreate {
    /// The product's integer id of the account
    #[arg(long, value_name = "ID")]
    pub(crate) id: u64,
    /// What people call it
    #[arg(long, default_value = "")]
    pub(crate) name: String,
    /// The most webhooks that it may have, 1 to 100,000 [default: what the installation allows]
    #[arg(long, value_name = "COUNT")]
    pub(crate) max_webhooks: Option<u32>,
    #[command(flatten)]
    pub(crate) at: AtRegistry,
}
