//! What came of a test, for a person and for a program.

use std::time::Duration;

use angarium_policy::{Answer, ErrorClass, classify};
use angarium_proto::delivery::v1::test_webhook_response::Outcome;
use angarium_proto::delivery::v1::{
    CallFailure, CallTimings, Header, ReceivedAnswer, SentRequest, TestWebhookResponse,
};
use bytes::Bytes;
use http::HeaderMap;

use crate::call::{Answered, BodyEnd, CallError, Caller, Request, Timings};

/// What is told of a header that anyone who sees it could call the receiver with.
const HIDDEN: &str = "(hidden)";

/// The request as it will be sent.
pub(super) fn sent(caller: &Caller, request: &Request<'_>) -> SentRequest {
    SentRequest {
        url: request.url.to_string(),
        // Without any, the call fails and says why.
        headers: caller
            .headers(request)
            .map(|headers| told(&headers))
            .unwrap_or_default(),
        body: request.body.clone(),
    }
}

/// Says what the end of a call means. The secret is left empty.
pub(super) fn tell(
    sent: SentRequest,
    result: Result<Answered, CallError>,
    took: Duration,
    now_ms: i64,
) -> TestWebhookResponse {
    let (class, verdict, outcome) = match result {
        Ok(answered) => answer(answered, now_ms),
        Err(error) => failure(&error, took, now_ms),
    };
    TestWebhookResponse {
        delivered: class.is_none(),
        verdict,
        request: Some(sent),
        generated_secret: String::new(),
        outcome: Some(outcome),
    }
}

type Told = (Option<ErrorClass>, String, Outcome);

fn answer(answered: Answered, now_ms: i64) -> Told {
    let meant = classify(
        Answer::Status {
            code: answered.status.as_u16(),
            retry_after: answered.retry_after.as_deref(),
        },
        now_ms,
    );
    let class = meant.error_class();
    let (headers, body, body_end) = match answered.captured {
        Some(captured) => (told(&captured.headers), captured.body, captured.body_end),
        // It was asked for, so that there always is one.
        None => (Vec::new(), Bytes::new(), BodyEnd::Whole),
    };
    let meaning = match class {
        None => "a delivery would count as delivered",
        Some(ErrorClass::Redirect) => {
            "a delivery would count as failed, for redirects are not followed: give the webhook the URL that it leads to"
        }
        Some(_) => "a delivery would count as failed",
    };
    let mut verdict = format!("The receiver answered {}: {meaning}.", answered.status);
    verdict.push_str(match body_end {
        BodyEnd::Whole => "",
        BodyEnd::TooLong => " Its body is longer than 64 KiB, and was not read further.",
        BodyEnd::TooSlow => " Its body came too slowly, and was not read further.",
        BodyEnd::Broken => " The connection broke before its body had come.",
    });
    let outcome = Outcome::Answer(ReceivedAnswer {
        status: answered.status.as_u16().into(),
        error_class: class.map_or("", ErrorClass::as_str).to_owned(),
        headers,
        body,
        body_truncated: body_end != BodyEnd::Whole,
        address: answered.address.to_string(),
        timings: Some(timings(answered.timings)),
    });
    (class, verdict, outcome)
}

fn failure(error: &CallError, took: Duration, now_ms: i64) -> Told {
    let answer = error.failure().map(Answer::NoAnswer);
    let class = answer.and_then(|answer| classify(answer, now_ms).error_class());
    let detail = error.detail();
    let verdict = format!("There is no answer: {detail}. A delivery would count as failed.");
    let outcome = Outcome::Failure(CallFailure {
        error_class: class.map_or("", ErrorClass::as_str).to_owned(),
        detail,
        total_us: micros(took),
    });
    (class, verdict, outcome)
}

fn timings(timings: Timings) -> CallTimings {
    let setup = timings.setup;
    let phase = |of: fn(crate::call::Setup) -> Duration| setup.map_or(0, |setup| micros(of(setup)));
    CallTimings {
        dns_us: phase(|setup| setup.dns),
        connect_us: phase(|setup| setup.connect),
        tls_us: setup.and_then(|setup| setup.tls).map(micros),
        first_byte_us: micros(timings.first_byte),
        total_us: micros(timings.total),
    }
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

fn told(headers: &HeaderMap) -> Vec<Header> {
    let header = |(name, value): (&http::HeaderName, &http::HeaderValue)| Header {
        name: name.as_str().to_owned(),
        value: if value.is_sensitive() {
            HIDDEN.to_owned()
        } else {
            String::from_utf8_lossy(value.as_bytes()).into_owned()
        },
    };
    headers.iter().map(header).collect()
}
