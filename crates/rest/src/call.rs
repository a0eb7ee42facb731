//! Calls a service of this process as gRPC would.

use std::sync::atomic::Ordering;
use std::time::Duration;

use angarium_runtime::chain;
use angarium_runtime::grpc::MAX_MESSAGE_BYTES;
use bytes::{BufMut as _, Bytes, BytesMut};
use http::{HeaderMap, HeaderName, Request, header};
use http_body_util::{BodyExt as _, Full, Limited};
use prost::Message as _;
use prost_reflect::DynamicMessage;
use tokio::time::timeout;
use tonic::body::Body;
use tonic::codegen::Service as _;
use tonic::service::Routes;
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt as _};

use crate::Elsewhere;
use crate::routes::Route;

/// What is handed on of a request: who calls, how new an answer must be, and the trace.
const HANDED_ON: [HeaderName; 4] = [
    header::AUTHORIZATION,
    HeaderName::from_static("angarium-revision"),
    HeaderName::from_static("angarium-read"),
    HeaderName::from_static("traceparent"),
];
/// The longest that another service may take: a test of a webhook takes up to 15 s (D1).
const PATIENCE: Duration = Duration::from_secs(20);
/// When a caller may try again that asked for what is not there now.
const RETRY_AFTER: Duration = Duration::from_secs(1);
/// Before each message: whether it is compressed, and its length.
const PREFIX_BYTES: usize = 5;

/// What a method answered.
#[derive(Debug)]
pub(crate) struct Answered {
    pub(crate) message: DynamicMessage,
    pub(crate) headers: HeaderMap,
}

/// Where methods are served.
#[derive(Clone, Debug)]
pub(crate) enum Services {
    /// In this process.
    Here(Routes),
    /// By another service, which is called so.
    Elsewhere(Elsewhere),
}

impl Services {
    async fn answer(self, request: Request<Body>) -> Result<http::Response<Body>, Status> {
        match self {
            Self::Here(mut services) => {
                let Ok(response) = services.call(request).await;
                Ok(response)
            }
            Self::Elsewhere(elsewhere) => elsewhere.answer(request).await,
        }
    }
}

impl Elsewhere {
    async fn answer(&self, request: Request<Body>) -> Result<http::Response<Body>, Status> {
        let name = self.name;
        let Some(service) = self.at.reach() else {
            return Err(unreached(name));
        };
        match timeout(PATIENCE, service.pass_on(request)).await {
            Ok(Ok(response)) => {
                if self.away.swap(false, Ordering::Relaxed) {
                    tracing::info!(name, "a service is reached again");
                }
                Ok(response)
            }
            Ok(Err(error)) => {
                // Once, however many ask.
                if !self.away.swap(true, Ordering::Relaxed) {
                    tracing::warn!(name, error = chain(&error), "a service cannot be reached");
                }
                Err(unreached(name))
            }
            Err(_elapsed) => Err(Status::deadline_exceeded(format!(
                "{name} has not answered within {} s",
                PATIENCE.as_secs()
            ))),
        }
    }
}

fn unreached(name: &str) -> Status {
    let details = ErrorDetails::with_retry_info(Some(RETRY_AFTER));
    let message = format!("{name} cannot be reached now; try again");
    Status::with_error_details(Code::Unavailable, message, details)
}

pub(crate) async fn call(
    services: Services,
    route: &Route,
    headers: &HeaderMap,
    message: &DynamicMessage,
) -> Result<Answered, Status> {
    let mut framed = BytesMut::with_capacity(PREFIX_BYTES + message.encoded_len());
    framed.put_u8(0);
    let length = u32::try_from(message.encoded_len());
    framed.put_u32(length.map_err(|_longer| Status::out_of_range("the request is too large"))?);
    message
        .encode(&mut framed)
        .map_err(|error| Status::internal(error.to_string()))?;
    let mut request = Request::post(&*route.path)
        .header(header::CONTENT_TYPE, "application/grpc")
        .header(header::TE, "trailers")
        .body(Body::new(Full::new(framed.freeze())))
        .map_err(|error| Status::internal(error.to_string()))?;
    for name in &HANDED_ON {
        for value in headers.get_all(name) {
            request.headers_mut().append(name, value.clone());
        }
    }
    let (head, body) = services.answer(request).await?.into_parts();
    let collected = Limited::new(body, MAX_MESSAGE_BYTES + PREFIX_BYTES).collect();
    let collected = timeout(PATIENCE, collected).await;
    let collected = collected
        .map_err(|_elapsed| Status::deadline_exceeded("the answer did not come to its end in time"))?
        .map_err(Status::from_error)?;
    let trailers = collected.trailers().cloned();
    let status = Status::from_header_map(&head.headers)
        .or_else(|| trailers.as_ref().and_then(Status::from_header_map));
    match status {
        Some(status) if status.code() == tonic::Code::Ok => {}
        Some(status) => return Err(status),
        None => return Err(Status::internal("a call has ended without a status")),
    }
    let framed = collected.to_bytes();
    let message = framed
        .get(PREFIX_BYTES..)
        .map(Bytes::copy_from_slice)
        .unwrap_or_default();
    let message = DynamicMessage::decode(route.output.clone(), message)
        .map_err(|error| Status::internal(format!("the answer cannot be read: {error}")))?;
    Ok(Answered {
        message,
        headers: head.headers,
    })
}
