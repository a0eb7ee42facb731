//! What fanout measures.

use std::time::Duration;

use angarium_model::Lane;
use angarium_runtime::metrics::{Definition, LONG};
use opentelemetry::KeyValue;
use opentelemetry::metrics::{Counter, Histogram};

const EVENTS: Definition = Definition::counter(
    "angarium.fanout.events",
    "{event}",
    &["angarium.lane", "angarium.matched"],
    "Events matched, by lane and by whether any webhook wants them",
);
const DELIVERIES: Definition = Definition::counter(
    "angarium.fanout.deliveries",
    "{record}",
    &["angarium.lane"],
    "Records handed to the producer of the deliveries topics: one of an event and partition, whatever number of webhooks it names",
);
const DELAY: Definition = Definition::seconds(
    "angarium.fanout.delay",
    LONG,
    &[],
    "From the acceptance of an event to its being matched, by the clocks of two machines",
);
const RESTARTS: Definition = Definition::counter(
    "angarium.fanout.restarts",
    "{restart}",
    &[],
    "Source partitions that went back to their last acknowledged event after a failure",
);
const POISON: Definition = Definition::counter(
    "angarium.fanout.poison",
    "{record}",
    &[],
    "Records of the events topic that could not be read and were passed over",
);
const LOG_LOST: Definition = Definition::counter(
    "angarium.fanout.log.lost",
    "{event}",
    &[],
    "Events that left the events topic before they were matched",
);
const LOG_CUT: Definition = Definition::counter(
    "angarium.fanout.log.cut",
    "{occurrence}",
    &[],
    "Partitions of the events topic that ended before the committed place: they were created anew, or have lost records",
);
const UNKNOWN_TYPES: Definition = Definition::counter(
    "angarium.fanout.unknown_types",
    "{event}",
    &[],
    "Events whose type is not known, sent as real-time",
);
const FILTERED: Definition = Definition::counter(
    "angarium.fanout.filtered",
    "{delivery}",
    &["angarium.filter.outcome"],
    "Webhooks that wanted an event's type and did not get the event: their filter refused it (`refused`) or had no answer (`no_answer`)",
);

/// What becomes of an event where a filter does not want it, or has no answer.
const OUTCOMES: [&str; 2] = ["refused", "no_answer"];

/// All of it.
pub const METRICS: &[Definition] = &[
    EVENTS,
    DELIVERIES,
    DELAY,
    RESTARTS,
    POISON,
    LOG_LOST,
    LOG_CUT,
    UNKNOWN_TYPES,
    FILTERED,
];

/// What had become of the events topic when a partition of it was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mishap {
    /// So many events had been removed before they were matched.
    Lost(u64),
    /// It ended before what was committed.
    Cut,
}

/// The instruments; cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Metrics {
    events: Counter<u64>,
    deliveries: Counter<u64>,
    delay: Histogram<f64>,
    restarts: Counter<u64>,
    poison: Counter<u64>,
    log_lost: Counter<u64>,
    log_cut: Counter<u64>,
    unknown_types: Counter<u64>,
    filtered: Counter<u64>,
}

impl Metrics {
    pub(crate) fn new() -> Self {
        let metrics = Self {
            events: EVENTS.count(),
            deliveries: DELIVERIES.count(),
            delay: DELAY.measure(),
            restarts: RESTARTS.count(),
            poison: POISON.count(),
            log_lost: LOG_LOST.count(),
            log_cut: LOG_CUT.count(),
            unknown_types: UNKNOWN_TYPES.count(),
            filtered: FILTERED.count(),
        };
        // There from the start: a rise from nothing is seen by no alert.
        let rare = [
            &metrics.restarts,
            &metrics.poison,
            &metrics.log_lost,
            &metrics.log_cut,
            &metrics.unknown_types,
        ];
        for counter in rare {
            counter.add(0, &[]);
        }
        for outcome in OUTCOMES {
            metrics
                .filtered
                .add(0, &[KeyValue::new("angarium.filter.outcome", outcome)]);
        }
        metrics
    }

    pub(crate) fn matched(&self, lane: Lane, records: usize, after: Duration) {
        let lane = KeyValue::new("angarium.lane", lane.as_str());
        self.delay.record(after.as_secs_f64(), &[]);
        self.events
            .add(1, &[lane.clone(), KeyValue::new("angarium.matched", records > 0)]);
        self.deliveries
            .add(u64::try_from(records).unwrap_or(u64::MAX), &[lane]);
    }

    pub(crate) fn filtered(&self, refused: usize, undecided: usize) {
        for (webhooks, outcome) in [refused, undecided].into_iter().zip(OUTCOMES) {
            if webhooks > 0 {
                let outcome = KeyValue::new("angarium.filter.outcome", outcome);
                self.filtered
                    .add(u64::try_from(webhooks).unwrap_or(u64::MAX), &[outcome]);
            }
        }
    }

    pub(crate) fn restarted(&self) {
        self.restarts.add(1, &[]);
    }

    pub(crate) fn poison(&self) {
        self.poison.add(1, &[]);
    }

    pub(crate) fn began(&self, mishap: &Mishap) {
        match mishap {
            Mishap::Lost(events) => self.log_lost.add(*events, &[]),
            Mishap::Cut => self.log_cut.add(1, &[]),
        }
    }

    pub(crate) fn unknown_type(&self) {
        self.unknown_types.add(1, &[]);
    }
}
