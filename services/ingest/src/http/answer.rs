//! What is answered: accepted events, or a problem (RFC 9457).

use std::time::Duration;

use angarium_model::Access;
use angarium_runtime::Full;
use angarium_runtime::access::Denied;
use axum::body::Body;
use axum::response::Response;
use http::{HeaderValue, StatusCode, header};
use serde::Serialize;

use crate::accept::{self, Failure, Refused};
use crate::metrics::Reason;
use crate::problem::{Kind, Part, Problem, Problems, Shape, Warnings};
use crate::refusal;

/// Why a request is refused.
#[derive(Debug)]
pub(super) enum Refusal {
    NotLetIn(Denied),
    NotAllowed(Access),
    NotFound(String),
    Method,
    MediaType(String),
    BodyTooLarge { max: usize },
    BodyTooSlow { timeout: Duration },
    BodyBroken(String),
    Problems(Problems),
    Events { refused: Refused, shape: Shape },
    NotReady,
    TooManyRequests(Full),
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct AcceptedEvents<'a> {
    accepted: Vec<AcceptedEvent<'a>>,
    /// What is odd about them, where their account wants to be told.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    warnings: Vec<ErrorDetail>,
    /// How many warnings there are; the first hundred are listed.
    #[serde(skip_serializing_if = "Option::is_none")]
    warning_count: Option<usize>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct AcceptedEvent<'a> {
    event_id: &'a str,
    event_name: &'a str,
    position: String,
    duplicate: bool,
}

/// 202: Kafka holds these events.
pub(super) fn accepted(accepted: &[accept::Accepted], warnings: &Warnings, shape: &Shape) -> Response {
    let events = accepted.iter().map(|event| AcceptedEvent {
        event_id: event.id.as_str(),
        event_name: event.name.as_str(),
        position: event.position.to_string(),
        duplicate: event.duplicate,
    });
    let body = AcceptedEvents {
        accepted: events.collect(),
        warnings: warnings
            .listed
            .iter()
            .map(|warning| detail(warning, shape))
            .collect(),
        warning_count: Some(warnings.total).filter(|total| *total > 0),
    };
    json(StatusCode::ACCEPTED, "application/json", &body)
}

/// A problem detail (RFC 9457).
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct ProblemDetail {
    /// A stable name of the kind of problem: `urn:angarium:problem:…`.
    r#type: String,
    title: &'static str,
    status: u16,
    detail: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    errors: Vec<ErrorDetail>,
    /// Every event that is wrong, by its index from 0; the first hundred errors are listed, this is all.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    bad_events: Vec<usize>,
    /// How many errors there are; the first hundred are listed.
    #[serde(skip_serializing_if = "Option::is_none")]
    error_count: Option<usize>,
}

/// One mistake.
#[derive(Debug, Serialize)]
struct ErrorDetail {
    /// JSON pointer into the request; for lines, `/0` is the first event.
    pointer: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    line: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    column: Option<usize>,
    detail: String,
    /// The line itself, or the piece of it around the column.
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<String>,
}

/// What is common to all answers of a kind.
struct Form {
    status: StatusCode,
    name: &'static str,
    title: &'static str,
    reason: Reason,
    retry_after: Option<Duration>,
}

impl Form {
    const fn new(status: StatusCode, name: &'static str, title: &'static str, reason: Reason) -> Self {
        Self {
            status,
            name,
            title,
            reason,
            retry_after: None,
        }
    }

    const fn retry(mut self, after: Duration) -> Self {
        self.retry_after = Some(after);
        self
    }
}

const NOT_LET_IN: Form = Form::new(
    StatusCode::UNAUTHORIZED,
    "unauthenticated",
    "A key is required",
    Reason::Unauthenticated,
);
const NOT_ALLOWED: Form = Form::new(
    StatusCode::FORBIDDEN,
    "forbidden",
    "The key does not allow this",
    Reason::Forbidden,
);

impl Refusal {
    pub(super) fn reason(&self) -> Reason {
        self.form().reason
    }

