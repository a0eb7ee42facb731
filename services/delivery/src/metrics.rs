//! What delivery counts.

use angarium_model::Lane;
use angarium_policy::ErrorClass;
use angarium_runtime::metrics::counter;
use opentelemetry::metrics::{Counter, Histogram};
use opentelemetry::{KeyValue, global};

/// Counters only rise; durations are in seconds.
#[derive(Clone, Debug)]
pub(crate) struct Metrics {
    attempts: Counter<u64>,
    delivered: Counter<u64>,
    expired: Counter<u64>,
    removed: Counter<u64>,
    put_aside: Counter<u64>,
    notices_dropped: Counter<u64>,
    poison: Counter<u64>,
    checkpoint_failures: Counter<u64>,
    call_duration: Histogram<f64>,
}

impl Metrics {
    /// Instruments of the process-wide meter.
    pub(crate) fn new() -> Self {
        let meter = global::meter("angarium.delivery");
        Self {
            attempts: counter(
                &meter,
                "angarium.delivery.attempts",
                "{attempt}",
                "Calls of receivers, by lane and error class; a success has none",
            ),
            delivered: counter(
                &meter,
                "angarium.delivery.events",
                "{event}",
                "Events that receivers confirmed, by lane",
            ),
            expired: counter(
                &meter,
                "angarium.delivery.expired",
                "{event}",
                "Events that were not sent because they were older than 7 days (D5), by lane",
            ),
            removed: counter(
                &meter,
                "angarium.delivery.removed",
                "{event}",
                "Events that Kafka's retention took before they were read to be sent (D5), at most: what is gone cannot be \
                 looked at, and some of it was for other webhooks; by lane",
            ),
            put_aside: counter(
                &meter,
                "angarium.delivery.dead_letters",
                "{event}",
                "Events that were refused for good and put aside, by lane",
            ),
            notices_dropped: counter(
                &meter,
                "angarium.delivery.notices.dropped",
                "{record}",
                "Notices that were not written because the producer's queue was full, by lane",
            ),
            poison: counter(
                &meter,
                "angarium.delivery.poison",
                "{record}",
                "Records of the deliveries topics that could not be read and were passed over, by lane",
            ),
            checkpoint_failures: counter(
                &meter,
                "angarium.delivery.checkpoint.failures",
                "{attempt}",
                "Checkpoints that Redis did not take, by lane",
            ),
            call_duration: meter
                .f64_histogram("http.client.request.duration")
                .with_unit("s")
                .with_description("From the start of a call to the end of its answer, by lane")
                .build(),
        }
    }

    pub(crate) fn called(&self, lane: Lane, class: Option<ErrorClass>, seconds: f64) {
        let mut labels = vec![label(lane)];
        self.call_duration.record(seconds, &labels);
        labels.extend(class.map(|class| KeyValue::new("error.type", class.as_str())));
        self.attempts.add(1, &labels);
    }

    pub(crate) fn delivered(&self, lane: Lane, events: usize) {
        self.delivered.add(count(events), &[label(lane)]);
    }

    pub(crate) fn expired(&self, lane: Lane, events: usize) {
        self.expired.add(count(events), &[label(lane)]);
    }

    pub(crate) fn removed(&self, lane: Lane, at_most: u64) {
        self.removed.add(at_most, &[label(lane)]);
    }

    pub(crate) fn put_aside(&self, lane: Lane) {
        self.put_aside.add(1, &[label(lane)]);
    }

    pub(crate) fn notice_dropped(&self, lane: Lane) {
        self.notices_dropped.add(1, &[label(lane)]);
    }

    pub(crate) fn poison(&self, lane: Lane) {
        self.poison.add(1, &[label(lane)]);
    }

    pub(crate) fn checkpoint_failed(&self, lane: Lane) {
        self.checkpoint_failures.add(1, &[label(lane)]);
    }
}

fn label(lane: Lane) -> KeyValue {
    KeyValue::new("angarium.lane", lane.as_str())
}

fn count(n: usize) -> u64 {
    u64::try_from(n).unwrap_or(u64::MAX)
}
