//! How events are sent: from flags to the webhook, and from the webhook to plain words.

use crate::output::time;
use angarium_model::Ordering as Order;
use angarium_proto::registry::v1::{
    DeadLetter, Disabled, DisabledReason, Limits, Ordering, PayloadFormat, Webhook,
};
use serde_json::{Value, json};

use crate::cli::{FormatArg, OrDefault, OrderingArg, SendingArgs};

/// Puts what was given into the webhook; says which fields that are, as an update mask names them.
pub(super) fn apply(given: &SendingArgs, webhook: &mut Webhook) -> Vec<&'static str> {
    let mut paths = Vec::new();
    if let Some(ordering) = given.ordering {
        webhook.ordering = ordering.to_wire().into();
        paths.push("ordering");
    }
    if let Some(format) = given.payload_format {
        webhook.payload_format = format.to_wire().into();
        paths.push("payload_format");
    }
    let limits = webhook.limits.get_or_insert_default();
    for (given, limit, path) in [
        (
            given.max_group_events,
            &mut limits.max_group_events,
            "limits.max_group_events",
        ),
        (
            given.max_group_bytes,
            &mut limits.max_group_bytes,
            "limits.max_group_bytes",
        ),
        (
            given.max_requests_per_second,
            &mut limits.max_requests_per_second,
            "limits.max_requests_per_second",
        ),
        (
            given.max_in_flight,
            &mut limits.max_in_flight,
            "limits.max_in_flight",
        ),
    ] {
        if let Some(given) = given {
            *limit = given.number();
            paths.push(path);
        }
    }
    if let Some(given) = given.dead_letter_after {
        let attempts = OrDefault::number(given);
        webhook.dead_letter = attempts.map(|after_attempts| DeadLetter { after_attempts });
        paths.push("dead_letter");
    }
    paths
}

impl OrderingArg {
    /// As requests carry it.
    pub(in crate::operate) const fn to_wire(self) -> Ordering {
        match self {
            Self::Ordered => Ordering::Ordered,
            Self::Unordered => Ordering::Unordered,
        }
    }
}

impl FormatArg {
    /// As requests carry it.
    pub(in crate::operate) const fn to_wire(self) -> PayloadFormat {
        match self {
            Self::Envelope => PayloadFormat::Envelope,
            Self::Single => PayloadFormat::Single,
            Self::Cloudevents => PayloadFormat::Cloudevents,
        }
    }
}

/// The columns of [`cells`].
pub(super) const HEADERS: [&str; 5] = ["ordering", "format", "group", "rate", "dead letter"];

/// What is set, and what the rest comes to.
pub(super) fn cells(webhook: &Webhook) -> [String; 5] {
    let limits = webhook.limits.unwrap_or_default();
    let ordering = match webhook.ordering() {
        Ordering::Unordered => format!("unordered, {}", in_flight(&limits)),
        Ordering::Unspecified | Ordering::Ordered => "ordered, one POST under way".to_owned(),
    };
    let format = match webhook.payload_format() {
        PayloadFormat::Single => "single: one event a POST",
        PayloadFormat::Cloudevents => "cloudevents: CloudEvents 1.0, batched where there are several events",
        PayloadFormat::Unspecified | PayloadFormat::Envelope => "envelope: the account and a group of events",
    };
    let group = match (limits.max_group_events, limits.max_group_bytes) {
        (None, None) => "the worker's default".to_owned(),
        (events, bytes) => {
            let most = |limit: Option<u32>, what: &str| {
                limit.map_or_else(
                    || format!("{what} as the worker's default"),
                    |most| format!("at most {most} {what}"),
                )
            };
            format!("{}, {}", most(events, "events"), most(bytes, "bytes"))
        }
    };
    let rate = limits.max_requests_per_second.map_or_else(
        || "no limit".to_owned(),
        |most| format!("at most {most} POSTs a second"),
    );
    let dead_letter = webhook.dead_letter.map_or_else(
        || "never: what is refused is retried for as long as it is kept".to_owned(),
        |DeadLetter { after_attempts }| {
            format!("what is refused for good is put aside after attempt {after_attempts}")
        },
    );
    [ordering, format.to_owned(), group, rate, dead_letter]
}

/// The same in a few words, without what is as usual.
pub(super) fn brief(webhook: &Webhook) -> String {
    let limits = webhook.limits.unwrap_or_default();
    let mut words = vec![match webhook.ordering() {
        Ordering::Unordered => format!("unordered ({})", in_flight(&limits)),
        Ordering::Unspecified | Ordering::Ordered => "ordered".to_owned(),
    }];
    words.push(format_name(webhook.payload_format()).to_owned());
    let most = |limit: Option<u32>, unit: &str| limit.map(|most| format!("≤ {most} {unit}"));
    words.extend(most(limits.max_group_events, "events"));
    words.extend(most(limits.max_group_bytes, "bytes"));
    words.extend(most(limits.max_requests_per_second, "POSTs/s"));
    words.extend(
        webhook
            .dead_letter
            .map(|DeadLetter { after_attempts }| format!("aside after {after_attempts}")),
    );
    words.join(", ")
}

/// Whether it is active, and if not, why.
pub(super) fn state(webhook: &Webhook) -> String {
    if let Some(until_ms) = webhook.deleted_until_ms {
        return format!("deleted; undelete until {}", time(until_ms));
    }
    match &webhook.disabled {
        None => webhook.active.unwrap_or_default().to_string(),
        Some(disabled) => format!("false: {}", why(disabled)),
    }
}

