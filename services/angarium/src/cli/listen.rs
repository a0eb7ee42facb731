//! `angarium listen`

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use http::StatusCode;

use super::Shape;

/// Take the calls of webhooks on this machine, and show them.
#[derive(Debug, Args)]
pub(crate) struct Listen {
    /// Where to listen; port 0 takes a free one
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:9000")]
    pub(crate) listen: SocketAddr,
    /// Check signatures with the secret in this file: as `--secret-file` of `webhook create` wrote it, or whsec_… alone; can
    /// be given twice while a secret is replaced
    #[arg(long, value_name = "FILE")]
    pub(crate) secret_file: Vec<PathBuf>,
    /// Answer with this status [default: 204, or 401 if the signature is wrong]
    #[arg(long, value_name = "STATUS", value_parser = status)]
    pub(crate) status: Option<StatusCode>,
    /// Wait so long with each answer; delivery waits 5 s for one
    #[arg(long, value_name = "TIME", default_value = "0s", value_parser = humantime::parse_duration)]
    pub(crate) delay: Duration,
    /// End after so many calls [default: go on until Ctrl-C]
    #[arg(long, value_name = "NUMBER")]
    pub(crate) count: Option<u64>,
    /// How calls are shown; as JSON each has a line, with all headers and the body
    #[arg(long, value_enum, default_value_t = Shape::Table)]
    pub(crate) output: Shape,
}

fn status(text: &str) -> Result<StatusCode, String> {
    let status = text.parse::<StatusCode>().ok();
    // Those below 200 are no answers.
    let status = status.filter(|status| (200..600).contains(&status.as_u16()));
    status.ok_or_else(|| "write a status of HTTP, 200 to 599".to_owned())
}
