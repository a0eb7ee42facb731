//! What the journal means, in plain words.

use angarium_proto::journal::v1::{DeliveryState, Lane};
use angarium_proto::registry::v1::{DisabledReason, Webhook};
use askama::Template;
use chrono::{DateTime, SecondsFormat, Utc};

use crate::log::Standing;

/// A moment, as UTC that the script turns into the reader's own zone.
#[derive(Debug, Template)]
#[template(source = r#"<time datetime="{{ iso }}">{{ text }}</time>"#, ext = "html")]
pub(crate) struct Moment {
    iso: String,
    text: String,
}

/// It escapes what it holds.
impl askama::filters::HtmlSafe for Moment {}

/// Unix milliseconds as a moment.
pub(crate) fn moment(at_ms: i64) -> Moment {
    let at = DateTime::<Utc>::from_timestamp_millis(at_ms).unwrap_or_default();
    Moment {
        iso: at.to_rfc3339_opts(SecondsFormat::Millis, true),
        text: at.format("%Y-%m-%d %H:%M:%S UTC").to_string(),
    }
}

/// Microseconds, to three digits.
pub(crate) fn duration(us: u64) -> String {
    let (whole, unit) = match us {
        0..1_000 => return format!("{us} µs"),
        1_000..1_000_000 => (us, "ms"),
        _ => (us / 1_000, "s"),
    };
    let (ones, rest) = (whole / 1_000, whole % 1_000);
    match ones {
        0..10 => format!("{ones}.{:02} {unit}", rest / 10),
        10..100 => format!("{ones}.{} {unit}", rest / 100),
        _ => format!("{ones} {unit}"),
    }
}

/// So many of a thousand, as percent.
pub(crate) fn percent(permille: u64) -> String {
    match (permille / 10, permille % 10) {
        (whole, 0) => format!("{whole} %"),
        (whole, tenth) => format!("{whole}.{tenth} %"),
    }
}

/// `1 event`, `2 events`.
pub(crate) fn count(number: u64, one: &str) -> String {
    if number == 1 {
        format!("1 {one}")
    } else {
        format!("{number} {one}s")
    }
}

/// What another service says, as a sentence of a page: services write them to follow the name of a field.
pub(crate) fn sentence(text: &str) -> String {
    let mut letters = text.trim().chars();
    let Some(first) = letters.next() else {
        return String::new();
    };
    let mut sentence: String = first.to_uppercase().chain(letters).collect();
    if !sentence.ends_with(['.', '!', '?', ':']) {
        sentence.push('.');
    }
    sentence
}

/// A class of events (E1).
pub(crate) const fn lane(lane: Lane) -> &'static str {
    match lane {
        Lane::Batch => "batch",
        Lane::Realtime | Lane::Unspecified => "real-time",
    }
}

/// What deliveries of a lane do.
pub(crate) const fn state(state: DeliveryState) -> &'static str {
    match state {
        DeliveryState::Live | DeliveryState::Unspecified => "Delivering",
        DeliveryState::Failing => "Failing",
        DeliveryState::CatchingUp => "Catching up",
        DeliveryState::Waiting => "Waiting for its time",
        DeliveryState::Off => "Off",
    }
}

/// How grave something is; the name of a style.
pub(crate) const fn tone(state: DeliveryState) -> &'static str {
    match state {
        DeliveryState::Live | DeliveryState::Unspecified | DeliveryState::Waiting => "good",
        DeliveryState::Failing => "bad",
        DeliveryState::CatchingUp => "warn",
        DeliveryState::Off => "off",
    }
}

/// How grave the end of a call is, by the class that the journal gives it; the name of a style.
pub(crate) const fn answered(class: &str) -> &'static str {
    if class.is_empty() { "good" } else { "bad" }
}

/// That a webhook was switched on or off, as the page says that comes behind it.
pub(crate) fn switched(done: &str) -> Option<&'static str> {
    match done {
        "on" => Some("Switched on."),
        "off" => Some("Switched off. Events of this time are not matched; what was matched before waits."),
        _ => None,
    }
}

/// How a webhook is, at a glance.
#[derive(Debug)]
pub(crate) struct Glance {
    pub(crate) tone: &'static str,
    pub(crate) word: &'static str,
    pub(crate) since: Option<Moment>,
    pub(crate) detail: String,
}

