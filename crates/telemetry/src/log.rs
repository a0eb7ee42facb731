//! The log: one line an event, to standard error, and over OTLP where that is asked for.

use std::io::IsTerminal;

use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Layer, Registry, fmt};

/// The variable that holds the filter, for example `info,angarium_delivery=debug`. Default: `info`.
pub const FILTER_VARIABLE: &str = "ANGARIUM_LOG";

/// What takes part in exporting.
const EXPORTING: [&str; 6] = ["opentelemetry", "hyper", "h2", "tonic", "tower", "rustls"];

/// How a line of the log looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// For people; coloured when standard error is a terminal.
    #[default]
    Text,
    /// One JSON object a line, for a log collector.
    Json,
}

/// Starts the log, and hands what is in it to `bridge` too. A later call changes nothing.
///
/// A filter that cannot be read is reported and replaced by `default`: a typing mistake there must not keep a service down.
pub(crate) fn start<B>(format: Format, default: &str, bridge: Option<B>)
where
    B: Layer<Registry> + Send + Sync,
{
    let (filter, mistake) = match EnvFilter::try_from_env(FILTER_VARIABLE) {
        Ok(filter) => (filter, None),
        Err(error) => (EnvFilter::new(default), given().then_some(error)),
    };
    // What exporting has to say would be exported, and so on.
    let exported = EnvFilter::new(format!(
        "{default},{}",
        EXPORTING.map(|target| format!("{target}=off")).join(",")
    ));
    let bridge = bridge.map(|bridge| bridge.with_filter(exported));
    let written = fmt::layer().with_writer(std::io::stderr);
    let written = match format {
        Format::Text => written.with_ansi(std::io::stderr().is_terminal()).boxed(),
        Format::Json => written
            .json()
            .flatten_event(true)
            .with_current_span(false)
            .boxed(),
    };
    let started = tracing_subscriber::registry()
        .with(bridge)
        .with(written.with_filter(filter))
        .try_init();
    if let Err(error) = started {
        tracing::debug!(%error, "the log had been started before");
    }
    if let Some(error) = mistake {
        tracing::warn!(%error, "{FILTER_VARIABLE} is not a filter; using `{default}`");
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "tells a filter that is wrong from one that is absent"
)]
fn given() -> bool {
    std::env::var_os(FILTER_VARIABLE).is_some_and(|value| !value.is_empty())
}
