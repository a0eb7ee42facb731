//! Event types that the catalogue lacks: new ones and changes.

use angarium_catalogue::{Finding, Schema};
use angarium_model::{AccountId, Catalogue, EventName, OwnType, Revision};
use angarium_proto::convert::event_type_from_wire;
use angarium_proto::registry::v1::{self, EventClass};
use angarium_proto::{FieldError, InvalidWire, under};
use angarium_webhooks::own_example;

use super::{check_mask, home, required};
use crate::home::Home;
use crate::patch::EventTypePatch;
use crate::plan::{EventTypeWrite, Expected, Write};
use crate::refusal::Refusal;

const EVENT_TYPE: &str = "event_type";
const DESCRIPTION: &str = "description";
const SCHEMA: &str = "schema";
const EXAMPLE: &str = "example";

pub(crate) fn create_event_type(request: v1::CreateEventTypeRequest, now_ms: i64) -> Result<Write, Refusal> {
    let wire = request.event_type.ok_or_else(|| required(EVENT_TYPE))?;
    let own = checked(wire, Vec::new())?;
    check_example(&own)?;
    Ok(Write::EventType(EventTypeWrite::Create(OwnType {
        version: 1,
        revision: Revision::default(),
        created_at_ms: now_ms,
        ..own
    })))
}

pub(crate) fn update_event_type(request: v1::UpdateEventTypeRequest) -> Result<Write, Refusal> {
    let mut wire = request.event_type.ok_or_else(|| required(EVENT_TYPE))?;
    let expected = Expected::from_wire(wire.revision);
    let paths = request.update_mask.map(|mask| mask.paths).unwrap_or_default();
    let mut errors = Vec::new();
    check_mask(&paths, &[DESCRIPTION, SCHEMA, EXAMPLE], &mut errors);
    let is_named = |field: &str| paths.is_empty() || paths.iter().any(|path| path == field);
    // What is not to be changed is not looked at.
    wire.event_class = EventClass::Realtime.into();
    for (field, text) in [
        (DESCRIPTION, &mut wire.description),
        (SCHEMA, &mut wire.schema),
        (EXAMPLE, &mut wire.example),
    ] {
        if !is_named(field) {
            text.clear();
        }
    }
    let own = checked(wire, errors)?;
    Ok(Write::EventType(EventTypeWrite::Update {
        home: Home::of(own.account),
        name: own.name,
        expected,
        patch: EventTypePatch {
            description: is_named(DESCRIPTION).then_some(own.description),
            schema: is_named(SCHEMA).then_some(own.schema),
            example: is_named(EXAMPLE).then_some(own.example),
        },
        allow_incompatible: request.allow_incompatible,
    }))
}

pub(crate) fn delete_event_type(request: &v1::DeleteEventTypeRequest) -> Result<Write, Refusal> {
    let (home, name) = event_type_name(request.account_id, &request.name)?;
    Ok(Write::EventType(EventTypeWrite::Delete {
        home,
        name,
        expected: Expected::from_wire(request.revision),
    }))
}

/// The event type that a request names.
pub(crate) fn event_type_name(account: Option<u64>, name: &str) -> Result<(Home, EventName), Refusal> {
    let mut errors = Vec::new();
    let home = home(account, &mut errors);
    let name = EventName::new(name).map_err(|error| errors.push(FieldError::new("name", error.to_string())));
    home.zip(name.ok()).ok_or_else(|| InvalidWire(errors).into())
}

/// Checks all of a type but whether its example is as its schema says; its mistakes come behind those found before.
fn checked(wire: v1::EventType, mut errors: Vec<FieldError>) -> Result<OwnType, Refusal> {
    let mut inner = Vec::new();
    if Catalogue.get(&wire.name).is_some() {
        inner.push(FieldError::new(
            "name",
            "is a type of the catalogue, which nobody changes",
        ));
    }
    // One that is too long is told as such, and not looked at.
    if !wire.schema.is_empty() && wire.schema.len() <= angarium_catalogue::MAX_SCHEMA_BYTES {
        let mistakes = Schema::check(&wire.schema).err().unwrap_or_default();
        let told = |mistake: &Finding| FieldError::new(SCHEMA, mistake.to_string());
        inner.extend(mistakes.iter().map(told));
    }
    match event_type_from_wire(wire) {
        Ok(own) if errors.is_empty() && inner.is_empty() => Ok(own),
        checked => {
            let mut all = checked.err().unwrap_or_default();
            all.extend(inner);
            errors.extend(under(EVENT_TYPE, all));
            Err(InvalidWire(errors).into())
        }
    }
}

/// Whether the example of a type is an event of it, and as its schema says.
pub(crate) fn check_example(own: &OwnType) -> Result<(), Refusal> {
    let wrong = |message: String| Refusal::field(&format!("{EVENT_TYPE}.{EXAMPLE}"), message);
    // Examples do not say whose they are: any account will do.
    let any = AccountId::new(0).map_err(|error| wrong(error.to_string()))?;
    let Some(event) = own_example(own, any).map_err(wrong)? else {
        return Ok(());
    };
    let Some(schema) = &own.schema else {
        return Ok(());
    };
    let violations = match Schema::check(schema) {
        Ok(schema) => schema.violations(event.data.bytes()),
        Err(_) => {
            return Err(wrong(
                "cannot be held against the schema, which is wrong".to_owned(),
            ));
        }
    };
    let told = |violation: &Finding| {
        let message = format!("data{}: {}", violation.pointer, violation.message);
        FieldError::new(format!("{EVENT_TYPE}.{EXAMPLE}"), message)
    };
    let errors: Vec<_> = violations.iter().map(told).collect();
    if errors.is_empty() {
        Ok(())
    } else {
        Err(InvalidWire(errors).into())
    }
}
