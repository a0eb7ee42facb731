//! A group of events: what one POST carries.

use std::sync::Arc;

use angarium_model::{Lane, WebhookId};
use bytes::Bytes;
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
}

/// The events of one POST, never empty, in order.
#[derive(Debug)]
pub(crate) struct Group {
    /// The header `webhook-id`: made of what the group is, so that every attempt has the same.
    pub(crate) id: String,
    pub(crate) items: Vec<Item>,
}

impl Group {
    /// Names a group. `None` when there are no events.
    pub(crate) fn new(webhook: WebhookId, lane: Lane, generation: u64, items: Vec<Item>) -> Option<Self> {
        let id = group_id(
            (webhook, lane, generation),
            &items.first()?.delivery,
            &items.last()?.delivery,
            items.len(),
        );
        Some(Self { id, items })
    }

    /// The body: the reference's envelope (E4), each payload spliced in as its producer wrote it.
    pub(crate) fn envelope(&self) -> Bytes {
        let weight: usize = self.items.iter().map(|item| item.delivery.weight()).sum();
        let mut body = Vec::with_capacity(weight + 64);
        body.extend_from_slice(b"{\"accountId\":");
        if let Some(first) = self.items.first() {
            body.extend_from_slice(first.delivery.account.to_string().as_bytes());
        }
        body.extend_from_slice(b",\"events\":[");
        for (index, item) in self.items.iter().enumerate() {
            if index > 0 {
                body.push(b',');
            }
            write_event(&mut body, &item.delivery);
        }
        body.extend_from_slice(b"]}");
        body.into()
    }
}

fn write_event(body: &mut Vec<u8>, event: &Delivery) {
    body.extend_from_slice(b"{\"eventId\":");
    write_json_string(body, &event.event_id);
    body.extend_from_slice(b",\"eventName\":");
    write_json_string(body, &event.event_name);
    body.extend_from_slice(b",\"timestamp\":");
    body.extend_from_slice(event.timestamp.to_string().as_bytes());
    body.extend_from_slice(b",\"eventInfo\":");
    write_json_string(body, &event.event_info);
    body.extend_from_slice(b",\"data\":");
    body.extend_from_slice(&event.data);
    body.push(b'}');
}

#[expect(clippy::expect_used, reason = "writing a string to memory has no way to fail")]
fn write_json_string(body: &mut Vec<u8>, text: &str) {
    serde_json::to_writer(body, text).expect("a string is written to memory");
}

/// The hash of webhook, lane, generation, first and last source position and count (DESIGN §7), as `msg_` and 32 hex
/// digits.
fn group_id(
    (webhook, lane, generation): (WebhookId, Lane, u64),
    first: &Delivery,
    last: &Delivery,
    count: usize,
) -> String {
    let mut hash = Sha256::new();
    hash.update(webhook.as_bytes());
    hash.update(lane.as_str());
    hash.update(generation.to_be_bytes());
    for position in [first.source, last.source] {
        hash.update(position.partition.to_be_bytes());
        hash.update(position.offset.to_be_bytes());
    }
    hash.update(count.to_be_bytes());
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
    use angarium_model::{AcceptedAt, AccountId, Position, Revision};

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
        })
    }

    fn group(offsets: std::ops::Range<i64>, data: &'static str) -> Group {
        let items = offsets.map(|offset| Item {
            offset: offset * 10,
            delivery: delivery(offset, 0, data),
        });
        Group::new(WebhookId::from_bytes([7; 16]), Lane::Realtime, 0, items.collect()).unwrap()
    }

    #[test]
    fn e4_e5_the_envelope_is_the_references_and_data_keeps_its_bytes() {
        let odd = "{ \"b\": 1e2,\n\t\"a\":0, \"a\":\"\\u00e4\" }";
        let body = group(1..3, odd).envelope();
        let text = std::str::from_utf8(&body).unwrap();
        assert_eq!(text.matches(odd).count(), 2);
        let json: serde_json::Value = serde_json::from_str(text).unwrap();
        assert_eq!(json["accountId"], 1234);
        assert_eq!(json["events"][1]["eventId"], "event-2");
        assert_eq!(json["events"][0]["eventInfo"], "a \"quoted\" note");
        assert!(text.contains("\"timestamp\":1725604147,"));
    }

    #[test]
    fn d6_a_groups_id_depends_on_what_it_is_and_nothing_else() {
        assert_eq!(group(1..3, "{}").id, group(1..3, "{ }").id);
        assert_ne!(group(1..3, "{}").id, group(1..4, "{}").id);
        assert_ne!(group(1..3, "{}").id, group(2..3, "{}").id);
        assert_eq!(group(1..3, "{}").id.len(), 36);
    }
}
