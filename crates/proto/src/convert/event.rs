//! Events in Kafka.

use angarium_model::{
    AccountId, Event, EventId, EventInfo, EventName, InvalidId, JsonObject, Position, Timestamp,
};

use crate::event::v1;
use crate::{FieldError, InvalidWire};

/// Reads a record of the events topic.
///
/// # Errors
/// [`InvalidWire`] with the first field that no ingest of ours would have written.
pub fn event_from_record(record: v1::EventRecord) -> Result<Event, InvalidWire> {
    let wrong = |field: &str| {
        let field = field.to_owned();
        move |error: InvalidId| InvalidWire(vec![FieldError::new(field, error.to_string())])
    };
    let info = if record.event_info.is_empty() {
        None
    } else {
        Some(EventInfo::new(record.event_info).map_err(wrong("event_info"))?)
    };
    Ok(Event {
        account: AccountId::new(record.account_id).map_err(wrong("account_id"))?,
        id: EventId::new(record.event_id).map_err(wrong("event_id"))?,
        name: EventName::new(record.event_name).map_err(wrong("event_name"))?,
        timestamp: Timestamp::new(record.timestamp),
        info,
        data: JsonObject::trusted(record.data),
    })
}

/// Makes a record for the events topic.
#[must_use]
pub fn event_to_record(event: Event) -> v1::EventRecord {
    v1::EventRecord {
        account_id: event.account.get(),
        event_id: event.id.into_string(),
        event_name: event.name.into_string(),
        timestamp: event.timestamp.get(),
        event_info: event.info.map(EventInfo::into_string).unwrap_or_default(),
        data: event.data.into_bytes(),
    }
}

/// A place in the events topic, from a message.
#[must_use]
pub const fn position_from_wire(position: v1::Position) -> Position {
    Position {
        partition: position.partition,
        offset: position.offset,
    }
}

/// A place in the events topic, for a message.
#[must_use]
pub const fn position_to_wire(position: Position) -> v1::Position {
    v1::Position {
        partition: position.partition,
        offset: position.offset,
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use prost::Message;

    use super::*;

    #[test]
    fn e4_e5_an_event_comes_out_of_a_record_as_it_went_in() {
        let event = Event {
            account: AccountId::new(1234).unwrap(),
            id: EventId::new("1725604145-LoSt").unwrap(),
            name: EventName::new("CI_STATS").unwrap(),
            timestamp: Timestamp::new(1_725_604_147),
            info: None,
            data: JsonObject::parse(Bytes::from_static(b"{ \"b\": 1e2,\n\"a\":0 }")).unwrap(),
        };
        let bytes = event_to_record(event.clone()).encode_to_vec();
        let record = v1::EventRecord::decode(Bytes::from(bytes)).unwrap();
        assert_eq!(event_from_record(record).unwrap(), event);
    }

    #[test]
    fn a_record_without_an_id_names_the_field() {
        let error = event_from_record(v1::EventRecord::default()).unwrap_err();
        assert_eq!(error.0[0].field, "event_id");
    }
}
