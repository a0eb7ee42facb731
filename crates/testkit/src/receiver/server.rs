//! The HTTP of the receiver.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;

use angarium_runtime::Tasks;
use angarium_signing::{WEBHOOK_ID_HEADER, WEBHOOK_SIGNATURE_HEADER, WEBHOOK_TIMESTAMP_HEADER};
use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::header::{CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER};
use hyper::http::request::Parts;
use hyper::service::service_fn;
use hyper::{HeaderMap, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::Instant;
use tokio_rustls::TlsAcceptor;

use super::{Answer, Received, State, sender};

/// More than any group of events (1 MiB) with its envelope.
const MAX_BODY: usize = 16 << 20;

/// Makes hyper close the connection without an answer.
#[derive(Debug, thiserror::Error)]
#[error("the script closes the connection")]
struct Closed;

/// Takes connections until the receiver is dropped.
pub(super) async fn accept(listener: TcpListener, state: Arc<State>, tasks: Tasks) {
    let shutdown = tasks.shutdown().clone();
    loop {
        tokio::select! {
            () = shutdown.begun() => return,
            accepted = listener.accept() => match accepted {
                Ok((stream, peer)) => {
                    let (state, ended) = (Arc::clone(&state), shutdown.begun());
                    tasks.spawn("receiver connection", async move {
                        tokio::select! {
                            () = ended => {}
                            () = serve(stream, peer, state) => {}
                        }
                    });
                }
                Err(error) => tracing::warn!(%error, "the receiver could not take a connection"),
            },
        }
    }
}

async fn serve(stream: TcpStream, peer: SocketAddr, state: Arc<State>) {
    // Before the first request is answered: the sender still has its end open.
    let sender = match stream.local_addr() {
        Ok(here) if state.settings.senders => {
            let found = tokio::task::spawn_blocking(move || sender::process_of(peer, here)).await;
            found.ok().flatten()
        }
        _ => None,
    };
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "the receiver could not switch off Nagle's algorithm");
    }
    match state.settings.tls.clone() {
        None => speak(stream, sender, &state).await,
        Some(tls) => match TlsAcceptor::from(tls).accept(stream).await {
            Ok(stream) => speak(stream, sender, &state).await,
            Err(error) => tracing::debug!(%error, "a caller of the receiver gave up its TLS handshake"),
        },
    }
}

async fn speak(stream: impl AsyncRead + AsyncWrite + Unpin, sender: Option<u32>, state: &State) {
    let service = service_fn(|request| answer(request, sender, state));
    let served = hyper::server::conn::http1::Builder::new()
        .serve_connection(TokioIo::new(stream), service)
        .await;
    if let Err(error) = served {
        tracing::debug!(%error, "a connection to the receiver ended");
    }
}

async fn answer(
    request: Request<Incoming>,
    sender: Option<u32>,
    state: &State,
) -> Result<Response<Full<Bytes>>, Closed> {
    let (head, body) = request.into_parts();
    let body = match Limited::new(body, MAX_BODY).collect().await {
        Ok(body) => body.to_bytes(),
        Err(error) => {
            tracing::warn!(error, "the receiver could not read a request");
            return Err(Closed);
        }
    };
    match record(&head, body, sender, state) {
        None => Ok(respond(404)),
        Some(Answer::Status(status)) => Ok(respond(status)),
        Some(Answer::RetryAfter(status, seconds)) => {
            let mut response = respond(status);
            response.headers_mut().insert(RETRY_AFTER, seconds.into());
            Ok(response)
        }
        Some(Answer::Says(status, headers, body)) => {
            let mut response = respond(status);
            for (name, value) in headers {
                let value = HeaderValue::from_static(value);
                response
                    .headers_mut()
                    .append(HeaderName::from_static(name), value);
            }
            *response.body_mut() = body.into();
            Ok(response)
        }
        Some(Answer::Gated(gate, status)) => {
            gate.passed().await;
            Ok(respond(status))
        }
        Some(Answer::Hang) => match std::future::pending::<Infallible>().await {},
        Some(Answer::Close) => Err(Closed),
    }
}

/// Writes the request down and says what to do; `None` if there is no such hook.
fn record(head: &Parts, body: Bytes, sender: Option<u32>, state: &State) -> Option<Answer> {
    let name = head.uri.path().strip_prefix("/hook/")?;
    let (hook, verifier) = {
        let book = state.book();
        let (hook, entry) = book.hooks.get_key_value(name)?;
        (Arc::clone(hook), entry.verifier.clone())
    };
    let at_ms = state.settings.clock.now_ms();
    let mut received = Received {
        hook,
        headers: head.headers.clone(),
        sender,
        webhook_id: header(&head.headers, WEBHOOK_ID_HEADER),
        webhook_timestamp: header(&head.headers, WEBHOOK_TIMESTAMP_HEADER),
        webhook_signature: header(&head.headers, WEBHOOK_SIGNATURE_HEADER),
        content_type: header(&head.headers, CONTENT_TYPE.as_str()),
        body,
        at: Instant::now(),
        at_ms,
        verified: None,
        answered: None,
    };
    // Outside the lock: it is most of the work.
    received.verified = verifier.map(|verifier| {
        let Received {
            webhook_id,
            webhook_timestamp,
            webhook_signature,
            body,
            ..
        } = &received;
        let now = u64::try_from(at_ms / 1_000).unwrap_or(0);
        verifier.verify(webhook_id, webhook_timestamp, webhook_signature, body, now)
    });
    let mut book = state.book();
    let entry = book.hooks.get_mut(name)?;
    let answer = entry.script.take();
    entry.requests += 1;
    received.answered = answer.status();
    if let Some(observer) = &state.settings.observer {
        observer(&received);
    }
    if state.settings.keep {
        book.received.push(received);
    }
    drop(book);
    state.arrived.notify_waiters();
    Some(answer)
}

fn header(headers: &HeaderMap, name: &str) -> String {
    headers
        .get(name)
        .map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned())
        .unwrap_or_default()
}

fn respond(status: u16) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::default());
    // A script with an impossible status must not pass for a success.
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    response
}
