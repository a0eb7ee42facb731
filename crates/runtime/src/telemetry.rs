//! The log: one line an event, to standard error.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;

/// The variable that holds the filter, for example `info,angarium_delivery=debug`. Default: `info`.
pub const FILTER_VARIABLE: &str = "ANGARIUM_LOG";

/// How a line of the log looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// For people; coloured when standard error is a terminal.
    #[default]
    Text,
    /// One JSON object a line, for a log collector.
    Json,
}

/// Starts the log. Call it once, first thing; a later call changes nothing.
///
/// A filter that cannot be read is reported and replaced by `info`: a typing mistake there must not keep a
/// service down.
pub fn init(format: Format) {
    init_with(format, "info");
}

/// As [`init`], with another filter where the variable gives none.
pub fn init_with(format: Format, default: &str) {
    let (filter, mistake) = match EnvFilter::try_from_env(FILTER_VARIABLE) {
        Ok(filter) => (filter, None),
        Err(error) => (EnvFilter::new(default), given().then_some(error)),
    };
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr);
    let started = match format {
        Format::Text => builder.with_ansi(std::io::stderr().is_terminal()).try_init(),
        Format::Json => builder
            .json()
            .flatten_event(true)
            .with_current_span(false)
            .try_init(),
    };
    if let Err(error) = started {
        tracing::debug!(error, "the log had been started before");
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
