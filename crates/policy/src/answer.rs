//! What the answer to one call means for its group of events.

use std::fmt;
use std::time::Duration;

use chrono::NaiveDateTime;

/// The longest `Retry-After` that is honoured (D2); a longer one is cut to this.
pub const MAX_RETRY_AFTER: Duration = Duration::from_secs(60 * 60);

/// What came of one call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer<'a> {
    /// The receiver answered.
    Status {
        /// The HTTP status code.
        code: u16,
        /// The `Retry-After` header as it was sent.
        retry_after: Option<&'a str>,
    },
    /// The call ended before a whole answer.
    NoAnswer(Failure),
}

/// Why there was no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Failure {
    /// Our own egress policy refuses the URL or an address of its host: nothing was sent, the receiver did nothing wrong.
    /// Retried like any other failure: the administrator may change the URL, the operator the policy.
    EgressRefused,
    /// The host's name did not resolve.
    Dns,
    /// The connection was refused or the network unreachable.
    Connect,
    /// No connection within the connect timeout (D1: 10 s).
    ConnectTimeout,
    /// The TLS handshake failed: certificate, name or protocol.
    Tls,
    /// Connected, but no whole answer within the answer timeout (D1: 5 s).
    AnswerTimeout,
    /// The receiver closed the connection before it answered.
    Reset,
    /// What came back is not HTTP, or its head is over the limits.
    Protocol,
}

/// What to do with the group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The receiver has it (D1).
    Delivered,
    /// Send the same group again after the webhook's back-off (D2).
    Retry {
        /// Why it failed.
        class: ErrorClass,
        /// The receiver's own wish for the wait from now, at most [`MAX_RETRY_AFTER`].
        not_before: Option<Duration>,
    },
    /// The receiver wants no more of this webhook: disable it (D2).
    Gone,
    /// The group is too large for the receiver: halve it, or retry a group of one.
    TooLarge,
    /// The receiver will not take this request however often it comes: the webhook's own policy says whether to retry
    /// it or to put it aside as a dead letter.
    Refused,
}

/// Why an attempt failed, with a name that journal and metrics keep for good.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ErrorClass {
    /// There was no answer.
    NoAnswer(Failure),
    /// 3xx. Redirects are not followed: the target URL is to be changed.
    Redirect,
    /// 408, 409 or 425: the same request may be taken later.
    TryAgain,
    /// 429.
    Throttled,
    /// 503.
    Unavailable,
    /// Any other 5xx.
    ServerError,
    /// A status that no answer to a POST should have: 1xx, or outside 100 to 599.
    UnexpectedStatus,
    /// 410.
    Gone,
    /// 413.
    TooLarge,
    /// Any other 4xx.
    Refused,
}

/// Says what an answer means. `now_unix_ms` serves a `Retry-After` that is a date.
#[must_use]
pub fn classify(answer: Answer<'_>, now_unix_ms: i64) -> Verdict {
    let (code, retry_after) = match answer {
        Answer::NoAnswer(failure) => return retry(ErrorClass::NoAnswer(failure)),
        Answer::Status { code, retry_after } => (code, retry_after),
    };
    let retry_honouring = |class| Verdict::Retry {
        class,
        not_before: retry_after.and_then(|text| parse_retry_after(text, now_unix_ms)),
    };
    match code {
        200..=299 => Verdict::Delivered,
        300..=399 => retry(ErrorClass::Redirect),
        408 | 409 | 425 => retry(ErrorClass::TryAgain),
        410 => Verdict::Gone,
        413 => Verdict::TooLarge,
        429 => retry_honouring(ErrorClass::Throttled),
        400..=499 => Verdict::Refused,
        503 => retry_honouring(ErrorClass::Unavailable),
        500..=599 => retry(ErrorClass::ServerError),
        _ => retry(ErrorClass::UnexpectedStatus),
    }
}

fn retry(class: ErrorClass) -> Verdict {
    Verdict::Retry {
        class,
        not_before: None,
    }
}