/// Whether it is active, and if not, why and since when.
pub(super) fn state_in_full(webhook: &Webhook) -> String {
    let Some(disabled) = &webhook.disabled else {
        return state(webhook);
    };
    let since = time(disabled.at_ms);
    let detail = match disabled.detail.as_str() {
        "" => String::new(),
        detail => format!(" ({detail})"),
    };
    format!(
        "{}, since {since}{detail}; --active true switches it on",
        state(webhook)
    )
}

fn in_flight(limits: &Limits) -> String {
    match limits.max_in_flight {
        Some(most) => format!("at most {most} POSTs under way"),
        None => format!("at most {} POSTs under way", Order::DEFAULT_IN_FLIGHT),
    }
}

const fn format_name(format: PayloadFormat) -> &'static str {
    match format {
        PayloadFormat::Unspecified | PayloadFormat::Envelope => "envelope",
        PayloadFormat::Single => "single",
        PayloadFormat::Cloudevents => "cloudevents",
    }
}

fn why(disabled: &Disabled) -> &'static str {
    match disabled.reason() {
        DisabledReason::FailedForRetention => "it failed for as long as events are kept",
        DisabledReason::Gone => "its receiver answered 410 Gone",
        DisabledReason::Unspecified => "disabled",
    }
}

/// For programs; `null` is the default.
pub(super) fn json(webhook: &Webhook) -> Value {
    let limits = webhook.limits.unwrap_or_default();
    let disabled = webhook.disabled.as_ref().map(|disabled| {
        let reason = match disabled.reason() {
            DisabledReason::Unspecified => "unknown",
            DisabledReason::FailedForRetention => "failedForRetention",
            DisabledReason::Gone => "gone",
        };
        json!({ "reason": reason, "detail": disabled.detail, "atMs": disabled.at_ms })
    });
    json!({
        "ordering": match webhook.ordering() {
            Ordering::Unspecified | Ordering::Ordered => "ordered",
            Ordering::Unordered => "unordered",
        },
        "payloadFormat": format_name(webhook.payload_format()),
        "limits": {
            "maxGroupEvents": limits.max_group_events,
            "maxGroupBytes": limits.max_group_bytes,
            "maxRequestsPerSecond": limits.max_requests_per_second,
            "maxInFlight": limits.max_in_flight,
        },
        "deadLetterAfter": webhook.dead_letter.map(|policy| policy.after_attempts),
        "disabled": disabled,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gone() -> Webhook {
        Webhook {
            active: Some(false),
            disabled: Some(Disabled {
                reason: DisabledReason::Gone.into(),
                detail: "POST /hook".into(),
                at_ms: 1_725_604_147_000,
            }),
            ..Webhook::default()
        }
    }

    #[test]
    fn w6_what_is_not_set_is_shown_as_what_it_comes_to() {
        let expected = [
            "ordered, one POST under way",
            "envelope: the account and a group of events",
            "the worker's default",
            "no limit",
            "never: what is refused is retried for as long as it is kept",
        ];
        assert_eq!(cells(&Webhook::default()), expected);
        assert_eq!(brief(&Webhook::default()), "ordered, envelope");
    }

    #[test]
    fn w6_what_is_set_is_shown_in_plain_words_and_for_programs() {
        let mut webhook = Webhook::default();
        let given = SendingArgs {
            ordering: Some(OrderingArg::Unordered),
            payload_format: Some(FormatArg::Cloudevents),
            max_group_events: Some(OrDefault::Number(50)),
            max_group_bytes: Some(OrDefault::Default),
            max_requests_per_second: Some(OrDefault::Number(20)),
            max_in_flight: None,
            dead_letter_after: Some(OrDefault::Number(5)),
        };
        let paths = apply(&given, &mut webhook);
        let expected = [
            "ordering",
            "payload_format",
            "limits.max_group_events",
            "limits.max_group_bytes",
            "limits.max_requests_per_second",
            "dead_letter",
        ];
        assert_eq!(paths, expected);
        let expected = [
            "unordered, at most 8 POSTs under way",
            "cloudevents: CloudEvents 1.0, batched where there are several events",
            "at most 50 events, bytes as the worker's default",
            "at most 20 POSTs a second",
            "what is refused for good is put aside after attempt 5",
        ];
        assert_eq!(cells(&webhook), expected);
        assert_eq!(
            brief(&webhook),
            "unordered (at most 8 POSTs under way), cloudevents, ≤ 50 events, ≤ 20 POSTs/s, aside after 5"
        );
        let json = json(&webhook);
        assert_eq!(json["limits"]["maxGroupEvents"], 50);
        assert_eq!(json["limits"]["maxInFlight"], Value::Null);
        assert_eq!(json["deadLetterAfter"], 5);
    }

    #[test]
    fn d3_a_disabled_webhook_says_why_since_when_and_what_to_do() {
        assert_eq!(state(&gone()), "false: its receiver answered 410 Gone");
        assert_eq!(
            state_in_full(&gone()),
            "false: its receiver answered 410 Gone, since 2024-09-06T06:29:07Z (POST /hook); --active true \
             switches it on"
        );
        assert_eq!(json(&gone())["disabled"]["reason"], "gone");
        let on = Webhook {
            active: Some(true),
            ..Webhook::default()
        };
        assert_eq!(state_in_full(&on), "true");
    }
}
