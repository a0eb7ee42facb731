//! Pushes over OTLP, by gRPC or HTTP. Each signal has a thread of the SDK's, with a queue that is bounded.

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use http::{Request, Response};
use hyper_rustls::{ConfigBuilderExt as _, HttpsConnectorBuilder};
use opentelemetry_http::hyper::HyperClient;
use opentelemetry_http::{HttpClient, HttpError};
use opentelemetry_otlp::{
    ExporterBuildError, LogExporter, MetricExporter, SpanExporter, WithHttpConfig as _, WithTonicConfig as _,
};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::logs::SdkLoggerProvider;
use opentelemetry_sdk::metrics::PeriodicReader;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tokio::runtime::Handle;
use tonic::transport::ClientTlsConfig;

use crate::environment::{Mistake, Over};

/// No request takes longer than this, whatever `OTEL_EXPORTER_OTLP_TIMEOUT` says: the default of the specification.
const LONGEST: Duration = Duration::from_secs(10);

pub(crate) fn traces(over: Option<Over>, resource: &Resource) -> Result<Option<SdkTracerProvider>, Mistake> {
    let exporter = match over {
        None => return Ok(None),
        Some(Over::Grpc) => SpanExporter::builder()
            .with_tonic()
            .with_tls_config(tls())
            .build(),
        Some(Over::Http) => client("traces").map(|client| {
            SpanExporter::builder()
                .with_http()
                .with_http_client(client)
                .build()
        })?,
    };
    let exporter = exporter.map_err(|source| failed("traces", source))?;
    let builder = SdkTracerProvider::builder().with_resource(resource.clone());
    Ok(Some(builder.with_batch_exporter(exporter).build()))
}

pub(crate) fn metrics(over: Option<Over>) -> Result<Option<PeriodicReader<MetricExporter>>, Mistake> {
    let exporter = match over {
        None => return Ok(None),
        Some(Over::Grpc) => MetricExporter::builder()
            .with_tonic()
            .with_tls_config(tls())
            .build(),
        Some(Over::Http) => client("metrics").map(|client| {
            MetricExporter::builder()
                .with_http()
                .with_http_client(client)
                .build()
        })?,
    };
    let exporter = exporter.map_err(|source| failed("metrics", source))?;
    Ok(Some(PeriodicReader::builder(exporter).build()))
}

pub(crate) fn logs(over: Option<Over>, resource: &Resource) -> Result<Option<SdkLoggerProvider>, Mistake> {
    let exporter = match over {
        None => return Ok(None),
        Some(Over::Grpc) => LogExporter::builder().with_tonic().with_tls_config(tls()).build(),
        Some(Over::Http) => client("logs").map(|client| {
            LogExporter::builder()
                .with_http()
                .with_http_client(client)
                .build()
        })?,
    };
    let exporter = exporter.map_err(|source| failed("logs", source))?;
    let builder = SdkLoggerProvider::builder().with_resource(resource.clone());
    Ok(Some(builder.with_batch_exporter(exporter).build()))
}

fn failed(signal: &'static str, source: ExporterBuildError) -> Mistake {
    Mistake::Exporter {
        signal,
        source: Box::new(source),
    }
}

/// Used if the endpoint is `https`.
fn tls() -> ClientTlsConfig {
    ClientTlsConfig::new().with_webpki_roots()
}

/// A client that does its work on tokio, though the SDK's threads, which have none, ask it to.
#[derive(Debug)]
struct OnTokio<C> {
    client: std::sync::Arc<C>,
    tokio: Handle,
}

fn client(signal: &'static str) -> Result<impl HttpClient + 'static, Mistake> {
    let provider = std::sync::Arc::new(rustls::crypto::ring::default_provider());
    let tls = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|source| Mistake::Exporter {
            signal,
            source: Box::new(source),
        })?
        .with_webpki_roots()
        .with_no_client_auth();
    let connector = HttpsConnectorBuilder::new()
        .with_tls_config(tls)
        .https_or_http()
        .enable_http1()
        .build();
    Ok(OnTokio {
        client: std::sync::Arc::new(HyperClient::new(connector, LONGEST, None)),
        tokio: Handle::current(),
    })
}

#[async_trait]
impl<C: HttpClient + 'static> HttpClient for OnTokio<C> {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let client = std::sync::Arc::clone(&self.client);
        self.tokio
            .spawn(async move { client.send_bytes(request).await })
            .await?
    }
}
