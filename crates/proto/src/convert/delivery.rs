//! Delivery records.

use angarium_model::{Lane, WebhookId};
use bytes::{Bytes, BytesMut};

use crate::delivery::v1::DeliveryRecord;
use crate::{FieldError, InvalidWire, journal};

const ID_BYTES: usize = 16;

/// The webhooks that a record names.
///
/// # Errors
/// [`InvalidWire`] when the list is empty or not a multiple of 16 bytes long.
pub fn webhook_ids(record: &DeliveryRecord) -> Result<impl Iterator<Item = WebhookId> + '_, InvalidWire> {
    let bytes: &Bytes = &record.webhook_ids;
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn webhooks_of_a_record_read_back_in_order_and_a_torn_list_is_an_error() {
        let ids = [WebhookId::from_bytes([1; 16]), WebhookId::from_bytes([2; 16])];
        let mut list = BytesMut::new();
        ids.iter().for_each(|id| append_webhook_id(&mut list, *id));
        let mut record = DeliveryRecord {
            webhook_ids: list.freeze(),
            ..DeliveryRecord::default()
        };
        assert_eq!(webhook_ids(&record).unwrap().collect::<Vec<_>>(), ids);
        record.webhook_ids = record.webhook_ids.slice(..17);
        assert!(webhook_ids(&record).is_err());
        record.webhook_ids = Bytes::new();
        assert!(webhook_ids(&record).is_err());
    }
}
