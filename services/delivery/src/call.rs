//! One call of a receiver: connect, send, read the answer, within D1's limits.
//!
//! 1. A connection to the same place, made for the same account under the same egress policy, is used again (`pool`).
//! 2. Else the policy vets the URL; the host's addresses are looked up and **every one** is vetted (`resolve`); the
//!    connection goes to one of them, the first to take it (`race`), with TLS and HTTP on top (`connect`). The name is
//!    not looked up again for that connection, so that it cannot come to mean something else in between.
//! 3. The request is sent, the answer's head awaited (`meter` bounds what may come before it), the body read (`body`).
//!
//! Nothing is sent twice by itself: a request is tried on a second connection only when not a byte of it had been
//! written to the first. Redirects are not followed, and no proxy is taken from the environment.

mod body;
mod certificate;
mod connect;
mod error;
mod meter;
mod pool;
mod race;
mod resolve;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use angarium_kafka::Lease;
use angarium_model::AccountId;
use angarium_policy::egress::Policy;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, header};
use http_body_util::Full;
use hyper::body::Incoming;
use tokio::time::{Instant, timeout, timeout_at};
use url::Url;

pub use self::body::BodyEnd;
pub use self::certificate::{Authorities, InvalidAuthorities};
use self::connect::{Connection, Connector};
pub use self::connect::{Setup, TlsSetup};
pub use self::error::CallError;
pub use self::pool::Pool;
use self::pool::Route;

/// How long a call may take.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// For the connection: name, TCP and TLS together.
    pub connect: Duration,
    /// From the connection to the end of the answer.
    pub answer: Duration,
}

impl Patience {
    /// D1: 10 s to connect, 5 s to answer.
    pub const D1: Self = Self {
        connect: Duration::from_secs(10),
        answer: Duration::from_secs(5),
    };

    /// The longest that a call takes.
    #[must_use]
    pub fn total(self) -> Duration {
        self.connect + self.answer
    }
}

/// A POST to make.
#[derive(Debug)]
pub struct Request<'a> {
    /// Whose it is: connections are not shared between accounts.
    pub account: AccountId,
    /// Where it goes.
    pub url: &'a Url,
    /// Beside `host`, `content-type`, `user-agent` and `content-length`, which are set here unless given.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// JSON.
    pub body: Bytes,
    /// What to keep of the answer.
    pub capture: Capture,
    /// The call is not sent unless this lasts until its end.
    pub lease: &'a Lease,
}

/// What to keep of an answer, beside its status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Capture {
    /// Nothing: deliveries.
    Nothing,
    /// Headers, and up to 64 KiB of the body: for a person who tests a webhook (W5).
    Answer,
}

/// How a receiver answered.
#[derive(Debug)]
pub struct Answered {
    /// The status.
    pub status: StatusCode,
    /// The header `Retry-After`, as it was sent.
    pub retry_after: Option<String>,
    /// The vetted address that was called.
    pub address: SocketAddr,
    /// How long each phase took.
    pub timings: Timings,
    /// With [`Capture::Answer`].
    pub captured: Option<Captured>,
}

/// How long each phase of a call took.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timings {
    /// `None` when a connection was used again.
    pub setup: Option<Setup>,
    /// From the start of sending to the answer's head.
    pub first_byte: Duration,
    /// All of it, to the end of the body.
    pub total: Duration,
}

/// What was kept of an answer.
#[derive(Debug)]
pub struct Captured {
    /// Its headers, at most 32 KiB.
    pub headers: HeaderMap,
    /// Its body, as far as it was read: at most 64 KiB.
    pub body: Bytes,
    /// Whether that is all of it.
    pub body_end: BodyEnd,
}

/// Makes calls.
#[derive(Clone, Debug)]
pub struct Caller {
    connector: Connector,
    pool: Pool,
    patience: Patience,
}

impl Caller {
    /// Goes where `policy` allows, keeps connections in `pool`, and drives them on `tasks`.
    #[must_use]
    pub fn new(
        pool: Pool,
        policy: Arc<Policy>,
        tls: TlsSetup,
        patience: Patience,
        tasks: angarium_runtime::Tasks,
    ) -> Self {
        Self {
            connector: Connector::new(policy, tls, tasks),
            pool,
            patience,
        }
    }

    /// The headers that [`Caller::post`] sends, those that it adds included.
    ///
    /// # Errors
    /// When the request cannot be made.
    pub fn headers(&self, request: &Request<'_>) -> Result<HeaderMap, CallError> {
        let route = Route::of(request.account, request.url, self.connector.policy().generation());
        headers(request.headers.clone(), request.body.len(), &route)
    }

