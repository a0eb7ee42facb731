//! Pages as answers.

use askama::Template;
use axum::response::{IntoResponse as _, Redirect, Response};
use http::StatusCode;
use http::header::{CONTENT_TYPE, HeaderValue};

/// A page.
pub(super) fn html(status: StatusCode, page: &impl Template) -> Response {
    match page.render() {
        Ok(text) => {
            let kind = [(CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"))];
            (status, kind, text).into_response()
        }
        Err(error) => {
            tracing::error!(%error, "a page cannot be made");
            (
                StatusCode::INTERNAL_SERVER_ERROR,
                "this page cannot be made; the log says why\n",
            )
                .into_response()
        }
    }
}

/// A page that is as it should be.
pub(super) fn ok(page: &impl Template) -> Response {
    html(StatusCode::OK, page)
}

/// Where to look after a change: so that asking for the page again does not repeat it.
pub(super) fn see(path: &str) -> Response {
    Redirect::to(path).into_response()
}

/// A text as part of a query.
pub(super) fn encoded(text: &str) -> String {
    url::form_urlencoded::byte_serialize(text.as_bytes()).collect()
}
