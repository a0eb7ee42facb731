//! What ingest counts.

use angarium_runtime::metrics::counter;
use opentelemetry::metrics::{Counter, Histogram};
use opentelemetry::{KeyValue, global};

/// The instruments; cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Metrics {
    events: Counter<u64>,
    refusals: Counter<u64>,
    warnings: Counter<u64>,
    unchecked: Counter<u64>,
    produce: Histogram<f64>,
}

/// What became of an event that was not refused.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Outcome {
    Accepted,
    Duplicate,
}

/// Why a request, or an event of a stream, was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reason {
    Unauthenticated,
    Forbidden,
    NotFound,
    Protocol,
    Invalid,
    TooLarge,
    Conflict,
    Overloaded,
    Unavailable,
}

impl Reason {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Unauthenticated => "unauthenticated",
            Self::Forbidden => "forbidden",
            Self::NotFound => "not_found",
            Self::Protocol => "protocol",
            Self::Invalid => "invalid",
            Self::TooLarge => "too_large",
            Self::Conflict => "conflict",
            Self::Overloaded => "overloaded",
            Self::Unavailable => "unavailable",
        }
    }
}

impl Metrics {
    pub(crate) fn new() -> Self {
        let meter = global::meter("angarium-ingest");
        Self {
            events: counter(
                &meter,
                "angarium.ingest.events",
                "{event}",
                "Events acknowledged to their producer, by outcome: accepted or duplicate",
            ),
            refusals: counter(
                &meter,
                "angarium.ingest.refusals",
                "{request}",
                "Requests, and events of streams, that were refused, by reason",
            ),
            warnings: counter(
                &meter,
                "angarium.ingest.warnings",
                "{warning}",
                "What was odd about events that were accepted, and told to their producer",
            ),
            unchecked: counter(
                &meter,
                "angarium.ingest.idempotency.unchecked",
                "{event}",
                "Events with an id whose repeats could not be told, because the store was away",
            ),
            produce: meter
                .f64_histogram("angarium.ingest.produce.duration")
                .with_unit("s")
                .with_description(
                    "From handing the events of a request to Kafka's client to their last acknowledgement",
                )
                .build(),
        }
    }

    pub(crate) fn acknowledged(&self, outcome: Outcome) {
        let outcome = match outcome {
            Outcome::Accepted => "accepted",
            Outcome::Duplicate => "duplicate",
        };
        self.events.add(1, &[KeyValue::new("outcome", outcome)]);
    }

    pub(crate) fn warned(&self, warnings: usize) {
        if warnings > 0 {
            self.warnings
                .add(u64::try_from(warnings).unwrap_or(u64::MAX), &[]);
        }
    }

    pub(crate) fn refused(&self, reason: Reason) {
        self.refusals.add(1, &[KeyValue::new("reason", reason.as_str())]);
    }

    pub(crate) fn unchecked(&self, events: usize) {
        self.unchecked.add(events as u64, &[]);
    }

    pub(crate) fn produced(&self, seconds: f64) {
        self.produce.record(seconds, &[]);
    }
}
