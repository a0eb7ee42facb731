//! `angarium journal`

use std::num::NonZeroU32;

use angarium_model::{AccountRef, Position};
use clap::Args;

use super::AtFanout;
use super::replay::time;

/// What became of events, the latest first: failures for 7 days, successes for a day.
#[derive(Debug, Args)]
pub(crate) struct Journal {
    /// The account: its id, or `ext:` and its external id [default: that of the profile]
    #[arg(long, value_name = "ID")]
    pub(crate) account: Option<AccountRef>,
    /// Only what speaks of this webhook
    #[arg(long, value_name = "ID", default_value = "", hide_default_value = true)]
    pub(crate) webhook: String,
    /// Only what speaks of this event: PARTITION-OFFSET, as `publish` and the header angarium-position write it
    #[arg(long, value_name = "POSITION")]
    pub(crate) event: Option<Position>,
    /// Only what was written at this time or later, for example 2026-11-24T09:00:00Z
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub(crate) from: Option<i64>,
    /// Only what was written before this time
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub(crate) until: Option<i64>,
    /// How many entries to show at most
    #[arg(long, value_name = "COUNT", default_value = "50")]
    pub(crate) limit: NonZeroU32,
    #[command(flatten)]
    pub(crate) at: AtFanout,
}
