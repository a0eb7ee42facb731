//! What went wrong, as `application/problem+json` (RFC 9457).

use std::time::Duration;

use angarium_model::ExternalId;
use angarium_runtime::Full;
use axum::body::Body;
use axum::response::Response;
use http::{HeaderValue, Method, StatusCode, header};
use serde::Serialize;
use tonic::{Code, Status};
use tonic_types::StatusExt as _;

use crate::routes::{Body as Sent, Route};

/// A problem detail.
#[derive(Debug, Serialize)]
pub(crate) struct Problem {
    /// What kind of problem it is.
    #[serde(rename = "type", serialize_with = "urn")]
    kind: &'static str,
    title: &'static str,
    status: u16,
    detail: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    errors: Vec<Error>,
    #[serde(skip)]
    retry_after: Option<Duration>,
    #[serde(skip)]
    allow: Option<Box<str>>,
}

/// A stable name: `urn:angarium:problem:…`.
fn urn<S: serde::Serializer>(kind: &&'static str, to: S) -> Result<S::Ok, S::Error> {
    to.collect_str(&format_args!("urn:angarium:problem:{kind}"))
}

/// One mistake.
#[derive(Debug, Serialize)]
pub(crate) struct Error {
    /// JSON pointer into the body.
    #[serde(skip_serializing_if = "Option::is_none")]
    pointer: Option<String>,
    /// Of the path or the query.
    #[serde(skip_serializing_if = "Option::is_none")]
    parameter: Option<String>,
    detail: String,
}

impl Error {
    pub(crate) fn at(pointer: String, detail: impl Into<String>) -> Self {
        Self {
            pointer: Some(pointer),
            parameter: None,
            detail: detail.into(),
        }
    }

    pub(crate) fn parameter(name: &str, detail: impl Into<String>) -> Self {
        Self {
            pointer: None,
            parameter: Some(name.to_owned()),
            detail: detail.into(),
        }
    }
}

impl Problem {
    fn new(status: StatusCode, kind: &'static str, title: &'static str, detail: impl Into<String>) -> Self {
        Self {
            kind,
            title,
            status: status.as_u16(),
            detail: detail.into(),
            errors: Vec::new(),
            retry_after: None,
            allow: None,
        }
    }

    pub(crate) fn no_such_path() -> Self {
        let detail = "nothing is at this path: what there is begins with /v1/accounts, /v1/keys, /v1/event-types, /v1/filters or /v1/audit-log; /docs shows it";
        Self::new(
            StatusCode::NOT_FOUND,
            "not-found",
            "There is no such thing",
            detail,
        )
    }

    pub(crate) fn no_account(external_id: &ExternalId) -> Self {
        let detail = format!(
            "there is no account with the external id {external_id}; an operator gives an account one with `externalId`"
        );
        Self::new(
            StatusCode::NOT_FOUND,
            "not-found",
            "There is no such thing",
            detail,
        )
    }

    pub(crate) fn method(method: &Method, allowed: &[&Method]) -> Self {
        let mut names: Vec<_> = allowed.iter().map(|method| method.as_str()).collect();
        names.sort_unstable();
        names.dedup();
        let allow = names.join(", ");
        let detail = format!("{method} is not served here, but {allow}");
        let mut problem = Self::new(
            StatusCode::METHOD_NOT_ALLOWED,
            "method",
            "The method is not served here",
            detail,
        );
        problem.allow = Some(allow.into());
        problem
    }

    pub(crate) fn media_type(detail: &str) -> Self {
        Self::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "media-type",
            "The body must be JSON",
            detail,
        )
    }

    pub(crate) fn too_large(max: usize) -> Self {
        let detail = format!("the body has more than {max} bytes");
        Self::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "too-large",
            "The request is too large",
            detail,
        )
    }

    pub(crate) fn too_slow(within: Duration) -> Self {
        let detail = format!("the body did not come within {} s", within.as_secs());
        Self::new(
            StatusCode::REQUEST_TIMEOUT,
            "timeout",
            "The body did not come in time",
            detail,
        )
    }

    pub(crate) fn too_many(full: Full) -> Self {
        let status = match full {
            Full::All(_) => StatusCode::SERVICE_UNAVAILABLE,
            Full::One(_) => StatusCode::TOO_MANY_REQUESTS,
        };
        Self {
            retry_after: Some(Duration::from_secs(1)),
            ..Self::new(status, "busy", "Too busy", full.to_string())
        }
    }

    pub(crate) fn body_not_wanted(method: &Method) -> Self {
        Self::unreadable(&format!("{method} takes no body here: send it without"))
    }

    pub(crate) fn syntax(error: &serde_json::Error) -> Self {
        Self::new(
            StatusCode::BAD_REQUEST,
            "invalid-json",
            "The body is not valid JSON",
            error.to_string(),
        )
    }

    /// JSON, but not what is wanted.
    pub(crate) fn unreadable(detail: &str) -> Self {
        Self::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "invalid",
            "The request is not as it should be",
            detail,
        )
    }

    pub(crate) fn invalid(errors: Vec<Error>) -> Self {
        let told = |error: &Error| {
            let place = error.pointer.as_deref().or(error.parameter.as_deref());
            format!("{}: {}", place.unwrap_or_default(), error.detail)
        };
        let detail = errors.iter().map(told).collect::<Vec<_>>().join("; ");
        Self {
            errors,
            ..Self::unreadable(&detail)
        }
    }

    pub(crate) fn header(name: &str, detail: &str) -> Self {
        Self::invalid(vec![Error::parameter(name, detail)])
    }

    pub(crate) fn ours(detail: &str) -> Self {
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "internal",
            "This is a mistake of Angarium's",
            detail,
        )
    }

    pub(crate) fn into_response(self) -> Response {
        let body = serde_json::to_string(&self).unwrap_or_default();
        let mut response = Response::new(Body::from(body));
        *response.status_mut() =
            StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let headers = response.headers_mut();
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/problem+json"),
        );
        if let Some(after) = self.retry_after {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(after.as_secs().max(1)));
        }
        if let Some(allow) = self
            .allow
            .as_deref()
            .and_then(|allow| HeaderValue::from_str(allow).ok())
        {
            headers.insert(header::ALLOW, allow);
        }
        if self.status == StatusCode::UNAUTHORIZED.as_u16() {
            headers.insert(
                header::WWW_AUTHENTICATE,
                HeaderValue::from_static("Bearer realm=\"angarium\""),
            );
        }
        response
    }
}

