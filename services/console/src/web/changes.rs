//! Changes that are one button each: on and off, delete and undo, a new secret.

use angarium_proto::registry::v1::{
    DeleteWebhookRequest, RotateSecretRequest, UndeleteWebhookRequest, UpdateWebhookRequest, Webhook,
};
use axum::extract::State;
use axum::response::Response;

use super::App;
use super::answer::{ok, see};
use super::caller::{At, Submitted};
use super::failure::Failure;
use super::secret;
use crate::backend::request;

/// Switches a webhook on or off (W4).
pub(super) async fn switch(State(app): State<App>, at: At, sent: Submitted) -> Result<Response, Failure> {
    let on = sent.fields.one("active") == "true";
    let asked = UpdateWebhookRequest {
        webhook: Some(Webhook {
            id: at.webhook.to_string(),
            account_id: at.account.get(),
            active: Some(on),
            ..Webhook::default()
        }),
        update_mask: Some(prost_types::FieldMask {
            paths: vec!["active".to_owned()],
        }),
    };
    let mut registry = app.backend().registry(&sent.caller.session.key);
    registry.update_webhook(request(asked)).await?;
    let done = if on { "on" } else { "off" };
    Ok(see(&if sent.fields.one("from") == "list" {
        format!("/accounts/{}/webhooks?done={done}", at.account)
    } else {
        format!("{}?done={done}", at.path())
    }))
}

/// Deletes a webhook; the list offers to bring it back.
pub(super) async fn delete(State(app): State<App>, at: At, sent: Submitted) -> Result<Response, Failure> {
    let asked = DeleteWebhookRequest {
        account_id: at.account.get(),
        id: at.webhook.to_string(),
        revision: 0,
    };
    let mut registry = app.backend().registry(&sent.caller.session.key);
    registry.delete_webhook(request(asked)).await?;
    Ok(see(&format!("/accounts/{}/webhooks?done=deleted", at.account)))
}

/// Brings a deleted webhook back.
pub(super) async fn undelete(State(app): State<App>, at: At, sent: Submitted) -> Result<Response, Failure> {
    let asked = UndeleteWebhookRequest {
        account_id: at.account.get(),
        id: at.webhook.to_string(),
    };
    let mut registry = app.backend().registry(&sent.caller.session.key);
    registry.undelete_webhook(request(asked)).await?;
    Ok(see(&format!("/accounts/{}/webhooks?done=undeleted", at.account)))
}

/// Gives a webhook a new secret, and shows it this once (W2).
pub(super) async fn rotate(State(app): State<App>, at: At, sent: Submitted) -> Result<Response, Failure> {
    let caller = &sent.caller;
    let name = caller.account(&app, at.account).await?;
    let asked = RotateSecretRequest {
        account_id: at.account.get(),
        id: at.webhook.to_string(),
        // Of the page that was shown: pressed twice, it is refused the second time.
        revision: sent.fields.one("revision").parse().unwrap_or_default(),
        ..RotateSecretRequest::default()
    };
    let mut registry = app.backend().registry(&caller.session.key);
    let answer = registry.rotate_secret(request(asked)).await?.into_inner();
    let webhook = answer.webhook.unwrap_or_default();
    let text = "The secret before it signs beside the new one for a while, so that the receiver has time to learn it.";
    Ok(ok(&secret::shown(
        &app,
        caller,
        (at.account, &name),
        &webhook,
        answer.secret_json,
        text,
    )))
}
