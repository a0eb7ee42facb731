//! The trace of a call: the span of an attempt, and the `traceparent` that goes along.
//!
//! An attempt is recorded if any event of its group is to be; it follows from the first of them and links to the others.
//! One that fails is recorded all the same, so that whoever looks for it finds it, but of those only a few a second.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use angarium_policy::{Answer, classify};
use angarium_runtime::Clock;
use angarium_runtime::trace::{Origins, Span, TraceContext};
use http::{HeaderName, HeaderValue};
use opentelemetry::KeyValue;
use opentelemetry::trace::SpanKind;
use tokio::time::Instant;

use crate::call::{Answered, CallError};
use crate::partition::Call;

/// Failed attempts that are recorded in a second although nobody asked for their traces: a thousand webhooks that fail must
/// not flood who collects them.
const FAILURES_A_SECOND: u32 = 10;

/// How many failed attempts may still be recorded. Cheap to clone: all clones are one.
#[derive(Clone, Debug, Default)]
pub(super) struct Failures(Arc<Mutex<Option<(Instant, u32)>>>);

/// An attempt under way.
#[derive(Debug)]
pub(super) struct Attempt {
    origins: Origins,
    span: Option<Span>,
}

impl Attempt {
    pub(super) fn begin(call: &Call) -> Self {
        let origins = Origins::joined(call.group.items.iter().filter_map(|item| item.delivery.trace));
        let mut attempt = Self { origins, span: None };
        if attempt.origins.are_sampled() {
            let mut span = Span::begin("POST", SpanKind::Client, &attempt.origins);
            span.say(about(call));
            attempt.span = Some(span);
        }
        attempt
    }

    /// The `traceparent` of the POST; none when its events came with none.
    pub(super) fn header(&self) -> Option<(HeaderName, HeaderValue)> {
        let context = match &self.span {
            Some(span) => span.context(),
            None => self.origins.parent(),
        };
        let value = HeaderValue::try_from(context?.header()).ok()?;
        Some((HeaderName::from_static(TraceContext::HEADER), value))
    }

    /// How it ended; a call that was not sent is no attempt, and leaves nothing.
    pub(super) fn end(
        self,
        call: &Call,
        (result, took): (&Result<Answered, CallError>, Duration),
        failures: &Failures,
        clock: &Clock,
    ) {
        let failed = failure(result);
        let span = self.span.or_else(|| {
            let is_told = failed.is_some() && failures.may_tell();
            is_told.then(|| {
                let mut span = Span::over(
                    "POST",
                    SpanKind::Client,
                    &self.origins.recorded(),
                    clock.now_ms(),
                    took,
                );
                if span.is_recording() {
                    span.say(about(call));
                }
                span
            })
        });
        let Some(mut span) = span.filter(Span::is_recording) else {
            return;
        };
        if let Ok(answered) = result {
            span.say([
                KeyValue::new("http.response.status_code", i64::from(answered.status.as_u16())),
                KeyValue::new("network.peer.address", answered.address.ip().to_string()),
            ]);
        }
        if let Some((class, detail)) = failed {
            span.fail(class, detail);
        }
    }
}

impl Failures {
    fn may_tell(&self) -> bool {
        let mut told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (since, count) = match *told {
            Some((since, count)) if since.elapsed() < Duration::from_secs(1) => (since, count),
            _ => (Instant::now(), 0),
        };
        if count >= FAILURES_A_SECOND {
            return false;
        }
        *told = Some((since, count + 1));
        true
    }
}

/// Why an attempt failed: its class, and for a person. `None` when it did not, or was not sent.
fn failure(result: &Result<Answered, CallError>) -> Option<(&'static str, String)> {
    let (answer, detail) = match result {
        Ok(answered) => {
            let answer = Answer::Status {
                code: answered.status.as_u16(),
                retry_after: None,
            };
            (answer, format!("answered {}", answered.status))
        }
        Err(error) => (Answer::NoAnswer(error.failure()?), error.detail()),
    };
    let class = classify(answer, 0).error_class()?;
    Some((class.as_str(), detail))
}

/// What is called. The path of a URL is left out: it may be a secret.
fn about(call: &Call) -> Vec<KeyValue> {
    let count = |n: usize| i64::try_from(n).unwrap_or(i64::MAX);
    let mut about = vec![
        KeyValue::new("http.request.method", "POST"),
        KeyValue::new(
            "http.request.resend_count",
            i64::from(call.attempt.saturating_sub(1)),
        ),
        KeyValue::new("messaging.batch.message_count", count(call.group.items.len())),
        KeyValue::new("angarium.group.id", call.group.id.clone()),
        KeyValue::new("angarium.webhook.id", call.webhook.to_string()),
        KeyValue::new("angarium.account.id", call.target.account.to_string()),
    ];
    if let Some(host) = call.target.url.host_str() {
        about.push(KeyValue::new("server.address", host.to_owned()));
    }
    if let Some(port) = call.target.url.port_or_known_default() {
        about.push(KeyValue::new("server.port", i64::from(port)));
    }
    about
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn of_failures_that_nobody_asked_for_a_few_a_second_are_recorded() {
        let failures = Failures::default();
        let told = |failures: &Failures| (0..100).filter(|_| failures.may_tell()).count();
        assert_eq!(told(&failures), 10);
        assert_eq!(told(&failures.clone()), 0);
        tokio::time::advance(Duration::from_secs(1)).await;
        assert_eq!(told(&failures), 10);
    }
}
