//! Checks what callers send. Every mistake of a request is told at once, with the path of its field.

use angarium_model::{AccountId, Webhook, WebhookId};
use angarium_proto::delivery::v1::TestWebhookRequest;
use angarium_proto::delivery::v1::test_webhook_request::Target;
use angarium_proto::{FieldError, InvalidWire, registry, under};
use angarium_webhooks::known_type;

/// What is to be tested.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) account: AccountId,
    pub(super) subject: Subject,
    /// A name of the catalogue, if one was given.
    pub(super) event_type: Option<&'static str>,
}

#[derive(Debug)]
pub(super) enum Subject {
    /// The registry has it.
    Stored(WebhookId),
    /// It is not stored; its id means nothing.
    Draft(Box<Webhook>),
}

/// # Errors
/// Every mistake.
pub(super) fn check(wire: TestWebhookRequest) -> Result<Asked, InvalidWire> {
    let mut errors = Vec::new();
    let account = AccountId::new(wire.account_id)
        .map_err(|error| errors.push(FieldError::new("account_id", error.to_string())));
    let subject = match wire.target {
        None => Err(vec![FieldError::new(
            "target",
            "is required: `webhook_id` of one that is stored, or all of a `webhook` that is not",
        )]),
        Some(Target::WebhookId(id)) => {
            id.parse()
                .map(Subject::Stored)
                .map_err(|error: angarium_model::InvalidId| {
                    vec![FieldError::new("webhook_id", error.to_string())]
                })
        }
        Some(Target::Webhook(webhook)) => draft(webhook, wire.account_id, account.ok())
            .map(|webhook| Subject::Draft(Box::new(webhook)))
            .map_err(|errors| under("webhook", errors)),
    };
    let subject = subject.map_err(|more| errors.extend(more));
    let event_type = match wire.event_type.as_str() {
        "" => Ok(None),
        name => known_type(name)
            .map(|known| Some(known.name))
            .map_err(|problem| errors.push(FieldError::new("event_type", problem))),
    };
    match (account, subject, event_type) {
        (Ok(account), Ok(subject), Ok(event_type)) if errors.is_empty() => Ok(Asked {
            account,
            subject,
            event_type,
        }),
        _ => Err(InvalidWire(errors)),
    }
}

/// Checks a webhook as the registry would; field paths are relative to it.
fn draft(
    wire: registry::v1::Webhook,
    account_id: u64,
    account: Option<AccountId>,
) -> Result<Webhook, Vec<FieldError>> {
    let mut errors = Vec::new();
    // 0 is what a caller has who leaves it out.
    if wire.account_id != 0 && wire.account_id != account_id {
        let message = format!(
            "is {}, but the request's account_id is {account_id}; leave it out, or give the same",
            wire.account_id
        );
        errors.push(FieldError::new("account_id", message));
    }
    let checked = angarium_webhooks::check_new(registry::v1::Webhook {
        id: WebhookId::from_bytes([0; 16]).to_string(),
        // One that is wrong is told once, as the request's.
        account_id: account.map_or(0, AccountId::get),
        ..wire
    });
    match checked {
        Ok(webhook) if errors.is_empty() => Ok(webhook),
        checked => {
            errors.extend(checked.err().unwrap_or_default());
            Err(errors)
        }
    }
}