    /// Sends a POST and returns the head of the answer, its body read within bounds.
    ///
    /// Cancel safe in the sense of D6: a dropped call may have reached the receiver.
    ///
    /// # Errors
    /// When there is no answer. Whatever the receiver answers is one.
    pub async fn post(&self, request: Request<'_>) -> Result<Answered, CallError> {
        let start = Instant::now();
        let (url, keep, lease) = (request.url, request.capture == Capture::Answer, request.lease);
        let route = Route::of(request.account, url, self.connector.policy().generation());
        let mut message = message(request, &route)?;
        let mut exchange = Exchange {
            start,
            setup: None,
            sent: start,
            keep,
        };
        while let Some(mut connection) = self.pool.take(&route) {
            if !connection.is_ready().await {
                continue;
            }
            let deadline = self.begin(&mut exchange, &connection, lease)?;
            let sent = timeout_at(deadline, connection.sender.try_send_request(message)).await;
            match sent.map_err(|_elapsed| self.no_answer())? {
                Ok(response) => {
                    return Ok(self.finish(route, connection, response, exchange, deadline).await);
                }
                // The receiver had closed it, and nothing was written: another one may be better.
                Err(mut error) => match error.take_message() {
                    Some(unsent) => message = unsent,
                    None => return Err(no_head(&connection, error.into_error())),
                },
            }
        }
        // In a box: most calls find a connection, and need not carry what making one takes.
        let connecting = Box::pin(self.connector.connect(url, &route));
        let connected = timeout(self.patience.connect, connecting).await;
        let no_time = |_elapsed| CallError::ConnectTimeout {
            host: route.host().to_owned(),
            within: self.patience.connect,
        };
        let (mut connection, setup) = connected.map_err(no_time)??;
        exchange.setup = Some(setup);
        let deadline = self.begin(&mut exchange, &connection, lease)?;
        let sent = timeout_at(deadline, connection.sender.send_request(message)).await;
        let response = sent
            .map_err(|_elapsed| self.no_answer())?
            .map_err(|error| no_head(&connection, error))?;
        Ok(self.finish(route, connection, response, exchange, deadline).await)
    }

    /// Starts the time that the receiver has for its answer, right before the first byte: whoever was frozen until now
    /// may have been followed by another owner, and sends nothing.
    fn begin(
        &self,
        exchange: &mut Exchange,
        connection: &Connection,
        lease: &Lease,
    ) -> Result<Instant, CallError> {
        connection.meter.await_head();
        exchange.sent = Instant::now();
        let last = exchange.start + self.patience.total();
        let deadline = last.min(exchange.sent + self.patience.answer);
        let needed = deadline.saturating_duration_since(exchange.sent);
        // Without time for an answer it was frozen for long, whatever its lease.
        if needed.is_zero() || lease.left() < needed {
            return Err(CallError::LeaseOver);
        }
        Ok(deadline)
    }

    fn no_answer(&self) -> CallError {
        CallError::AnswerTimeout {
            within: self.patience.answer,
        }
    }

    /// The head has come, so the receiver has decided (D1). The body is read to use the connection again; one that is
    /// too long or too slow costs the connection, nothing else.
    async fn finish(
        &self,
        route: Route,
        connection: Connection,
        response: Response<Incoming>,
        exchange: Exchange,
        deadline: Instant,
    ) -> Answered {
        connection.meter.head_has_come();
        let first_byte = exchange.sent.elapsed();
        let (head, body) = response.into_parts();
        let (status, address) = (head.status, connection.address);
        let retry_after = head.headers.get(header::RETRY_AFTER);
        let retry_after = retry_after
            .and_then(|value| value.to_str().ok())
            .map(ToOwned::to_owned);
        let (body, body_end) = body::read(body, deadline, exchange.keep).await;
        // After a 101 the connection speaks something else.
        if body_end == BodyEnd::Whole && !status.is_informational() {
            self.pool.put(route, connection);
        }
        Answered {
            status,
            retry_after,
            address,
            timings: Timings {
                setup: exchange.setup,
                first_byte,
                total: exchange.start.elapsed(),
            },
            captured: exchange.keep.then_some(Captured {
                headers: head.headers,
                body,
                body_end,
            }),
        }
    }
}

/// What is known of a call under way.
#[derive(Clone, Copy, Debug)]
struct Exchange {
    start: Instant,
    setup: Option<Setup>,
    sent: Instant,
    keep: bool,
}

/// Why a connection brought no head.
fn no_head(connection: &Connection, error: hyper::Error) -> CallError {
    if connection.meter.is_exhausted() && !error.is_parse_too_large() {
        CallError::Interim
    } else {
        CallError::of_hyper(error)
    }
}

fn message(request: Request<'_>, route: &Route) -> Result<http::Request<Full<Bytes>>, CallError> {
    let path = match request.url.query() {
        Some(query) => format!("{}?{query}", request.url.path()),
        None => request.url.path().to_owned(),
    };
    let headers = headers(request.headers, request.body.len(), route)?;
    let mut message = http::Request::post(path)
        .body(Full::new(request.body))
        .map_err(CallError::Request)?;
    *message.headers_mut() = headers;
    Ok(message)
}

fn headers(
    given: Vec<(HeaderName, HeaderValue)>,
    body_bytes: usize,
    route: &Route,
) -> Result<HeaderMap, CallError> {
    let host = HeaderValue::from_str(&route.authority()).map_err(|error| CallError::Request(error.into()))?;
    let user_agent = concat!("Angarium/", env!("CARGO_PKG_VERSION"));
    let mut headers = HeaderMap::with_capacity(4 + given.len());
    headers.insert(header::HOST, host);
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(header::USER_AGENT, HeaderValue::from_static(user_agent));
    headers.insert(header::CONTENT_LENGTH, body_bytes.into());
    for (name, value) in given {
        headers.insert(name, value);
    }
    Ok(headers)
}

#[cfg(test)]
mod tests;
