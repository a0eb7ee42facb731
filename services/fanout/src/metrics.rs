//! What fanout counts.

use angarium_model::Lane;
use angarium_runtime::metrics::counter;
use opentelemetry::metrics::Counter;
use opentelemetry::{KeyValue, global};

/// Counters, all without bounds on time: they only rise.
#[derive(Clone, Debug)]
pub(crate) struct Metrics {
    events: Counter<u64>,
    deliveries: Counter<u64>,
    restarts: Counter<u64>,
    poison: Counter<u64>,
    unknown_types: Counter<u64>,
    filtered: Counter<u64>,
}

impl Metrics {
    /// Counters of the process-wide meter.
    pub(crate) fn new() -> Self {
        let meter = global::meter("angarium.fanout");
        Self {
            events: counter(
                &meter,
                "angarium.fanout.events",
                "{event}",
                "Events matched, by lane and by whether any webhook wants them",
            ),
            deliveries: counter(
                &meter,
                "angarium.fanout.deliveries",
                "{record}",
                "Records handed to the producer of the deliveries topics, by lane",
            ),
            restarts: counter(
                &meter,
                "angarium.fanout.restarts",
                "{restart}",
                "Source partitions that went back to their last acknowledged event after a failure",
            ),
            poison: counter(
                &meter,
                "angarium.fanout.poison",
                "{record}",
                "Records of the events topic that could not be read and were passed over",
            ),
            unknown_types: counter(
                &meter,
                "angarium.fanout.unknown_types",
                "{event}",
                "Events whose type is not known, sent as real-time",
            ),
            filtered: counter(
                &meter,
                "angarium.fanout.filtered",
                "{delivery}",
                "Webhooks that wanted an event's type and did not get the event, by whether their filter refused it or had no answer",
            ),
        }
    }

    pub(crate) fn matched(&self, lane: Lane, records: usize) {
        let lane = KeyValue::new("angarium.lane", lane.as_str());
        self.events
            .add(1, &[lane.clone(), KeyValue::new("angarium.matched", records > 0)]);
        self.deliveries
            .add(u64::try_from(records).unwrap_or(u64::MAX), &[lane]);
    }

    pub(crate) fn filtered(&self, refused: usize, undecided: usize) {
        for (webhooks, outcome) in [(refused, "refused"), (undecided, "no_answer")] {
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

    pub(crate) fn unknown_type(&self) {
        self.unknown_types.add(1, &[]);
    }
}
