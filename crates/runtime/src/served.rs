//! What a server measures of each request, and its stage of the trace: what it calls further on, and what it writes, follows
//! from the span of the request.
//!
//! A `traceparent` that came is replaced by one that names this stage, so that whoever handles the request need not know of it.

use std::borrow::Cow;
use std::time::Duration;

use ::http::{HeaderMap, HeaderValue, Method};
use axum::extract::{MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::Response;
use opentelemetry::KeyValue;
use opentelemetry::metrics::Histogram;
use opentelemetry::trace::SpanKind;
use tokio::time::Instant;
use tonic::Code;

use crate::grpc::code_name;
use crate::metrics::{Definition, SHORT};
use crate::trace::{Origins, Span, TraceContext};

const HTTP: Definition = Definition::seconds(
    "http.server.request.duration",
    SHORT,
    &["http.request.method", "http.route", "http.response.status_code"],
    "From the head of a request over HTTP to that of its answer",
);
const RPC: Definition = Definition::seconds(
    "rpc.server.call.duration",
    SHORT,
    &["rpc.method", "rpc.response.status_code"],
    "From the head of a call over gRPC to that of its answer: of a stream, until it begins",
);

/// What is measured here.
pub(crate) const METRICS: &[Definition] = &[HTTP, RPC];

/// What stands for a method or path that is none of ours.
const OTHER: &str = "_OTHER";
/// What probes and Prometheus ask: measured, but no trace is worth it.
const PROBES: [&str; 3] = ["/livez", "/readyz", "/metrics"];

/// A request under way.
struct Served {
    span: Option<Span>,
    begun: Instant,
}

impl Served {
    fn begin(name: impl Into<Cow<'static, str>>, headers: &mut HeaderMap) -> Self {
        let came = headers.get(TraceContext::HEADER);
        let came = came.and_then(|value| TraceContext::parse(value.as_bytes()));
        let span = Span::begin(name, SpanKind::Server, &Origins::from(came));
        let header = span
            .context()
            .map(|context| HeaderValue::try_from(context.header()));
        // What came is none if it was not valid.
        headers.remove(TraceContext::HEADER);
        if let Some(Ok(header)) = header {
            headers.insert(TraceContext::HEADER, header);
        }
        Self {
            span: Some(span),
            begun: Instant::now(),
        }
    }

    fn unseen() -> Self {
        Self {
            span: None,
            begun: Instant::now(),
        }
    }

    fn took(&self) -> Duration {
        self.begun.elapsed()
    }

    fn say(&mut self, labels: &[KeyValue]) {
        if let Some(span) = self.span.as_mut().filter(|span| span.is_recording()) {
            span.say(labels.iter().cloned());
        }
    }

    fn fail(&mut self, class: &str) {
        if let Some(span) = self.span.as_mut().filter(|span| span.is_recording()) {
            span.fail(class.to_owned(), "");
        }
    }
}

/// How long requests over HTTP take.
pub(crate) fn http() -> Histogram<f64> {
    HTTP.measure()
}

/// Serves a request over HTTP.
pub(crate) async fn serve(
    State(durations): State<Histogram<f64>>,
    mut request: Request,
    next: Next,
) -> Response {
    let route = request.extensions().get::<MatchedPath>();
    let route = route.map_or_else(|| OTHER.to_owned(), |route| route.as_str().to_owned());
    let method = method(request.method());
    let mut served = if PROBES.contains(&&*route) {
        Served::unseen()
    } else {
        Served::begin(format!("{method} {route}"), request.headers_mut())
    };
    let response = next.run(request).await;
    let status = response.status();
    let labels = [
        KeyValue::new("http.request.method", method),
        KeyValue::new("http.route", route),
        KeyValue::new("http.response.status_code", i64::from(status.as_u16())),
    ];
    durations.record(served.took().as_secs_f64(), &labels);
    served.say(&labels);
    if status.is_server_error() {
        served.fail(status.as_str());
    }
    response
}

fn method(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        _ => OTHER,
    }
}

/// How long calls over gRPC take. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Calls(Histogram<f64>);

/// A call under way.
pub(crate) struct Call {
    served: Served,
    method: &'static str,
}

impl Calls {
    pub(crate) fn new() -> Self {
        Self(RPC.measure())
    }

    /// A call of this path begins; `None`: it is none of ours.
    pub(crate) fn begin(&self, path: Option<&'static str>, headers: &mut HeaderMap) -> Call {
        let method = path.map_or(OTHER, |path| path.trim_start_matches('/'));
        Call {
            served: Served::begin(method, headers),
            method,
        }
    }

    /// The head of its answer is there.
    pub(crate) fn end(&self, mut call: Call, answer: &HeaderMap) {
        let code = answer
            .get("grpc-status")
            .map_or(Code::Ok, |code| Code::from_bytes(code.as_bytes()));
        let labels = [
            KeyValue::new("rpc.method", call.method),
            KeyValue::new("rpc.response.status_code", code_name(code)),
        ];
        self.0.record(call.served.took().as_secs_f64(), &labels);
        call.served.say(&labels);
        if matches!(
            code,
            Code::Unknown | Code::DeadlineExceeded | Code::Internal | Code::Unavailable | Code::DataLoss
        ) {
            call.served.fail(code_name(code));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_goes_on_and_what_is_no_trace_does_not() {
        let mut headers = HeaderMap::new();
        let good = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        for (came, goes) in [(good, Some(good)), ("garbage", None)] {
            headers.insert(TraceContext::HEADER, HeaderValue::from_static(came));
            let _served = Served::begin("test", &mut headers);
            let header = headers
                .get(TraceContext::HEADER)
                .map(|value| value.to_str().unwrap());
            assert_eq!(header, goes);
        }
    }
}
