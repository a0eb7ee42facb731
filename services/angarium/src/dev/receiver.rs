//! The sample receiver: verifies each request, answers, and reports it.

use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;

use angarium_runtime::{Clock, Shutdown, Tasks, chain};
use angarium_signing::{
    DEFAULT_TOLERANCE, Verifier, WEBHOOK_ID_HEADER, WEBHOOK_SIGNATURE_HEADER, WEBHOOK_TIMESTAMP_HEADER,
};
use anyhow::Context;
use bytes::Bytes;
use http::{HeaderMap, Request, Response, StatusCode};
use http_body_util::{BodyExt, Empty, Limited};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

use super::services::loopback;
use super::setup::{Hook, Secrets};
use super::story::Happening;

/// More than a group of events (1 MiB) with its envelope.
const MAX_BODY: usize = 4 << 20;

/// What the receiver got.
#[derive(Clone, Debug)]
pub(super) struct Receipt {
    /// The header `webhook-id`: the group's id.
    pub(super) group: String,
    /// When it had come, in Unix milliseconds.
    pub(super) at_ms: i64,
    /// The (eventName, eventId) of each event, or why the request is not to be trusted.
    pub(super) verdict: Result<Vec<(String, String)>, String>,
}

/// The envelope (E4), as far as it is looked at.
#[derive(Deserialize)]
struct Envelope {
    events: Vec<Event>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Event {
    event_name: String,
    event_id: String,
}

/// The sample receiver.
#[derive(Debug)]
pub(super) struct Receiver {
    verifiers: Vec<(Hook, Verifier)>,
    happenings: mpsc::Sender<Happening>,
    clock: Clock,
}

impl Receiver {
    /// Listens on a free port and serves until the shutdown of `tasks` begins. Returns where.
    ///
    /// # Errors
    /// If there is no free port.
    pub(super) async fn start(
        secrets: &Secrets,
        happenings: mpsc::Sender<Happening>,
        clock: Clock,
        tasks: &Tasks,
    ) -> anyhow::Result<SocketAddr> {
        let keyed = |(hook, secret): &(Hook, _)| {
            Ok((
                *hook,
                Verifier::new(std::slice::from_ref(secret), DEFAULT_TOLERANCE)?,
            ))
        };
        let verifiers = secrets.iter().map(keyed).collect::<anyhow::Result<_>>()?;
        let listener = TcpListener::bind(loopback(0))
            .await
            .context("the sample receiver found no free port")?;
        let address = listener.local_addr()?;
        let receiver = Arc::new(Self {
            verifiers,
            happenings,
            clock,
        });
        tasks.spawn("sample receiver", receiver.accept(listener, tasks.clone()));
        Ok(address)
    }

    async fn accept(self: Arc<Self>, listener: TcpListener, tasks: Tasks) {
        let shutdown = tasks.shutdown().clone();
        loop {
            let accepted = tokio::select! {
                () = shutdown.begun() => return,
                accepted = listener.accept() => accepted,
            };
            match accepted {
                Ok((stream, _peer)) => {
                    let serving = Arc::clone(&self).serve(stream, shutdown.clone());
                    tasks.spawn("sample receiver's connection", serving);
                }
                Err(error) => tracing::warn!(%error, "the sample receiver could not take a connection"),
            }
        }
    }

