//! Metrics for Prometheus, which comes and asks: `GET /metrics`.

use std::io;
use std::net::SocketAddr;

use ::http::{StatusCode, header};
use angarium_runtime::{Tasks, chain, http, listen};
use axum::Router;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use opentelemetry_prometheus::PrometheusExporter;
use prometheus::{Encoder as _, Registry, TextEncoder};

use crate::environment::Mistake;

/// What was measured, as Prometheus reads it. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Scraped(Registry);

/// Prometheus is one or two; whoever else asks shall not matter.
const CONNECTIONS: usize = 16;

impl Scraped {
    pub(crate) fn new() -> Self {
        Self(Registry::new())
    }

    /// What the provider of metrics is to be read by.
    pub(crate) fn reader(&self) -> Result<PrometheusExporter, Mistake> {
        let exporter = opentelemetry_prometheus::exporter().with_registry(self.0.clone());
        // One meter has all of them: its name would be one more label of each.
        exporter
            .scope_info_enabled(false)
            .build()
            .map_err(|source| Mistake::Exporter {
                signal: "metrics for Prometheus",
                source: Box::new(source),
            })
    }

    pub(crate) async fn serve(self, address: SocketAddr, tasks: &Tasks) -> Result<SocketAddr, io::Error> {
        let (listener, address) = listen(address).await?;
        let router = Router::new().route("/metrics", get(metrics)).with_state(self);
        let bounds = http::Bounds {
            connections: CONNECTIONS,
            ..http::Bounds::default()
        };
        tasks.spawn("metrics", http::serve(listener, router, bounds, tasks.clone()));
        tracing::info!(%address, "metrics are served at /metrics");
        Ok(address)
    }
}

async fn metrics(State(Scraped(registry)): State<Scraped>) -> Response {
    let mut text = Vec::new();
    let encoder = TextEncoder::new();
    match encoder.encode(&registry.gather(), &mut text) {
        Ok(()) => ([(header::CONTENT_TYPE, encoder.format_type().to_owned())], text).into_response(),
        Err(error) => {
            tracing::error!(error = chain(&error), "metrics cannot be written");
            (
                StatusCode::INTERNAL_SERVER_ERROR,
                "metrics cannot be written; the log says why\n",
            )
                .into_response()
        }
    }
}
