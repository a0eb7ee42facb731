//! A receiver that tells what it gets. The README of this crate says how to send it something.

#![expect(clippy::print_stdout, reason = "telling is what it is for")]

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use angarium_receiver::{Continuity, DEFAULT_TOLERANCE, Endpoint, Group, Inbox, Memory, Secret, Verifier};
use angarium_runtime::{Clock, Shutdown, Tasks, signals};
use anyhow::Context;
use serde::Deserialize;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use url::Url;

/// Groups that wait: of usual groups some hundred kB, of the largest 32 MiB.
const WAITING: NonZeroUsize = NonZeroUsize::new(16).unwrap();
/// Events that are remembered: some 20 MB.
const REMEMBERED: NonZeroUsize = NonZeroUsize::new(100_000).unwrap();
/// How long what is acknowledged has to be worked off at the end.
const DRAIN: Duration = Duration::from_secs(10);

/// What `angarium webhook create --secret-file` has written.
#[derive(Deserialize)]
struct SecretFile {
    url: String,
    secret: String,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let path: PathBuf = std::env::args_os()
        .nth(1)
        .context("say where the secret is: the file that `angarium webhook create --secret-file FILE` wrote")?
        .into();
    let text = std::fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
    let file: SecretFile = serde_json::from_slice(&text)
        .with_context(|| format!("{} is no file of --secret-file", path.display()))?;
    let secret: Secret = file.secret.parse()?;
    let url: Url = file.url.parse().context("the webhook's URL")?;
    let address = (
        url.host_str().context("the webhook's URL has no host")?,
        url.port_or_known_default()
            .context("the webhook's URL has no port")?,
    );

    let clock = Clock::system();
    let now = move || u64::try_from(clock.now_ms() / 1_000).unwrap_or(0);
    let verifier = Verifier::new(&[secret], DEFAULT_TOLERANCE)?;
    let (endpoint, groups) = Endpoint::new(verifier, WAITING, now);
    let listener = TcpListener::bind(address)
        .await
        .with_context(|| format!("cannot listen where the webhook's URL leads: {url}"))?;

    let tasks = Tasks::new(Shutdown::new());
    tasks.spawn_critical("work", work(groups));
    println!("receiving at {url}; Ctrl-C ends it");
    // With the server the endpoint goes, and with that the queue ends: what is in it is worked off.
    axum::serve(listener, endpoint.router(url.path()))
        .with_graceful_shutdown(signals::terminated())
        .await?;
    tasks.shutdown().begin();
    tasks.join(DRAIN).await?;
    Ok(())
}

async fn work(mut groups: mpsc::Receiver<Group>) -> Result<(), std::convert::Infallible> {
    let mut inbox = Inbox::new(Memory::new(REMEMBERED));
    while let Some(group) = groups.recv().await {
        let sorted = inbox.sort(&group).await?;
        if let Continuity::Missed { after, until } = sorted.continuity {
            println!("missed: what came after {after}, until {until}");
        }
        for (event, verdict) in &sorted.events {
            println!("{verdict:?}: {} {} {}", event.name, event.id, event.data);
        }
    }
    Ok(())
}
