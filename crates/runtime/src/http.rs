//! The HTTP server of the house: accepts connections and serves them; HTTP/1.1, because proxies speak it and streams have gRPC.

use std::sync::Arc;
use std::time::Duration;

use axum::{Router, middleware};
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;

use crate::{Shutdown, Tasks, chain, served};

/// How many connections are served at once, and how long a client may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// The most connections; more wait to be accepted.
    pub connections: usize,
    /// The longest that reading a request's head may take.
    pub read_timeout: Duration,
    /// The longest that requests in work may take once the shutdown has begun.
    pub drain: Duration,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            connections: 10_000,
            read_timeout: Duration::from_secs(30),
            drain: Duration::from_secs(10),
        }
    }
}

/// The pause after a connection could not be accepted, mostly for want of file descriptors.
const PAUSE: Duration = Duration::from_millis(100);

/// Serves until the shutdown begins, and then what is in work, but no longer than the drain.
pub async fn serve(listener: TcpListener, router: Router, bounds: Bounds, tasks: Tasks) {
    let router = router.layer(middleware::from_fn_with_state(served::http(), served::serve));
    let connections = Arc::new(Semaphore::new(bounds.connections.min(Semaphore::MAX_PERMITS)));
    let graceful = GracefulShutdown::new();
    let cut = Shutdown::new();
    while let Some(stream) = next(&listener, tasks.shutdown()).await {
        // Beyond the bound, callers wait in the listener's backlog.
        let permit = tokio::select! {
            permit = Arc::clone(&connections).acquire_owned() => permit,
            () = tasks.shutdown().begun() => break,
        };
        let service = TowerToHyperService::new(router.clone());
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(bounds.read_timeout)
            .serve_connection(TokioIo::new(stream), service);
        let watched = graceful.watch(connection);
        let cut = cut.begun();
        tasks.spawn("http connection", async move {
            tokio::select! {
                ended = watched => if let Err(error) = ended {
                    tracing::debug!(error = chain(&error), "a connection ended early");
                },
                () = cut => {}
            }
            drop(permit);
        });
    }
    drop(listener);
    if tokio::time::timeout(bounds.drain, graceful.shutdown())
        .await
        .is_err()
    {
        tracing::warn!("requests were still in work when the time to end was up; they are cut off");
    }
    cut.begin();
}

/// The next connection; `None` once the shutdown has begun.
async fn next(listener: &TcpListener, shutdown: &Shutdown) -> Option<TcpStream> {
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = shutdown.begun() => return None,
        };
        match accepted {
            Ok((stream, _peer)) => {
                // Answers are small: they must not wait for more to send with them.
                if let Err(error) = stream.set_nodelay(true) {
                    tracing::debug!(error = chain(&error), "TCP_NODELAY could not be set");
                }
                return Some(stream);
            }
            Err(error) => {
                tracing::warn!(error = chain(&error), "a connection could not be accepted");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}
