//! Metrics, defined the same way everywhere: name, kind, unit, labels and meaning stand in one place, of which the instruments
//! are made and the documentation too.
//!
//! Whoever measures has a `metrics.rs` with a list of [`Definition`]s; the binary joins them to the catalogue. Labels have few
//! values, which come from enums: figures of a single webhook or account are in the journal.

use opentelemetry::metrics::{AsyncInstrument, Counter, Histogram, Meter};
use opentelemetry::{KeyValue, global};
use tokio::time::Instant;

/// What a metric is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Definition {
    /// Its name, in words with dots between; Prometheus has `_` in their place and the unit behind.
    pub name: &'static str,
    /// What is done with its values.
    pub kind: Kind,
    /// As UCUM has it: `s`, `By`; what is counted is in braces, such as `{event}`.
    pub unit: &'static str,
    /// The names of its labels.
    pub labels: &'static [&'static str],
    /// What it tells.
    pub meaning: &'static str,
}

/// What is done with the values of a metric.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Kind {
    /// It only rises.
    Counter,
    /// What is so now; asked for when metrics are read.
    Gauge,
    /// How values are spread, by these bounds.
    Histogram(&'static [f64]),
}

/// What every server measures.
pub const SERVED: &[Definition] = crate::served::METRICS;

/// What the clients of Redis measure.
pub const REDIS: &[Definition] = &[REDIS_CALLS];

const REDIS_CALLS: Definition = Definition::seconds(
    "db.client.operation.duration",
    SHORT,
    &["db.system.name", "db.operation.name", "error.type"],
    "How long Redis takes for what it is asked; what it did not answer, or refused, has the error type `failed`",
);

/// Measures what Redis is asked. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Redis(Histogram<f64>);

impl Redis {
    /// The instrument.
    #[must_use]
    pub fn new() -> Self {
        Self(REDIS_CALLS.measure())
    }

    /// It was asked for this, which is one of few words, and so it ended.
    pub fn asked(&self, operation: &'static str, began: Instant, has_answered: bool) {
        let mut labels = vec![
            KeyValue::new("db.system.name", "redis"),
            KeyValue::new("db.operation.name", operation),
        ];
        if !has_answered {
            labels.push(KeyValue::new("error.type", "failed"));
        }
        self.0.record(began.elapsed().as_secs_f64(), &labels);
    }
}

impl Default for Redis {
    fn default() -> Self {
        Self::new()
    }
}

/// Bounds for what takes milliseconds, and seconds at the worst.
pub const SHORT: &[f64] = &[
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
];
/// Bounds for what takes milliseconds, and a week at the worst (D5).
pub const LONG: &[f64] = &[
    0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0, 60.0, 300.0, 1_800.0, 7_200.0, 28_800.0,
    86_400.0, 604_800.0,
];

/// A count as the figure of a gauge; exact below 2^53, which nothing that is counted here comes to.
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "there are no 2^53 of anything")]
pub const fn figure(count: u64) -> f64 {
    count as f64
}

/// A size or length as the figure of a gauge.
#[must_use]
pub fn figure_of(size: usize) -> f64 {
    u64::try_from(size).map_or(f64::INFINITY, figure)
}

/// The meter of the house: of the provider that was set before the first metric was made.
#[must_use]
pub fn meter() -> Meter {
    global::meter("angarium")
}

impl Definition {
    /// A counter of `unit`.
    #[must_use]
    pub const fn counter(
        name: &'static str,
        unit: &'static str,
        labels: &'static [&'static str],
        meaning: &'static str,
    ) -> Self {
        Self::new(name, Kind::Counter, unit, labels, meaning)
    }

    /// A gauge of `unit`.
    #[must_use]
    pub const fn gauge(
        name: &'static str,
        unit: &'static str,
        labels: &'static [&'static str],
        meaning: &'static str,
    ) -> Self {
        Self::new(name, Kind::Gauge, unit, labels, meaning)
    }

    /// A histogram of seconds.
    #[must_use]
    pub const fn seconds(
        name: &'static str,
        bounds: &'static [f64],
        labels: &'static [&'static str],
        meaning: &'static str,
    ) -> Self {
        Self::new(name, Kind::Histogram(bounds), "s", labels, meaning)
    }

    const fn new(
        name: &'static str,
        kind: Kind,
        unit: &'static str,
        labels: &'static [&'static str],
        meaning: &'static str,
    ) -> Self {
        Self {
            name,
            kind,
            unit,
            labels,
            meaning,
        }
    }

    /// The counter of this definition.
    #[must_use]
    pub fn count(&self) -> Counter<u64> {
        debug_assert_eq!(self.kind, Kind::Counter, "{}", self.name);
        meter()
            .u64_counter(self.name)
            .with_unit(self.unit)
            .with_description(self.meaning)
            .build()
    }

    /// The histogram of this definition.
    #[must_use]
    pub fn measure(&self) -> Histogram<f64> {
        let Kind::Histogram(bounds) = self.kind else {
            debug_assert!(false, "{} is no histogram", self.name);
            return meter().f64_histogram(self.name).build();
        };
        meter()
            .f64_histogram(self.name)
            .with_unit(self.unit)
            .with_description(self.meaning)
            .with_boundaries(bounds.to_vec())
            .build()
    }

    /// Has `look` asked whenever metrics are read, for as long as the process lasts: what is so, or what a counter has come to.
    /// It must be quick, and not wait.
    pub fn observe(&self, look: impl Fn(&mut dyn FnMut(f64, &[KeyValue])) + Send + Sync + 'static) {
        let asked = move |observer: &dyn AsyncInstrument<f64>| {
            look(&mut |value, labels| observer.observe(value, labels));
        };
        let (meter, name) = (meter(), self.name);
        match self.kind {
            Kind::Gauge => {
                let gauge = meter.f64_observable_gauge(name).with_unit(self.unit);
                let _asked = gauge.with_description(self.meaning).with_callback(asked).build();
            }
            Kind::Counter => {
                let counter = meter.f64_observable_counter(name).with_unit(self.unit);
                let _asked = counter
                    .with_description(self.meaning)
                    .with_callback(asked)
                    .build();
            }
            Kind::Histogram(_) => debug_assert!(false, "{name} is a histogram: nothing can be asked of it"),
        }
    }
}
