//! What ingest measures.

use angarium_runtime::Full;
use angarium_runtime::metrics::{Definition, Redis, SHORT};
use opentelemetry::KeyValue;
use opentelemetry::metrics::{Counter, Histogram};

const EVENTS: Definition = Definition::counter(
    "angarium.ingest.events",
    "{event}",
    &["outcome"],
    "Events acknowledged to their producer: Kafka holds them now (`accepted`), or did before (`duplicate`)",
);
const REFUSALS: Definition = Definition::counter(
    "angarium.ingest.refusals",
    "{request}",
    &["reason"],
    "Requests, and events of streams, that were refused. `overloaded` and `unavailable` are ours, the others the caller's, also `account_busy`: all that one account may have under way",
);
const WARNINGS: Definition = Definition::counter(
    "angarium.ingest.warnings",
    "{warning}",
    &[],
    "What was odd about events that were accepted, and told to their producer",
);
const UNCHECKED: Definition = Definition::counter(
    "angarium.ingest.idempotency.unchecked",
    "{event}",
    &[],
    "Events with an id whose repeats could not be told, because Redis was away (E7)",
);
const PRODUCE: Definition = Definition::seconds(
    "angarium.ingest.produce.duration",
    SHORT,
    &[],
    "From handing the events of a request to Kafka's client to their last acknowledgement",
);
pub(crate) const UNDER_WAY: Definition = Definition::gauge(
    "angarium.ingest.under_way",
    "{request}",
    &[],
    "Requests and streams with events under way; at 512 more are refused with 503",
);

/// All of it.
pub const METRICS: &[Definition] = &[EVENTS, REFUSALS, WARNINGS, UNCHECKED, PRODUCE, UNDER_WAY];

/// The instruments; cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Metrics {
    events: Counter<u64>,
    refusals: Counter<u64>,
    warnings: Counter<u64>,
    unchecked: Counter<u64>,
    produce: Histogram<f64>,
    pub(crate) redis: Redis,
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
    /// Keys of one account have as much under way as they may.
    AccountBusy,
    Overloaded,
    Unavailable,
}

impl Reason {
    /// Those that are ours, not the caller's.
    const OURS: [Self; 2] = [Self::Overloaded, Self::Unavailable];

    /// A bound that is reached is ours, but that of one account is its own.
    pub(crate) const fn of(full: Full) -> Self {
        match full {
            Full::All(_) => Self::Overloaded,
            Full::One(_) => Self::AccountBusy,
        }
    }

    const fn as_str(self) -> &'static str {
        match self {
            Self::Unauthenticated => "unauthenticated",
            Self::Forbidden => "forbidden",
            Self::NotFound => "not_found",
            Self::Protocol => "protocol",
            Self::Invalid => "invalid",
            Self::TooLarge => "too_large",
            Self::Conflict => "conflict",
            Self::AccountBusy => "account_busy",
            Self::Overloaded => "overloaded",
            Self::Unavailable => "unavailable",
        }
    }
}

impl Metrics {
    pub(crate) fn new() -> Self {
        let metrics = Self {
            events: EVENTS.count(),
            refusals: REFUSALS.count(),
            warnings: WARNINGS.count(),
            unchecked: UNCHECKED.count(),
            produce: PRODUCE.measure(),
            redis: Redis::new(),
        };
        // There from the start: a rise from nothing is seen by no alert.
        metrics.unchecked(0);
        metrics.warnings.add(0, &[]);
        for reason in Reason::OURS {
            let label = KeyValue::new("reason", reason.as_str());
            metrics.refusals.add(0, &[label]);
        }
        metrics
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
