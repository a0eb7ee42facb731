//! How delivery treats a webhook, and why one was switched off.
//!
//! Whoever reads goes on after a mistake with a default: what was read counts only if there were none.

use angarium_model::{
    Bounded, DeadLetter, Disabled, DisabledReason, Limits, MaxAttempts, MaxInFlight, Ordering, PayloadFormat,
};

use crate::FieldError;
use crate::registry::v1;

/// The ordering, with the one limit that only unordered webhooks have.
pub(super) fn ordering_from_wire(
    wire: i32,
    limits: Option<&v1::Limits>,
    errors: &mut Vec<FieldError>,
) -> Ordering {
    let given = limits.and_then(|limits| limits.max_in_flight);
    let max_in_flight: Option<MaxInFlight> = bounded(given, "limits.max_in_flight", errors);
    match v1::Ordering::try_from(wire) {
        Ok(v1::Ordering::Unordered) => Ordering::Unordered { max_in_flight },
        Ok(v1::Ordering::Unspecified | v1::Ordering::Ordered) => {
            if given.is_some() {
                errors.push(in_flight_of_an_ordered_webhook());
            }
            Ordering::Ordered
        }
        Err(unknown) => {
            let message = format!("{} is neither ORDERED (1) nor UNORDERED (2)", unknown.0);
            errors.push(FieldError::new("ordering", message));
            Ordering::Ordered
        }
    }
}

/// The mistake of giving an ordered webhook more than one call at once; its path is relative to the webhook.
#[must_use]
pub fn in_flight_of_an_ordered_webhook() -> FieldError {
    FieldError::new(
        "limits.max_in_flight",
        "is for unordered webhooks: an ordered one has one POST under way; leave it unset, or set ordering to UNORDERED",
    )
}

pub(super) fn payload_format_from_wire(wire: i32, errors: &mut Vec<FieldError>) -> PayloadFormat {
    match v1::PayloadFormat::try_from(wire) {
        Ok(v1::PayloadFormat::Unspecified | v1::PayloadFormat::Envelope) => PayloadFormat::Envelope,
        Ok(v1::PayloadFormat::Single) => PayloadFormat::Single,
        Ok(v1::PayloadFormat::Cloudevents) => PayloadFormat::CloudEvents,
        Err(unknown) => {
            let message = format!(
                "{} is neither ENVELOPE (1) nor SINGLE (2) nor CLOUDEVENTS (3)",
                unknown.0
            );
            errors.push(FieldError::new("payload_format", message));
            PayloadFormat::Envelope
        }
    }
}

pub(super) fn limits_from_wire(wire: Option<&v1::Limits>, errors: &mut Vec<FieldError>) -> Limits {
    let Some(wire) = wire else {
        return Limits::default();
    };
    Limits {
        max_group_events: bounded(wire.max_group_events, "limits.max_group_events", errors),
        max_group_bytes: bounded(wire.max_group_bytes, "limits.max_group_bytes", errors),
        max_requests_per_second: bounded(
            wire.max_requests_per_second,
            "limits.max_requests_per_second",
            errors,
        ),
    }
}

pub(super) fn dead_letter_from_wire(
    wire: Option<v1::DeadLetter>,
    errors: &mut Vec<FieldError>,
) -> Option<DeadLetter> {
    let given = wire.map(|wire| wire.after_attempts);
    let after_attempts: Option<MaxAttempts> = bounded(given, "dead_letter.after_attempts", errors);
    after_attempts.map(|after_attempts| DeadLetter { after_attempts })
}

pub(super) fn bounded<const MIN: u32, const MAX: u32>(
    given: Option<u32>,
    field: &str,
    errors: &mut Vec<FieldError>,
) -> Option<Bounded<MIN, MAX>> {
    super::take(Bounded::new(given?), field, errors)
}

/// Checks why a webhook is off; field paths are relative to it.
///
/// # Errors
/// Every mistake.
pub fn disabled_from_wire(wire: v1::Disabled) -> Result<Disabled, Vec<FieldError>> {
    let mut errors = Vec::new();
    let reason = match v1::DisabledReason::try_from(wire.reason) {
        Ok(v1::DisabledReason::FailedForRetention) => Some(DisabledReason::FailedForRetention),
        Ok(v1::DisabledReason::Gone) => Some(DisabledReason::Gone),
        Ok(v1::DisabledReason::Unspecified) | Err(_) => {
            let message = "is required: FAILED_FOR_RETENTION (1) or GONE (2)";
            errors.push(FieldError::new("reason", message));
            None
        }
    };
    // Any reason serves to find out about the detail.
    let checked = Disabled::new(reason.unwrap_or(DisabledReason::Gone), wire.detail, wire.at_ms);
    match super::take(checked, "detail", &mut errors) {
        Some(disabled) if errors.is_empty() => Ok(disabled),
        _ => Err(errors),
    }
}

