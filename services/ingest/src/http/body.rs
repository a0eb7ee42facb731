//! Takes a request's body in, within its limits.

use std::time::Duration;

use axum::body::Body;
use axum::extract::Request;
use bytes::Bytes;
use http::{HeaderMap, header};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};

use super::answer::Refusal;
use crate::parse::Format;

/// How the body is laid out, by its content type. A missing one is taken for JSON.
pub(super) fn format(headers: &HeaderMap) -> Result<Format, Refusal> {
    if let Some(encoding) = headers.get(header::CONTENT_ENCODING)
        && !encoding.as_bytes().eq_ignore_ascii_case(b"identity")
    {
        return Err(Refusal::MediaType(
            "the body must not be encoded: send it without content-encoding".to_owned(),
        ));
    }
    let Some(sent) = headers.get(header::CONTENT_TYPE) else {
        return Ok(Format::Json);
    };
    let sent = String::from_utf8_lossy(sent.as_bytes());
    let media_type = sent
        .split(';')
        .next()
        .unwrap_or_default()
        .trim()
        .to_ascii_lowercase();
    match media_type.as_str() {
        "application/json" => Ok(Format::Json),
        "application/x-ndjson" | "application/ndjson" | "application/jsonl" => Ok(Format::Lines),
        _ => Err(Refusal::MediaType(format!(
            "the content type is {:?}: send `content-type: application/json`, or `application/x-ndjson` for one event a line",
            crate::draft::shortened(&sent)
        ))),
    }
}

/// The whole body.
pub(super) async fn read(request: Request, max: usize, timeout: Duration) -> Result<Bytes, Refusal> {
    let body: Body = request.into_body();
    // A length that is announced is refused before anything of it is read.
    if axum::body::HttpBody::size_hint(&body).lower() > max as u64 {
        return Err(Refusal::BodyTooLarge { max });
    }
    match tokio::time::timeout(timeout, Limited::new(body, max).collect()).await {
        Ok(Ok(collected)) => Ok(collected.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(Refusal::BodyTooLarge { max }),
        Ok(Err(error)) => Err(Refusal::BodyBroken(error.to_string())),
        Err(_elapsed) => Err(Refusal::BodyTooSlow { timeout }),
    }
}
