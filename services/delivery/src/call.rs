//! One call of a receiver: connect, send, read the answer, within D1's limits.
//!
//! Nothing is sent twice by itself: a request is tried on a second connection only when not a byte of it had been
//! written to the first. Redirects are not followed.

mod connect;
mod pool;

use std::time::Duration;

use angarium_policy::Failure;
use bytes::Bytes;
use http::{HeaderMap, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use tokio::time::{Instant, timeout, timeout_at};
use url::Url;

pub(crate) use self::connect::TlsSetup;
use self::connect::{Connection, Connector};
pub(crate) use self::pool::Pool;
use self::pool::Route;

/// How long a call may take.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Patience {
    /// For the connection: name, TCP and TLS together.
    pub(crate) connect: Duration,
    /// From the connection to the end of the answer.
    pub(crate) answer: Duration,
}

impl Patience {
    /// D1: 10 s to connect, 5 s to answer.
    pub(crate) const D1: Self = Self {
        connect: Duration::from_secs(10),
        answer: Duration::from_secs(5),
    };

    /// The longest that a call takes.
    pub(crate) fn total(self) -> Duration {
        self.connect + self.answer
    }
}

/// How much of an answer's body is read (DESIGN §7); more is left unread and the connection closed.
const MAX_ANSWER_BODY: usize = 64 * 1024;

/// How a receiver answered.
#[derive(Debug)]
pub(crate) struct Answered {
    pub(crate) status: StatusCode,
    /// The header `Retry-After`, as it was sent.
    pub(crate) retry_after: Option<String>,
}

/// A call without an answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CallError {
    /// The name has no address.
    #[error("the host {host} was not found")]
    Dns {
        host: String,
        #[source]
        source: std::io::Error,
    },
    /// No address took the connection.
    #[error("cannot connect to {address}")]
    Connect {
        address: String,
        #[source]
        source: std::io::Error,
    },
    /// No connection in time.
    #[error("no connection to {host} within {within:?}")]
    ConnectTimeout { host: String, within: Duration },
    /// The TLS handshake failed.
    #[error("no TLS connection to {host}")]
    Tls {
        host: String,
        #[source]
        source: std::io::Error,
    },
    /// The host's name cannot stand in a certificate.
    #[error("{host} is no name for a TLS certificate")]
    TlsName { host: String },
    /// No answer in time.
    #[error("no answer within {within:?}")]
    AnswerTimeout { within: Duration },
    /// The connection broke.
    #[error("the receiver closed the connection before it answered")]
    Reset(#[source] hyper::Error),
    /// The answer is no HTTP.
    #[error("the receiver's answer is not HTTP, or its head is over 32 KiB")]
    Protocol(#[source] hyper::Error),
    /// The request could not be made.
    #[error("no request can be made for this URL")]
    Request(#[source] http::Error),
}

impl CallError {
    /// The kind of failure, for the policy.
    pub(crate) const fn failure(&self) -> Failure {
        match self {
            Self::Dns { .. } => Failure::Dns,
            Self::Connect { .. } => Failure::Connect,
            Self::ConnectTimeout { .. } => Failure::ConnectTimeout,
            Self::Tls { .. } | Self::TlsName { .. } => Failure::Tls,
            Self::AnswerTimeout { .. } => Failure::AnswerTimeout,
            Self::Reset(_) => Failure::Reset,
            Self::Protocol(_) | Self::Request(_) => Failure::Protocol,
        }
    }

    /// The whole chain, for a person; at most 512 bytes, as the journal wants it.
    pub(crate) fn detail(&self) -> String {
        const MAX_BYTES: usize = 512;
        let mut text = self.to_string();
        let mut source = std::error::Error::source(self);
        while let Some(cause) = source {
            text.push_str(": ");
            text.push_str(&cause.to_string());
            source = cause.source();
        }
        let mut end = text.len().min(MAX_BYTES);
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        text.truncate(end);
        text
    }

    fn of_hyper(error: hyper::Error) -> Self {
        if error.is_parse() || error.is_parse_too_large() {
            Self::Protocol(error)
        } else {
            Self::Reset(error)
        }
    }
}

/// Makes calls.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    connector: Connector,
    pool: Pool,
    patience: Patience,
}

impl Caller {
    /// Keeps connections in `pool`, and drives them on `tasks`.
    pub(crate) fn new(pool: Pool, tls: TlsSetup, patience: Patience, tasks: angarium_runtime::Tasks) -> Self {
        Self {
            connector: Connector::new(tls, tasks),
            pool,
            patience,
        }
    }

    /// Sends a POST and returns the head of the answer, its body read within bounds.
    ///
    /// Cancel safe in the sense of D6: a dropped call may have reached the receiver.
    pub(crate) async fn post(
        &self,
        url: &Url,
        headers: HeaderMap,
        body: Bytes,
    ) -> Result<Answered, CallError> {
        let route = Route::of(url);
        let mut request = request(url, &route, headers, body)?;
        while let Some(mut connection) = self.pool.take(&route) {
            let deadline = Instant::now() + self.patience.answer;
            let sent = timeout_at(deadline, connection.try_send_request(request)).await;
            match sent.map_err(|_elapsed| self.no_answer())? {
                Ok(response) => return Ok(self.finish(route, connection, response, deadline).await),
                // The receiver had closed it, and nothing was written: another one may be better.
                Err(mut error) => match error.take_message() {
                    Some(unsent) => request = unsent,
                    None => return Err(CallError::of_hyper(error.into_error())),
                },
            }
        }
        let connected = timeout(self.patience.connect, self.connector.connect(&route)).await;
        let no_time = |_elapsed| CallError::ConnectTimeout {
            host: route.host().to_owned(),
            within: self.patience.connect,
        };
        let mut connection = connected.map_err(no_time)??;
        let deadline = Instant::now() + self.patience.answer;
        let sent = timeout_at(deadline, connection.send_request(request)).await;
        let response = sent
            .map_err(|_elapsed| self.no_answer())?
            .map_err(CallError::of_hyper)?;
        Ok(self.finish(route, connection, response, deadline).await)
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
        deadline: Instant,
    ) -> Answered {
        let (head, body) = response.into_parts();
        let retry_after = head
            .headers
            .get(header::RETRY_AFTER)
            .and_then(|value| value.to_str().ok());
        let retry_after = retry_after.map(ToOwned::to_owned);
        if let Ok(Ok(_read)) = timeout_at(deadline, Limited::new(body, MAX_ANSWER_BODY).collect()).await {
            self.pool.put(route, connection);
        }
        Answered {
            status: head.status,
            retry_after,
        }
    }
}

fn request(
    url: &Url,
    route: &Route,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Request<Full<Bytes>>, CallError> {
    let path = match url.query() {
        Some(query) => format!("{}?{query}", url.path()),
        None => url.path().to_owned(),
    };
    let mut request = Request::post(path)
        .header(header::HOST, route.authority())
        .header(header::CONTENT_TYPE, "application/json")
        .header(
            header::USER_AGENT,
            concat!("Angarium/", env!("CARGO_PKG_VERSION")),
        )
        .body(Full::new(body))
        .map_err(CallError::Request)?;
    request.headers_mut().extend(headers);
    Ok(request)
}

#[cfg(test)]
mod tests;
