//! What a page says when it cannot be shown.

use axum::response::{IntoResponse, Redirect, Response};
use http::StatusCode;
use http::header::RETRY_AFTER;
use tonic::{Code, Status};
use tonic_types::StatusExt as _;

use super::answer::html;
use super::page::{Page, Problem};
use crate::log::Trouble;

/// Why there is no page.
#[derive(Debug)]
pub(super) enum Failure {
    /// Nobody is signed in; where they wanted to go.
    SignIn(String),
    /// What to say.
    Said {
        status: StatusCode,
        title: String,
        text: String,
    },
}

impl Failure {
    /// There is no such thing, or not for this caller.
    pub(super) fn not_found(what: &str) -> Self {
        Self::said(
            StatusCode::NOT_FOUND,
            &format!("There is no such {what}"),
            "It may have been deleted, or it belongs to an account that your key does not open.",
        )
    }

    /// What was sent is not taken.
    pub(super) fn refused(title: &str, text: &str) -> Self {
        Self::said(StatusCode::FORBIDDEN, title, text)
    }

    /// Too much is in work.
    pub(super) fn busy() -> Self {
        Self::said(
            StatusCode::SERVICE_UNAVAILABLE,
            "Too many pages are asked for at once",
            "Try again in a moment.",
        )
    }

    pub(super) fn said(status: StatusCode, title: &str, text: &str) -> Self {
        Self::Said {
            status,
            title: title.to_owned(),
            text: text.to_owned(),
        }
    }
}

/// An answer of another service that is not what a page is made of.
impl From<Status> for Failure {
    fn from(status: Status) -> Self {
        let (code, title) = match status.code() {
            Code::Unauthenticated => return Self::SignIn(String::new()),
            Code::NotFound => return Self::not_found(thing(&status)),
            Code::PermissionDenied => (StatusCode::FORBIDDEN, "Your key does not allow this"),
            Code::InvalidArgument | Code::OutOfRange => (StatusCode::BAD_REQUEST, "This cannot be done"),
            Code::FailedPrecondition | Code::AlreadyExists => {
                (StatusCode::CONFLICT, "This cannot be done now")
            }
            Code::Aborted => (StatusCode::CONFLICT, "It was changed meanwhile"),
            Code::ResourceExhausted => (StatusCode::TOO_MANY_REQUESTS, "That is more than is allowed"),
            Code::DeadlineExceeded => (
                StatusCode::GATEWAY_TIMEOUT,
                "There was no answer in time; what was asked for may yet be done",
            ),
            _ => (StatusCode::SERVICE_UNAVAILABLE, "A service does not answer now"),
        };
        Self::said(code, title, &said(&status))
    }
}

/// What a status says, for a person.
pub(super) fn said(status: &Status) -> String {
    match (status.code(), status.message()) {
        (Code::Unavailable, _) | (_, "") => {
            "Try again in a moment. If it stays so, `angarium doctor` tells more.".to_owned()
        }
        (_, message) => message.to_owned(),
    }
}

/// What was not found, by the kind that the service names.
fn thing(status: &Status) -> &'static str {
    match status.get_details_resource_info() {
        Some(resource) if resource.resource_type.ends_with("account") => "account",
        Some(resource) if resource.resource_type.ends_with("event") => "event",
        _ => "webhook",
    }
}

impl From<Trouble> for Failure {
    fn from(trouble: Trouble) -> Self {
        let error = angarium_runtime::chain(&trouble);
        tracing::error!(error, "the log cannot be asked");
        Self::said(
            StatusCode::SERVICE_UNAVAILABLE,
            "The log cannot be read now",
            "The console's disk does not answer. Deliveries are not affected; the console's own log says more.",
        )
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        match self {
            Self::SignIn(next) => {
                let next: String = url::form_urlencoded::byte_serialize(next.as_bytes()).collect();
                Redirect::to(&format!("/sign-in?next={next}")).into_response()
            }
            Self::Said { status, title, text } => {
                let page = Page::bare(&title);
                let mut response = html(status, &Problem { page, text });
                if status == StatusCode::SERVICE_UNAVAILABLE {
                    response.headers_mut().insert(RETRY_AFTER, 2.into());
                }
                response
            }
        }
    }
}
