//! What webhooks have lost since it was last told (D5): events that were too old, and what Kafka had removed before it was
//! read. All of a webhook is told at once, for there may be millions.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::Arc;

use angarium_model::{AccountId, Lane, WebhookId};
use angarium_proto::convert::lane_to_wire;
use angarium_proto::journal::v1::{Expired, Removed as WireRemoved};

use crate::hook::Removed;
use crate::record::Delivery;

/// By webhook.
pub(super) type Lost = BTreeMap<WebhookId, (AccountId, Expired)>;

/// What is to be told.
#[derive(Debug, Default)]
pub(super) struct Losses {
    pub(super) expired: Lost,
    pub(super) removed: Lost,
}

impl Losses {
    /// These events of a webhook were too old to be sent.
    pub(super) fn expired(&mut self, lane: Lane, webhook: WebhookId, events: &[Arc<Delivery>]) {
        let (Some(first), Some(last)) = (events.first(), events.last()) else {
            return;
        };
        let expired = Expired {
            count: u64::try_from(events.len()).unwrap_or(u64::MAX),
            first: Some(first.reference()),
            last: Some(last.reference()),
            ..empty(lane, webhook)
        };
        note(&mut self.expired, webhook, (first.account, expired));
    }

    /// These records, of which some were for a webhook, are no longer in Kafka.
    pub(super) fn removed(&mut self, lane: Lane, (account, webhook): (AccountId, WebhookId), what: Removed) {
        let expired = Expired {
            count: what.at_most,
            removed: Some(WireRemoved {
                from: what.from,
                to: what.to,
            }),
            ..empty(lane, webhook)
        };
        note(&mut self.removed, webhook, (account, expired));
    }
}

/// All events of those that are told of.
pub(super) fn events(lost: &Lost) -> u64 {
    lost.values().map(|(_, expired)| expired.count).sum()
}

fn empty(lane: Lane, webhook: WebhookId) -> Expired {
    Expired {
        webhook_id: webhook.to_string(),
        lane: lane_to_wire(lane).into(),
        ..Expired::default()
    }
}

fn note(lost: &mut Lost, webhook: WebhookId, what: (AccountId, Expired)) {
    match lost.entry(webhook) {
        Entry::Vacant(none) => {
            none.insert(what);
        }
        Entry::Occupied(mut before) => {
            let ((_, before), (_, what)) = (before.get_mut(), what);
            before.count = before.count.saturating_add(what.count);
            before.last = what.last.or(before.last.take());
            if let (Some(before), Some(more)) = (&mut before.removed, what.removed) {
                before.from = before.from.min(more.from);
                before.to = before.to.max(more.to);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::group::tests::delivery;

    #[test]
    fn d5_what_has_expired_of_a_webhook_is_told_at_once_with_its_number_and_its_ends() {
        let id = WebhookId::from_bytes([1; 16]);
        let mut losses = Losses::default();
        losses.expired(Lane::Batch, id, &[delivery(3, 0, "{}"), delivery(4, 0, "{}")]);
        losses.expired(Lane::Batch, id, &[delivery(9, 0, "{}")]);
        let (_, expired) = &losses.expired[&id];
        let ends = [&expired.first, &expired.last].map(|end| {
            let position = end.as_ref().and_then(|event| event.position);
            position.map(|position| position.offset)
        });
        assert_eq!((expired.count, ends), (3, [Some(3), Some(9)]));
        assert_eq!((expired.removed, events(&losses.expired)), (None, 3));
    }

    #[test]
    fn d5_what_kafka_had_removed_is_told_by_its_place_and_how_much_it_is_at_most() {
        let of = (AccountId::new(1234).unwrap(), WebhookId::from_bytes([1; 16]));
        let mut losses = Losses::default();
        for (from, to, at_most) in [(10, 40, 30), (2, 5, 1)] {
            losses.removed(Lane::Realtime, of, Removed { from, to, at_most });
        }
        let (account, removed) = &losses.removed[&of.1];
        assert_eq!(
            (*account, removed.count, removed.removed),
            (of.0, 31, Some(WireRemoved { from: 2, to: 40 }))
        );
        assert_eq!((&removed.first, &removed.last), (&None, &None));
    }
}
