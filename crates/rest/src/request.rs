//! A message made of path, query, body and headers.

use http::request::Parts;
use http::{HeaderMap, Method, header};
use prost_reflect::{DynamicMessage, FieldDescriptor, Kind, ReflectMessage as _, Value as Field};
use serde_json::{Map, Value};

use crate::json;
use crate::problem::{Error, Problem};
use crate::routes::{Body, Found, Route};

/// What the client calls a creation by.
pub(crate) const IDEMPOTENCY_KEY: &str = "idempotency-key";
/// The field that it is.
pub(crate) const REQUEST_ID: &str = "request_id";
/// The field that says what is changed.
pub(crate) const UPDATE_MASK: &str = "update_mask";
/// The field that a change may depend on.
pub(crate) const REVISION: &str = "revision";

/// What the method takes.
pub(crate) fn message(found: &Found<'_>, head: &Parts, body: &[u8]) -> Result<DynamicMessage, Problem> {
    let route = found.route;
    let mut fields = Map::new();
    let mut errors = Vec::new();
    let sent = match &route.body {
        Body::None if body.is_empty() => None,
        Body::None => return Err(Problem::body_not_wanted(&head.method)),
        Body::All if body.is_empty() => None,
        Body::All | Body::Field(_) => Some(object(&head.headers, body)?),
    };
    let changed = sent.as_ref().map(|sent| sent.keys().cloned().collect::<Vec<_>>());
    match (&route.body, sent) {
        (Body::All, Some(sent)) => fields = sent,
        (Body::Field(field), Some(sent)) => {
            fields.insert(field.json_name().to_owned(), Value::Object(sent));
        }
        _ => {}
    }
    for (path, text) in &found.given {
        in_path(&mut fields, path, text, &mut errors);
    }
    query(
        route,
        head.uri.query().unwrap_or_default(),
        &mut fields,
        &mut errors,
    );
    if !errors.is_empty() {
        return Err(Problem::invalid(errors));
    }
    let read = json::read(&route.input, Value::Object(fields));
    let mut message = read.map_err(|error| Problem::unreadable(&error.to_string()))?;
    if route.method == Method::PATCH {
        mask(&mut message, route, changed.unwrap_or_default())?;
    }
    by_headers(&mut message, route, &head.headers)?;
    Ok(message)
}

/// The object that a body is.
fn object(headers: &HeaderMap, body: &[u8]) -> Result<Map<String, Value>, Problem> {
    let sent = headers.get(header::CONTENT_TYPE).map(|value| value.as_bytes());
    let is_json = sent.is_none_or(|sent| {
        let sent = String::from_utf8_lossy(sent).to_ascii_lowercase();
        let media_type = sent.split(';').next().unwrap_or_default().trim().to_owned();
        media_type == "application/json" || media_type == "application/merge-patch+json"
    });
    if !is_json {
        return Err(Problem::media_type(
            "the body must be JSON: send it with `content-type: application/json`",
        ));
    }
    match serde_json::from_slice(body) {
        Ok(Value::Object(object)) => Ok(object),
        Ok(_) => Err(Problem::unreadable("the body is no object")),
        Err(error) => Err(Problem::syntax(&error)),
    }
}

/// What the path says; a body that says something else is refused.
fn in_path(fields: &mut Map<String, Value>, path: &[FieldDescriptor], text: &str, errors: &mut Vec<Error>) {
    let Some(last) = path.last() else {
        return;
    };
    let Some(value) = json::of_text(last, text) else {
        errors.push(Error::parameter(last.json_name(), "is not what it should be"));
        return;
    };
    let mut at = Some(&*fields);
    let mut there = Vec::new();
    for field in path {
        there = [field.json_name(), field.name()]
            .iter()
            .filter_map(|name| at.and_then(|fields| fields.get(*name)))
            .collect();
        at = there.first().and_then(|there| there.as_object());
    }
    if there.iter().any(|there| **there != value) {
        let pointer = format!("/{}", last.json_name());
        errors.push(Error::at(pointer, "is another than that of the path"));
    }
    json::put(fields, path, value);
}

