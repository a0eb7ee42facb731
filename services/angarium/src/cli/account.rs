//! `angarium account …`

use clap::{Args, Subcommand};

use super::AtRegistry;

#[derive(Debug, Subcommand)]
pub(crate) enum AccountCommand {
    /// Create an account
    Create(AccountCreate),
    /// List all accounts
    List(AtRegistry),
}

#[derive(Debug, Args)]
pub(crate) struct AccountCreate {
    /// The product's integer id of the account
    #[arg(long, value_name = "ID")]
    pub(crate) id: u64,
    /// What people call it
    #[arg(long, default_value = "")]
    pub(crate) name: String,
    #[command(flatten)]
    pub(crate) at: AtRegistry,
}
