//! `angarium explain`

use angarium_model::AccountRef;
use std::path::PathBuf;

use clap::{ArgGroup, Args};

use super::AtFanout;

/// Says of each webhook of an account whether an event reaches it, and why.
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("event").required(true).args(["position", "event_type", "event_file"]))]
pub(crate) struct Explain {
    /// The account: its id, or `ext:` and its external id [default: that of the profile]
    #[arg(long, value_name = "ID")]
    pub(crate) account: Option<AccountRef>,
    /// One webhook alone [default: all of the account]
    #[arg(default_value = "", hide_default_value = true)]
    pub(crate) webhook: String,
    /// An event that was accepted, by its position, for example 7-10488
    #[arg(long)]
    pub(crate) position: Option<angarium_model::Position>,
    /// The catalogue's example of this type
    #[arg(long, value_name = "NAME")]
    pub(crate) event_type: Option<String>,
    /// The event in this file, as it stands in the body of a POST; `-` is standard input
    #[arg(long, value_name = "FILE")]
    pub(crate) event_file: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) at: AtFanout,
}
