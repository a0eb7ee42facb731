//! The style and the script, which are part of the program.

use std::sync::LazyLock;

use axum::extract::Path;
use axum::response::{IntoResponse as _, Response};
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use sha2::{Digest as _, Sha256};

use super::failure::Failure;

const CSS: &str = include_str!("../../assets/console.css");
const SCRIPT: &str = include_str!("../../assets/console.js");
const ICON: &str = include_str!("../../assets/icon.svg");

static CSS_NAME: LazyLock<String> = LazyLock::new(|| named("console", CSS, "css"));
static SCRIPT_NAME: LazyLock<String> = LazyLock::new(|| named("console", SCRIPT, "js"));

/// A name that changes with the content, so that browsers may keep it for ever.
fn named(stem: &str, content: &str, kind: &str) -> String {
    let digest = Sha256::digest(content.as_bytes());
    let digits: String = digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    format!("{stem}-{digits}.{kind}")
}

pub(super) fn css() -> &'static str {
    &CSS_NAME
}

pub(super) fn script() -> &'static str {
    &SCRIPT_NAME
}

pub(super) async fn asset(Path(name): Path<String>) -> Response {
    let (kind, content) = match name.as_str() {
        name if name == css() => ("text/css; charset=utf-8", CSS),
        name if name == script() => ("text/javascript; charset=utf-8", SCRIPT),
        "icon.svg" => ("image/svg+xml", ICON),
        _ => return Failure::not_found("file").into_response(),
    };
    let lasting = if name == "icon.svg" {
        "max-age=86400"
    } else {
        "max-age=31536000, immutable"
    };
    ([(CONTENT_TYPE, kind), (CACHE_CONTROL, lasting)], content).into_response()
}
