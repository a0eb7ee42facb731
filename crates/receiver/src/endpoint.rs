//! G5: an axum handler that acknowledges at once, and leaves the work to a queue.
//!
//! ```text
//!  POST ──▶ Verified (body, signature) ──▶ queue, bounded ──▶ the subscriber's task: Inbox, work
//!              │ 401, 400, 413, 408          │ full: 503
//! ```
//!
//! Nothing between the request and the answer waits for the work or for a store: Angarium gives an answer 5 s (D1). What
//! finds no room is not acknowledged, so Angarium keeps it, in order, and sends it again (D2).

use std::fmt;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use angarium_signing::Verifier;
use axum::Router;
use axum::extract::{FromRef, FromRequest, Request, State};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use bytes::Bytes;
use http::StatusCode;
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use tokio::sync::{Semaphore, mpsc};

use crate::{Error, Group};

/// The longest body that is read. Angarium's groups have 1 MiB; one with a single event may have a little more.
pub const MAX_BODY: usize = 2 * 1024 * 1024;

/// Bodies that are read at once: they are not verified yet, and 64 of them hold at most 128 MiB.
const READING: usize = 64;

/// Angarium waits 5 s for an answer (D1): a body that is still on its way by then has nobody who waits for it.
const READ_WITHIN: Duration = Duration::from_secs(5);

/// Takes the requests of one webhook. Cloning it is cheap.
#[derive(Clone)]
pub struct Endpoint {
    shared: Arc<Shared>,
    queue: mpsc::Sender<Group>,
}

struct Shared {
    verifier: Verifier,
    now: Box<dyn Fn() -> u64 + Send + Sync>,
    reading: Semaphore,
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Endpoint")
            .field("verifier", &self.shared.verifier)
            .field("room", &self.queue.capacity())
            .finish_non_exhaustive()
    }
}

impl Endpoint {
    /// An endpoint and the queue that it fills with at most `groups` groups, each of up to [`MAX_BODY`] bytes. `now` tells
    /// the time of day in seconds since 1970, as the signatures do.
    ///
    /// What is in the queue is acknowledged. A process that ends must empty it first, or must ask for it again.
    #[must_use]
    pub fn new(
        verifier: Verifier,
        groups: NonZeroUsize,
        now: impl Fn() -> u64 + Send + Sync + 'static,
    ) -> (Self, mpsc::Receiver<Group>) {
        let (queue, groups) = mpsc::channel(groups.get());
        let shared = Shared {
            verifier,
            now: Box::new(now),
            reading: Semaphore::new(READING),
        };
        let endpoint = Self {
            shared: Arc::new(shared),
            queue,
        };
        (endpoint, groups)
    }

    /// Hands a verified group over, without waiting.
    ///
    /// # Errors
    /// [`Refusal::Full`] and [`Refusal::Closed`].
    pub fn hand_over(&self, group: Group) -> Result<(), Refusal> {
        self.queue.try_send(group).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => Refusal::Full,
            mpsc::error::TrySendError::Closed(_) => Refusal::Closed,
        })
    }

    /// The handler of a `POST`: 204 once the group is in the queue.
    ///
    /// # Errors
    /// [`Refusal`].
    #[expect(clippy::unused_async, reason = "axum's handlers are async")]
    pub async fn accept(
        State(endpoint): State<Self>,
        Verified(group): Verified,
    ) -> Result<StatusCode, Refusal> {
        endpoint.hand_over(group).map(|()| StatusCode::NO_CONTENT)
    }

    /// Serves [`accept`](Self::accept) at this path.
    pub fn router(self, path: &str) -> Router {
        Router::new().route(path, post(Self::accept)).with_state(self)
    }
}

/// Extracts a group, verified. For handlers that do more than [`Endpoint::accept`]; their state yields an [`Endpoint`].
#[derive(Debug)]
pub struct Verified(pub Group);

impl<S> FromRequest<S> for Verified
where
    Endpoint: FromRef<S>,
    S: Send + Sync,
{
    type Rejection = Refusal;

    async fn from_request(request: Request, state: &S) -> Result<Self, Refusal> {
        let Shared {
            verifier,
            now,
            reading,
        } = &*Endpoint::from_ref(state).shared;
        let _reading = reading.try_acquire().map_err(|_busy| Refusal::Full)?;
        let (parts, body) = request.into_parts();
        let body = tokio::time::timeout(READ_WITHIN, read(body))
            .await
            .map_err(|_elapsed| Refusal::Slow)??;
        Group::verify(verifier, &parts.headers, &body, now())
            .map(Self)
            .map_err(Refusal::NotTaken)
    }
}

async fn read(body: axum::body::Body) -> Result<Bytes, Refusal> {
    match Limited::new(body, MAX_BODY).collect().await {
        Ok(body) => Ok(body.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(Refusal::TooLarge),
        Err(error) => Err(Refusal::Broken(error)),
    }
}

/// Why a request is not acknowledged. As a response it tells so: Angarium shows the answer in its journal.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// 401 if it is not to be trusted, 500 if this machine is to blame, else 400.
    #[error(transparent)]
    NotTaken(Error),
    /// 503: it comes again.
    #[error(
        "the queue is full: this comes again after a pause. If it lasts, work faster or with more at once"
    )]
    Full,
    /// 503: it comes again.
    #[error("nobody takes from the queue any more: this receiver is ending")]
    Closed,
    /// 413: Angarium halves it.
    #[error("the body is longer than {MAX_BODY} bytes")]
    TooLarge,
    /// 408: it comes again.
    #[error("the body did not arrive within {} s", READ_WITHIN.as_secs())]
    Slow,
    /// 408: it comes again.
    #[error("the body broke off")]
    Broken(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl Refusal {
    /// What it is answered with.
    #[must_use]
    pub const fn status(&self) -> StatusCode {
        match self {
            Self::NotTaken(Error::Untrusted(_)) => StatusCode::UNAUTHORIZED,
            Self::NotTaken(Error::NoRandomness(_)) => StatusCode::INTERNAL_SERVER_ERROR,
            Self::NotTaken(_) => StatusCode::BAD_REQUEST,
            Self::Full | Self::Closed => StatusCode::SERVICE_UNAVAILABLE,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Slow | Self::Broken(_) => StatusCode::REQUEST_TIMEOUT,
        }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let mut told = self.to_string();
        let mut cause = std::error::Error::source(&self);
        while let Some(error) = cause {
            told.push_str(": ");
            told.push_str(&error.to_string());
            cause = error.source();
        }
        told.push('\n');
        (self.status(), told).into_response()
    }
}
