//! Webhooks as callers send them: the rules of their fields, and what the fields mean.

use angarium_model::{Authentication, Catalogue, Revision, SecretText, TypePattern, Webhook, WebhookId};
use angarium_policy::{DEFAULT_CRON, Timetable, TimetableError};
use angarium_proto::convert::{MAX_EVENT_TYPES, webhook_from_wire};
use angarium_proto::registry::v1::{self, authentication::Method};
use angarium_proto::{FieldError, InvalidWire};
use angarium_runtime::chain;
use angarium_signing::Secret;
use uuid::Uuid;

use super::{required, under};
use crate::plan::Write;
use crate::refusal::Refusal;

/// Checks a new webhook, gives it an id that rises with time, and a secret if it signs and brought none (W2).
pub(crate) fn create_webhook(request: v1::CreateWebhookRequest, now_ms: i64) -> Result<Write, Refusal> {
    let mut wire = request.webhook.ok_or_else(|| required("webhook"))?;
    wire.id = WebhookId::from(Uuid::now_v7()).to_string();
    wire.active.get_or_insert(true);
    let webhook = checked(wire, Vec::new())?;
    let authentication = match webhook.authentication {
        Authentication::Signature(None) => Authentication::Signature(Some(new_secret()?)),
        given => given,
    };
    Ok(Write::CreateWebhook(Webhook {
        authentication,
        revision: Revision::default(),
        created_at_ms: now_ms,
        ..webhook
    }))
}

/// Checks all of a webhook; its mistakes come behind those found before. What only the registry sets is not looked at.
pub(super) fn checked(mut wire: v1::Webhook, mut errors: Vec<FieldError>) -> Result<Webhook, Refusal> {
    wire.disabled = None;
    wire.generation = 0;
    let mut meaning = Vec::new();
    check_secret(&mut wire, &mut meaning);
    check_timetable(wire.timetable.as_ref(), &mut meaning);
    check_types_are_known(&wire.event_types, &mut meaning);
    let checked = webhook_from_wire(wire).map_err(|wrong| errors.extend(under("webhook", wrong)));
    errors.extend(under("webhook", meaning));
    match checked {
        Ok(webhook) if errors.is_empty() => Ok(webhook),
        _ => Err(InvalidWire(errors).into()),
    }
}

/// Puts a secret that was brought along into its usual spelling.
fn check_secret(wire: &mut v1::Webhook, errors: &mut Vec<FieldError>) {
    let method = wire
        .authentication
        .as_mut()
        .and_then(|authentication| authentication.method.as_mut());
    let Some(Method::Signature(signature)) = method else {
        return;
    };
    if signature.secret.is_empty() {
        return;
    }
    match signature.secret.parse::<Secret>() {
        Ok(secret) => signature.secret = secret.expose().to_string(),
        Err(error) => errors.push(FieldError::new(
            "authentication.signature.secret",
            error.to_string(),
        )),
    }
}

/// Both parts are looked at apart, so that both can be told to be wrong.
fn check_timetable(wire: Option<&v1::Timetable>, errors: &mut Vec<FieldError>) {
    let Some(timetable) = wire else { return };
    let mut check = |field: &str, parsed: Result<Timetable, TimetableError>| {
        if let Err(error) = parsed {
            errors.push(FieldError::new(field, chain(&error)));
        }
    };
    check("timetable.cron", Timetable::parse(&timetable.cron, ""));
    check(
        "timetable.time_zone",
        Timetable::parse(DEFAULT_CRON, &timetable.time_zone),
    );
}

/// A type that is not in the catalogue, or a prefix that none of it has, would never come: most likely it is misspelt.
/// Too many are refused for their number and not looked at: to look for the nearest name takes time.
fn check_types_are_known(types: &[String], errors: &mut Vec<FieldError>) {
    if types.len() > MAX_EVENT_TYPES {
        return;
    }
    for (index, text) in types.iter().enumerate() {
        let (problem, near) = match TypePattern::parse(text) {
            Ok(TypePattern::Exact(name)) if Catalogue.get(name.as_str()).is_none() => (
                format!("there is no event type {name}"),
                Catalogue.nearest(name.as_str()).map(str::to_owned),
            ),
            Ok(TypePattern::Prefix(prefix)) if !Catalogue.has_prefix(&prefix) => (
                format!("no event type begins with {prefix}"),
                Catalogue.nearest_prefix(&prefix).map(|near| format!("{near}*")),
            ),
            _ => continue,
        };
        let hint = match near {
            Some(near) => format!("did you mean {near}?"),
            None => "ListEventTypes shows those there are".to_owned(),
        };
        errors.push(FieldError::new(
            format!("event_types[{index}]"),
            format!("{problem}; {hint}"),
        ));
    }
}

/// Makes a secret.
pub(super) fn new_secret() -> Result<SecretText, Refusal> {
    let secret = Secret::generate().map_err(Refusal::NoSecret)?;
    Ok(SecretText::new(secret.expose().to_string()))
}