/// The gravest of what its lanes do, unless it is off.
pub(crate) fn glance(webhook: &Webhook, standings: &[Standing]) -> Glance {
    if let Some(disabled) = &webhook.disabled {
        let why = match disabled.reason() {
            DisabledReason::Gone => "The receiver answered 410 Gone.",
            DisabledReason::FailedForRetention => "It did not answer for 7 days.",
            DisabledReason::Unspecified => "",
        };
        return Glance {
            tone: "bad",
            word: "Switched off by Angarium",
            since: Some(moment(disabled.at_ms)),
            detail: format!("{why} {}", disabled.detail).trim().to_owned(),
        };
    }
    if webhook.active == Some(false) {
        return Glance {
            tone: "off",
            word: "Off",
            since: None,
            detail: "No events are matched until it is switched on.".to_owned(),
        };
    }
    let gravity = |standing: &&Standing| match standing.state {
        DeliveryState::Failing => 3,
        DeliveryState::CatchingUp => 2,
        DeliveryState::Waiting => 1,
        // What was off is on by now: delivery will say so with the next event.
        DeliveryState::Off | DeliveryState::Live | DeliveryState::Unspecified => 0,
    };
    let gravest = standings
        .iter()
        .max_by_key(gravity)
        .filter(|standing| gravity(standing) > 1);
    gravest.map_or(
        Glance {
            tone: "good",
            word: "On",
            since: None,
            detail: String::new(),
        },
        |standing| Glance {
            tone: tone(standing.state),
            word: state(standing.state),
            since: Some(moment(standing.since_ms)),
            detail: format!("{} events", lane(standing.lane)),
        },
    )
}

/// An HTTP status with its name; empty for none.
pub(crate) fn status(code: u32) -> String {
    if code == 0 {
        return String::new();
    }
    let named = u16::try_from(code)
        .ok()
        .and_then(|code| http::StatusCode::from_u16(code).ok())
        .and_then(|code| code.canonical_reason());
    named.map_or_else(|| code.to_string(), |name| format!("{code} {name}"))
}

/// What went wrong with a call, by the class that the journal gives it.
pub(crate) fn mistake(class: &str) -> &'static str {
    match class {
        "" => "Delivered",
        "egress_refused" => "The address is one that must not be called",
        "dns" => "The name of the host was not found",
        "connect" => "Nobody took the connection",
        "connect_timeout" => "No connection within 10 seconds",
        "tls" => "The certificate, or TLS, was not in order",
        "answer_timeout" => "No answer within 5 seconds",
        "reset" => "The receiver broke the connection off",
        "protocol" => "What came back was no HTTP",
        "redirect" => "It answered with a redirect, which is not followed",
        "try_again" => "It asked to be tried again",
        "throttled" => "It said that there were too many requests",
        "unavailable" => "It said that it is not available",
        "server_error" => "It had an error of its own",
        "gone" => "It said that it is gone for good",
        "too_large" => "It said that the request was too large",
        "refused" => "It refused the request",
        _ => "It gave an answer that does not count as delivered",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_told_to_three_digits() {
        let told = [0, 999, 1_000, 34_600, 345_000, 1_204_000, 15_000_000].map(duration);
        assert_eq!(
            told,
            [
                "0 µs", "999 µs", "1.00 ms", "34.6 ms", "345 ms", "1.20 s", "15.0 s"
            ]
        );
        assert_eq!([1_000, 999, 0].map(percent), ["100 %", "99.9 %", "0 %"]);
    }

    #[test]
    fn what_a_service_says_becomes_a_sentence() {
        assert_eq!(sentence("must name a type"), "Must name a type.");
        assert_eq!(sentence(" Ünder way. "), "Ünder way.");
        assert_eq!(sentence(""), "");
    }

    #[test]
    fn a_moment_is_utc_for_people_and_programs() {
        let html = moment(1_725_604_147_123).to_string();
        assert_eq!(
            html,
            r#"<time datetime="2024-09-06T06:29:07.123Z">2024-09-06 06:29:07 UTC</time>"#
        );
    }

    #[test]
    fn d4_what_fails_is_seen_at_a_glance_whatever_else_goes_well() {
        let standing = |lane, state| Standing {
            lane,
            state,
            since_ms: 5,
        };
        let standings = [
            standing(Lane::Realtime, DeliveryState::Live),
            standing(Lane::Batch, DeliveryState::Failing),
        ];
        let on = Webhook {
            active: Some(true),
            ..Webhook::default()
        };
        assert_eq!(glance(&on, &standings).word, "Failing");
        assert_eq!(glance(&on, &standings[..1]).word, "On");
        let off = Webhook {
            active: Some(false),
            ..Webhook::default()
        };
        assert_eq!(glance(&off, &standings).word, "Off");
    }
}