/// Reads both forms of `Retry-After` (RFC 9110, 10.2.3): seconds, or a date. Anything else asks for nothing, and so does
/// a date that has passed.
fn parse_retry_after(text: &str, now_unix_ms: i64) -> Option<Duration> {
    let text = text.trim();
    let wait = if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        // More digits than fit are longer than the longest wait too.
        text.parse().map_or(MAX_RETRY_AFTER, Duration::from_secs)
    } else {
        let wait_ms = parse_http_date(text)?.saturating_sub(now_unix_ms);
        Duration::from_millis(u64::try_from(wait_ms).ok()?)
    };
    Some(wait.min(MAX_RETRY_AFTER)).filter(|wait| !wait.is_zero())
}

/// The three forms of an HTTP date that a recipient must read (RFC 9110, 5.6.7), as Unix milliseconds.
fn parse_http_date(text: &str) -> Option<i64> {
    const FORMS: [&str; 3] = [
        "%a, %d %b %Y %H:%M:%S GMT",
        "%A, %d-%b-%y %H:%M:%S GMT",
        "%a %b %e %H:%M:%S %Y",
    ];
    FORMS
        .iter()
        .find_map(|form| NaiveDateTime::parse_from_str(text, form).ok())
        .map(|date| date.and_utc().timestamp_millis())
}

impl Verdict {
    /// Why the attempt failed; `None` when it did not.
    #[must_use]
    pub const fn error_class(self) -> Option<ErrorClass> {
        match self {
            Self::Delivered => None,
            Self::Retry { class, .. } => Some(class),
            Self::Gone => Some(ErrorClass::Gone),
            Self::TooLarge => Some(ErrorClass::TooLarge),
            Self::Refused => Some(ErrorClass::Refused),
        }
    }
}

impl ErrorClass {
    /// The name in journal and metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NoAnswer(Failure::EgressRefused) => "egress_refused",
            Self::NoAnswer(Failure::Dns) => "dns",
            Self::NoAnswer(Failure::Connect) => "connect",
            Self::NoAnswer(Failure::ConnectTimeout) => "connect_timeout",
            Self::NoAnswer(Failure::Tls) => "tls",
            Self::NoAnswer(Failure::AnswerTimeout) => "answer_timeout",
            Self::NoAnswer(Failure::Reset) => "reset",
            Self::NoAnswer(Failure::Protocol) => "protocol",
            Self::Redirect => "redirect",
            Self::TryAgain => "try_again",
            Self::Throttled => "throttled",
            Self::Unavailable => "unavailable",
            Self::ServerError => "server_error",
            Self::UnexpectedStatus => "unexpected_status",
            Self::Gone => "gone",
            Self::TooLarge => "too_large",
            Self::Refused => "refused",
        }
    }
}

