//! Accounts and webhooks.

use angarium_model::{
    Account, AccountId, DeadLetter, ExternalId, FilterText, Revision, TargetUrl, TimetableSpec, TypePattern,
    Webhook, WebhookId,
};

use super::{about, authentication, header, settings, strictness, take};
use crate::FieldError;
use crate::registry::v1;

/// Longest name of an account or webhook, in bytes.
const MAX_NAME: usize = 256;
/// Longest description, in bytes.
const MAX_DESCRIPTION: usize = 4_096;
/// Most event types of a webhook.
pub const MAX_EVENT_TYPES: usize = 128;

/// Whether a message carries secrets, and what API keys are known by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Secrets {
    /// For the store and for delivery.
    Include,
    /// The current one of a webhook, and none before it: for the one answer that shows it.
    Current,
    /// For everyone else.
    Omit,
}

/// Checks a name for people; the path of a mistake is `name`.
pub fn check_name(name: &str, min: usize, errors: &mut Vec<FieldError>) {
    if name.len() < min {
        errors.push(FieldError::new("name", "must not be empty"));
    }
    if name.len() > MAX_NAME {
        let message = format!("has {} bytes; at most {MAX_NAME} are allowed", name.len());
        errors.push(FieldError::new("name", message));
    }
}

/// Checks an account; field paths are relative to it.
///
/// # Errors
/// Every mistake.
pub fn account_from_wire(wire: v1::Account) -> Result<Account, Vec<FieldError>> {
    let mut errors = Vec::new();
    let id = take(AccountId::new(wire.id), "id", &mut errors);
    check_name(&wire.name, 0, &mut errors);
    let max_webhooks = settings::bounded(wire.max_webhooks, "max_webhooks", &mut errors);
    let strictness = strictness::from_wire(&wire, &mut errors);
    // Empty is how proto3 says that there is none.
    let external_id = Some(&*wire.external_id).filter(|text| !text.is_empty());
    let external_id = external_id.and_then(|text| take(ExternalId::new(text), "external_id", &mut errors));
    match id {
        Some(id) if errors.is_empty() => Ok(Account {
            id,
            external_id,
            name: wire.name,
            max_webhooks,
            strictness,
            revision: Revision::from_offset(wire.revision),
            created_at_ms: wire.created_at_ms,
        }),
        _ => Err(errors),
    }
}

/// An account as a message.
#[must_use]
pub fn account_to_wire(account: &Account) -> v1::Account {
    v1::Account {
        id: account.id.get(),
        external_id: account
            .external_id
            .as_ref()
            .map(ToString::to_string)
            .unwrap_or_default(),
        name: account.name.clone(),
        max_webhooks: account.max_webhooks.map(|most| most.get().get()),
        unknown_types: strictness::to_wire(account.strictness.unknown_types).into(),
        schema_violations: strictness::to_wire(account.strictness.schema_violations).into(),
        revision: account.revision.offset(),
        created_at_ms: account.created_at_ms,
    }
}

/// Checks a webhook; field paths are relative to it. The timetable's and the secret's meaning is left to those who
/// know it (`angarium-webhooks`).
///
/// # Errors
/// Every mistake.
pub fn webhook_from_wire(wire: v1::Webhook) -> Result<Webhook, Vec<FieldError>> {
    let mut errors = Vec::new();
    let id = take(wire.id.parse::<WebhookId>(), "id", &mut errors);
    let account = take(AccountId::new(wire.account_id), "account_id", &mut errors);
    check_name(&wire.name, 1, &mut errors);
    if wire.description.len() > MAX_DESCRIPTION {
        let message = format!(
            "has {} bytes; at most {MAX_DESCRIPTION} are allowed",
            wire.description.len()
        );
        errors.push(FieldError::new("description", message));
    }
    let target_url = take(TargetUrl::parse(&wire.target_url), "target_url", &mut errors);
    let authentication = authentication::from_wire(wire.authentication, &mut errors);
    let headers = header::all_from_wire(wire.headers, &mut errors);
    about::check_contacts(&wire.contacts, &mut errors);
    let tags = about::tags_from_wire(wire.tags, &mut errors);
    let event_types = event_types_from_wire(&wire.event_types, &mut errors);
    let filter = (!wire.filter.is_empty())
        .then(|| take(FilterText::new(&wire.filter), "filter", &mut errors))
        .flatten();
    let ordering = settings::ordering_from_wire(wire.ordering, wire.limits.as_ref(), &mut errors);
    let payload_format = settings::payload_format_from_wire(wire.payload_format, &mut errors);
    let limits = settings::limits_from_wire(wire.limits.as_ref(), &mut errors);
    let dead_letter = settings::dead_letter_from_wire(wire.dead_letter, &mut errors);
    // Absent in records of the time when it was no optional field and false was not written.
    let active = wire.active.unwrap_or(false);
    let disabled = settings::stored_disabled(wire.disabled, active, &mut errors);
    match (id, account, target_url, authentication) {
        (Some(id), Some(account), Some(target_url), Some(authentication)) if errors.is_empty() => {
            Ok(Webhook {
                id,
                account,
                name: wire.name,
                description: wire.description,
                target_url,
                authentication,
                headers,
                contacts: wire.contacts,
                tags,
                event_types,
                filter,
                active,
                timetable: wire.timetable.map(|t| TimetableSpec {
                    cron: t.cron,
                    time_zone: t.time_zone,
                }),
                ordering,
                payload_format,
                limits,
                dead_letter,
                disabled,
                revision: Revision::from_offset(wire.revision),
                created_at_ms: wire.created_at_ms,
            })
        }
        _ => Err(errors),
    }
}

