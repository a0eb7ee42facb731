//! Changes of webhooks: only the fields that the mask names are looked at.

use angarium_model::Authentication;
use angarium_proto::FieldError;
use angarium_proto::registry::v1::{self, authentication::Method};

use super::webhook::{checked, new_secret};
use super::{check_mask, required};
use crate::plan::{Expected, NewAuthentication, WebhookPatch, Write};
use crate::refusal::Refusal;

const NAME: &str = "name";
const DESCRIPTION: &str = "description";
const TARGET_URL: &str = "target_url";
const AUTHENTICATION: &str = "authentication";
const EVENT_TYPES: &str = "event_types";
const ACTIVE: &str = "active";
const TIMETABLE: &str = "timetable";
const ALL: [&str; 7] = [
    NAME,
    DESCRIPTION,
    TARGET_URL,
    AUTHENTICATION,
    EVENT_TYPES,
    ACTIVE,
    TIMETABLE,
];

/// Checks a change of a webhook (W4).
pub(crate) fn update_webhook(request: v1::UpdateWebhookRequest) -> Result<Write, Refusal> {
    let wire = request.webhook.ok_or_else(|| required("webhook"))?;
    let expected = Expected::from_wire(wire.revision);
    let paths = request.update_mask.map(|mask| mask.paths).unwrap_or_default();
    let mut errors = Vec::new();
    check_mask(&paths, &ALL, &mut errors);
    let changes = |field: &str| paths.is_empty() || paths.iter().any(|path| path == field);
    if changes(ACTIVE) && wire.active.is_none() {
        let message = "must be set to be changed, true or false; to leave it as it is, name the other fields in update_mask";
        errors.push(FieldError::new("webhook.active", message));
    }

    let webhook = checked(without_the_rest(wire, changes), errors)?;
    let authentication = match webhook.authentication {
        Authentication::None => NewAuthentication::None,
        Authentication::Signature(Some(secret)) => NewAuthentication::Signed(secret),
        Authentication::Signature(None) => NewAuthentication::KeepOr(new_secret()?),
    };
    let patch = WebhookPatch {
        name: changes(NAME).then_some(webhook.name),
        description: changes(DESCRIPTION).then_some(webhook.description),
        target_url: changes(TARGET_URL).then_some(webhook.target_url),
        authentication: changes(AUTHENTICATION).then_some(authentication),
        event_types: changes(EVENT_TYPES).then_some(webhook.event_types),
        active: changes(ACTIVE).then_some(webhook.active),
        timetable: changes(TIMETABLE).then_some(webhook.timetable),
    };
    Ok(Write::UpdateWebhook {
        account: webhook.account,
        id: webhook.id,
        expected,
        patch,
    })
}

/// Puts something valid into each field that does not change, so that what a caller left in it is no mistake.
fn without_the_rest(wire: v1::Webhook, changes: impl Fn(&str) -> bool) -> v1::Webhook {
    let unauthenticated = || v1::Authentication {
        method: Some(Method::None(v1::NoAuthentication {})),
    };
    v1::Webhook {
        name: if changes(NAME) {
            wire.name
        } else {
            "unchanged".to_owned()
        },
        description: if changes(DESCRIPTION) {
            wire.description
        } else {
            String::new()
        },
        target_url: if changes(TARGET_URL) {
            wire.target_url
        } else {
            "https://example.com/".to_owned()
        },
        authentication: if changes(AUTHENTICATION) {
            wire.authentication
        } else {
            Some(unauthenticated())
        },
        event_types: if changes(EVENT_TYPES) {
            wire.event_types
        } else {
            vec!["*".to_owned()]
        },
        timetable: if changes(TIMETABLE) { wire.timetable } else { None },
        ..wire
    }
}
