//! The HTTP API as OpenAPI 3.1, made of the definition and its comments.

use std::collections::BTreeMap;

use angarium_model::{AccountId, AccountRef, ExternalId};
use http::Method;
use prost_reflect::prost_types::FileDescriptorProto;
use prost_reflect::{EnumDescriptor, FieldDescriptor, Kind, MessageDescriptor};
use serde_json::{Map, Value, json};

use crate::accounts;
use crate::json::{self, short};
use crate::request::{IDEMPOTENCY_KEY, REQUEST_ID, REVISION, UPDATE_MASK};
use crate::routes::{Body, Route, Table};

/// What is said of an account in a path.
const ACCOUNT: &str = "The account: its id, or `ext:` and its external id.";

/// Messages that are referred to, by their names.
type Schemas = BTreeMap<String, Option<Value>>;

/// Describes all routes.
pub(crate) fn document(table: &Table, version: &str) -> Value {
    let mut schemas = Schemas::new();
    let mut paths: BTreeMap<String, Map<String, Value>> = BTreeMap::new();
    for route in table.all() {
        let method = route.method.as_str().to_ascii_lowercase();
        let described = operation(route, &mut schemas);
        paths
            .entry(route.template())
            .or_default()
            .insert(method, described);
    }
    let schemas: BTreeMap<String, Value> = schemas
        .into_iter()
        .filter_map(|(name, schema)| Some((name, schema?)))
        .chain([("Problem".to_owned(), problem())])
        .collect();
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Angarium",
            "version": version,
            "description": "Accounts, webhooks, API keys and event types, who changed them, tests, replays, explanations and the journal. The same as over gRPC: a method is named as there. Events are published at ingest.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "security": [{"key": []}],
        "paths": paths,
        "components": {
            "schemas": schemas,
            "responses": {"Problem": {
                "description": "Why it was refused.",
                "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}},
            }},
            "securitySchemes": {"key": {
                "type": "http",
                "scheme": "bearer",
                "description": "An API key that allows what the method needs, or the operator's key.",
            }},
        },
    })
}

fn operation(route: &Route, schemas: &mut Schemas) -> Value {
    let comment = comment(route.rpc.parent_file().file_descriptor_proto(), route.rpc.path());
    let summary = comment
        .split(". ")
        .next()
        .unwrap_or_default()
        .trim_end_matches('.')
        .to_owned();
    // A method has a name of its own for each of its paths.
    let id = match &route.name {
        Some(name) => name.clone(),
        None if route.is_of_platform() => format!("{}OfPlatform", route.rpc.name()),
        None => route.rpc.name().to_owned(),
    };
    let mut operation = json!({
        "operationId": id,
        "summary": summary,
        "description": comment,
        "tags": [route.rpc.parent_service().name()],
        "responses": responses(route, schemas),
    });
    let parameters = parameters(route, schemas);
    if !parameters.is_empty() {
        operation["parameters"] = Value::Array(parameters);
    }
    if let Some(body) = body(route, schemas) {
        operation["requestBody"] = body;
    }
    operation
}

fn responses(route: &Route, schemas: &mut Schemas) -> Value {
    let problem = json!({"$ref": "#/components/responses/Problem"});
    if route.method == Method::DELETE && route.output.fields().len() == 0 {
        return json!({"204": {"description": "It is gone."}, "default": problem});
    }
    let schema = match &route.answers {
        Some(field) => of_field(field, schemas),
        None => reference(&route.output, schemas),
    };
    let status = if route.creates { "201" } else { "200" };
    let mut answer = json!({
        "description": if route.creates { "It was created." } else { "It was done." },
        "content": {"application/json": {"schema": schema}},
    });
    if route.has_revision() {
        answer["headers"] = json!({"ETag": {
            "description": "The revision, for `If-Match`.",
            "schema": {"type": "string"},
        }});
    }
    json!({status: answer, "default": problem})
}

