//! The receiver of both sides: takes a call, counts it, answers 200. Some of its webhooks can be told to misbehave.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use angarium_runtime::Tasks;
use anyhow::Context;
use bytes::Bytes;
use http_body_util::{BodyExt, Empty, Limited};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;

use crate::epoch::Epoch;
use crate::ledger::Ledger;
use crate::payload;
use crate::scenario::{Scenario, Trouble};

/// More than a group of events (1 MiB) and its envelope.
const MAX_BODY: usize = 2 << 20;
/// Further ones wait to be accepted.
const MAX_CONNECTIONS: usize = 2_048;
/// Who hangs answers after this time, if anybody still waits: longer than a call may take (D1).
const HANG: Duration = Duration::from_secs(30);
/// Every webhook's path begins with it; its number follows.
const PATH: &str = "/w/";

/// A server on a free port of the loopback address; it ends with the tasks.
#[derive(Debug)]
pub(crate) struct Receiver {
    pub(crate) address: SocketAddr,
    pub(crate) ledger: Arc<Ledger>,
    mood: Arc<AtomicU8>,
}

/// What those do that may make trouble.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mood {
    /// All are well.
    Well = 0,
    /// All make their trouble.
    Troubled = 1,
    /// Those that may recover have.
    Recovered = 2,
}

/// What answers a call.
#[derive(Clone, Debug)]
struct Desk {
    ledger: Arc<Ledger>,
    epoch: Epoch,
    scenario: Scenario,
    mood: Arc<AtomicU8>,
}

impl Desk {
    /// The trouble that a webhook's receiver makes now.
    fn trouble(&self, hook: u64) -> Option<Trouble> {
        let mood = self.mood.load(Ordering::Relaxed);
        let is_over = |trouble: &Trouble| *trouble == Trouble::Recover && mood == Mood::Recovered as u8;
        let trouble = self.scenario.trouble(hook).filter(|trouble| !is_over(trouble));
        trouble.filter(|_| mood != Mood::Well as u8)
    }
}

impl Receiver {
    /// For webhooks numbered from 0, all well.
    pub(crate) async fn start(
        webhooks: u64,
        scenario: Scenario,
        epoch: Epoch,
        tasks: &Tasks,
    ) -> anyhow::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0))
            .await
            .context("cannot listen for the receiver")?;
        let address = listener.local_addr()?;
        let is_watched = |hook| scenario.is_watched(hook);
        let desk = Desk {
            ledger: Arc::new(Ledger::new(webhooks, is_watched)?),
            epoch,
            scenario,
            mood: Arc::default(),
        };
        tasks.spawn("receiver", accept(listener, desk.clone(), tasks.clone()));
        Ok(Self {
            address,
            ledger: desk.ledger,
            mood: desk.mood,
        })
    }

    /// From now on they are so.
    pub(crate) fn is(&self, mood: Mood) {
        self.mood.store(mood as u8, Ordering::Relaxed);
    }
}

/// The path of a webhook.
pub(crate) fn path(hook: u64) -> String {
    format!("{PATH}{hook}")
}

async fn accept(listener: TcpListener, desk: Desk, tasks: Tasks) {
    let free = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    let mut ended = tasks.shutdown().begun();
    loop {
        let accepted = async {
            let slot = Arc::clone(&free).acquire_owned().await.ok()?;
            Some((listener.accept().await.ok()?, slot))
        };
        let accepted = tokio::select! {
            () = &mut ended => return,
            accepted = accepted => accepted,
        };
        let Some(((stream, _), slot)) = accepted else {
            continue;
        };
        let (desk, ended) = (desk.clone(), tasks.shutdown().begun());
        tasks.spawn("receiver connection", async move {
            tokio::select! {
                () = ended => {}
                () = serve(stream, &desk) => {}
            }
            drop(slot);
        });
    }
}

async fn serve(stream: TcpStream, desk: &Desk) {
    // Without it an answer may wait 40 ms for an acknowledgement; a socket that refuses is closing anyway.
    if stream.set_nodelay(true).is_err() {
        return;
    }
    let service = service_fn(|request| answer(request, desk));
    let served = hyper::server::conn::http1::Builder::new()
        .serve_connection(TokioIo::new(stream), service)
        .await;
    if let Err(error) = served {
        tracing::debug!(%error, "a connection to the receiver ended");
    }
}

async fn answer(
    request: Request<Incoming>,
    desk: &Desk,
) -> Result<Response<Empty<Bytes>>, Box<dyn std::error::Error + Send + Sync>> {
    let hook: Option<u64> = request
        .uri()
        .path()
        .strip_prefix(PATH)
        .and_then(|hook| hook.parse().ok());
    if let Some(trouble) = hook.and_then(|hook| desk.trouble(hook)) {
        if trouble == Trouble::Hang {
            tokio::time::sleep(HANG).await;
        }
        let mut response = Response::new(Empty::new());
        *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
        return Ok(response);
    }
    let body = Limited::new(request.into_body(), MAX_BODY)
        .collect()
        .await?
        .to_bytes();
    let now_ns = desk.epoch.now_ns();
    let status = match (hook, payload::marks(&body)) {
        (Some(hook), Ok(marks)) if desk.ledger.receive(hook, &marks, now_ns) => StatusCode::OK,
        (_, Ok(_)) => StatusCode::NOT_FOUND,
        (_, Err(error)) => {
            tracing::warn!(%error, "the receiver cannot read what it was sent");
            StatusCode::BAD_REQUEST
        }
    };
    let mut response = Response::new(Empty::new());
    *response.status_mut() = status;
    Ok(response)
}