    pub(super) fn into_answer(self) -> Response {
        let form = self.form();
        let (detail, problems) = self.told();
        let errors = problems.as_ref().map(listed).unwrap_or_default();
        let body = ProblemDetail {
            r#type: format!("urn:angarium:problem:{}", form.name),
            title: form.title,
            status: form.status.as_u16(),
            detail,
            errors,
            bad_events: problems
                .as_ref()
                .map(|problems| problems.bad_events().collect())
                .unwrap_or_default(),
            error_count: problems.map(|problems| problems.total),
        };
        let mut response = json(form.status, "application/problem+json", &body);
        let headers = response.headers_mut();
        if let Some(after) = form.retry_after {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(after.as_secs()));
        }
        match form.status {
            StatusCode::UNAUTHORIZED => {
                headers.insert(
                    header::WWW_AUTHENTICATE,
                    HeaderValue::from_static("Bearer realm=\"angarium\""),
                );
            }
            StatusCode::METHOD_NOT_ALLOWED => {
                headers.insert(header::ALLOW, HeaderValue::from_static("POST"));
            }
            _ => {}
        }
        response
    }

    fn form(&self) -> Form {
        use StatusCode as S;
        const BUSY: &str = "Too busy";
        match self {
            Self::NotLetIn(Denied::NotNow) | Self::NotReady => Form::new(
                S::SERVICE_UNAVAILABLE,
                "not-ready",
                "Not ready yet",
                Reason::Unavailable,
            )
            .retry(refusal::RETRY_BUSY),
            Self::NotLetIn(_) => NOT_LET_IN,
            Self::NotAllowed(_) => NOT_ALLOWED,
            Self::NotFound(_) => Form::new(
                S::NOT_FOUND,
                "not-found",
                "There is no such thing",
                Reason::NotFound,
            ),
            Self::Method => Form::new(
                S::METHOD_NOT_ALLOWED,
                "method",
                "Only POST is served here",
                Reason::Protocol,
            ),
            Self::MediaType(_) => Form::new(
                S::UNSUPPORTED_MEDIA_TYPE,
                "media-type",
                "The body must be JSON",
                Reason::Protocol,
            ),
            Self::BodyTooLarge { .. } => Form::new(
                S::PAYLOAD_TOO_LARGE,
                "too-large",
                "The request is too large",
                Reason::TooLarge,
            ),
            Self::BodyTooSlow { .. } => Form::new(
                S::REQUEST_TIMEOUT,
                "timeout",
                "The body did not come in time",
                Reason::Protocol,
            ),
            Self::BodyBroken(_) => Form::new(
                S::BAD_REQUEST,
                "broken-body",
                "The body could not be read",
                Reason::Protocol,
            ),
            Self::Problems(problems) => problems_form(problems),
            Self::Events {
                refused: Refused::Conflicts(_),
                ..
            } => Form::new(
                S::CONFLICT,
                "conflict",
                "An eventId was used for another event",
                Reason::Conflict,
            ),
            Self::Events {
                refused: Refused::Failed { failure, .. },
                ..
            } => failure_form(*failure),
            Self::TooManyRequests(full) => {
                let status = match full {
                    Full::All(_) => S::SERVICE_UNAVAILABLE,
                    Full::One(_) => S::TOO_MANY_REQUESTS,
                };
                Form::new(status, "busy", BUSY, Reason::of(*full)).retry(refusal::RETRY_BUSY)
            }
        }
    }

    /// What is told to a person, and every single problem.
    fn told(self) -> (String, Option<Problems>) {
        let detail = match self {
            Self::Problems(problems) => return (problems.summary(), Some(problems)),
            Self::Events {
                refused: Refused::Conflicts(conflicts),
                shape,
            } => {
                let mut problems = Problems::none(shape.clone());
                for (index, conflict) in conflicts {
                    problems.add(Kind::Fields, refusal::conflict(index, conflict, &shape));
                }
                return (problems.summary(), Some(problems));
            }
            Self::Events {
                refused:
                    Refused::Failed {
                        event,
                        failure: failure @ Failure::TooLarge,
                    },
                shape,
            } => {
                let problem = Problem::new(Part::Event(event), refusal::failure(failure).0);
                let problems = Problems::one(Kind::TooLarge, shape, problem);
                return (problems.summary(), Some(problems));
            }
            Self::Events {
                refused: Refused::Failed { failure, .. },
                ..
            } => refusal::failure(failure).0.to_owned(),
            Self::NotLetIn(denied) => denied.to_string(),
            Self::NotAllowed(access) => refusal::not_allowed(access),
            Self::NotFound(detail) | Self::MediaType(detail) => detail,
            Self::Method => "events are published with POST".to_owned(),
            Self::BodyTooLarge { max } => {
                format!("the body has more than {max} bytes: send several requests")
            }
            Self::BodyTooSlow { timeout } => {
                format!(
                    "the body did not come within {} s: send less at once",
                    timeout.as_secs_f64()
                )
            }
            Self::BodyBroken(error) => format!("the body could not be read: {error}"),
            Self::NotReady => refusal::NOT_READY.to_owned(),
            Self::TooManyRequests(full) => refusal::too_many(full),
        };
        (detail, None)
    }
}

fn problems_form(problems: &Problems) -> Form {
    let (status, name, title) = match problems.kind {
        Kind::Syntax => (
            StatusCode::BAD_REQUEST,
            "invalid-json",
            "The body is not valid JSON",
        ),
        Kind::TooLarge => (
            StatusCode::PAYLOAD_TOO_LARGE,
            "too-large",
            "The request is too large",
        ),
        Kind::Fields => (
            StatusCode::UNPROCESSABLE_ENTITY,
            "invalid-events",
            "The events are not as they should be",
        ),
    };
    Form::new(status, name, title, refusal::reason(problems))
}

fn failure_form(failure: Failure) -> Form {
    let (_, reason, retry_after) = refusal::failure(failure);
    let (status, name, title) = match failure {
        Failure::QueueFull => (
            StatusCode::TOO_MANY_REQUESTS,
            "queue-full",
            "The queue to Kafka is full",
        ),
        Failure::NotAcknowledged => (
            StatusCode::SERVICE_UNAVAILABLE,
            "kafka-unavailable",
            "Kafka did not acknowledge in time",
        ),
        Failure::TooLarge => (
            StatusCode::PAYLOAD_TOO_LARGE,
            "too-large",
            "The request is too large",
        ),
    };
    Form {
        status,
        name,
        title,
        reason,
        retry_after,
    }
}

fn listed(problems: &Problems) -> Vec<ErrorDetail> {
    let errors = problems.listed.iter();
    errors.map(|error| detail(error, &problems.shape)).collect()
}

fn detail(problem: &Problem, shape: &Shape) -> ErrorDetail {
    ErrorDetail {
        pointer: shape.path(&problem.part),
        line: problem
            .place
            .as_ref()
            .map(|place| place.line)
            .or_else(|| shape.line(&problem.part)),
        column: problem.place.as_ref().map(|place| place.column),
        detail: problem.detail.clone(),
        text: problem.place.as_ref().map(|place| place.text.clone()),
    }
}

fn json(status: StatusCode, content_type: &'static str, body: &impl Serialize) -> Response {
    // Serialising our own structs of texts and numbers cannot fail; if it did, the status would still be right.
    let body = serde_json::to_vec(body).unwrap_or_default();
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}
