//! Event types that the catalogue lacks.

use angarium_model::{AccountId, EventName, Lane, OwnType, Revision};

use super::{check_length, take};
use crate::FieldError;
use crate::registry::v1::{self, EventClass};

/// Longest description, in bytes.
const MAX_DESCRIPTION: usize = 4_096;
/// Longest schema, and longest example, in bytes.
const MAX_JSON: usize = 65_536;

/// Checks an event type; field paths are relative to it. What its schema and its example mean is left to those who know
/// it (`angarium-catalogue`).
///
/// # Errors
/// Every mistake.
pub fn event_type_from_wire(wire: v1::EventType) -> Result<OwnType, Vec<FieldError>> {
    let mut errors = Vec::new();
    let name = take(EventName::new(wire.name.as_str()), "name", &mut errors);
    let account = wire.account_id.map(AccountId::new).transpose();
    let account = take(account, "account_id", &mut errors);
    let lane = event_class_from_wire(wire.event_class());
    if lane.is_none() {
        errors.push(FieldError::new("event_class", "is required: REALTIME or BATCH"));
    }
    check_length("description", &wire.description, MAX_DESCRIPTION, &mut errors);
    check_length("schema", &wire.schema, MAX_JSON, &mut errors);
    check_length("example", &wire.example, MAX_JSON, &mut errors);
    let given = |text: String| (!text.is_empty()).then_some(text);
    match (name, account, lane) {
        (Some(name), Some(account), Some(lane)) if errors.is_empty() => Ok(OwnType {
            account,
            name,
            lane,
            description: wire.description,
            schema: given(wire.schema),
            example: given(wire.example),
            version: wire.version,
            revision: Revision::from_offset(wire.revision),
            created_at_ms: wire.created_at_ms,
        }),
        _ => Err(errors),
    }
}

/// An event type as a message.
#[must_use]
pub fn event_type_to_wire(known: &OwnType) -> v1::EventType {
    v1::EventType {
        name: known.name.as_str().to_owned(),
        event_class: event_class_to_wire(known.lane).into(),
        example: known.example.clone().unwrap_or_default(),
        description: known.description.clone(),
        schema: known.schema.clone().unwrap_or_default(),
        account_id: known.account.map(AccountId::get),
        built_in: false,
        version: known.version,
        revision: known.revision.offset(),
        created_at_ms: known.created_at_ms,
    }
}

/// The lane of a class; `None` when it is not set.
#[must_use]
pub const fn event_class_from_wire(class: EventClass) -> Option<Lane> {
    match class {
        EventClass::Realtime => Some(Lane::Realtime),
        EventClass::Batch => Some(Lane::Batch),
        EventClass::Unspecified => None,
    }
}

/// The class of a lane.
#[must_use]
pub const fn event_class_to_wire(lane: Lane) -> EventClass {
    match lane {
        Lane::Realtime => EventClass::Realtime,
        Lane::Batch => EventClass::Batch,
    }
}
