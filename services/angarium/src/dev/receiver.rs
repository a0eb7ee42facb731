//! The sample receiver: verifies each request, answers, and reports it.

use std::net::SocketAddr;
use std::sync::Arc;

use angarium_runtime::{Clock, Tasks};
use angarium_signing::{DEFAULT_TOLERANCE, Verifier, WEBHOOK_ID_HEADER};
use anyhow::Context;
use http::StatusCode;
use serde::Deserialize;
use tokio::net::TcpListener;
use tokio::sync::mpsc;

use super::services::loopback;
use super::setup::{Hook, Secrets};
use super::story::Happening;
use crate::receiving::{self, Call};

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
        let answer = move |call| {
            let receiver = Arc::clone(&receiver);
            async move { receiver.answer(&call).await }
        };
        tasks.spawn(
            "sample receiver",
            receiving::serve(listener, tasks.clone(), answer),
        );
        Ok(address)
    }

    /// A receiver confirms at once (D1, G5): what it reports goes into a queue.
    async fn answer(&self, call: &Call) -> StatusCode {
        let Some((_, verifier)) = self.verifiers.iter().find(|(hook, _)| hook.path() == call.path) else {
            return StatusCode::NOT_FOUND;
        };
        let receipt = self.receipt(verifier, call);
        let answer = if receipt.verdict.is_ok() {
            StatusCode::NO_CONTENT
        } else {
            StatusCode::UNAUTHORIZED
        };
        // Whoever listens ends with the process.
        drop(self.happenings.send(Happening::Received(receipt)).await);
        answer
    }

    fn receipt(&self, verifier: &Verifier, call: &Call) -> Receipt {
        let at_ms = self.clock.now_ms();
        let verdict = match call.verify(verifier, &self.clock) {
            Err(error) => Err(error.to_string()),
            Ok(()) => serde_json::from_slice::<Envelope>(&call.body)
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
            group: call.header(WEBHOOK_ID_HEADER).to_owned(),
            at_ms,
            verdict,
        }
    }
}

#[cfg(test)]
mod tests {
    use angarium_signing::{Secret, Signer, WEBHOOK_SIGNATURE_HEADER, WEBHOOK_TIMESTAMP_HEADER};
    use http::{HeaderMap, Method};

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
        let call = Call {
            method: Method::POST,
            path: "/".into(),
            headers,
            body: body.to_vec().into(),
        };
        let receipt = receiver.receipt(&verifier, &call);
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