/// What the query says: fields of the request that are in neither path nor body.
fn query(route: &Route, query: &str, fields: &mut Map<String, Value>, errors: &mut Vec<Error>) {
    for (name, text) in form_urlencoded::parse(query.as_bytes()) {
        let (key, inner) = name
            .split_once('.')
            .map_or((&*name, None), |(key, inner)| (key, Some(inner)));
        let field = route.input.get_field_by_json_name(key);
        let field = field.filter(|_| !matches!(route.body, Body::All));
        let is_there = field
            .as_ref()
            .is_some_and(|field| fields.contains_key(field.json_name()));
        match (field, inner) {
            (Some(field), Some(inner)) if field.is_map() => {
                let map = fields
                    .entry(field.json_name())
                    .or_insert_with(|| Value::Object(Map::new()));
                if let Value::Object(map) = map {
                    map.insert(inner.to_owned(), Value::String(text.into_owned()));
                }
            }
            (Some(field), None) if !is_there && !field.is_map() && !field.is_list() => {
                match json::of_text(&field, &text) {
                    Some(value) => drop(fields.insert(field.json_name().to_owned(), value)),
                    None => errors.push(Error::parameter(&name, "is not what it should be")),
                }
            }
            _ => errors.push(Error::parameter(&name, "is nothing that can be asked for here")),
        }
    }
}

/// An update changes what its body names.
fn mask(message: &mut DynamicMessage, route: &Route, changed: Vec<String>) -> Result<(), Problem> {
    let Some(mask) = route.input.get_field_by_name(UPDATE_MASK) else {
        return Ok(());
    };
    let (Body::Field(body), Kind::Message(of)) = (&route.body, mask.kind()) else {
        return Ok(());
    };
    let Kind::Message(changes) = body.kind() else {
        return Ok(());
    };
    let names = changed.into_iter().filter_map(|key| {
        let field = changes
            .get_field_by_json_name(&key)
            .or_else(|| changes.get_field_by_name(&key))?;
        Some(field.name().to_owned())
    });
    // What the path names the thing by is no change of it.
    let names: Vec<_> = names
        .filter(|name| name != REVISION && !route.names_by(name))
        .map(Field::String)
        .collect();
    if names.is_empty() {
        return Err(Problem::unreadable(
            "the body names nothing to be changed: name at least one field",
        ));
    }
    let mut paths = DynamicMessage::new(of);
    paths.set_field_by_name("paths", Field::List(names));
    message.set_field(&mask, Field::Message(paths));
    Ok(())
}

/// What headers say: the revision that a change depends on, and what a creation is called by.
fn by_headers(message: &mut DynamicMessage, route: &Route, headers: &HeaderMap) -> Result<(), Problem> {
    if let Some(expected) = headers.get(header::IF_MATCH) {
        let text = expected.to_str().unwrap_or_default().trim();
        let number = text.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
        // None is 0 or less: to gRPC that means whatever it is now, and would let a change through that depends on more.
        let revision = number
            .and_then(|number| number.parse().ok())
            .filter(|revision| *revision > 0);
        match (text, revision) {
            ("*", _) => {}
            (_, Some(revision)) => depends_on(message, route, revision)?,
            _ => {
                return Err(Problem::header(
                    "if-match",
                    "is no `etag` of an answer: those are numbers above 0 in double quotes",
                ));
            }
        }
    }
    if let Some(key) = headers.get(IDEMPOTENCY_KEY)
        && let Some(field) = route.input.get_field_by_name(REQUEST_ID)
    {
        let text = key.to_str().unwrap_or_default().to_owned();
        if text.is_empty() {
            return Err(Problem::header(IDEMPOTENCY_KEY, "is no visible ASCII text"));
        }
        message.set_field(&field, Field::String(text));
    }
    Ok(())
}

fn depends_on(message: &mut DynamicMessage, route: &Route, revision: i64) -> Result<(), Problem> {
    if let Some(field) = route.input.get_field_by_name(REVISION) {
        message.set_field(&field, Field::I64(revision));
        return Ok(());
    }
    if let Body::Field(body) = &route.body
        && let Some(inner) = message.get_field_mut(body).as_message_mut()
        && let Some(field) = inner.descriptor().get_field_by_name(REVISION)
        && !route.creates
    {
        inner.set_field(&field, Field::I64(revision));
        return Ok(());
    }
    Err(Problem::header(
        "if-match",
        "has no meaning here: this depends on no revision",
    ))
}