    async fn serve(self: Arc<Self>, stream: TcpStream, shutdown: Shutdown) {
        let service = service_fn(|request| self.answer(request));
        let mut connection = pin!(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
        let ended = tokio::select! {
            ended = connection.as_mut() => ended,
            () = shutdown.begun() => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        };
        if let Err(error) = ended {
            tracing::debug!(
                error = chain(&error),
                "a connection to the sample receiver ended early"
            );
        }
    }

    /// A receiver confirms at once (D1, G5): what it reports goes into a queue.
    async fn answer(&self, request: Request<Incoming>) -> Result<Response<Empty<Bytes>>, hyper::Error> {
        let (head, body) = request.into_parts();
        let path = head.uri.path();
        let Some((_, verifier)) = self.verifiers.iter().find(|(hook, _)| hook.path() == path) else {
            return Ok(status(StatusCode::NOT_FOUND));
        };
        let Ok(body) = Limited::new(body, MAX_BODY).collect().await else {
            return Ok(status(StatusCode::BAD_REQUEST));
        };
        let receipt = self.receipt(verifier, &head.headers, &body.to_bytes());
        let answer = if receipt.verdict.is_ok() {
            StatusCode::NO_CONTENT
        } else {
            StatusCode::UNAUTHORIZED
        };
        // Whoever listens ends with the process.
        drop(self.happenings.send(Happening::Received(receipt)).await);
        Ok(status(answer))
    }

    fn receipt(&self, verifier: &Verifier, headers: &HeaderMap, body: &[u8]) -> Receipt {
        let header = |name| {
            headers
                .get(name)
                .and_then(|value| value.to_str().ok())
                .unwrap_or_default()
        };
        let (group, at_ms) = (header(WEBHOOK_ID_HEADER), self.clock.now_ms());
        let (timestamp, signature) = (header(WEBHOOK_TIMESTAMP_HEADER), header(WEBHOOK_SIGNATURE_HEADER));
        let now = u64::try_from(at_ms / 1_000).unwrap_or_default();
        let verdict = match verifier.verify(group, timestamp, signature, body, now) {
            Err(error) => Err(error.to_string()),
            Ok(()) => serde_json::from_slice::<Envelope>(body)
                .map(|envelope| {
                    envelope
                        .events
                        .into_iter()
                        .map(|event| (event.event_name, event.event_id))
                        .collect()
                })
                .map_err(|error| format!("the body is not an envelope of events: {error}")),
        };
        Receipt {
            group: group.to_owned(),
            at_ms,
            verdict,
        }
    }
}

fn status(status: StatusCode) -> Response<Empty<Bytes>> {
    let mut response = Response::new(Empty::new());
    *response.status_mut() = status;
    response
}

#[cfg(test)]
mod tests {
    use angarium_signing::{Secret, Signer};

    use super::*;

    const BODY: &[u8] = br#"{"accountId":1,"events":[{"eventId":"e","eventName":"A","data":{}}]}"#;
    const NOW: u64 = 1_700_000_000;

    fn judged(body: &[u8]) -> Result<Vec<(String, String)>, String> {
        let secret = Secret::generate().unwrap();
        let signature = Signer::new(std::slice::from_ref(&secret))
            .unwrap()
            .sign("grp", NOW, BODY);
        let mut headers = HeaderMap::new();
        for (name, value) in [
            (WEBHOOK_ID_HEADER, "grp"),
            (WEBHOOK_TIMESTAMP_HEADER, &NOW.to_string()),
            (WEBHOOK_SIGNATURE_HEADER, &signature),
        ] {
            headers.insert(name, value.parse().unwrap());
        }
        let verifier = Verifier::new(&[secret], DEFAULT_TOLERANCE).unwrap();
        let (clock, _hand) = Clock::manual(1_700_000_001_000);
        let receiver = Receiver {
            verifiers: Vec::new(),
            happenings: mpsc::channel(1).0,
            clock,
        };
        let receipt = receiver.receipt(&verifier, &headers, body);
        assert_eq!(
            (receipt.group.as_str(), receipt.at_ms),
            ("grp", 1_700_000_001_000)
        );
        receipt.verdict
    }

    #[test]
    fn a_signed_request_is_taken_apart_and_a_changed_one_is_not_trusted() {
        assert_eq!(judged(BODY).unwrap(), [("A".to_owned(), "e".to_owned())]);
        let changed = [BODY, b" "].concat();
        assert!(judged(&changed).unwrap_err().contains("no signature"));
    }
}
