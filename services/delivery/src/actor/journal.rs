//! What delivery writes into the journal.

use angarium_model::{AccountId, Lane, WebhookId};
use angarium_policy::ErrorClass;
use angarium_proto::convert::lane_to_wire;
use angarium_proto::journal::v1::journal_record::Entry;
use angarium_proto::journal::v1::{Attempt, DeliveryState, PutAside, StateChanged};

use super::calls::CallEnd;
use crate::hook::State;
use crate::partition::Settled;
use crate::record::Delivery;

/// A call and its end, and the account that it is about. `None` when the group was empty, which none is.
pub(super) fn attempt(
    lane: Lane,
    end: &CallEnd,
    settled: &Settled,
    class: Option<ErrorClass>,
) -> Option<(AccountId, Entry)> {
    let first = &settled.group.items.first()?.delivery;
    let entry = Entry::Attempt(Attempt {
        webhook_id: end.webhook.to_string(),
        lane: lane_to_wire(lane).into(),
        group_id: settled.group.id.clone(),
        events: settled
            .group
            .items
            .iter()
            .map(|item| item.delivery.reference())
            .collect(),
        attempt: end.attempt,
        status: end.status().into(),
        error_class: class.map(ErrorClass::as_str).unwrap_or_default().to_owned(),
        error_detail: class.map(|_| end.detail()).unwrap_or_default(),
        duration_us: u64::try_from(end.duration.as_micros()).unwrap_or(u64::MAX),
        next_attempt_at_ms: settled.next_attempt_at_ms.unwrap_or_default(),
        accepted_at_ms: first.accepted_at.unix_ms(),
    });
    Some((first.account, entry))
}

/// An event that was refused for good.
pub(super) fn put_aside(lane: Lane, webhook: WebhookId, event: &Delivery, status: u16) -> Entry {
    Entry::PutAside(PutAside {
        webhook_id: webhook.to_string(),
        lane: lane_to_wire(lane).into(),
        event: Some(event.reference()),
        status: status.into(),
    })
}

/// A webhook stands elsewhere.
pub(super) fn state_changed(lane: Lane, webhook: WebhookId, before: State, now: State) -> Entry {
    Entry::StateChanged(StateChanged {
        webhook_id: webhook.to_string(),
        lane: lane_to_wire(lane).into(),
        state: state_to_wire(now).into(),
        before: state_to_wire(before).into(),
    })
}

fn state_to_wire(state: State) -> DeliveryState {
    match state {
        State::Live => DeliveryState::Live,
        State::Failing => DeliveryState::Failing,
        State::CatchingUp => DeliveryState::CatchingUp,
        State::Waiting => DeliveryState::Waiting,
        State::Off => DeliveryState::Off,
    }
}
