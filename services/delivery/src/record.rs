//! A delivery as it waits in memory: what a record of the deliveries topic says, checked once and shared by all the
//! webhooks that it names.

use angarium_model::{AcceptedAt, AccountId, Position, Revision};
use angarium_proto::delivery::v1::DeliveryRecord;
use angarium_proto::journal::v1::EventReference;
use angarium_proto::{FieldError, InvalidWire, convert};
use bytes::Bytes;

/// An event on its way to webhooks.
#[derive(Debug)]
pub(crate) struct Delivery {
    pub(crate) account: AccountId,
    pub(crate) event_id: String,
    pub(crate) event_name: String,
    pub(crate) timestamp: u64,
    pub(crate) event_info: String,
    pub(crate) data: Bytes,
    pub(crate) source: Position,
    pub(crate) accepted_at: AcceptedAt,
    pub(crate) revision: Revision,
}

impl Delivery {
    /// What the event adds to a group's body, nearly: queues and groups are bounded by it.
    pub(crate) fn weight(&self) -> usize {
        /// The names and punctuation around the values.
        const AROUND: usize = 80;
        self.data.len() + self.event_id.len() + self.event_name.len() + self.event_info.len() + AROUND
    }

    /// How the journal names the event.
    pub(crate) fn reference(&self) -> EventReference {
        EventReference {
            position: Some(convert::position_to_wire(self.source)),
            event_id: self.event_id.clone(),
            event_name: self.event_name.clone(),
        }
    }
}

impl TryFrom<DeliveryRecord> for Delivery {
    type Error = InvalidWire;

    fn try_from(record: DeliveryRecord) -> Result<Self, InvalidWire> {
        let wrong = |field: &str, message: String| InvalidWire(vec![FieldError::new(field, message)]);
        let source = record
            .source
            .ok_or_else(|| wrong("source", "is missing".into()))?;
        let account =
            AccountId::new(record.account_id).map_err(|error| wrong("account_id", error.to_string()))?;
        Ok(Self {
            account,
            event_id: record.event_id,
            event_name: record.event_name,
            timestamp: record.timestamp,
            event_info: record.event_info,
            data: record.data,
            source: convert::position_from_wire(source),
            accepted_at: AcceptedAt::from_unix_ms(record.accepted_at_ms),
            revision: Revision::from_offset(record.registry_revision),
        })
    }
}
