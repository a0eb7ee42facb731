//! Takes calls as a receiver does: what the sample receiver of `dev` and `angarium listen` have in common.

use std::convert::Infallible;
use std::pin::pin;

use angarium_runtime::{Clock, Shutdown, Tasks, chain};
use angarium_signing::{
    Verifier, VerifyError, WEBHOOK_ID_HEADER, WEBHOOK_SIGNATURE_HEADER, WEBHOOK_TIMESTAMP_HEADER,
};
use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Empty, Limited};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};

/// More than a group of events (1 MiB) with its envelope.
const MAX_BODY: usize = 4 << 20;

/// A call, all of it.
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Call {
    /// A header as text; empty if there is none.
    pub(crate) fn header(&self, name: &str) -> &str {
        let value = self.headers.get(name).and_then(|value| value.to_str().ok());
        value.unwrap_or_default()
    }

    /// Checks who sent it and that nobody changed it (W2).
    ///
    /// # Errors
    /// When it is not to be trusted.
    pub(crate) fn verify(&self, verifier: &Verifier, clock: &Clock) -> Result<(), VerifyError> {
        let now = u64::try_from(clock.now_ms() / 1_000).unwrap_or_default();
        verifier.verify(
            self.header(WEBHOOK_ID_HEADER),
            self.header(WEBHOOK_TIMESTAMP_HEADER),
            self.header(WEBHOOK_SIGNATURE_HEADER),
            &self.body,
            now,
        )
    }
}

/// Serves until the shutdown of `tasks` begins; `answer` says what a call is answered.
pub(crate) async fn serve<A, F>(listener: TcpListener, tasks: Tasks, answer: A)
where
    A: Fn(Call) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = StatusCode> + Send + 'static,
{
    let shutdown = tasks.shutdown().clone();
    loop {
        let accepted = tokio::select! {
            () = shutdown.begun() => return,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, _peer)) => {
                tasks.spawn(
                    "receiver's connection",
                    connection(stream, shutdown.clone(), answer.clone()),
                );
            }
            Err(error) => tracing::warn!(%error, "the receiver could not take a connection"),
        }
    }
}

async fn connection<A, F>(stream: TcpStream, shutdown: Shutdown, answer: A)
where
    A: Fn(Call) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = StatusCode> + Send + 'static,
{
    let service = service_fn(|request| {
        let answer = answer.clone();
        async move {
            let status = match call(request).await {
                Ok(call) => answer(call).await,
                Err(status) => status,
            };
            let mut response = Response::new(Empty::<Bytes>::new());
            *response.status_mut() = status;
            Ok::<_, Infallible>(response)
        }
    });
    let mut connection = pin!(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = shutdown.begun() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(error = chain(&error), "a connection to the receiver ended early");
    }
}

async fn call(request: Request<Incoming>) -> Result<Call, StatusCode> {
    let (head, body) = request.into_parts();
    let body = Limited::new(body, MAX_BODY).collect().await;
    let body = body.map_err(|_too_large_or_cut_off| StatusCode::BAD_REQUEST)?;
    Ok(Call {
        method: head.method,
        path: head.uri.path().to_owned(),
        headers: head.headers,
        body: body.to_bytes(),
    })
}
