//! `angarium apply`

use std::path::PathBuf;

use clap::Args;

use super::{AtRegistry, Pair, webhook::pair};

/// What stands below the flags.
pub(crate) const AFTER_HELP: &str = "\
A webhook is found by its account and name, or by the id if the file gives one; a file that `angarium webhook export` \
wrote changes nothing. Mistakes of the file are told all at once, with their lines, before anything is written.

Exit codes: 0 when all is as the file says, 3 when --dry-run found something to change; all others are in `angarium --help`.";

/// Make webhooks be as a file says.
#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Apply {
    /// The file, in YAML or JSON: a document for each account; `-` is standard input
    #[arg(short, long, value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// Show what would change, and change nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Delete webhooks of the file's accounts that have the tags of --tag, and that the file does not have
    #[arg(long, requires = "tag")]
    pub(crate) prune: bool,
    /// Which webhooks are the file's to delete; all of its own must have it. Can be repeated: then with all of them
    #[arg(long, value_name = "KEY=VALUE", value_parser = pair, requires = "prune")]
    pub(crate) tag: Vec<Pair>,
    /// Write each secret that the registry generates into a file of this folder, as JSON, for its owner's eyes alone
    #[arg(long, value_name = "FOLDER")]
    pub(crate) secrets: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) at: AtRegistry,
}
