//! `angarium audit`

use std::num::NonZeroU32;

use clap::Args;

use super::{AtRegistry, HomeArgs};

#[derive(Debug, Args)]
pub(crate) struct Audit {
    #[command(flatten)]
    pub(crate) home: HomeArgs,
    /// Only changes of this: account/ID, webhook/wh_ID or key/ak_ID
    #[arg(long, value_name = "SUBJECT", default_value = "", hide_default_value = true)]
    pub(crate) of: String,
    /// How many changes to show at most
    #[arg(long, value_name = "COUNT", default_value = "50")]
    pub(crate) limit: NonZeroU32,
    #[command(flatten)]
    pub(crate) at: AtRegistry,
}