fn parameters(route: &Route, schemas: &mut Schemas) -> Vec<Value> {
    let of_path = route.fields_of_path().map(|field| {
        json!({
            "name": field.json_name(),
            "in": "path",
            "required": true,
            "description": if accounts::is_named_by(field) { ACCOUNT.to_owned() } else { about(field) },
            "schema": in_path(field),
        })
    });
    let mut all: Vec<_> = of_path.collect();
    let is_asked = |field: &FieldDescriptor| {
        let is_body = matches!(&route.body, Body::Field(body) if body == field);
        let by_header = [UPDATE_MASK, REQUEST_ID, REVISION].contains(&field.name());
        !is_body && !by_header && !route.names_by(field.name()) && !field.is_list()
    };
    if !matches!(route.body, Body::All) {
        for field in route.input.fields().filter(is_asked) {
            all.push(json!({
                "name": if field.is_map() { format!("{}.KEY", field.json_name()) } else { field.json_name().to_owned() },
                "in": "query",
                "description": about(&field),
                "schema": if field.is_map() { json!({"type": "string"}) } else { of_kind(&field.kind(), schemas) },
            }));
        }
    }
    let header = |name: &str, description: &str| json!({"name": name, "in": "header", "description": description, "schema": {"type": "string"}});
    if route.may_depend_on_revision() {
        all.push(header(
            "If-Match",
            "The `ETag` of an answer: it is refused with 412 if it was changed since.",
        ));
    }
    if route.input.get_field_by_name(REQUEST_ID).is_some() {
        all.push(header(
            IDEMPOTENCY_KEY,
            "What this creation is called by: given again within 24 hours it creates nothing.",
        ));
    }
    all
}

/// What a field is as a part of a path.
fn in_path(field: &FieldDescriptor) -> Value {
    match field.kind() {
        Kind::Message(of) if json::is_position(&of) => {
            json!({"type": "string", "pattern": "^[0-9]{1,10}-[0-9]{1,19}$"})
        }
        _ if accounts::is_named_by(field) => account(),
        kind => of_kind(&kind, &mut Schemas::new()),
    }
}

/// What a path names an account by.
fn account() -> Value {
    json!({"anyOf": [
        {"type": "integer", "minimum": 0, "maximum": AccountId::MAX},
        {"type": "string", "pattern": format!("^{}[A-Za-z0-9._~-]{{1,{}}}$", AccountRef::PREFIX, ExternalId::MAX_BYTES)},
    ]})
}

fn body(route: &Route, schemas: &mut Schemas) -> Option<Value> {
    let (schema, required) = match &route.body {
        Body::None => return None,
        Body::Field(field) => (of_field(field, schemas), true),
        Body::All => {
            let fields = route.input.fields();
            let rest = fields.filter(|field| !route.names_by(field.name()) && field.name() != REVISION);
            (object(rest, schemas), false)
        }
    };
    Some(json!({"required": required, "content": {"application/json": {"schema": schema}}}))
}

/// What a message is called among the components: by its name, behind that of the message that it is a part of, and behind that of its
/// package if another one has a message of that name.
fn component(of: &MessageDescriptor) -> String {
    let own = path(of);
    let is_one_of_two = of
        .parent_pool()
        .all_messages()
        .any(|other| other != *of && path(&other) == own);
    let package = of.package_name().trim_start_matches("angarium.");
    match package.split('.').next() {
        Some(package) if is_one_of_two => {
            let (first, rest) = package.split_at(package.len().min(1));
            format!("{}{rest}{own}", first.to_uppercase())
        }
        _ => own,
    }
}

/// The name of a message, behind those of the messages that it is a part of.
fn path(of: &MessageDescriptor) -> String {
    let parent = of.parent_message().as_ref().map(path);
    format!("{}{}", parent.unwrap_or_default(), of.name())
}

