//! A response made of what a method answered.

use axum::body::Body;
use axum::response::Response;
use http::{HeaderName, HeaderValue, Method, StatusCode, header};
use serde_json::Value;

use crate::call::Answered;
use crate::json;
use crate::problem::Problem;
use crate::routes::Route;

/// How new it is: given along with a request, whatever answers shows at least that.
const REVISION: HeaderName = HeaderName::from_static("angarium-revision");

pub(crate) fn response(route: &Route, method: &Method, answered: Answered) -> Result<Response, Problem> {
    let Answered { message, headers } = answered;
    let mut value = json::write(&message).map_err(|error| Problem::ours(&error.to_string()))?;
    if let Some(field) = &route.answers {
        value = match &mut value {
            Value::Object(fields) => fields.remove(field.json_name()).unwrap_or(Value::Null),
            _ => Value::Null,
        };
    }
    let is_empty = value.as_object().is_some_and(serde_json::Map::is_empty);
    let status = match (route.creates, is_empty && method == Method::DELETE) {
        (true, _) => StatusCode::CREATED,
        (false, true) => StatusCode::NO_CONTENT,
        (false, false) => StatusCode::OK,
    };
    let body = if status == StatusCode::NO_CONTENT {
        Body::empty()
    } else {
        Body::from(value.to_string())
    };
    let mut response = Response::new(body);
    *response.status_mut() = status;
    let told = response.headers_mut();
    if status != StatusCode::NO_CONTENT {
        told.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    }
    // Secrets are shown once, and nobody else is to have what was answered to one.
    told.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if let Some(etag) =
        revision(&value).and_then(|revision| HeaderValue::from_str(&format!("\"{revision}\"")).ok())
    {
        told.insert(header::ETAG, etag);
    }
    if let Some(revision) = headers.get(REVISION) {
        told.insert(REVISION, revision.clone());
    }
    Ok(response)
}

/// The revision of what is answered, or of the one thing in it.
fn revision(value: &Value) -> Option<i64> {
    let fields = value.as_object()?;
    let own = fields.get("revision");
    let inner = || {
        let mut inner = fields.values().filter_map(Value::as_object);
        inner.find_map(|inner| inner.get("revision"))
    };
    own.or_else(inner)?.as_i64()
}
