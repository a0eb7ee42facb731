//! What a record of the deliveries topic says, checked once: an event as it waits in memory, shared by all the webhooks
//! that the record names, or an order for one of them.

use std::sync::Arc;

use angarium_kafka::Record;
use angarium_model::{AcceptedAt, AccountId, Position, Revision, WebhookId};
use angarium_proto::delivery::v1::{DeliveryAddressees, DeliveryRecord, replay_order};
use angarium_proto::journal::v1::EventReference;
use angarium_proto::{FieldError, InvalidWire, convert};
use angarium_runtime::trace::TraceContext;
use bytes::Bytes;
use prost::Message as _;

use crate::hook::{Order, Ordered};
use crate::partition::Incoming;

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
    /// It is sent again because someone asked for it.
    pub(crate) resent: bool,
    /// Where its trace is.
    pub(crate) trace: Option<TraceContext>,
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

/// What a record of the deliveries topic says.
#[derive(Debug)]
pub(crate) enum Read {
    Event(Incoming),
    /// An order for a webhook of this account, given under this view.
    Order {
        webhook: WebhookId,
        of: (AccountId, Revision),
        order: Order,
    },
}

/// Whether a record with this value names a webhook for which `is` holds; nothing else of it is read.
///
/// # Errors
/// As [`read`].
pub(crate) fn names(
    value: Option<&[u8]>,
    is: impl Fn(WebhookId) -> bool,
) -> Result<bool, Box<dyn std::error::Error>> {
    let value = value.ok_or("it has no value")?;
    let addressees = DeliveryAddressees::decode(value)?;
    Ok(convert::webhook_ids(&addressees.webhook_ids)?.any(is))
}

/// Reads a record of the deliveries topic.
///
/// # Errors
/// When it is none that this version knows.
pub(crate) fn read(record: Record) -> Result<Read, Box<dyn std::error::Error>> {
    let offset = record.offset;
    let trace = record.header(TraceContext::HEADER).and_then(TraceContext::parse);
    let record = DeliveryRecord::decode(record.value.ok_or("it has no value")?)?;
    let webhooks: Vec<WebhookId> = convert::webhook_ids(&record.webhook_ids)?.collect();
    let Some(order) = record.replay_order else {
        let delivery = Arc::new(Delivery {
            trace,
            ..Delivery::try_from(record)?
        });
        return Ok(Read::Event(Incoming {
            offset,
            delivery,
            webhooks,
        }));
    };
    let [webhook] = webhooks[..] else {
        return Err("it orders a replay for more than one webhook".into());
    };
    let what = match order.order.ok_or("it orders nothing")? {
        replay_order::Order::Replay(range) => Ordered::Replay {
            from: range.from,
            until: range.until,
            after: range.after_source_offset,
        },
        replay_order::Order::Cancel(cancel) => Ordered::Cancel { of: cancel.of },
    };
    Ok(Read::Order {
        webhook,
        of: (
            AccountId::new(record.account_id)?,
            Revision::from_offset(record.registry_revision),
        ),
        order: Order { at: offset, what },
    })
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
            resent: record.resent,
            trace: None,
        })
    }
}
