//! `angarium key …`

use angarium_model::{AccountRef, Role, Scope};
use clap::{ArgGroup, Args, Subcommand};

use super::replay::time;
use super::{AtRegistry, overlap};

#[derive(Debug, Subcommand)]
pub(crate) enum KeyCommand {
    /// Create an API key; what its bearer presents is shown this once
    Create(KeyCreate),
    /// List the API keys of an account, or those of the platform
    List {
        #[command(flatten)]
        home: HomeArgs,
        #[command(flatten)]
        at: AtRegistry,
    },
    /// Show one API key
    Get(KeyName),
    /// Change what is given and leave the rest
    Update(KeyUpdate),
    /// Give a key a new secret, shown this once; the one before stays good for a while
    Rotate(KeyRotate),
    /// Revoke a key: once this is answered it opens nothing any more
    Revoke(KeyName),
}

/// Whose keys, or whose changes.
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("home").required(true).args(["account", "platform"]))]
pub(crate) struct HomeArgs {
    /// Of an account: its id, or `ext:` and its external id
    #[arg(long, value_name = "ID")]
    pub(crate) account: Option<AccountRef>,
    /// Of the platform; its keys see all accounts
    #[arg(long)]
    pub(crate) platform: bool,
}

/// What a key allows.
#[derive(Debug, Args)]
pub(crate) struct GrantArgs {
    /// What it allows, by its usual name: operator (for a key of the platform), administrator or viewer
    #[arg(long, conflicts_with = "scopes")]
    pub(crate) role: Option<Role>,
    /// What it allows, one by one and separated by commas: read, publish, webhooks:write, deliveries:write, keys:write,
    /// payloads:read, and for a key of the platform operate
    #[arg(long, value_delimiter = ',', value_name = "SCOPES")]
    pub(crate) scopes: Option<Vec<Scope>>,
}

#[derive(Debug, Args)]
#[command(group = ArgGroup::new("grant").required(true).args(["role", "scopes"]))]
pub(crate) struct KeyCreate {
    #[command(flatten)]
    pub(crate) home: HomeArgs,
    /// What people call it
    #[arg(long)]
    pub(crate) name: String,
    #[command(flatten)]
    pub(crate) grant: GrantArgs,
    /// From then on it opens nothing, for example 2027-01-01T00:00:00Z [default: never]
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub(crate) expires: Option<i64>,
    #[command(flatten)]
    pub(crate) at: AtRegistry,
}

/// Names one key.
#[derive(Debug, Args)]
pub(crate) struct KeyName {
    /// The key: ak_ and 32 hexadecimal digits
    pub(crate) id: String,
    #[command(flatten)]
    pub(crate) home: HomeArgs,
    #[command(flatten)]
    pub(crate) at: AtRegistry,
}

#[derive(Debug, Args)]
#[command(group = ArgGroup::new("expiry").args(["expires", "never_expires"]))]
pub(crate) struct KeyUpdate {
    #[command(flatten)]
    pub(crate) key: KeyName,
    /// What people call it
    #[arg(long)]
    pub(crate) name: Option<String>,
    #[command(flatten)]
    pub(crate) grant: GrantArgs,
    /// From then on it opens nothing
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub(crate) expires: Option<i64>,
    /// It opens what it allows until it is revoked
    #[arg(long)]
    pub(crate) never_expires: bool,
    /// Change it only if its revision is this one
    #[arg(long, default_value_t = 0, hide_default_value = true)]
    pub(crate) revision: i64,
}

#[derive(Debug, Args)]
pub(crate) struct KeyRotate {
    #[command(flatten)]
    pub(crate) key: KeyName,
    /// How long the secret that it has now stays good, 0s to 7d
    #[arg(long, value_name = "TIME", default_value = "24h", value_parser = overlap)]
    pub(crate) overlap: u32,
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use crate::cli::Cli;

    #[test]
    fn a_key_says_whose_it_is_and_what_it_allows() {
        let create = |rest: &str| {
            let line = format!("angarium key create --name n {rest}");
            Cli::try_parse_from(line.split_whitespace())
        };
        for good in [
            "--account 1 --role viewer",
            "--platform --role operator",
            "--platform --scopes publish,read --expires 2027-01-01T00:00:00Z",
        ] {
            assert!(create(good).is_ok(), "{good}");
        }
        for bad in [
            "--role viewer",
            "--account 1",
            "--account 1 --platform --role viewer",
            "--account 1 --role viewer --scopes read",
            "--account 1 --scopes write",
        ] {
            assert!(create(bad).is_err(), "{bad}");
        }
    }
}
