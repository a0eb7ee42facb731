//! The body of an answer, within bounds.

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use hyper::body::{Body, Incoming};
use tokio::time::{Instant, timeout_at};

/// How much of an answer's body is read (DESIGN §7); more is left unread and the connection closed.
pub(super) const MAX_ANSWER_BODY: usize = 64 * 1024;

/// How the reading of a body ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyEnd {
    /// At its end.
    Whole,
    /// At 64 KiB: it is longer.
    TooLong,
    /// At the call's deadline.
    TooSlow,
    /// Where the connection broke, or the framing was wrong.
    Broken,
}

/// Reads to the end, a bound or the deadline; returns what was read if it is to be kept.
pub(super) async fn read(mut body: Incoming, deadline: Instant, keep: bool) -> (Bytes, BodyEnd) {
    if body.is_end_stream() {
        return (Bytes::new(), BodyEnd::Whole);
    }
    let mut kept = BytesMut::new();
    let end = timeout_at(deadline, drain(&mut body, keep.then_some(&mut kept))).await;
    (kept.freeze(), end.unwrap_or(BodyEnd::TooSlow))
}

async fn drain(body: &mut Incoming, mut kept: Option<&mut BytesMut>) -> BodyEnd {
    let mut left = MAX_ANSWER_BODY;
    while let Some(frame) = body.frame().await {
        let Ok(frame) = frame else { return BodyEnd::Broken };
        // Trailers are bounded by the HTTP library, and of no interest.
        let Ok(data) = frame.into_data() else { continue };
        if let Some(kept) = &mut kept {
            kept.extend_from_slice(data.get(..left).unwrap_or(&data));
        }
        match left.checked_sub(data.len()) {
            Some(rest) => left = rest,
            None => return BodyEnd::TooLong,
        }
    }
    BodyEnd::Whole
}