/// What a method refused, told over HTTP.
pub(crate) fn of_status(status: &Status, route: &Route) -> Problem {
    let retry_after = status
        .get_details_retry_info()
        .map(|info| info.retry_delay.unwrap_or_default());
    let is_quota = status.get_details_quota_failure().is_some();
    let (code, kind, title) = form(status.code(), is_quota);
    let violations = status.get_details_bad_request().map(|bad| bad.field_violations);
    let errors = violations.unwrap_or_default().into_iter().map(|violation| {
        let (place, detail) = (violation.field, violation.description);
        located(&place, route, detail)
    });
    Problem {
        errors: errors.collect(),
        retry_after,
        ..Problem::new(code, kind, title, status.message())
    }
}

const fn form(code: Code, is_quota: bool) -> (StatusCode, &'static str, &'static str) {
    use StatusCode as S;
    match code {
        Code::InvalidArgument | Code::OutOfRange => (
            S::UNPROCESSABLE_ENTITY,
            "invalid",
            "The request is not as it should be",
        ),
        Code::Unauthenticated => (S::UNAUTHORIZED, "unauthenticated", "A key is required"),
        Code::PermissionDenied => (S::FORBIDDEN, "forbidden", "The key does not allow this"),
        Code::NotFound => (S::NOT_FOUND, "not-found", "There is no such thing"),
        Code::AlreadyExists => (S::CONFLICT, "exists", "There is one already"),
        Code::FailedPrecondition => (S::CONFLICT, "conflict", "This cannot be now"),
        Code::Aborted => (S::PRECONDITION_FAILED, "changed", "It was changed meanwhile"),
        Code::ResourceExhausted if is_quota => (S::CONFLICT, "quota", "There are as many as there may be"),
        Code::ResourceExhausted => (S::TOO_MANY_REQUESTS, "busy", "Too busy"),
        Code::Unavailable => (S::SERVICE_UNAVAILABLE, "unavailable", "Not now"),
        Code::DeadlineExceeded | Code::Cancelled => (S::GATEWAY_TIMEOUT, "timeout", "It took too long"),
        Code::Ok | Code::Unknown | Code::Internal | Code::DataLoss | Code::Unimplemented => (
            S::INTERNAL_SERVER_ERROR,
            "internal",
            "This is a mistake of Angarium's",
        ),
    }
}

/// Where a mistake is, from the path of its field, such as `webhook.event_types[0]`.
fn located(field: &str, route: &Route, detail: String) -> Error {
    let within = match &route.body {
        Sent::None => None,
        Sent::All => Some(field),
        Sent::Field(body) => field
            .strip_prefix(body.name())
            .and_then(|rest| rest.strip_prefix('.').or(rest.is_empty().then_some(""))),
    };
    let last = field.rsplit('.').next().unwrap_or(field);
    match within {
        Some(within) if !route.names_by(last) => Error::at(pointer(within), detail),
        _ => Error::parameter(&camel(last), detail),
    }
}

fn pointer(path: &str) -> String {
    let mut pointer = String::new();
    for part in path.split('.').filter(|part| !part.is_empty()) {
        let (name, index) = part.split_once('[').unwrap_or((part, ""));
        pointer.push('/');
        pointer.push_str(&camel(name));
        if let Some(index) = index.strip_suffix(']') {
            pointer.push('/');
            pointer.push_str(index);
        }
    }
    pointer
}

fn camel(name: &str) -> String {
    let mut words = name.split('_');
    let mut camel = words.next().unwrap_or_default().to_owned();
    for word in words {
        let mut letters = word.chars();
        camel.extend(letters.next().map(|first| first.to_ascii_uppercase()));
        camel.push_str(letters.as_str());
    }
    camel
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_is_told_as_a_pointer() {
        assert_eq!(pointer("event_types[3]"), "/eventTypes/3");
        assert_eq!(
            pointer("authentication.basic.password"),
            "/authentication/basic/password"
        );
        assert_eq!(pointer(""), "");
        assert_eq!(camel("max_group_events"), "maxGroupEvents");
    }
}
