//! What every request passes.

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, HOST, ORIGIN, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderMap, HeaderName, HeaderValue, Method};

use super::App;
use super::failure::Failure;

/// Nothing but our own files, no script or style within a page, nobody's frame. `data:` is the link that saves a secret; no
/// page loads anything from there.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

const HEADERS: [(HeaderName, &str); 5] = [
    (CONTENT_SECURITY_POLICY, POLICY),
    (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (REFERRER_POLICY, "same-origin"),
    (
        HeaderName::from_static("cross-origin-opener-policy"),
        "same-origin",
    ),
    (
        HeaderName::from_static("cross-origin-resource-policy"),
        "same-origin",
    ),
];

pub(super) async fn guard(State(app): State<App>, request: Request, next: Next) -> Response {
    let mut response = match admit(&app, &request) {
        Ok(_permit) => next.run(request).await,
        Err(failure) => failure.into_response(),
    };
    let headers = response.headers_mut();
    for (name, value) in HEADERS {
        headers.insert(name, HeaderValue::from_static(value));
    }
    // What a page shows is for who asked, now.
    headers
        .entry(CACHE_CONTROL)
        .or_insert(HeaderValue::from_static("no-store"));
    response
}

fn admit<'a>(app: &'a App, request: &Request) -> Result<tokio::sync::SemaphorePermit<'a>, Failure> {
    let headers = request.headers();
    // Where nobody signs in, a page of another site could have its name lead here, and act as the operator.
    if app.sessions().local().is_some() && !is_loopback(headers) {
        return Err(Failure::refused(
            "This console answers only to localhost",
            "Open it as http://localhost or http://127.0.0.1, as `angarium dev` prints it.",
        ));
    }
    if request.method() == Method::POST && !is_same_origin(headers) {
        return Err(Failure::refused(
            "This came from another site",
            "A form of this console can only be sent from the console itself. Open the page again and repeat it there.",
        ));
    }
    app.0.in_work.try_acquire().map_err(|_full| Failure::busy())
}

fn is_loopback(headers: &HeaderMap) -> bool {
    let Some(host) = text(headers, &HOST) else {
        return false;
    };
    let name = host
        .rsplit_once(':')
        .filter(|(_, port)| port.bytes().all(|byte| byte.is_ascii_digit()))
        .map_or(host, |(name, _)| name);
    matches!(name, "localhost" | "127.0.0.1" | "[::1]")
}

/// Browsers say so in the one header or the other; a program that says neither carries nobody's cookies along.
fn is_same_origin(headers: &HeaderMap) -> bool {
    if let Some(site) = text(headers, &HeaderName::from_static("sec-fetch-site")) {
        return matches!(site, "same-origin" | "none");
    }
    let Some(origin) = text(headers, &ORIGIN) else {
        return true;
    };
    let of_origin = origin.split_once("://").map(|(_, host)| host);
    of_origin.is_some() && of_origin == text(headers, &HOST)
}

fn text<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Option<&'h str> {
    headers.get(name)?.to_str().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let pair = |(name, value): &(&'static str, &'static str)| {
            (HeaderName::from_static(name), HeaderValue::from_static(value))
        };
        pairs.iter().map(pair).collect()
    }

    #[test]
    fn a_form_of_another_site_is_refused() {
        let good: [&[_]; 4] = [
            &[("sec-fetch-site", "same-origin")],
            &[("sec-fetch-site", "none")],
            &[("origin", "https://console.example"), ("host", "console.example")],
            &[("host", "console.example")],
        ];
        assert!(good.iter().all(|pairs| is_same_origin(&headers(pairs))));
        let bad: [&[_]; 4] = [
            &[("sec-fetch-site", "cross-site")],
            &[("sec-fetch-site", "same-site")],
            &[("origin", "https://evil.example"), ("host", "console.example")],
            &[("origin", "null"), ("host", "console.example")],
        ];
        assert!(!bad.iter().any(|pairs| is_same_origin(&headers(pairs))));
    }

    #[test]
    fn without_sign_in_only_names_of_this_machine_are_answered() {
        for good in ["localhost:8086", "127.0.0.1:8086", "[::1]:8086", "localhost"] {
            assert!(is_loopback(&headers(&[("host", good)])), "{good}");
        }
        for bad in ["evil.example:8086", "localhost.evil.example", ""] {
            assert!(!is_loopback(&headers(&[("host", bad)])), "{bad}");
        }
        assert!(!is_loopback(&HeaderMap::new()));
    }
}
