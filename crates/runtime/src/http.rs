//! The HTTP server of the house: accepts connections and serves them; HTTP/1.1, because proxies speak it and streams have gRPC.

mod answers;

use std::sync::Arc;
use std::time::Duration;

use axum::{Router, middleware};
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_io_timeout::TimeoutStream;

use self::answers::Answers;
use crate::{Shutdown, Tasks, chain, served};

/// How many connections are served at once, and how long a client may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// The most connections; more wait to be accepted.
    pub connections: usize,
    /// The longest that reading a request's head may take.
    pub read_timeout: Duration,
    /// The longest that a caller may take nothing of its answer.
    pub write_timeout: Duration,
    /// What answers of more than 64 KiB take in memory until they are read, all together: KiB.
    pub answers_kib: usize,
    /// The longest that requests in work may take once the shutdown has begun.
    pub drain: Duration,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            connections: 10_000,
            read_timeout: Duration::from_secs(30),
            write_timeout: Duration::from_secs(30),
            answers_kib: 64 * 1024,
            drain: Duration::from_secs(10),
        }
    }
}

/// The pause after a connection could not be accepted, mostly for want of file descriptors.
const PAUSE: Duration = Duration::from_millis(100);

/// Serves until the shutdown begins, and then what is in work, but no longer than the drain.
pub async fn serve(listener: TcpListener, router: Router, bounds: Bounds, tasks: Tasks) {
    let answers = Answers::within(bounds.answers_kib);
    let router = router
        .layer(middleware::from_fn_with_state(answers, answers::counted))
        .layer(middleware::from_fn_with_state(served::http(), served::serve));
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
        let mut stream = TimeoutStream::new(stream);
        stream.set_write_timeout(Some(bounds.write_timeout));
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(bounds.read_timeout)
            .serve_connection(TokioIo::new(Box::pin(stream)), service);
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

#[cfg(test)]
mod tests {
    use axum::routing::get;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::sync::oneshot;

    use super::*;

    const LIMIT: Duration = Duration::from_secs(20);
    /// More than the sockets of both sides hold.
    const BYTES: usize = 32 * 1024 * 1024;

    /// A body that tells when it is given up.
    struct Told(axum::body::Body, Option<oneshot::Sender<()>>);

    impl Drop for Told {
        fn drop(&mut self) {
            self.1.take().map(|told| told.send(()));
        }
    }

    impl http_body::Body for Told {
        type Data = axum::body::Bytes;
        type Error = axum::Error;

        fn poll_frame(
            mut self: std::pin::Pin<&mut Self>,
            context: &mut std::task::Context<'_>,
        ) -> std::task::Poll<Option<Result<http_body::Frame<Self::Data>, Self::Error>>> {
            std::pin::Pin::new(&mut self.0).poll_frame(context)
        }
    }

    #[tokio::test]
    async fn who_does_not_read_its_answer_is_cut_off_and_what_it_held_is_free_again() {
        let (told, given_up) = oneshot::channel();
        let told = Arc::new(std::sync::Mutex::new(Some(told)));
        let answer = move || async move {
            // Bit by bit: all at once would leave the body as soon as it is handed over.
            let bits = (0..BYTES / 65_536).map(|_| Ok::<_, std::io::Error>(vec![b'x'; 65_536]));
            let body = axum::body::Body::from_stream(futures::stream::iter(bits));
            axum::body::Body::new(Told(body, told.lock().unwrap().take()))
        };
        let router = Router::new().route("/", get(answer));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let shutdown = Shutdown::new();
        let tasks = Tasks::new(shutdown.clone());
        let bounds = Bounds {
            write_timeout: Duration::from_millis(200),
            ..Bounds::default()
        };
        tasks.spawn("http", serve(listener, router, bounds, tasks.clone()));
        let mut caller = TcpStream::connect(address).await.unwrap();
        caller
            .write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")
            .await
            .unwrap();
        tokio::time::timeout(LIMIT, given_up).await.unwrap().unwrap();
        let mut read = Vec::new();
        let end = caller.read_to_end(&mut read).await;
        assert!(
            end.is_err() || read.len() < BYTES,
            "all of it was sent: {}",
            read.len()
        );
        shutdown.begin();
        tasks.join(LIMIT).await.unwrap();
    }
}
