//! New webhooks, and what new and changed ones have in common.

use angarium_model::{Authentication, Revision, SecretText, Signing, TargetUrl, Webhook, WebhookId};
use angarium_policy::egress::Policy;
use angarium_proto::registry::v1;
use angarium_proto::{FieldError, InvalidWire, under};
use uuid::Uuid;

use super::{Grounds, repeat, required};
use crate::patch::try_filter;
use crate::plan::Write;
use crate::refusal::Refusal;

/// Checks a new webhook, gives it an id that rises with time, and a secret if it signs and brought none (W2).
pub(crate) fn create_webhook(request: v1::CreateWebhookRequest, on: Grounds<'_>) -> Result<Write, Refusal> {
    let mut wire = request.webhook.ok_or_else(|| required("webhook"))?;
    let mut errors = Vec::new();
    let repeatable = repeat::id(&request.request_id, &wire, on.now_ms, &mut errors);
    let id = repeatable.unwrap_or_else(|| WebhookId::from(Uuid::now_v7()));
    wire.id = id.to_string();
    wire.active.get_or_insert(true);
    vet(&wire.target_url, on.egress, &mut errors);
    let types = on.types(wire.account_id);
    let webhook = checked(wire, errors, |wire| angarium_webhooks::check_new(wire, &types))?;
    try_filter(&webhook, &types)?;
    let authentication = match webhook.authentication {
        given @ (Authentication::None | Authentication::Basic { .. } | Authentication::Header { .. }) => {
            given
        }
        Authentication::Signature(Signing { secret, .. }) => {
            let secret = secret.map_or_else(new_secret, Ok)?;
            Authentication::Signature(Signing::new(secret, on.now_ms))
        }
    };
    Ok(Write::CreateWebhook {
        webhook: Webhook {
            authentication,
            revision: Revision::default(),
            created_at_ms: on.now_ms,
            ..webhook
        },
        is_repeatable: repeatable.is_some(),
    })
}

/// Checks all of a webhook; its mistakes come behind those found before. What only the registry sets is not looked at.
pub(super) fn checked(
    mut wire: v1::Webhook,
    mut errors: Vec<FieldError>,
    check: impl FnOnce(v1::Webhook) -> Result<Webhook, Vec<FieldError>>,
) -> Result<Webhook, Refusal> {
    wire.disabled = None;
    match check(wire) {
        Ok(webhook) if errors.is_empty() => Ok(webhook),
        checked => {
            errors.extend(under("webhook", checked.err().unwrap_or_default()));
            Err(InvalidWire(errors).into())
        }
    }
}

/// Whether calls may lead to this URL, as far as the URL itself tells: names are looked up with each call, and what they lead to
/// is vetted then. What is no URL is told as such.
pub(super) fn vet(target_url: &str, egress: &Policy, errors: &mut Vec<FieldError>) {
    let url = TargetUrl::parse(target_url).ok();
    if let Some(Err(refused)) = url.map(|url| egress.vet_url(url.url())) {
        errors.push(FieldError::new("webhook.target_url", refused.to_string()));
    }
}

/// Makes a secret.
pub(super) fn new_secret() -> Result<SecretText, Refusal> {
    angarium_webhooks::new_secret().map_err(Refusal::NoSecret)
}