impl fmt::Display for ErrorClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    /// Sun, 06 Nov 1994 08:49:37 GMT, the example of RFC 9110.
    const NOW_MS: i64 = 784_111_777_000;

    fn status(code: u16) -> Verdict {
        classify(
            Answer::Status {
                code,
                retry_after: None,
            },
            NOW_MS,
        )
    }

    fn wait(code: u16, retry_after: &str) -> Option<Duration> {
        match classify(
            Answer::Status {
                code,
                retry_after: Some(retry_after),
            },
            NOW_MS,
        ) {
            Verdict::Retry { not_before, .. } => not_before,
            other => panic!("{code} is retried, got {other:?}"),
        }
    }

    #[test]
    fn d1_any_2xx_is_delivered() {
        for code in 200..=299 {
            assert_eq!(status(code), Verdict::Delivered, "{code}");
        }
    }

    #[test]
    fn redirects_are_failures_and_not_followed() {
        for code in 300..=399 {
            assert_eq!(status(code), retry(ErrorClass::Redirect), "{code}");
        }
    }

    #[test]
    fn of_4xx_only_408_409_410_413_425_and_429_are_not_a_refusal() {
        for code in 400..=499 {
            let expected = match code {
                408 | 409 | 425 => retry(ErrorClass::TryAgain),
                410 => Verdict::Gone,
                413 => Verdict::TooLarge,
                429 => retry(ErrorClass::Throttled),
                _ => Verdict::Refused,
            };
            assert_eq!(status(code), expected, "{code}");
        }
    }

    #[test]
    fn d2_no_answer_is_retried_under_its_own_class() {
        let verdict = classify(Answer::NoAnswer(Failure::AnswerTimeout), NOW_MS);
        assert_eq!(verdict, retry(ErrorClass::NoAnswer(Failure::AnswerTimeout)));
        assert_eq!(
            verdict.error_class().map(ErrorClass::as_str),
            Some("answer_timeout")
        );
    }

    #[test]
    fn retry_after_in_seconds_is_honoured_up_to_an_hour() {
        for code in [429, 503] {
            assert_eq!(wait(code, "120"), Some(Duration::from_secs(120)));
            assert_eq!(wait(code, " 3600 "), Some(MAX_RETRY_AFTER));
            assert_eq!(wait(code, "3601"), Some(MAX_RETRY_AFTER));
            assert_eq!(wait(code, "99999999999999999999999"), Some(MAX_RETRY_AFTER));
            assert_eq!(wait(code, "0"), None);
        }
    }

    #[test]
    fn retry_after_as_a_date_is_honoured_in_all_three_forms() {
        let half_a_minute = Some(Duration::from_secs(30));
        assert_eq!(wait(503, "Sun, 06 Nov 1994 08:50:07 GMT"), half_a_minute);
        assert_eq!(wait(503, "Sunday, 06-Nov-94 08:50:07 GMT"), half_a_minute);
        assert_eq!(wait(503, "Sun Nov  6 08:50:07 1994"), half_a_minute);
        assert_eq!(wait(503, "Mon, 07 Nov 1994 08:49:37 GMT"), Some(MAX_RETRY_AFTER));
        assert_eq!(wait(503, "Sun, 06 Nov 1994 08:49:36 GMT"), None);
    }

    #[test]
    fn retry_after_that_cannot_be_read_or_is_not_due_asks_for_nothing() {
        for text in [
            "",
            "-5",
            "+5",
            "1.5",
            "soon",
            "Sun, 06 Nov 1994 08:50:07 CET",
            "Mon, 06 Nov 1994 08:50:07 GMT",
        ] {
            assert_eq!(wait(429, text), None, "{text}");
        }
        assert_eq!(wait(500, "120"), None);
        assert_eq!(wait(302, "120"), None);
        assert_eq!(wait(408, "120"), None);
    }

    #[test]
    fn every_class_has_a_name_of_its_own() {
        let failures = [
            Failure::EgressRefused,
            Failure::Dns,
            Failure::Connect,
            Failure::ConnectTimeout,
            Failure::Tls,
            Failure::AnswerTimeout,
            Failure::Reset,
            Failure::Protocol,
        ];
        let answers = failures
            .into_iter()
            .map(|failure| classify(Answer::NoAnswer(failure), NOW_MS));
        let statuses = [100, 300, 400, 408, 410, 413, 429, 500, 503].map(status);
        let classes = answers.chain(statuses).filter_map(Verdict::error_class);
        let names: BTreeSet<&str> = classes.map(ErrorClass::as_str).collect();
        assert_eq!(names.len(), 17);
        assert!(
            names
                .iter()
                .all(|name| name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'))
        );
    }

    proptest! {
        #[test]
        fn only_2xx_is_delivered_and_no_wait_is_over_an_hour(
            code: u16,
            retry_after in prop::option::of("[0-9A-Za-z ,:+-]{0,40}"),
            now_ms: i64,
        ) {
            let verdict = classify(Answer::Status { code, retry_after: retry_after.as_deref() }, now_ms);
            prop_assert_eq!(verdict == Verdict::Delivered, (200..=299).contains(&code));
            prop_assert_eq!(verdict.error_class().is_none(), verdict == Verdict::Delivered);
            if let Verdict::Retry { not_before: Some(wait), .. } = verdict {
                prop_assert!(wait > Duration::ZERO && wait <= MAX_RETRY_AFTER);
            }
        }
    }
}