fn event_types_from_wire(wire: &[String], errors: &mut Vec<FieldError>) -> Vec<TypePattern> {
    if wire.is_empty() {
        errors.push(FieldError::new(
            "event_types",
            "must name at least one event type; `*` takes all",
        ));
    }
    if wire.len() > MAX_EVENT_TYPES {
        let message = format!(
            "has {} entries; at most {MAX_EVENT_TYPES} are allowed",
            wire.len()
        );
        errors.push(FieldError::new("event_types", message));
        return Vec::new();
    }
    let parsed = wire
        .iter()
        .enumerate()
        .filter_map(|(index, text)| take(TypePattern::parse(text), &format!("event_types[{index}]"), errors));
    parsed.collect()
}

/// A webhook as a message.
#[must_use]
pub fn webhook_to_wire(webhook: &Webhook, secrets: Secrets) -> v1::Webhook {
    v1::Webhook {
        id: webhook.id.to_string(),
        account_id: webhook.account.get(),
        name: webhook.name.clone(),
        description: webhook.description.clone(),
        target_url: webhook.target_url.to_string(),
        authentication: Some(authentication::to_wire(&webhook.authentication, secrets)),
        headers: header::all_to_wire(&webhook.headers),
        contacts: webhook.contacts.clone(),
        tags: webhook.tags.clone().into_iter().collect(),
        deleted_until_ms: None,
        event_types: webhook.event_types.iter().map(ToString::to_string).collect(),
        filter: webhook
            .filter
            .as_ref()
            .map_or_else(String::new, |filter| filter.as_str().to_owned()),
        active: Some(webhook.active),
        timetable: webhook.timetable.as_ref().map(|t| v1::Timetable {
            cron: t.cron.clone(),
            time_zone: t.time_zone.clone(),
        }),
        revision: webhook.revision.offset(),
        created_at_ms: webhook.created_at_ms,
        ordering: settings::ordering_to_wire(webhook.ordering).into(),
        payload_format: settings::payload_format_to_wire(webhook.payload_format).into(),
        limits: settings::limits_to_wire(&webhook.limits, webhook.ordering),
        dead_letter: webhook
            .dead_letter
            .map(|DeadLetter { after_attempts }| v1::DeadLetter {
                after_attempts: after_attempts.get().get(),
            }),
        disabled: webhook.disabled.as_ref().map(settings::disabled_to_wire),
    }
}

#[cfg(test)]
mod tests {
    use angarium_model::{Limits, Ordering, PayloadFormat};
    use prost::Message as _;

    use super::*;
    use crate::registry::v1::authentication::Method;

    fn webhook() -> v1::Webhook {
        v1::Webhook {
            id: format!("wh_{}", "0".repeat(32)),
            account_id: 1234,
            name: "HR".into(),
            target_url: "https://example.com/hooks".into(),
            authentication: Some(v1::Authentication {
                method: Some(Method::Signature(v1::Signature {
                    secret: "whsec_abc".into(),
                    // printf %s whsec_abc | sha256sum
                    fingerprint: "e1ac16da".into(),
                    created_at_ms: Some(5),
                    previous: vec![v1::PreviousSecret {
                        secret: "whsec_old".into(),
                        fingerprint: "3d269a69".into(),
                        created_at_ms: None,
                        expires_at_ms: 7,
                        sealed: None,
                    }],
                    sealed: None,
                })),
            }),
            event_types: vec!["COURSE_*".into()],
            active: Some(true),
            ordering: v1::Ordering::Ordered.into(),
            payload_format: v1::PayloadFormat::Envelope.into(),
            ..v1::Webhook::default()
        }
    }