/// A message where it is used; it is described among the components.
fn reference(of: &MessageDescriptor, schemas: &mut Schemas) -> Value {
    let name = component(of);
    if !schemas.contains_key(&name) {
        // It may hold itself.
        schemas.insert(name.clone(), None);
        let mut schema = object(of.fields(), schemas);
        schema["description"] = comment(of.parent_file().file_descriptor_proto(), of.path()).into();
        schemas.insert(name.clone(), Some(schema));
    }
    json!({"$ref": format!("#/components/schemas/{name}")})
}

fn object(fields: impl Iterator<Item = FieldDescriptor>, schemas: &mut Schemas) -> Value {
    let mut properties = Map::new();
    for field in fields.filter(|field| field.name() != UPDATE_MASK) {
        let mut schema = of_field(&field, schemas);
        schema["description"] = about(&field).into();
        properties.insert(field.json_name().to_owned(), schema);
    }
    json!({"type": "object", "properties": properties})
}

fn of_field(field: &FieldDescriptor, schemas: &mut Schemas) -> Value {
    match field.kind() {
        Kind::Message(entry) if field.is_map() => {
            let value = of_kind(&entry.map_entry_value_field().kind(), schemas);
            json!({"type": "object", "additionalProperties": value})
        }
        kind if field.is_list() => json!({"type": "array", "items": of_kind(&kind, schemas)}),
        kind => of_kind(&kind, schemas),
    }
}

fn of_kind(kind: &Kind, schemas: &mut Schemas) -> Value {
    match kind {
        Kind::Bool => json!({"type": "boolean"}),
        Kind::String => json!({"type": "string"}),
        Kind::Bytes => json!({"type": "string", "contentEncoding": "base64"}),
        Kind::Double | Kind::Float => json!({"type": "number"}),
        Kind::Uint32 | Kind::Uint64 | Kind::Fixed32 | Kind::Fixed64 => {
            json!({"type": "integer", "minimum": 0})
        }
        Kind::Int32 | Kind::Int64 | Kind::Sint32 | Kind::Sint64 | Kind::Sfixed32 | Kind::Sfixed64 => {
            json!({"type": "integer"})
        }
        Kind::Enum(all) => json!({"type": "string", "enum": names(all)}),
        Kind::Message(of) => reference(of, schemas),
    }
}

/// But for the one that says that nothing is said.
fn names(all: &EnumDescriptor) -> Vec<String> {
    let values = all.values().filter(|value| value.number() != 0);
    values.map(|value| short(all, value.name())).collect()
}

fn about(field: &FieldDescriptor) -> String {
    comment(field.parent_file().file_descriptor_proto(), field.path())
}

/// What the definition says of a thing, on one line.
fn comment(file: &FileDescriptorProto, path: &[i32]) -> String {
    let places = file.source_code_info.iter().flat_map(|info| &info.location);
    let place = places.into_iter().find(|place| place.path == path);
    let lines = place
        .and_then(|place| place.leading_comments.as_deref())
        .unwrap_or_default();
    lines
        .lines()
        .map(str::trim)
        .collect::<Vec<_>>()
        .join(" ")
        .trim()
        .to_owned()
}

fn problem() -> Value {
    let text = json!({"type": "string"});
    json!({
        "type": "object",
        "description": "A problem detail (RFC 9457).",
        "required": ["type", "title", "status", "detail"],
        "properties": {
            "type": {"type": "string", "description": "A stable name of the kind of problem: `urn:angarium:problem:…`."},
            "title": text,
            "status": {"type": "integer"},
            "detail": text,
            "errors": {"type": "array", "description": "Each mistake, where there are several.", "items": {
                "type": "object",
                "required": ["detail"],
                "properties": {
                    "pointer": {"type": "string", "description": "JSON pointer into the body."},
                    "parameter": {"type": "string", "description": "Of the path, the query or a header."},
                    "detail": text,
                },
            }},
        },
    })
}
