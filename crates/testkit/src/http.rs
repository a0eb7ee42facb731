//! One request at a time, for tests that look at answers.

use std::time::Duration;

use anyhow::{Context, Result};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
pub use hyper::Method;
use hyper::Request;
use hyper::client::conn::http1;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HOST, HeaderMap};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::time::timeout;

/// Longer than any answer may take.
const LIMIT: Duration = Duration::from_secs(60);

/// An answer.
#[derive(Debug)]
pub struct Reply {
    /// Its status.
    pub status: u16,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body.
    pub body: Bytes,
}

impl Reply {
    /// The body as JSON.
    ///
    /// # Errors
    /// When it is none.
    pub fn json(&self) -> Result<serde_json::Value> {
        serde_json::from_slice(&self.body)
            .with_context(|| format!("the answer is not JSON: {}", String::from_utf8_lossy(&self.body)))
    }
}

/// GET without a key.
///
/// # Errors
/// When there is no answer.
pub async fn get(address: &str, path: &str) -> Result<Reply> {
    let request = Request::builder()
        .uri(path)
        .header(HOST, address)
        .body(Full::default())?;
    exchange(address, request).await
}

/// POST with a key.
///
/// # Errors
/// When there is no answer.
pub async fn post(address: &str, path: &str, key: &str, content_type: &str, body: Bytes) -> Result<Reply> {
    let request = Request::builder()
        .method(Method::POST)
        .uri(path)
        .header(HOST, address)
        .header(AUTHORIZATION, format!("Bearer {key}"))
        .header(CONTENT_TYPE, content_type)
        .body(Full::new(body))?;
    exchange(address, request).await
}

/// A request with a key, and with a JSON body if there is one.
///
/// # Errors
/// When there is no answer.
pub async fn call(
    address: &str,
    method: Method,
    path: &str,
    key: &str,
    body: Option<&serde_json::Value>,
) -> Result<Reply> {
    let mut request = Request::builder()
        .method(method)
        .uri(path)
        .header(HOST, address)
        .header(AUTHORIZATION, format!("Bearer {key}"));
    if body.is_some() {
        request = request.header(CONTENT_TYPE, "application/json");
    }
    let body = body.map(ToString::to_string).unwrap_or_default();
    exchange(address, request.body(Full::from(body))?).await
}

async fn exchange(address: &str, request: Request<Full<Bytes>>) -> Result<Reply> {
    timeout(LIMIT, exchange_unbounded(address, request))
        .await
        .with_context(|| format!("{address} did not answer within {LIMIT:?}"))?
}

async fn exchange_unbounded(address: &str, request: Request<Full<Bytes>>) -> Result<Reply> {
    let stream = TcpStream::connect(address).await?;
    let (mut sender, driver) = http1::handshake(TokioIo::new(stream)).await?;
    // Moving the sender in closes the connection once the answer has come, and so ends the driver.
    let answered = async move {
        let (head, body) = sender.send_request(request).await?.into_parts();
        let body = body.collect().await?.to_bytes();
        anyhow::Ok(Reply {
            status: head.status.as_u16(),
            headers: head.headers,
            body,
        })
    };
    let (answered, _driven) = tokio::join!(answered, driver);
    answered
}
