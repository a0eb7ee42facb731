//! Flags about filters.

use std::path::PathBuf;

use angarium_model::AccountRef;
use clap::{ArgGroup, Args};

use crate::cli::AtRegistry;

/// Which events of its types a webhook gets.
#[derive(Debug, Args)]
pub(crate) struct FilterArg {
    /// Send only events for which this expression in CEL is true, for example 'data.loType == "course"'; '' takes all
    #[arg(long, value_name = "EXPRESSION")]
    pub(crate) filter: Option<String>,
}

#[derive(Debug, Args)]
#[command(group = ArgGroup::new("sample").required(true).args(["event_type", "event_file"]))]
pub(crate) struct TestFilter {
    /// The expression in CEL, over `data` (the payload) and `event` (eventName, eventId, timestamp, eventInfo)
    pub(crate) expression: String,
    /// Try it on the example of this type: of the account, the platform or the catalogue
    #[arg(long, value_name = "NAME")]
    pub(crate) event_type: Option<String>,
    /// Try it on the event in this file, as it stands in the body of a POST; `-` is standard input
    #[arg(long, value_name = "FILE")]
    pub(crate) event_file: Option<PathBuf>,
    /// The account whose types there are beside those of the platform and the catalogue
    #[arg(long, value_name = "ID")]
    pub(crate) account: Option<AccountRef>,
    #[command(flatten)]
    pub(crate) at: AtRegistry,
}
