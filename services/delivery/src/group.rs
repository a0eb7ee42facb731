//! A group of events: what one POST carries.

use std::sync::Arc;

use angarium_model::{Lane, Position, WebhookId};
use sha2::{Digest, Sha256};

use crate::record::Delivery;

/// An event in a webhook's queue, with its place in the deliveries topic.
#[derive(Clone, Debug)]
pub(crate) struct Item {
    pub(crate) offset: i64,
    pub(crate) delivery: Arc<Delivery>,
}

/// The most that one group takes. A group always takes at least one event, however large.
#[derive(Clone, Copy, Debug)]
pub(crate) struct GroupLimit {
    /// DESIGN §7: 100 events by default.
    pub(crate) events: usize,
    /// DESIGN §7: 1 MiB by default.
    pub(crate) bytes: usize,
    /// What each event has around it in the body, in bytes, beyond what [`Delivery::weight`] counts.
    pub(crate) around: usize,
}

/// The events of one POST, never empty, in order.
#[derive(Debug)]
pub(crate) struct Group {
    /// The header `webhook-id`: made of what the group is, so that every attempt has the same.
    pub(crate) id: String,
    pub(crate) items: Vec<Item>,
    /// How the receiver sees whether anything is missing before it (D8); a test is in no sequence.
    pub(crate) sequence: Option<Sequence>,
}

/// A group's place among those of its webhook and lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sequence {
    pub(crate) lane: Lane,
    /// Of its last event.
    pub(crate) position: Position,
    /// Of the last event that was acknowledged before it; `None` when none is known.
    pub(crate) previous: Option<Position>,
    /// It was done before, and is sent again (D8).
    pub(crate) again: Option<Again>,
}

/// Why events that were done are sent again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Again {
    /// A replay.
    Replayed,
    /// Someone asked for this event: it stands outside the order.
    Resent,
}

/// Whose groups they are; of another one they have other ids.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Kind {
    pub(crate) webhook: WebhookId,
    pub(crate) lane: Lane,
    pub(crate) generation: i64,
    pub(crate) is_replay: bool,
}

impl Group {
    /// Names a group that comes behind the source offset `previous`. `None` when there are no events.
    pub(crate) fn new(kind: Kind, items: Vec<Item>, previous: Option<i64>) -> Option<Self> {
        let last = &items.last()?.delivery;
        let position = last.source;
        let again = match (last.resent, kind.is_replay) {
            (true, _) => Some(Again::Resent),
            (false, true) => Some(Again::Replayed),
            (false, false) => None,
        };
        let sequence = Some(Sequence {
            lane: kind.lane,
            position,
            // All events of a webhook come from one partition (DESIGN §3). One that is resent follows none.
            previous: previous
                .filter(|_| !last.resent)
                .map(|offset| Position { offset, ..position }),
            again,
        });
        let id = group_id(kind, &items);
        Some(Self { id, items, sequence })
    }

    /// What its events are in memory, nearly.
    pub(crate) fn bytes(&self) -> usize {
        self.items.iter().map(|item| item.delivery.weight()).sum()
    }
}

/// The hash of webhook, lane, generation and the source position of each event, as `msg_` and 32 hex digits. Of each, for
/// a group may have a repetition in its middle that counts again: its ends do not tell it from another (ADR 4). An event
/// that is resent is another group each time.
fn group_id(kind: Kind, items: &[Item]) -> String {
    let mut hash = Sha256::new();
    hash.update(kind.webhook.as_bytes());
    hash.update(kind.lane.as_str());
    hash.update(kind.generation.to_be_bytes());
    for item in items {
        let Position { partition, offset } = item.delivery.source;
        hash.update(partition.to_be_bytes());
        hash.update(offset.to_be_bytes());
        if item.delivery.resent {
            hash.update(item.offset.to_be_bytes());
        }
    }
    let digest = hash.finalize();
    let mut id = String::with_capacity(36);
    id.push_str("msg_");
    for byte in digest.iter().take(16) {
        for digit in [byte >> 4, byte & 15] {
            id.push(char::from_digit(u32::from(digit), 16).unwrap_or('0'));
        }
    }
    id
}

#[cfg(test)]
pub(crate) mod tests {
    use angarium_model::{AcceptedAt, AccountId, Revision};
    use bytes::Bytes;

    use super::*;

    /// An event with this source offset, accepted at that time.
    pub(crate) fn delivery(source_offset: i64, accepted_at_ms: i64, data: &'static str) -> Arc<Delivery> {
        Arc::new(Delivery {
            account: AccountId::new(1234).unwrap(),
            event_id: format!("event-{source_offset}"),
            event_name: "CI_STATS".into(),
            timestamp: 1_725_604_147,
            event_info: "a \"quoted\" note".into(),
            data: Bytes::from_static(data.as_bytes()),
            source: Position {
                partition: 3,
                offset: source_offset,
            },
            accepted_at: AcceptedAt::from_unix_ms(accepted_at_ms),
            revision: Revision::from_offset(1),
            resent: false,
            trace: None,
        })
    }

    fn kind() -> Kind {
        Kind {
            webhook: WebhookId::from_bytes([7; 16]),
            lane: Lane::Realtime,
            generation: 0,
            is_replay: false,
        }
    }

    pub(crate) fn group(offsets: std::ops::Range<i64>, data: &'static str) -> Group {
        let items = offsets.map(|offset| Item {
            offset: offset * 10,
            delivery: delivery(offset, 0, data),
        });
        Group::new(kind(), items.collect(), None).unwrap()
    }

    #[test]
    fn d6_a_groups_id_depends_on_what_it_is_and_nothing_else() {
        assert_eq!(group(1..3, "{}").id, group(1..3, "{ }").id);
        assert_ne!(group(1..3, "{}").id, group(1..4, "{}").id);
        assert_ne!(group(1..3, "{}").id, group(2..3, "{}").id);
        let of = |sources: [i64; 3]| {
            let items = sources.map(|source| Item {
                offset: 0,
                delivery: delivery(source, 0, "{}"),
            });
            Group::new(kind(), items.into(), None)
        };
        assert_ne!(of([6, 2, 5]).unwrap().id, of([6, 8, 5]).unwrap().id);
        assert_eq!(group(1..3, "{}").id.len(), 36);
    }
}
