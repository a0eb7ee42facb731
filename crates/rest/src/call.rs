//! Calls a service of this process as gRPC would.

use bytes::{BufMut as _, Bytes, BytesMut};
use http::{HeaderMap, HeaderName, Request, header};
use http_body_util::{BodyExt as _, Full};
use prost::Message as _;
use prost_reflect::DynamicMessage;
use tonic::Status;
use tonic::body::Body;
use tonic::codegen::Service as _;
use tonic::service::Routes;

use crate::routes::Route;

/// What is handed on of a request: who calls, how new an answer must be, and the trace.
const HANDED_ON: [HeaderName; 4] = [
    header::AUTHORIZATION,
    HeaderName::from_static("angarium-revision"),
    HeaderName::from_static("angarium-read"),
    HeaderName::from_static("traceparent"),
];
/// Before each message: whether it is compressed, and its length.
const PREFIX_BYTES: usize = 5;

/// What a method answered.
#[derive(Debug)]
pub(crate) struct Answered {
    pub(crate) message: DynamicMessage,
    pub(crate) headers: HeaderMap,
}

pub(crate) async fn call(
    mut services: Routes,
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
    let Ok(response) = services.call(request).await;
    let (head, body) = response.into_parts();
    let collected = body
        .collect()
        .await
        .map_err(|error| Status::from_error(error.into()))?;
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
