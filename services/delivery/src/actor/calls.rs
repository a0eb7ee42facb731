//! Calls of receivers.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use angarium_kafka::Lease;
use angarium_model::{WebhookId, headers as header};
use angarium_runtime::Clock;
use angarium_signing::{WEBHOOK_ID_HEADER, WEBHOOK_TIMESTAMP_HEADER};
use http::header::CONTENT_TYPE;
use http::{HeaderName, HeaderValue};
use tokio::time::{Instant, sleep};

use super::attempt::{Attempt, Failures};
use super::budget::{Budget, Place};
use crate::body::Body;
use crate::call::{Answered, CallError, Caller, Capture, Request};
use crate::group::{Again, Group};
use crate::hook::Class;
use crate::partition::Call;
use crate::proof::Signed;
use crate::target::Target;

/// What became of a call.
#[derive(Debug)]
pub(crate) enum Ended {
    /// It was made.
    Called(Box<CallEnd>),
    /// It was not: the partition may not be ours any more, or there was no call to make.
    NotSent(WebhookId, Arc<Group>),
}

/// How a call ended.
#[derive(Debug)]
pub(crate) struct CallEnd {
    pub(crate) webhook: WebhookId,
    /// The webhook as it was called.
    pub(crate) target: Arc<Target>,
    pub(crate) group: Arc<Group>,
    /// Which attempt of the group it was, from 1.
    pub(crate) attempt: u32,
    pub(crate) class: Class,
    pub(crate) result: Result<Answered, CallError>,
    pub(crate) duration: Duration,
    /// From 0 to 1: how much this webhook's back-off is shortened, so that webhooks that failed together part.
    pub(crate) jitter: f64,
}

impl CallEnd {
    /// The HTTP status; 0 when there was no answer.
    pub(crate) fn status(&self) -> u16 {
        self.result
            .as_ref()
            .map_or(0, |answered| answered.status.as_u16())
    }

    /// How it ended, for a person; at most 512 bytes.
    pub(crate) fn detail(&self) -> String {
        match &self.result {
            Ok(answered) => format!("answered {}", answered.status),
            Err(error) => error.detail(),
        }
    }
}

/// Makes calls.
#[derive(Clone, Debug)]
pub(crate) struct Calls {
    caller: Caller,
    pub(super) budget: Budget,
    clock: Clock,
    /// When it was last told that this machine can make no more connections.
    told: Arc<Mutex<Option<Instant>>>,
    failures: Failures,
}

impl Calls {
    pub(crate) fn new(caller: Caller, budget: Budget, clock: Clock) -> Self {
        Self {
            caller,
            budget,
            clock,
            told: Arc::default(),
            failures: Failures::default(),
        }
    }

    /// Sends a group, unless the lease does not last for the call right before its first byte.
    pub(super) async fn make(self, call: Call, lease: Lease, _place: Place) -> Ended {
        let traced = Attempt::begin(&call);
        let (target, group) = (&call.target, &call.group);
        let body = Body::of(group, target.format);
        let mut headers = headers(target, group, &body, self.clock.now_ms());
        headers.extend(traced.header());
        let start = Instant::now();
        let request = Request {
            account: target.account,
            url: &target.url,
            headers,
            body: body.bytes,
            capture: Capture::Nothing,
            lease: &lease,
        };
        let result = self.caller.post(request).await;
        let duration = start.elapsed();
        traced.end(&call, (&result, duration), &self.failures, &self.clock);
        let Call {
            webhook,
            target,
            group,
            attempt,
            class,
        } = call;
        if let Err(error) = &result
            && error.failure().is_none()
        {
            if let CallError::Exhausted(source) = error {
                self.rest(source).await;
            }
            return Ended::NotSent(webhook, group);
        }
        Ended::Called(Box::new(CallEnd {
            webhook,
            target,
            group,
            attempt,
            class,
            result,
            duration,
            jitter: rand::random(),
        }))
    }
}

impl Calls {
    /// This machine has nothing left for a connection: the call keeps its place for a while, so that fewer are tried.
    async fn rest(&self, source: &io::Error) {
        let is_news = {
            let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
            let is_news = told.is_none_or(|told| told.elapsed() >= TOLD_EVERY);
            if is_news {
                *told = Some(Instant::now());
            }
            is_news
        };
        if is_news {
            let error = source as &dyn std::error::Error;
            tracing::error!(
                error,
                "this machine cannot make another connection: calls wait, and no webhook is said to fail. Raise the limit \
                 on open files (`ulimit -n`, LimitNOFILE), or give delivery fewer calls (`delivery.max_in_flight`)"
            );
        }
        sleep(EXHAUSTED_PAUSE).await;
    }
}

/// Before another connection is tried when there is nothing left for one.
const EXHAUSTED_PAUSE: Duration = Duration::from_secs(1);
/// How often it is told.
const TOLD_EVERY: Duration = Duration::from_secs(10);

/// Headers as Standard Webhooks says, time and signature fresh at every attempt; and where the group stands (D8).
pub(crate) fn headers(
    target: &Target,
    group: &Group,
    body: &Body,
    now_ms: i64,
) -> Vec<(HeaderName, HeaderValue)> {
    let signed = Signed {
        group: &group.id,
        body: &body.bytes,
        now_ms,
    };
    let mut headers = Vec::with_capacity(8 + target.headers.len());
    headers.push((CONTENT_TYPE, HeaderValue::from_static(body.content_type)));
    headers.extend(target.proof.header(signed));
    headers.extend(target.headers.iter().cloned());
    let mut add = |name: &'static str, value: &str| {
        if let Ok(value) = HeaderValue::from_str(value) {
            headers.push((HeaderName::from_static(name), value));
        }
    };
    add(WEBHOOK_ID_HEADER, &group.id);
    add(WEBHOOK_TIMESTAMP_HEADER, &signed.seconds().to_string());
    if let Some(sequence) = &group.sequence {
        add(header::LANE, sequence.lane.as_str());
        add(header::POSITION, &sequence.position.to_string());
        if let Some(previous) = sequence.previous {
            add(header::PREVIOUS, &previous.to_string());
        }
        match sequence.again {
            Some(Again::Replayed) => add(header::AGAIN, "replay"),
            Some(Again::Resent) => add(header::AGAIN, "resend"),
            None => {}
        }
    }
    headers
}
