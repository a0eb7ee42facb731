//! The receiver of both sides: takes a call, counts it, answers 200.

use std::net::SocketAddr;
use std::sync::Arc;

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

/// More than a group of events (1 MiB) and its envelope.
const MAX_BODY: usize = 2 << 20;
/// Further ones wait to be accepted.
const MAX_CONNECTIONS: usize = 2_048;
/// Every webhook's path begins with it; its number follows.
const PATH: &str = "/w/";

/// A server on a free port of the loopback address; it ends with the tasks.
#[derive(Debug)]
pub(crate) struct Receiver {
    pub(crate) address: SocketAddr,
    pub(crate) ledger: Arc<Ledger>,
}

impl Receiver {
    pub(crate) async fn start(webhooks: u64, epoch: Epoch, tasks: &Tasks) -> anyhow::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0))
            .await
            .context("cannot listen for the receiver")?;
        let address = listener.local_addr()?;
        let ledger = Arc::new(Ledger::new(usize::try_from(webhooks)?)?);
        tasks.spawn(
            "receiver",
            accept(listener, Arc::clone(&ledger), epoch, tasks.clone()),
        );
        Ok(Self { address, ledger })
    }
}

/// The path of a webhook.
pub(crate) fn path(hook: u64) -> String {
    format!("{PATH}{hook}")
}

async fn accept(listener: TcpListener, ledger: Arc<Ledger>, epoch: Epoch, tasks: Tasks) {
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
        let (ledger, ended) = (Arc::clone(&ledger), tasks.shutdown().begun());
        tasks.spawn("receiver connection", async move {
            tokio::select! {
                () = ended => {}
                () = serve(stream, &ledger, epoch) => {}
            }
            drop(slot);
        });
    }
}

async fn serve(stream: TcpStream, ledger: &Ledger, epoch: Epoch) {
    // Without it an answer may wait 40 ms for an acknowledgement; a socket that refuses is closing anyway.
    if stream.set_nodelay(true).is_err() {
        return;
    }
    let service = service_fn(|request| answer(request, ledger, epoch));
    let served = hyper::server::conn::http1::Builder::new()
        .serve_connection(TokioIo::new(stream), service)
        .await;
    if let Err(error) = served {
        tracing::debug!(%error, "a connection to the receiver ended");
    }
}

async fn answer(
    request: Request<Incoming>,
    ledger: &Ledger,
    epoch: Epoch,
) -> Result<Response<Empty<Bytes>>, Box<dyn std::error::Error + Send + Sync>> {
    let hook = request
        .uri()
        .path()
        .strip_prefix(PATH)
        .and_then(|hook| hook.parse().ok());
    let body = Limited::new(request.into_body(), MAX_BODY)
        .collect()
        .await?
        .to_bytes();
    let now_ns = epoch.now_ns();
    let status = match (hook, payload::marks(&body)) {
        (Some(hook), Ok(marks)) if ledger.receive(hook, &marks, now_ns) => StatusCode::OK,
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
