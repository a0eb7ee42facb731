//! `angarium listen`: takes the calls of webhooks, checks them, and shows what came and what is missing.
//!
//! [`told`] understands a call; here it is taken, answered and shown, one after the other.

mod told;

use std::path::Path;
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use angarium_runtime::{Clock, Shutdown, Tasks, signals};
use angarium_signing::{DEFAULT_TOLERANCE, Secret, Verifier};
use anyhow::Context as _;
use http::{Method, StatusCode};
use serde::Deserialize;
use tokio::net::TcpListener;
use tokio::sync::mpsc;

use self::told::{Confirmed, Told};
use crate::cli::{Listen, Shape};
use crate::output::{complain, print};
use crate::receiving::{self, Call};

/// Calls that may wait to be shown; who sends more waits for its answer.
const WAITING: usize = 256;
/// How long answers under way may take to end.
const DRAIN: Duration = Duration::from_secs(5);

/// Shows calls until it is asked to end, or as many as were asked for.
///
/// # Errors
/// When a secret cannot be read, or the address is taken.
pub(crate) async fn run(asked: Listen) -> anyhow::Result<ExitCode> {
    let verifier = verifier(&asked)?;
    let listener = TcpListener::bind(asked.listen)
        .await
        .with_context(|| format!("--listen: cannot listen at {}", asked.listen))?;
    let hint = if verifier.is_some() {
        ""
    } else {
        "; signatures are not checked without --secret-file"
    };
    complain(&format!("listening at http://{}/{hint}", listener.local_addr()?));
    let (tell, mut calls) = mpsc::channel(WAITING);
    let (shape, count) = (asked.output, asked.count.unwrap_or(u64::MAX));
    let receiver = Arc::new(Receiver {
        verifier,
        status: asked.status,
        delay: asked.delay,
        clock: Clock::system(),
        confirmed: Mutex::default(),
        tell,
    });
    let tasks = Tasks::new(Shutdown::new());
    let answer = move |call| {
        let receiver = Arc::clone(&receiver);
        async move { receiver.answer(call).await }
    };
    tasks.spawn("receiver", receiving::serve(listener, tasks.clone(), answer));
    let show = async {
        for _ in 0..count {
            let Some(told): Option<Told> = calls.recv().await else {
                break;
            };
            print(&match shape {
                Shape::Table => told.lines(),
                Shape::Json => format!("{}\n", told.json()),
            })?;
        }
        anyhow::Ok(())
    };
    let shown = tokio::select! {
        shown = show => shown,
        () = signals::terminated() => Ok(()),
    };
    tasks.shutdown().begin();
    tasks.join(DRAIN).await?;
    shown.map(|()| ExitCode::SUCCESS)
}

/// What answers calls.
struct Receiver {
    verifier: Option<Verifier>,
    status: Option<StatusCode>,
    delay: Duration,
    clock: Clock,
    confirmed: Mutex<Confirmed>,
    tell: mpsc::Sender<Told>,
}

impl Receiver {
    async fn answer(&self, call: Call) -> StatusCode {
        let at_ms = self.clock.now_ms();
        let verdict = self.verifier.as_ref().map(|verifier| {
            let verified = call.verify(verifier, &self.clock);
            verified.map_err(|error| error.to_string())
        });
        tokio::time::sleep(self.delay).await;
        let status = match (&verdict, self.status) {
            _ if call.method != Method::POST => StatusCode::METHOD_NOT_ALLOWED,
            (_, Some(status)) => status,
            (Some(Err(_)), None) => StatusCode::UNAUTHORIZED,
            (Some(Ok(())) | None, None) => StatusCode::NO_CONTENT,
        };
        let gap = {
            let mut confirmed = self.confirmed.lock().unwrap_or_else(PoisonError::into_inner);
            confirmed.take(&call, status)
        };
        let told = Told {
            at_ms,
            status,
            verdict,
            gap,
            call,
        };
        // Whoever shows it ends with the process.
        drop(self.tell.send(told).await);
        status
    }
}

/// As it was handed out.
#[derive(Deserialize)]
struct Document {
    secret: String,
}

fn verifier(asked: &Listen) -> anyhow::Result<Option<Verifier>> {
    if asked.secret_file.is_empty() {
        return Ok(None);
    }
    let secrets = asked.secret_file.iter().map(|file| secret(file));
    let secrets = secrets.collect::<anyhow::Result<Vec<_>>>()?;
    Ok(Some(Verifier::new(&secrets, DEFAULT_TOLERANCE)?))
}

fn secret(file: &Path) -> anyhow::Result<Secret> {
    let text = crate::operate::read(file, "--secret-file")?;
    let text = match serde_json::from_str::<Document>(&text) {
        Ok(document) => document.secret,
        Err(_no_document) => text,
    };
    let secret = text.trim().parse::<Secret>();
    secret.with_context(|| format!("--secret-file: {} holds no secret", file.display()))
}

#[cfg(test)]
mod tests;
