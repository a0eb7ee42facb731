//! Checks what callers send. Every mistake of a request is told at once, with the path of its field.

use angarium_model::{AccountId, Event, KnownTypes, Position, WebhookId};
use angarium_proto::convert::position_from_wire;
use angarium_proto::explain::v1::explain_request::Event as Wire;
use angarium_proto::explain::v1::{ExplainRequest, GetEventRequest};
use angarium_proto::{FieldError, InvalidWire};
use angarium_webhooks::{given_sample, known_sample};

/// What is asked for.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) account: AccountId,
    /// `None`: all of the account.
    pub(super) webhook: Option<WebhookId>,
    pub(super) given: Given,
    /// Whether it is asked how calls go, too.
    pub(super) with_calls: bool,
}

/// The event.
#[derive(Debug)]
pub(super) enum Given {
    /// One that was accepted.
    Position(Position),
    Sample(Event),
}

pub(super) fn explain(
    wire: ExplainRequest,
    types: impl FnOnce(AccountId) -> KnownTypes,
) -> Result<Asked, InvalidWire> {
    let mut errors = Vec::new();
    let mut wrong = |field: &str, message: String| errors.push(FieldError::new(field, message));
    let account = AccountId::new(wire.account_id)
        .map_err(|error| wrong("account_id", error.to_string()))
        .ok();
    let webhook = (!wire.webhook_id.is_empty())
        .then(|| {
            wire.webhook_id
                .parse()
                .map_err(|error: angarium_model::InvalidId| wrong("webhook_id", error.to_string()))
        })
        .transpose()
        .ok();
    let given = account.and_then(|account| {
        given(wire.event, account, &types(account))
            .map_err(|(field, message)| wrong(field, message))
            .ok()
    });
    match (account, webhook, given) {
        (Some(account), Some(webhook), Some(given)) if errors.is_empty() => Ok(Asked {
            account,
            webhook,
            given,
            with_calls: wire.with_calls,
        }),
        _ => Err(InvalidWire(errors)),
    }
}

pub(super) fn get_event(wire: GetEventRequest) -> Result<(AccountId, Position), InvalidWire> {
    let mut errors = Vec::new();
    let mut wrong = |field: &str, message: String| errors.push(FieldError::new(field, message));
    let account = AccountId::new(wire.account_id).map_err(|error| wrong("account_id", error.to_string()));
    match (account, wire.position) {
        (Ok(account), Some(at)) => match position(at) {
            Ok(position) => return Ok((account, position)),
            Err(problem) => wrong("position", problem),
        },
        (_, None) => wrong(
            "position",
            "is required: as ingest and the journal tell it".to_owned(),
        ),
        (Err(()), Some(_)) => {}
    }
    Err(InvalidWire(errors))
}

fn position(wire: angarium_proto::event::v1::Position) -> Result<Position, String> {
    let position = position_from_wire(wire);
    if position.partition < 0 || position.offset < 0 {
        return Err("must not be negative".to_owned());
    }
    Ok(position)
}

fn given(
    wire: Option<Wire>,
    account: AccountId,
    types: &KnownTypes,
) -> Result<Given, (&'static str, String)> {
    match wire {
        Some(Wire::Position(at)) => position(at)
            .map(Given::Position)
            .map_err(|problem| ("position", problem)),
        Some(Wire::EventType(name)) => known_sample(&name, account, types)
            .map(Given::Sample)
            .map_err(|problem| ("event_type", problem)),
        Some(Wire::Sample(json)) => given_sample(&json, account)
            .map(Given::Sample)
            .map_err(|problem| ("sample", problem)),
        None => Err(("event", "is required: position, event_type or sample".to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_mistake_is_told_at_once() {
        let fields = |wire| -> Vec<String> {
            let InvalidWire(errors) = explain(wire, |_| KnownTypes::default()).unwrap_err();
            errors.into_iter().map(|error| error.field).collect()
        };
        assert_eq!(fields(ExplainRequest::default()), ["event"]);
        let wrong = ExplainRequest {
            account_id: 1,
            webhook_id: "wh_1".into(),
            event: Some(Wire::EventType("CI_STAT".into())),
            ..ExplainRequest::default()
        };
        assert_eq!(fields(wrong.clone()), ["webhook_id", "event_type"]);
        let no_account = ExplainRequest {
            account_id: u64::MAX,
            ..wrong
        };
        assert_eq!(fields(no_account), ["account_id", "webhook_id"]);
    }
}
