//! `angarium webhook rotate-secret` and `revoke-secret`

use std::path::PathBuf;

use clap::Args;

use crate::cli::{AtRegistry, Subject, overlap};

#[derive(Debug, Args)]
pub(crate) struct RotateSecret {
    #[command(flatten)]
    pub(crate) of: Subject,
    /// How long the secret that it has now signs as well, 0s to 7d; with 0s all old ones end at once
    #[arg(long, value_name = "TIME", default_value = "24h", value_parser = overlap)]
    pub(crate) overlap: u32,
    /// The new secret: whsec_ and the base64 of 24 to 64 bytes [default: the registry generates one]
    #[arg(long, value_name = "WHSEC", default_value = "", hide_default_value = true)]
    pub(crate) secret: String,
    /// Write the secret there as JSON, for its owner's eyes alone (mode 0600), and do not show it; the file must not exist
    #[arg(long, value_name = "FILE")]
    pub(crate) secret_file: Option<PathBuf>,
    /// Rotate it only if the webhook's revision is this one
    #[arg(long, default_value_t = 0, hide_default_value = true)]
    pub(crate) revision: i64,
    #[command(flatten)]
    pub(crate) at: AtRegistry,
}

#[derive(Debug, Args)]
pub(crate) struct RevokeSecret {
    #[command(flatten)]
    pub(crate) of: Subject,
    /// Revoke them only if the webhook's revision is this one
    #[arg(long, default_value_t = 0, hide_default_value = true)]
    pub(crate) revision: i64,
    #[command(flatten)]
    pub(crate) at: AtRegistry,
}
