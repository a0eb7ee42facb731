//! `angarium event`

use angarium_model::AccountRef;
use clap::Args;

use super::AtFanout;

/// Shows an event that was accepted, with what it carries, as receivers get it. Needs a key that allows `payloads:read`.
#[derive(Debug, Args)]
pub(crate) struct Event {
    /// Its position, for example 7-10488: as `publish`, `explain` and `webhook dead-letters` tell it
    pub(crate) position: angarium_model::Position,
    /// The account: its id, or `ext:` and its external id [default: that of the profile]
    #[arg(long, value_name = "ID")]
    pub(crate) account: Option<AccountRef>,
    #[command(flatten)]
    pub(crate) at: AtFanout,
}
