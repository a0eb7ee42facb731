//! Signing in with an API key, and out.
//!
//! The form is bound to its browser by a cookie of its own, so that nobody else can sign a person in with a key of theirs.

use angarium_proto::registry::v1::ListAccountsRequest;
use angarium_runtime::access::OperatorKey;
use askama::Template;
use axum::extract::{Request, State};
use axum::response::{IntoResponse as _, Response};
use http::header::SET_COOKIE;
use http::{HeaderMap, StatusCode, Uri};
use tonic::Code;

use super::App;
use super::answer::{html, see};
use super::caller::{Fields, Submitted, cookie, query};
use super::failure::{Failure, said};
use super::page::Page;
use crate::backend::request;
use crate::session::{random, same};

#[derive(Debug, Template)]
#[template(path = "sign_in.html")]
struct SignIn {
    page: Page,
    next: String,
    mistake: String,
}

pub(super) async fn form(State(app): State<App>, uri: Uri) -> Response {
    if app.sessions().local().is_some() {
        return see("/");
    }
    show(&app, StatusCode::OK, &query(&uri, "next"), "")
}

fn show(app: &App, status: StatusCode, next: &str, mistake: &str) -> Response {
    let (sessions, token) = (app.sessions(), random());
    let mut page = Page::bare("Sign in");
    page.csrf.clone_from(&token);
    let shown = SignIn {
        page,
        next: local_path(next).to_owned(),
        mistake: mistake.to_owned(),
    };
    let bound = sessions.set_cookie(sessions.form_cookie_name(), &sessions.sign(&token));
    ([(SET_COOKIE, bound)], html(status, &shown)).into_response()
}

pub(super) async fn submit(
    State(app): State<App>,
    headers: HeaderMap,
    sent: Request,
) -> Result<Response, Failure> {
    let fields = Fields::read(&app, sent).await?;
    let (next, sessions) = (fields.one("next"), app.sessions());
    let bound = cookie(&headers, sessions.form_cookie_name()).and_then(|value| sessions.signed(value));
    if !bound.is_some_and(|token| same(fields.one("csrf"), token)) {
        let mistake = "This form was opened too long ago. Please paste the key once more.";
        return Ok(show(&app, StatusCode::FORBIDDEN, next, mistake));
    }
    let wrong = |mistake: &str| Ok(show(&app, StatusCode::UNPROCESSABLE_ENTITY, next, mistake));
    let pasted = fields.one("key").trim();
    let Ok(key) = OperatorKey::new(pasted) else {
        return wrong("This is no API key: it begins with ak_ and has no spaces.");
    };
    let asked = ListAccountsRequest {
        page_size: 1,
        ..ListAccountsRequest::default()
    };
    if let Err(status) = app.backend().registry(&key).list_accounts(request(asked)).await {
        return match status.code() {
            Code::Unauthenticated => wrong("This key is not known, or it has expired."),
            Code::PermissionDenied => wrong("This key does not allow reading, which every page needs."),
            _ => wrong(&format!("The registry does not answer now. {}", said(&status))),
        };
    }
    let opened = sessions.set_cookie(sessions.cookie_name(), &sessions.open(key, name(pasted)));
    let used = sessions.set_cookie(sessions.form_cookie_name(), "");
    let mut response = see(local_path(next));
    for cookie in [opened, used] {
        if let Ok(cookie) = cookie.parse() {
            response.headers_mut().append(SET_COOKIE, cookie);
        }
    }
    Ok(response)
}

pub(super) async fn leave(State(app): State<App>, headers: HeaderMap, _sent: Submitted) -> Response {
    let sessions = app.sessions();
    if let Some(value) = cookie(&headers, sessions.cookie_name()) {
        sessions.close(value);
    }
    let ended = sessions.set_cookie(sessions.cookie_name(), "");
    ([(SET_COOKIE, ended)], see("/sign-in")).into_response()
}

/// The id of an API key, which is no secret; of the operator's key nothing is shown.
fn name(key: &str) -> String {
    let id = key.strip_prefix("ak_").and_then(|rest| rest.get(..8));
    id.map_or_else(|| "operator".to_owned(), |digits| format!("key ak_{digits}…"))
}

/// A place in this console: what leads elsewhere, or could, leads home.
fn local_path(next: &str) -> &str {
    let fine = next.starts_with("/accounts") && !next.contains(['\\', '\r', '\n']) && !next.contains("//");
    if fine { next } else { "/" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signing_in_leads_to_this_console_alone() {
        assert_eq!(
            local_path("/accounts/7/webhooks?text=a"),
            "/accounts/7/webhooks?text=a"
        );
        for bad in [
            "",
            "https://evil.example",
            "//evil.example",
            "/\\evil.example",
            "/accounts//evil",
        ] {
            assert_eq!(local_path(bad), "/", "{bad}");
        }
    }

    #[test]
    fn the_page_names_a_key_by_its_id_alone() {
        let key = format!("ak_{}_{}", "0123456789abcdef".repeat(2), "f".repeat(48));
        assert_eq!(name(&key), "key ak_01234567…");
        assert_eq!(name("0123456789abcdef"), "operator");
    }
}
