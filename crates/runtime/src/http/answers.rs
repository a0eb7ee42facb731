//! What answers take in memory until they are read: who asks and does not read keeps no more of it than there is.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use ::http::header::{CONTENT_TYPE, RETRY_AFTER};
use ::http::{Method, StatusCode};
use axum::body::{Body, Bytes, HttpBody as _};
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use http_body::{Frame, SizeHint};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// An answer up to this size, in bytes, is not counted: there are at most as many as connections.
const SMALL: u64 = 64 * 1024;
/// What a caller is told whose answer has no room.
const FULL: &str = r#"{"title":"Service Unavailable","status":503,"detail":"others do not read what they are answered, and there is no room for more; try again in a moment"}"#;

/// The room that larger answers share. Cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct Answers(Arc<Semaphore>);

/// An answer that takes some of it until it is sent, or given up.
struct Counted {
    body: Body,
    _room: OwnedSemaphorePermit,
}

impl Answers {
    /// So many KiB.
    pub(super) fn within(kib: usize) -> Self {
        Self(Arc::new(Semaphore::new(kib.min(Semaphore::MAX_PERMITS))))
    }

    /// Without room, what only reads is refused. What has done something is answered all the same: its bound is on what is done at
    /// once.
    fn count(&self, is_read: bool, answer: Response) -> Response {
        // What comes bit by bit is not held.
        let large = answer.body().size_hint().exact().filter(|size| *size > SMALL);
        let Some(bytes) = large else {
            return answer;
        };
        let kib = u32::try_from(bytes.div_ceil(1_024)).unwrap_or(u32::MAX);
        match Arc::clone(&self.0).try_acquire_many_owned(kib) {
            Ok(room) => answer.map(|body| Body::new(Counted { body, _room: room })),
            Err(_full) if is_read => full(),
            Err(_full) => answer,
        }
    }
}

/// For every request.
pub(super) async fn counted(State(answers): State<Answers>, request: Request, next: Next) -> Response {
    let is_read = matches!(*request.method(), Method::GET | Method::HEAD);
    let answer = next.run(request).await;
    answers.count(is_read, answer)
}

fn full() -> Response {
    let headers = [(CONTENT_TYPE, "application/problem+json"), (RETRY_AFTER, "1")];
    (StatusCode::SERVICE_UNAVAILABLE, headers, FULL).into_response()
}

impl http_body::Body for Counted {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(kib: usize) -> Response {
        Body::from(vec![b'x'; kib * 1_024]).into_response()
    }

    #[test]
    fn a_read_that_has_no_room_is_refused_until_another_is_sent_or_given_up() {
        let answers = Answers::within(300);
        let read = |kib| answers.count(true, answer(kib));
        let held = [read(150), read(150)];
        assert!(held.iter().all(|held| held.status() == StatusCode::OK));
        assert_eq!(read(65).status(), StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(read(64).status(), StatusCode::OK, "a small one is not counted");
        let written = answers.count(false, answer(65));
        assert_eq!(written.status(), StatusCode::OK, "what was done is told");
        drop(held);
        assert_eq!(read(300).status(), StatusCode::OK);
    }
}
