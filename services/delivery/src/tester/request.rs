//! Checks what callers send. Every mistake of a request is told at once, with the path of its field.

use angarium_model::{AccountId, Event, KnownTypes, Webhook, WebhookId};
use angarium_proto::delivery::v1::TestWebhookRequest;
use angarium_proto::delivery::v1::test_webhook_request::Target;
use angarium_proto::{FieldError, InvalidWire, registry, under};
use angarium_webhooks::known_sample;

/// What is to be tested.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) account: AccountId,
    pub(super) subject: Subject,
    /// The example of the type that was named, if one was.
    pub(super) sample: Option<Event>,
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
pub(super) fn check(
    wire: TestWebhookRequest,
    types: impl FnOnce(AccountId) -> KnownTypes,
) -> Result<Asked, InvalidWire> {
    let mut errors = Vec::new();
    let account = AccountId::new(wire.account_id)
        .map_err(|error| errors.push(FieldError::new("account_id", error.to_string())));
    let types = account
        .as_ref()
        .map_or_else(|()| KnownTypes::default(), |account| types(*account));
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
        Some(Target::Webhook(webhook)) => draft(webhook, wire.account_id, account.ok(), &types)
            .map(|webhook| Subject::Draft(Box::new(webhook)))
            .map_err(|errors| under("webhook", errors)),
    };
    let subject = subject.map_err(|more| errors.extend(more));
    // Of no account, what is named is looked at all the same.
    let of = account.ok().or_else(|| AccountId::new(0).ok());
    let sample = match (wire.event_type.as_str(), of) {
        ("", _) | (_, None) => Ok(None),
        (name, Some(of)) => known_sample(name, of, &types)
            .map(Some)
            .map_err(|problem| errors.push(FieldError::new("event_type", problem))),
    };
    match (account, subject, sample) {
        (Ok(account), Ok(subject), Ok(sample)) if errors.is_empty() => Ok(Asked {
            account,
            subject,
            sample,
        }),
        _ => Err(InvalidWire(errors)),
    }
}

/// Checks a webhook as the registry would; field paths are relative to it.
fn draft(
    wire: registry::v1::Webhook,
    account_id: u64,
    account: Option<AccountId>,
    types: &KnownTypes,
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
    let wire = registry::v1::Webhook {
        id: WebhookId::from_bytes([0; 16]).to_string(),
        // One that is wrong is told once, as the request's.
        account_id: account.map_or(0, AccountId::get),
        ..wire
    };
    match angarium_webhooks::check_new(wire, types) {
        Ok(webhook) if errors.is_empty() => Ok(webhook),
        checked => {
            errors.extend(checked.err().unwrap_or_default());
            Err(errors)
        }
    }
}
