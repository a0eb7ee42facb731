//! Delivery records.

use angarium_model::{AcceptedAt, Event, EventInfo, Lane, Position, WebhookId};
use bytes::{Bytes, BytesMut};

use crate::delivery::v1::DeliveryRecord;
use crate::{FieldError, InvalidWire, journal};

const ID_BYTES: usize = 16;

/// The webhooks in the field `webhook_ids` of a record.
///
/// # Errors
/// [`InvalidWire`] when the list is empty or not a multiple of 16 bytes long.
pub fn webhook_ids(bytes: &Bytes) -> Result<impl Iterator<Item = WebhookId> + '_, InvalidWire> {
    let (ids, rest) = bytes.as_chunks::<ID_BYTES>();
    if ids.is_empty() || !rest.is_empty() {
        let message = format!(
            "must be 16 bytes for each of at least one webhook, not {} bytes",
            bytes.len()
        );
        return Err(InvalidWire(vec![FieldError::new("webhook_ids", message)]));
    }
    Ok(ids.iter().map(|id| WebhookId::from_bytes(*id)))
}

/// A record for a deliveries topic, of an event that stands at this place: what is missing are the webhooks, and the
/// revision that matched them.
#[must_use]
pub fn delivery_of(event: Event, source: Position, accepted_at: AcceptedAt) -> DeliveryRecord {
    DeliveryRecord {
        account_id: event.account.get(),
        event_id: event.id.into_string(),
        event_name: event.name.into_string(),
        timestamp: event.timestamp.get(),
        event_info: event
            .info
            .map_or_else(|| source.event_info(accepted_at), EventInfo::into_string),
        data: event.data.into_bytes(),
        source: Some(super::position_to_wire(source)),
        accepted_at_ms: accepted_at.unix_ms(),
        ..DeliveryRecord::default()
    }
}

/// Adds a webhook to the list of a record that is being made.
pub fn append_webhook_id(list: &mut BytesMut, id: WebhookId) {
    list.extend_from_slice(id.as_bytes());
}

/// A lane, for the journal.
#[must_use]
pub const fn lane_to_wire(lane: Lane) -> journal::v1::Lane {
    match lane {
        Lane::Realtime => journal::v1::Lane::Realtime,
        Lane::Batch => journal::v1::Lane::Batch,
    }
}

/// A lane, from a message; `None` when it is not set, or not known here.
#[must_use]
pub fn lane_from_wire(lane: i32) -> Option<Lane> {
    match journal::v1::Lane::try_from(lane) {
        Ok(journal::v1::Lane::Realtime) => Some(Lane::Realtime),
        Ok(journal::v1::Lane::Batch) => Some(Lane::Batch),
        Ok(journal::v1::Lane::Unspecified) | Err(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn webhooks_of_a_record_read_back_in_order_and_a_torn_list_is_an_error() {
        let ids = [WebhookId::from_bytes([1; 16]), WebhookId::from_bytes([2; 16])];
        let mut list = BytesMut::new();
        ids.iter().for_each(|id| append_webhook_id(&mut list, *id));
        let list = list.freeze();
        assert_eq!(webhook_ids(&list).unwrap().collect::<Vec<_>>(), ids);
        assert!(webhook_ids(&list.slice(..17)).is_err());
        assert!(webhook_ids(&Bytes::new()).is_err());
    }
}
