//! The log, and what leaves the process by OpenTelemetry.
//!
//! - [`Format`] and the filter say what the log on standard error looks like; it is always there.
//! - Metrics are read by Prometheus at `GET /metrics` ([`Telemetry::serve`]), pushed over OTLP, or both; traces and the log are
//!   pushed over OTLP, by gRPC or HTTP. What is pushed where, the standard `OTEL_*` variables say (`environment`): by default
//!   nothing is.
//! - What is measured is defined beside the code that does, with [`angarium_runtime::metrics`]; `process` adds what an operating
//!   system knows.
//!
//! The process starts it first thing, and [ends](Telemetry::end) it last, so that what was measured at the end still leaves. Whoever
//! takes it may be away: what does not fit the SDK's queues is dropped, and nothing waits for it.

mod environment;
mod log;
mod otlp;
mod process;
mod prometheus;

use std::net::SocketAddr;
use std::time::Duration;

use angarium_runtime::Tasks;
use angarium_runtime::metrics::Definition;
use opentelemetry::{KeyValue, global};
use opentelemetry_appender_tracing::layer::OpenTelemetryTracingBridge;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::logs::SdkLoggerProvider;
use opentelemetry_sdk::metrics::SdkMeterProvider;
use opentelemetry_sdk::trace::SdkTracerProvider;

use crate::environment::{Environment, Mistake};
pub use crate::log::{FILTER_VARIABLE, Format};
pub use crate::process::METRICS;
use crate::prometheus::Scraped;

/// What a process says of itself, and how.
#[derive(Clone, Copy, Debug)]
pub struct Options<'a> {
    /// What it is, such as `angarium-fanout`; `OTEL_SERVICE_NAME` may say otherwise.
    pub service: &'static str,
    /// Which of its kind: unique, and the same after a restart.
    pub instance: &'a str,
    /// The version of the program.
    pub version: &'static str,
    /// How a line of the log looks.
    pub format: Format,
    /// The log's filter where the variable gives none.
    pub filter: &'a str,
    /// Where Prometheus is to find metrics, if anywhere.
    pub prometheus: Option<SocketAddr>,
}

/// Why metrics are not served.
#[derive(Debug, thiserror::Error)]
#[error("cannot serve metrics on {address}")]
pub struct Error {
    /// Where.
    pub address: SocketAddr,
    #[source]
    source: std::io::Error,
}

/// What leaves the process.
#[derive(Debug)]
pub struct Telemetry {
    traces: Option<SdkTracerProvider>,
    metrics: Option<SdkMeterProvider>,
    logs: Option<SdkLoggerProvider>,
    scraped: Option<(SocketAddr, Scraped)>,
}

/// How long what is left has to leave when the process ends.
const LAST_EXPORT: Duration = Duration::from_secs(3);

impl Telemetry {
    /// Starts the log, and what the `OTEL_*` variables ask for. Call it once, on tokio, before anything is measured. A mistake in
    /// those variables is told in the log, and costs what it is about alone: a typing mistake there must not keep a service
    /// down.
    #[must_use]
    pub fn start(options: Options<'_>) -> Self {
        let environment = Environment::read();
        let resource = resource(&options);
        let mut mistakes = Vec::new();
        let logs = kept(
            environment.logs().and_then(|over| otlp::logs(over, &resource)),
            &mut mistakes,
        );
        log::start(
            options.format,
            options.filter,
            logs.as_ref().map(OpenTelemetryTracingBridge::new),
        );
        let traces = kept(
            environment
                .traces()
                .and_then(|over| otlp::traces(over, &resource)),
            &mut mistakes,
        );
        if let Some(traces) = &traces {
            global::set_tracer_provider(traces.clone());
            angarium_runtime::trace::exports();
        }
        let pushed = kept(environment.metrics().and_then(otlp::metrics), &mut mistakes);
        let address = options
            .prometheus
            .or_else(|| environment.prometheus(&mut mistakes));
        let scraped = address.map(|address| (address, Scraped::new()));
        let reader = scraped.as_ref().map(|(_, scraped)| scraped.reader());
        let reader = kept(reader.transpose(), &mut mistakes);
        let metrics = (pushed.is_some() || reader.is_some()).then(|| {
            let mut builder = SdkMeterProvider::builder().with_resource(resource);
            if let Some(pushed) = pushed {
                builder = builder.with_reader(pushed);
            }
            if let Some(reader) = reader {
                builder = builder.with_reader(reader);
            }
            builder.build()
        });
        if let Some(metrics) = &metrics {
            global::set_meter_provider(metrics.clone());
            process::observe();
        }
        for mistake in mistakes {
            tracing::warn!("{mistake}");
        }
        Self {
            traces,
            metrics,
            logs,
            scraped,
        }
    }

    /// Serves metrics to Prometheus, if that was asked for; where.
    ///
    /// # Errors
    /// When the address cannot be listened on.
    pub async fn serve(&mut self, tasks: &Tasks) -> Result<Option<SocketAddr>, Error> {
        let Some((address, scraped)) = self.scraped.take() else {
            return Ok(None);
        };
        let served = scraped.serve(address, tasks).await;
        served.map(Some).map_err(|source| Error { address, source })
    }

    /// Sends what is left, as far as that takes no longer than 3 s. Call it when all tasks have ended.
    pub async fn end(self) {
        let Self {
            traces,
            metrics,
            logs,
            ..
        } = self;
        // The SDK waits for its threads, which must not hold up tokio's.
        let ended = tokio::task::spawn_blocking(move || {
            let all = [
                traces.map(|traces| traces.shutdown_with_timeout(LAST_EXPORT)),
                metrics.map(|metrics| metrics.shutdown_with_timeout(LAST_EXPORT)),
                logs.map(|logs| logs.shutdown_with_timeout(LAST_EXPORT)),
            ];
            all.into_iter().flatten().find_map(Result::err)
        });
        match tokio::time::timeout(LAST_EXPORT, ended).await {
            Ok(Ok(None)) => {}
            Ok(Ok(Some(error))) => tracing::warn!(%error, "the last metrics or traces may not have left"),
            Ok(Err(_)) | Err(_) => tracing::warn!("the last metrics or traces have not left in time"),
        }
    }
}

/// Starts the log alone: for programs that are no service.
pub fn log(format: Format, filter: &str) {
    log::start(format, filter, None::<tracing_subscriber::layer::Identity>);
}

/// Every metric that every process has.
#[must_use]
pub fn of_every_process() -> Vec<Definition> {
    [METRICS, angarium_runtime::metrics::SERVED].concat()
}

/// What there is, unless it is a mistake, which is told later.
fn kept<T>(given: Result<Option<T>, Mistake>, mistakes: &mut Vec<Mistake>) -> Option<T> {
    given.unwrap_or_else(|mistake| {
        mistakes.push(mistake);
        None
    })
}

/// Who speaks; `OTEL_RESOURCE_ATTRIBUTES` and `OTEL_SERVICE_NAME` add to it and win.
fn resource(options: &Options<'_>) -> Resource {
    let mut resource = Resource::builder();
    let given = Resource::builder().build();
    let ours = [
        ("service.name", options.service),
        ("service.namespace", "angarium"),
        ("service.version", options.version),
        ("service.instance.id", options.instance),
    ];
    for (key, value) in ours {
        let is_given = given
            .get(&key.into())
            .is_some_and(|given| !given.as_str().starts_with("unknown_service"));
        if !is_given {
            resource = resource.with_attribute(KeyValue::new(key, value.to_owned()));
        }
    }
    resource.build()
}
