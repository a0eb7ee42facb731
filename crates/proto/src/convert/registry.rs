//! Accounts and webhooks.

use angarium_model::{
    Account, AccountId, Authentication, Revision, SecretText, TargetUrl, TimetableSpec, TypePattern, Webhook,
    WebhookId,
};

use crate::FieldError;
use crate::registry::v1::{self, authentication::Method};

/// Longest name of an account or webhook, in bytes.
const MAX_NAME: usize = 256;
/// Longest description, in bytes.
const MAX_DESCRIPTION: usize = 4_096;
/// Most event types of a webhook.
pub const MAX_EVENT_TYPES: usize = 128;

/// Whether a message carries secrets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Secrets {
    /// For the store, for delivery, and for the one answer that shows a secret.
    Include,
    /// For everyone else.
    Omit,
}

/// Takes a value, or notes the mistake and goes on, so that all are reported together.
fn take<T, E: ToString>(result: Result<T, E>, field: &str, errors: &mut Vec<FieldError>) -> Option<T> {
    result
        .map_err(|error| errors.push(FieldError::new(field, error.to_string())))
        .ok()
}

fn check_name(name: &str, min: usize, errors: &mut Vec<FieldError>) {
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
    match id {
        Some(id) if errors.is_empty() => Ok(Account {
            id,
            name: wire.name,
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
        name: account.name.clone(),
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
    let authentication = authentication_from_wire(wire.authentication, &mut errors);
    let event_types = event_types_from_wire(&wire.event_types, &mut errors);
    match (id, account, target_url, authentication) {
        (Some(id), Some(account), Some(target_url), Some(authentication)) if errors.is_empty() => {
            Ok(Webhook {
                id,
                account,
                name: wire.name,
                description: wire.description,
                target_url,
                authentication,
                event_types,
                // Absent in records of the time when it was no optional field and false was not written.
                active: wire.active.unwrap_or(false),
                timetable: wire.timetable.map(|t| TimetableSpec {
                    cron: t.cron,
                    time_zone: t.time_zone,
                }),
                revision: Revision::from_offset(wire.revision),
                created_at_ms: wire.created_at_ms,
            })
        }
        _ => Err(errors),
    }
}

fn authentication_from_wire(
    wire: Option<v1::Authentication>,
    errors: &mut Vec<FieldError>,
) -> Option<Authentication> {
    match wire.and_then(|authentication| authentication.method) {
        Some(Method::None(_)) => Some(Authentication::None),
        Some(Method::Signature(signature)) => {
            let secret = (!signature.secret.is_empty()).then(|| SecretText::new(signature.secret));
            Some(Authentication::Signature(secret))
        }
        None => {
            errors.push(FieldError::new(
                "authentication",
                "is required: none or signature",
            ));
            None
        }
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
    let method = match &webhook.authentication {
        Authentication::None => Method::None(v1::NoAuthentication {}),
        Authentication::Signature(secret) => {
            let shown = secret.as_ref().filter(|_| secrets == Secrets::Include);
            Method::Signature(v1::Signature {
                secret: shown.map(|s| s.expose().to_owned()).unwrap_or_default(),
            })
        }
    };
    v1::Webhook {
        id: webhook.id.to_string(),
        account_id: webhook.account.get(),
        name: webhook.name.clone(),
        description: webhook.description.clone(),
        target_url: webhook.target_url.to_string(),
        authentication: Some(v1::Authentication { method: Some(method) }),
        event_types: webhook.event_types.iter().map(ToString::to_string).collect(),
        active: Some(webhook.active),
        timetable: webhook.timetable.as_ref().map(|t| v1::Timetable {
            cron: t.cron.clone(),
            time_zone: t.time_zone.clone(),
        }),
        revision: webhook.revision.offset(),
        created_at_ms: webhook.created_at_ms,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn webhook() -> v1::Webhook {
        v1::Webhook {
            id: format!("wh_{}", "0".repeat(32)),
            account_id: 1234,
            name: "HR".into(),
            target_url: "https://example.com/hooks".into(),
            authentication: Some(v1::Authentication {
                method: Some(Method::Signature(v1::Signature {
                    secret: "whsec_abc".into(),
                })),
            }),
            event_types: vec!["COURSE_*".into()],
            active: Some(true),
            ..v1::Webhook::default()
        }
    }

    #[test]
    fn w1_a_webhook_reads_back_as_it_was_written_and_secrets_only_on_demand() {
        let model = webhook_from_wire(webhook()).unwrap();
        assert_eq!(webhook_to_wire(&model, Secrets::Include), webhook());
        let shown = webhook_to_wire(&model, Secrets::Omit);
        assert!(!format!("{shown:?}").contains("whsec_"));
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
