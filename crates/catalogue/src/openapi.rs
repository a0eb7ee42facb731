//! An OpenAPI 3.1 document of what receivers get, so that they can have code made of it.

use angarium_model::{Catalogue, Lane, OwnType, headers};
use serde_json::{Map, Value, json};

use crate::described::{Described, described};
use crate::own::written_out;
use crate::schema::DIALECT;

/// A type as the document has it.
struct Told {
    name: String,
    lane: Lane,
    description: String,
    /// Of its `data`.
    schema: Value,
    /// What the schemas of the event and of its data are called.
    names: (String, String),
}

/// The document: one webhook, `events`, whose body is the envelope (E4), with one schema for each type: of the catalogue, and
/// of these.
#[must_use]
pub fn openapi(own: &[OwnType]) -> Value {
    let built_in = Catalogue.types().filter_map(described);
    let types: Vec<Told> = built_in.map(of_catalogue).chain(own.iter().map(of_own)).collect();
    let mut schemas = Map::new();
    schemas.insert("Envelope".to_owned(), envelope());
    schemas.insert("Event".to_owned(), any_event(&types));
    for known in &types {
        let (event, data) = known.names.clone();
        schemas.insert(event, one_event(known));
        schemas.insert(data, known.schema.clone());
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Angarium webhooks",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "What a receiver gets: a POST with a group of events, in order within a class. Answer 2xx at once and work afterwards. \
                A group that was not answered so within 5 seconds comes again with the same webhook-id.",
            "license": { "name": "Apache-2.0", "identifier": "Apache-2.0" },
        },
        "jsonSchemaDialect": DIALECT,
        "tags": [
            { "name": "realtime", "description": "Sent as they happen." },
            { "name": "batch", "description": "Sent at the times of the webhook's timetable." },
        ],
        "webhooks": { "events": { "post": operation() } },
        "components": { "schemas": schemas, "parameters": parameters() },
    })
}

fn operation() -> Value {
    let headers: Vec<Value> = HEADERS
        .iter()
        .map(|(name, ..)| json!({ "$ref": format!("#/components/parameters/{name}") }))
        .collect();
    json!({
        "operationId": "receiveEvents",
        "summary": "A group of events",
        "description": "The body of a webhook with the payload format `envelope`, which is the default.",
        "tags": ["realtime", "batch"],
        "parameters": headers,
        "requestBody": {
            "required": true,
            "content": { "application/json": { "schema": { "$ref": "#/components/schemas/Envelope" } } },
        },
        "responses": {
            "2XX": { "description": "The receiver has the group." },
            "410": { "description": "The receiver wants no more: the webhook is switched off." },
            "default": { "description": "The group comes again later; Retry-After is honoured up to an hour." },
        },
    })
}

