//! A collector of OpenTelemetry: it takes what services push over OTLP, by gRPC and HTTP, and keeps it to be looked at.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use angarium_runtime::{Shutdown, Tasks, http};
use anyhow::Result;
use axum::Router;
use axum::extract::State;
use axum::routing::post;
use bytes::Bytes;
use futures::FutureExt as _;
use opentelemetry_proto::tonic::collector::logs::v1::{ExportLogsServiceRequest, ExportLogsServiceResponse};
use opentelemetry_proto::tonic::collector::metrics::v1::{
    ExportMetricsServiceRequest, ExportMetricsServiceResponse,
};
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{
    TraceService, TraceServiceServer,
};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use prost::Message;
use tokio::net::TcpListener;
use tonic::{Request, Response, Status};

use crate::poll::poll;

/// A collector; dropped, it closes its ports.
#[derive(Debug)]
pub struct Collector {
    grpc: SocketAddr,
    http: SocketAddr,
    kept: Kept,
    shutdown: Shutdown,
}

/// A stage of a trace.
#[derive(Clone, Debug)]
pub struct Span {
    /// The resource's `service.name`.
    pub service: String,
    /// Its name.
    pub name: String,
    /// `SERVER`, `CLIENT`, `PRODUCER`, `CONSUMER` or `INTERNAL`.
    pub kind: String,
    /// The trace that it is of: 32 hex digits.
    pub trace: String,
    /// Its id: 16 hex digits.
    pub id: String,
    /// What it follows from; empty if it is the first.
    pub parent: String,
    /// The traces and ids that it links to.
    pub links: Vec<(String, String)>,
    /// What it says of itself.
    pub attributes: BTreeMap<String, String>,
    /// Whether it failed.
    pub failed: bool,
}

/// What has come.
#[derive(Clone, Debug, Default)]
struct Kept(Arc<Mutex<Inner>>);

#[derive(Debug, Default)]
struct Inner {
    spans: Vec<Span>,
    /// Of each service.
    metrics: BTreeMap<String, BTreeSet<String>>,
    /// Of each service, the texts.
    logs: BTreeMap<String, Vec<String>>,
}

impl Collector {
    /// Starts one on free ports of the loopback address.
    ///
    /// # Errors
    /// When no port can be bound.
    pub async fn start() -> Result<Self> {
        let (kept, shutdown) = (Kept::default(), Shutdown::new());
        let tasks = Tasks::new(shutdown.clone());
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let grpc = listener.local_addr()?;
        let service = TraceServiceServer::new(kept.clone());
        let served = tonic::transport::Server::builder()
            .add_service(service)
            .serve_with_incoming_shutdown(
                tokio_stream::wrappers::TcpListenerStream::new(listener),
                shutdown.clone().begun().map(|()| ()),
            );
        tasks.spawn_critical("collector over gRPC", served);
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let http = listener.local_addr()?;
        let router = Router::new()
            .route("/v1/metrics", post(metrics))
            .route("/v1/logs", post(logs))
            .with_state(kept.clone());
        tasks.spawn(
            "collector over HTTP",
            http::serve(listener, router, http::Bounds::default(), tasks.clone()),
        );
        Ok(Self {
            grpc,
            http,
            kept,
            shutdown,
        })
    }