    /// Every setting is something else than its default.
    fn unusual() -> v1::Webhook {
        v1::Webhook {
            active: Some(false),
            filter: "data.loType == 'course'".into(),
            headers: vec![v1::Header {
                name: "x-team".into(),
                value: "payroll".into(),
            }],
            contacts: vec!["ops@example.com".into()],
            tags: [("env".to_owned(), "test".to_owned())].into(),
            ordering: v1::Ordering::Unordered.into(),
            payload_format: v1::PayloadFormat::Cloudevents.into(),
            limits: Some(v1::Limits {
                max_group_events: Some(256),
                max_group_bytes: Some(1_024),
                max_requests_per_second: Some(10_000),
                max_in_flight: Some(32),
            }),
            dead_letter: Some(v1::DeadLetter { after_attempts: 100 }),
            disabled: Some(v1::Disabled {
                reason: v1::DisabledReason::FailedForRetention.into(),
                detail: "the last answer was 503".into(),
                at_ms: 1,
            }),
            ..webhook()
        }
    }

    #[test]
    fn w1_a_webhook_reads_back_as_it_was_written_and_secrets_only_on_demand() {
        let single = v1::Webhook {
            payload_format: v1::PayloadFormat::Single.into(),
            disabled: unusual().disabled.map(|disabled| v1::Disabled {
                reason: v1::DisabledReason::Gone.into(),
                ..disabled
            }),
            limits: None,
            ..unusual()
        };
        let proven = |method| v1::Webhook {
            authentication: Some(v1::Authentication { method: Some(method) }),
            ..webhook()
        };
        let basic = proven(Method::Basic(v1::BasicAuthentication {
            username: "us".into(),
            password: "whsec_sesame".into(),
            sealed: None,
        }));
        let header = proven(Method::Header(v1::HeaderAuthentication {
            name: "x-key".into(),
            value: "whsec_sesame".into(),
            sealed: None,
        }));
        for wire in [&basic, &header] {
            let model = webhook_from_wire(wire.clone()).unwrap();
            for secrets in [Secrets::Omit, Secrets::Current] {
                let shown = format!("{:?}", webhook_to_wire(&model, secrets));
                assert!(!shown.contains("sesame"), "{shown}");
            }
        }
        for wire in [webhook(), unusual(), single, basic, header] {
            let model = webhook_from_wire(wire.clone()).unwrap();
            assert_eq!(webhook_to_wire(&model, Secrets::Include), wire);
        }
        let model = webhook_from_wire(webhook()).unwrap();
        let shown = format!("{:?}", webhook_to_wire(&model, Secrets::Omit));
        assert!(!shown.contains("whsec_") && shown.contains("e1ac16da") && shown.contains("3d269a69"));
        let once = format!("{:?}", webhook_to_wire(&model, Secrets::Current));
        assert!(
            once.contains("whsec_abc") && !once.contains("whsec_old"),
            "{once}"
        );
    }

    #[test]
    fn w4_a_record_without_active_is_of_a_webhook_that_is_off_and_off_is_written() {
        let old = v1::Webhook {
            active: None,
            ..webhook()
        };
        let model = webhook_from_wire(old).unwrap();
        assert!(!model.active);
        assert_eq!(webhook_to_wire(&model, Secrets::Include).active, Some(false));
    }

    #[test]
    fn w1_a_record_of_the_time_before_the_settings_reads_as_the_reference_has_it() {
        // The bytes of a message without them: prost writes no field that is unset.
        let old = v1::Webhook {
            ordering: 0,
            payload_format: 0,
            ..webhook()
        };
        let bytes = old.encode_to_vec();
        assert!(bytes.len() < webhook().encoded_len());
        let model = webhook_from_wire(v1::Webhook::decode(bytes.as_slice()).unwrap()).unwrap();
        assert_eq!(model.ordering, Ordering::Ordered);
        assert_eq!(model.payload_format, PayloadFormat::Envelope);
        assert_eq!(model.limits, Limits::default());
        assert_eq!((model.dead_letter, model.disabled), (None, None));
    }

    #[test]
    fn w1_every_mistake_of_a_webhook_is_reported_at_once_with_its_field() {
        let wrong = v1::Webhook {
            account_id: u64::MAX,
            target_url: "ftp://example.com".into(),
            event_types: vec!["CI_STATS".into(), "course".into()],
            ..v1::Webhook::default()
        };
        let fields: Vec<_> = webhook_from_wire(wrong)
            .unwrap_err()
            .into_iter()
            .map(|e| e.field)
            .collect();
        assert_eq!(
            fields,
            [
                "id",
                "account_id",
                "name",
                "target_url",
                "authentication",
                "event_types[1]"
            ]
        );
    }
}