pub(super) fn stored_disabled(
    wire: Option<v1::Disabled>,
    active: bool,
    errors: &mut Vec<FieldError>,
) -> Option<Disabled> {
    let read = disabled_from_wire(wire?).map_err(|wrong| {
        let under = |error: FieldError| FieldError::new(format!("disabled.{}", error.field), error.message);
        errors.extend(wrong.into_iter().map(under));
    });
    if active {
        errors.push(FieldError::new("disabled", "is set, and the webhook is active"));
    }
    read.ok()
}

pub(super) const fn ordering_to_wire(ordering: Ordering) -> v1::Ordering {
    match ordering {
        Ordering::Ordered => v1::Ordering::Ordered,
        Ordering::Unordered { .. } => v1::Ordering::Unordered,
    }
}

pub(super) const fn payload_format_to_wire(format: PayloadFormat) -> v1::PayloadFormat {
    match format {
        PayloadFormat::Envelope => v1::PayloadFormat::Envelope,
        PayloadFormat::Single => v1::PayloadFormat::Single,
        PayloadFormat::CloudEvents => v1::PayloadFormat::Cloudevents,
    }
}

/// Nothing where no limit is set.
pub(super) fn limits_to_wire(limits: &Limits, ordering: Ordering) -> Option<v1::Limits> {
    let max_in_flight = match ordering {
        Ordering::Ordered => None,
        Ordering::Unordered { max_in_flight } => max_in_flight,
    };
    let wire = v1::Limits {
        max_group_events: limits.max_group_events.map(|most| most.get().get()),
        max_group_bytes: limits.max_group_bytes.map(|most| most.get().get()),
        max_requests_per_second: limits.max_requests_per_second.map(|most| most.get().get()),
        max_in_flight: max_in_flight.map(|most| most.get().get()),
    };
    (wire != v1::Limits::default()).then_some(wire)
}

/// Why a webhook was switched off.
#[must_use]
pub fn disabled_to_wire(disabled: &Disabled) -> v1::Disabled {
    let reason = match disabled.reason() {
        DisabledReason::FailedForRetention => v1::DisabledReason::FailedForRetention,
        DisabledReason::Gone => v1::DisabledReason::Gone,
    };
    v1::Disabled {
        reason: reason.into(),
        detail: disabled.detail().to_owned(),
        at_ms: disabled.at_ms(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wrong(wire: v1::Webhook) -> Vec<String> {
        let mut errors = Vec::new();
        ordering_from_wire(wire.ordering, wire.limits.as_ref(), &mut errors);
        payload_format_from_wire(wire.payload_format, &mut errors);
        limits_from_wire(wire.limits.as_ref(), &mut errors);
        dead_letter_from_wire(wire.dead_letter, &mut errors);
        stored_disabled(wire.disabled, wire.active.unwrap_or(false), &mut errors);
        errors.into_iter().map(|error| error.field).collect()
    }

    #[test]
    fn every_mistake_of_the_settings_is_told_with_its_path() {
        let fields = wrong(v1::Webhook {
            active: Some(true),
            ordering: 7,
            payload_format: 7,
            limits: Some(v1::Limits {
                max_group_events: Some(257),
                max_group_bytes: Some(1),
                max_requests_per_second: Some(0),
                max_in_flight: Some(33),
            }),
            dead_letter: Some(v1::DeadLetter { after_attempts: 101 }),
            disabled: Some(v1::Disabled {
                reason: 7,
                detail: "x".repeat(513),
                at_ms: 1,
            }),
            ..v1::Webhook::default()
        });
        let expected = [
            "limits.max_in_flight",
            "ordering",
            "payload_format",
            "limits.max_group_events",
            "limits.max_group_bytes",
            "limits.max_requests_per_second",
            "dead_letter.after_attempts",
            "disabled.reason",
            "disabled.detail",
            "disabled",
        ];
        assert_eq!(fields, expected);
    }

    #[test]
    fn an_ordered_webhook_takes_no_number_of_calls_at_once() {
        for ordering in [v1::Ordering::Unspecified, v1::Ordering::Ordered] {
            let fields = wrong(v1::Webhook {
                ordering: ordering.into(),
                limits: Some(v1::Limits {
                    max_in_flight: Some(1),
                    ..v1::Limits::default()
                }),
                ..v1::Webhook::default()
            });
            assert_eq!(fields, ["limits.max_in_flight"]);
        }
    }
}
