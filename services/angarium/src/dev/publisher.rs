//! Publishes as any producer does: over ingest's HTTP.

use std::net::SocketAddr;
use std::time::Duration;

use angarium_model::Position;
use angarium_runtime::access::OperatorKey;
use anyhow::{Context, bail};
use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{Method, Request, StatusCode};
use http_body_util::Full;
use serde::Deserialize;
use tokio::time::{Instant, sleep};

use crate::operate::exchange;

/// Ingest answers 503 until it knows the accounts and Kafka's topics, soon after its start.
const READY_WITHIN: Duration = Duration::from_secs(15);
const ASK_AGAIN: Duration = Duration::from_millis(100);
/// Longer than ingest gives Kafka.
const PATIENCE: Duration = Duration::from_secs(30);

/// Calls ingest.
#[derive(Debug)]
pub(super) struct Publisher {
    ingest: SocketAddr,
    authorization: String,
}

/// What ingest answered.
#[derive(Clone, Debug)]
pub(super) enum Answer {
    Accepted(Vec<Accepted>),
    Refused(Refusal),
}

/// An event that Kafka has.
#[derive(Clone, Debug)]
pub(super) struct Accepted {
    pub(super) name: String,
    pub(super) position: Position,
    /// It was accepted before, and is not produced again.
    pub(super) duplicate: bool,
}

/// A problem detail (RFC 9457), as ingest fills it.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Refusal {
    pub(super) status: u16,
    pub(super) title: String,
    pub(super) detail: String,
    #[serde(default)]
    pub(super) errors: Vec<Mistake>,
}

/// One mistake, and its place if it has one.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Mistake {
    pub(super) line: Option<usize>,
    pub(super) column: Option<usize>,
    pub(super) detail: String,
    pub(super) text: Option<String>,
}

#[derive(Deserialize)]
struct AcceptedEvents {
    accepted: Vec<AcceptedEvent>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct AcceptedEvent {
    event_name: String,
    position: String,
    duplicate: bool,
}

impl Publisher {
    pub(super) fn new(ingest: SocketAddr, key: &OperatorKey) -> Self {
        Self {
            ingest,
            authorization: format!("Bearer {}", key.expose()),
        }
    }

    /// Posts `text` as it is.
    ///
    /// # Errors
    /// If ingest cannot be reached, or answers what is not understood.
    pub(super) async fn publish(&self, account: u64, text: &'static str) -> anyhow::Result<Answer> {
        let deadline = Instant::now() + READY_WITHIN;
        loop {
            let request = Request::builder()
                .method(Method::POST)
                .uri(format!("http://{}/v1/accounts/{account}/events", self.ingest))
                .header(AUTHORIZATION, &self.authorization)
                .header(CONTENT_TYPE, "application/json")
                .body(Full::new(Bytes::from_static(text.as_bytes())))?;
            let answered = tokio::time::timeout(PATIENCE, exchange(request)).await;
            let (status, body) = answered
                .context("ingest gave no answer")?
                .context("cannot reach ingest")?;
            if status == StatusCode::SERVICE_UNAVAILABLE && Instant::now() < deadline {
                sleep(ASK_AGAIN).await;
                continue;
            }
            return understood(status, &body);
        }
    }
}

fn understood(status: StatusCode, body: &[u8]) -> anyhow::Result<Answer> {
    let context = || format!("ingest answered {status} with what is not understood");
    if status != StatusCode::ACCEPTED {
        return Ok(Answer::Refused(
            serde_json::from_slice(body).with_context(context)?,
        ));
    }
    let answer: AcceptedEvents = serde_json::from_slice(body).with_context(context)?;
    if answer.accepted.is_empty() {
        bail!("ingest accepted a sample and named no event");
    }
    let accepted = answer.accepted.into_iter().map(|event| {
        Ok(Accepted {
            name: event.event_name,
            position: event.position.parse()?,
            duplicate: event.duplicate,
        })
    });
    Ok(Answer::Accepted(accepted.collect::<anyhow::Result<_>>()?))
}

/// The `eventName` of the first event of an envelope, if it is one.
pub(super) fn event_name(text: &str) -> Option<String> {
    let envelope: serde_json::Value = serde_json::from_str(text).ok()?;
    Some(envelope.pointer("/events/0/eventName")?.as_str()?.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_answers_of_ingest_are_understood() {
        let accepted =
            br#"{"accepted":[{"eventId":"e","eventName":"A","position":"3-9","duplicate":false}]}"#;
        let Answer::Accepted(events) = understood(StatusCode::ACCEPTED, accepted).unwrap() else {
            panic!()
        };
        assert_eq!(
            (events[0].name.as_str(), events[0].position),
            (
                "A",
                Position {
                    partition: 3,
                    offset: 9
                }
            )
        );
        let refused = br#"{"type":"urn:x","title":"T","status":400,"detail":"D",
            "errors":[{"pointer":"","line":2,"column":5,"detail":"E","text":"x,"}],"errorCount":1}"#;
        let Answer::Refused(refusal) = understood(StatusCode::BAD_REQUEST, refused).unwrap() else {
            panic!()
        };
        assert_eq!(
            (refusal.errors[0].line, refusal.errors[0].column),
            (Some(2), Some(5))
        );
    }
}