/// A header of a POST: its name, whether every POST has it, a pattern, and what it says.
type Header = (&'static str, bool, Option<&'static str>, &'static str);

const HEADERS: [Header; 7] = [
    (
        "webhook-id",
        true,
        Some("^msg_"),
        "The group: the same in every attempt.",
    ),
    (
        "webhook-timestamp",
        true,
        Some("^[0-9]+$"),
        "When the attempt was made: Unix time in seconds.",
    ),
    (
        "webhook-signature",
        false,
        Some("^v1,"),
        "Standard Webhooks: one signature, or several with a space between them. Of a webhook that signs.",
    ),
    (
        headers::LANE,
        true,
        Some("^(realtime|batch)$"),
        "The class of the events.",
    ),
    (
        headers::POSITION,
        true,
        Some("^[0-9]+-[0-9]+$"),
        "The last event of the group.",
    ),
    (
        headers::PREVIOUS,
        false,
        Some("^[0-9]+-[0-9]+$"),
        "The last event that was done before this group, where that is known: confirmed, expired or put aside. One behind \
         the position that was confirmed last shows a gap; one before it shows none.",
    ),
    (
        headers::AGAIN,
        false,
        Some("^(replay|resend)$"),
        "Set when someone asked for events that were sent before.",
    ),
];

fn parameters() -> Map<String, Value> {
    let parameter = |(name, required, pattern, description): &Header| {
        let mut schema = json!({ "type": "string" });
        if let Some(pattern) = pattern {
            schema["pattern"] = (*pattern).into();
        }
        let parameter = json!({
            "name": name, "in": "header", "required": required, "description": description, "schema": schema,
        });
        ((*name).to_owned(), parameter)
    };
    HEADERS.iter().map(parameter).collect()
}

fn envelope() -> Value {
    json!({
        "type": "object",
        "description": "An account and a group of its events.",
        "properties": {
            "accountId": { "type": "integer", "minimum": 0, "maximum": 9_007_199_254_740_991_u64 },
            "events": { "type": "array", "minItems": 1, "items": { "$ref": "#/components/schemas/Event" } },
        },
        "required": ["accountId", "events"],
    })
}

fn any_event(types: &[Told]) -> Value {
    let reference = |known: &Told| format!("#/components/schemas/{}", known.names.0);
    let one_of: Vec<Value> = types
        .iter()
        .map(|known| json!({ "$ref": reference(known) }))
        .collect();
    let mapping: Map<String, Value> = types
        .iter()
        .map(|known| (known.name.clone(), reference(known).into()))
        .collect();
    json!({
        "description": "An event of any type that the webhook takes.",
        "oneOf": one_of,
        "discriminator": { "propertyName": "eventName", "mapping": mapping },
    })
}

fn one_event(known: &Told) -> Value {
    json!({
        "type": "object",
        "description": known.description,
        "properties": {
            "eventId": {
                "type": "string", "minLength": 1, "maxLength": 256,
                "description": "Unique with the account and the eventName.",
            },
            "eventName": { "type": "string", "const": known.name },
            "timestamp": {
                "type": "integer", "minimum": 0,
                "description": "When it happened: Unix time in seconds, or in milliseconds from 100000000000 on.",
            },
            "eventInfo": { "type": "string", "minLength": 1, "maxLength": 256, "description": "The producer's note on order." },
            "data": { "$ref": format!("#/components/schemas/{}", known.names.1) },
        },
        "required": ["eventId", "eventName", "timestamp", "eventInfo", "data"],
        "x-angarium-class": match known.lane { Lane::Realtime => "realtime", Lane::Batch => "batch" },
    })
}

/// Its schemas are called as generators like them: `CourseEnrollment`.
fn of_catalogue(known: Described) -> Told {
    let mut name = String::new();
    for word in known.event_type.name.split('_') {
        let (first, rest) = word.split_at(word.len().min(1));
        name.push_str(first);
        name.push_str(&rest.to_ascii_lowercase());
    }
    let data = format!("{name}Data");
    Told {
        name: known.event_type.name.to_owned(),
        lane: known.event_type.lane,
        description: known.description.to_owned(),
        schema: without_dialect(known.schema()),
        names: (name, data),
    }
}

/// Its schemas are called by its name as it is, so that they are never called as others are. References are written out: they
/// lead to definitions that are not there.
fn of_own(own: &OwnType) -> Told {
    let schema = own
        .schema
        .as_deref()
        .and_then(|text| serde_json::from_str(text).ok());
    let schema = schema.unwrap_or_else(|| json!({ "type": "object" }));
    let name = own.name.as_str();
    Told {
        name: name.to_owned(),
        lane: own.lane,
        description: own.description.clone(),
        schema: written_out(&schema, true),
        names: (name.to_owned(), format!("{name}.data")),
    }
}

/// The document says it once for all.
fn without_dialect(mut schema: Value) -> Value {
    if let Some(schema) = schema.as_object_mut() {
        schema.remove("$schema");
    }
    schema
}

#[cfg(test)]
mod tests {
    use angarium_model::{EventName, Revision};

    use super::*;

    /// A type whose name and definitions are easily mistaken for others.
    fn own() -> OwnType {
        OwnType {
            account: None,
            name: EventName::new("EVENT").unwrap(),
            lane: Lane::Batch,
            description: String::new(),
            schema: Some(
                r##"{"properties": {"n": {"$ref": "#/$defs/n"}}, "$defs": {"n": {"const": 5}}}"##.to_owned(),
            ),
            example: None,
            version: 1,
            revision: Revision::default(),
            created_at_ms: 0,
        }
    }

    #[test]
    fn every_reference_leads_somewhere_and_every_type_is_there() {
        fn references<'v>(value: &'v Value, found: &mut Vec<&'v str>) {
            match value {
                Value::Object(fields) => {
                    for (name, value) in fields {
                        match value.as_str() {
                            Some(reference) if reference.starts_with("#/") && name != "description" => {
                                found.push(reference)
                            }
                            _ => references(value, found),
                        }
                    }
                }
                Value::Array(values) => values.iter().for_each(|value| references(value, found)),
                _ => {}
            }
        }
        let document = openapi(&[own()]);
        let mut found = Vec::new();
        references(&document, &mut found);
        for reference in &found {
            let pointer = reference.trim_start_matches('#');
            assert!(document.pointer(pointer).is_some(), "{reference} leads nowhere");
        }
        for known in Catalogue.types() {
            let mapped = &document["components"]["schemas"]["Event"]["discriminator"]["mapping"][known.name];
            assert!(mapped.is_string(), "{}", known.name);
        }
    }

    #[test]
    fn e4_the_examples_are_as_the_document_says() {
        let mut document = openapi(&[own()]);
        document["$ref"] = "#/components/schemas/Envelope".into();
        let validator = jsonschema::draft202012::new(&document).unwrap();
        for known in Catalogue.types() {
            let example = serde_json::from_str(known.example).unwrap();
            let wrong: Vec<_> = validator
                .iter_errors(&example)
                .map(|error| error.to_string())
                .collect();
            assert!(wrong.is_empty(), "{}: {wrong:?}", known.name);
        }
        let own = |n: u64| {
            let event = json!({"eventId": "e", "eventName": "EVENT", "timestamp": 1, "eventInfo": "i", "data": {"n": n}});
            json!({"accountId": 1, "events": [event]})
        };
        assert!(validator.is_valid(&own(5)) && !validator.is_valid(&own(6)));
    }

    #[test]
    fn the_copy_in_docs_is_current() {
        let copy = include_str!("../../../docs/webhooks.openapi.json");
        let current = serde_json::to_string_pretty(&openapi(&[])).unwrap() + "\n";
        assert!(
            copy == current,
            "run `angarium event-type openapi > docs/webhooks.openapi.json`"
        );
    }
}