    /// The variables that have a process push here: traces by gRPC, metrics and the log by HTTP, without delay.
    #[must_use]
    pub fn variables(&self) -> Vec<(String, String)> {
        let Self { grpc, http, .. } = self;
        let variables = [
            ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", format!("http://{grpc}")),
            ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "grpc".to_owned()),
            (
                "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT",
                format!("http://{http}/v1/metrics"),
            ),
            (
                "OTEL_EXPORTER_OTLP_LOGS_ENDPOINT",
                format!("http://{http}/v1/logs"),
            ),
            ("OTEL_BSP_SCHEDULE_DELAY", "100".to_owned()),
            ("OTEL_BLRP_SCHEDULE_DELAY", "100".to_owned()),
            ("OTEL_METRIC_EXPORT_INTERVAL", "500".to_owned()),
        ];
        variables.map(|(name, value)| (name.to_owned(), value)).into()
    }

    /// Waits for a span for which `is` holds.
    ///
    /// # Errors
    /// When none has come within the limit; what has is shown.
    pub async fn span(&self, what: &str, limit: Duration, is: impl Fn(&Span) -> bool) -> Result<Span> {
        let found = poll(limit, async || Ok(self.spans().into_iter().find(&is))).await?;
        found.ok_or_else(|| anyhow::anyhow!("no span came that is {what}; there are {:#?}", self.spans()))
    }

    /// All spans so far.
    #[must_use]
    pub fn spans(&self) -> Vec<Span> {
        self.kept.lock().spans.clone()
    }

    /// The names of the metrics that a service has pushed so far.
    #[must_use]
    pub fn metrics_of(&self, service: &str) -> BTreeSet<String> {
        self.kept.lock().metrics.get(service).cloned().unwrap_or_default()
    }

    /// What a service has logged so far.
    #[must_use]
    pub fn logs_of(&self, service: &str) -> Vec<String> {
        self.kept.lock().logs.get(service).cloned().unwrap_or_default()
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        self.shutdown.begin();
    }
}

impl Kept {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[tonic::async_trait]
impl TraceService for Kept {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        let mut kept = self.lock();
        for group in request.into_inner().resource_spans {
            let service = service(group.resource.as_ref());
            let spans = group.scope_spans.into_iter().flat_map(|scope| scope.spans);
            kept.spans.extend(spans.map(|span| {
                Span {
                    service: service.clone(),
                    kind: span
                        .kind()
                        .as_str_name()
                        .trim_start_matches("SPAN_KIND_")
                        .to_owned(),
                    failed: span
                        .status
                        .as_ref()
                        .is_some_and(|status| status.code() == StatusCode::Error),
                    name: span.name,
                    trace: hex(&span.trace_id),
                    id: hex(&span.span_id),
                    parent: hex(&span.parent_span_id),
                    links: span
                        .links
                        .iter()
                        .map(|link| (hex(&link.trace_id), hex(&link.span_id)))
                        .collect(),
                    attributes: texts(&span.attributes),
                }
            }));
        }
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}

async fn metrics(State(kept): State<Kept>, body: Bytes) -> Vec<u8> {
    let mut kept = kept.lock();
    for group in ExportMetricsServiceRequest::decode(body)
        .unwrap_or_default()
        .resource_metrics
    {
        let of = kept.metrics.entry(service(group.resource.as_ref())).or_default();
        let metrics = group.scope_metrics.into_iter().flat_map(|scope| scope.metrics);
        of.extend(metrics.map(|metric| metric.name));
    }
    ExportMetricsServiceResponse::default().encode_to_vec()
}

async fn logs(State(kept): State<Kept>, body: Bytes) -> Vec<u8> {
    let mut kept = kept.lock();
    for group in ExportLogsServiceRequest::decode(body)
        .unwrap_or_default()
        .resource_logs
    {
        let of = kept.logs.entry(service(group.resource.as_ref())).or_default();
        let records = group.scope_logs.into_iter().flat_map(|scope| scope.log_records);
        of.extend(records.filter_map(|record| record.body).map(text));
    }
    ExportLogsServiceResponse::default().encode_to_vec()
}

fn service(resource: Option<&Resource>) -> String {
    let attributes = resource
        .map(|resource| texts(&resource.attributes))
        .unwrap_or_default();
    attributes.get("service.name").cloned().unwrap_or_default()
}

fn texts(attributes: &[KeyValue]) -> BTreeMap<String, String> {
    let pair = |attribute: &KeyValue| Some((attribute.key.clone(), text(attribute.value.clone()?)));
    attributes.iter().filter_map(pair).collect()
}

fn text(value: AnyValue) -> String {
    match value.value {
        Some(Value::StringValue(text)) => text,
        Some(Value::IntValue(number)) => number.to_string(),
        Some(Value::DoubleValue(number)) => number.to_string(),
        Some(Value::BoolValue(truth)) => truth.to_string(),
        other => format!("{other:?}"),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
