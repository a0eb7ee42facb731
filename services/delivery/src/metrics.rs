//! What delivery measures.

mod standing;

use std::time::Duration;

use angarium_model::Lane;
use angarium_policy::ErrorClass;
use angarium_runtime::metrics::{Definition, LONG, Redis, SHORT};
use opentelemetry::KeyValue;
use opentelemetry::metrics::{Counter, Histogram};

use crate::hook::Class;

pub(crate) use self::standing::{Board, Seat, Standing, earlier};

const LANE: &str = "angarium.lane";
const STATE: &str = "angarium.state";
pub(crate) const CLASS: &str = "angarium.call.class";

const ATTEMPTS: Definition = Definition::counter(
    "angarium.delivery.attempts",
    "{attempt}",
    &[LANE, "error.type"],
    "Calls of receivers, by lane and error class; a success has none",
);
const EVENTS: Definition = Definition::counter(
    "angarium.delivery.events",
    "{event}",
    &[LANE],
    "Events that receivers confirmed with 2xx",
);
const LATENCY: Definition = Definition::seconds(
    "angarium.delivery.latency",
    LONG,
    &[LANE, CLASS],
    "From the acceptance of an event by ingest to the receiver's 2xx, by the clocks of two machines; of each event once more when it \
     is sent again. The class tells those of webhooks that keep up (`live`) from those that waited for a receiver (`retry`, \
     `catch_up`). Batch is `catch_up`: it waits for its timetable (E1)",
);
const EXPIRED: Definition = Definition::counter(
    "angarium.delivery.expired",
    "{event}",
    &[LANE],
    "Events that were not sent because they were older than 7 days (D5)",
);
const REMOVED: Definition = Definition::counter(
    "angarium.delivery.removed",
    "{event}",
    &[LANE],
    "Events that Kafka's retention took before they were read to be sent (D5), at most: what is gone cannot be looked at, and \
     some of it was for other webhooks",
);
const DEAD_LETTERS: Definition = Definition::counter(
    "angarium.delivery.dead_letters",
    "{event}",
    &[LANE],
    "Events that were refused for good and put aside",
);
const NOTICES_DROPPED: Definition = Definition::counter(
    "angarium.delivery.notices.dropped",
    "{record}",
    &[LANE],
    "Notices that were not written: the producer's queue was full, or Kafka did not take them",
);
const POISON: Definition = Definition::counter(
    "angarium.delivery.poison",
    "{record}",
    &[LANE],
    "Records of the deliveries topics that could not be read and were passed over",
);
const LOG_CUT: Definition = Definition::counter(
    "angarium.delivery.log.cut",
    "{occurrence}",
    &[LANE],
    "Partitions of the deliveries or cursors topics that ended before what is on record, and of the events topic that begin again: they \
     were cut, or created anew",
);
const READ_BACK: Definition = Definition::counter(
    "angarium.delivery.read_back",
    "{record}",
    &[LANE, "angarium.read.use"],
    "Records of the deliveries topics that were read once more for webhooks that are behind: `taken` by one, or `passed` over, \
     because they are for others or were taken before",
);
const CHECKPOINT_FAILURES: Definition = Definition::counter(
    "angarium.delivery.checkpoint.failures",
    "{attempt}",
    &[LANE],
    "Checkpoints that Redis did not take: a crash would repeat what was done since",
);
const CALLS: Definition = Definition::seconds(
    "http.client.request.duration",
    SHORT,
    &[LANE],
    "From the start of a call of a receiver to the end of its answer (D1)",
);
pub(super) const WEBHOOKS: Definition = Definition::gauge(
    "angarium.delivery.webhooks",
    "{webhook}",
    &[LANE, STATE],
    "Webhooks of this worker's partitions that were sent anything since it took them over or are behind, by state: `live`, `failing` (D2), `catching_up`, `waiting` \
     for a slot (E1), `off` (W7)",
);
pub(super) const OLDEST: Definition = Definition::gauge(
    "angarium.delivery.oldest_undelivered",
    "s",
    &[LANE],
    "Age of the oldest event that a webhook which is on has not confirmed, as far as it is known: of one in Kafka, since when its \
     webhook fails; what waits for a slot is not meant",
);
pub(super) const OVERDUE: Definition = Definition::gauge(
    "angarium.delivery.retry.overdue",
    "s",
    &[LANE],
    "For how long the retry that is due for longest has waited for its turn",
);
pub(super) const PARTITIONS: Definition = Definition::gauge(
    "angarium.delivery.partitions",
    "{partition}",
    &[LANE],
    "Partitions of the lane that this worker owns",
);
pub(crate) const UNDER_WAY: Definition = Definition::gauge(
    "angarium.delivery.calls.under_way",
    "{call}",
    &[CLASS],
    "Calls under way: first attempts of webhooks that keep up (`live`), of those that are behind (`catch_up`), retries (`retry`)",
);
pub(crate) const ROOM: Definition = Definition::gauge(
    "angarium.delivery.calls.limit",
    "{call}",
    &[CLASS],
    "Calls that may be under way at once",
);
pub(crate) const QUEUED: Definition = Definition::gauge(
    "angarium.delivery.queued",
    "By",
    &[],
    "What the queues of all webhooks hold in memory",
);
pub(crate) const QUEUE_LIMIT: Definition = Definition::gauge(
    "angarium.delivery.queued.limit",
    "By",
    &[],
    "What they may hold; the rest waits in Kafka",
);

/// All of it.
pub const METRICS: &[Definition] = &[
    ATTEMPTS,
    EVENTS,
    LATENCY,
    EXPIRED,
    REMOVED,
    DEAD_LETTERS,
    NOTICES_DROPPED,
    POISON,
    LOG_CUT,
    READ_BACK,
    CHECKPOINT_FAILURES,
    CALLS,
    WEBHOOKS,
    OLDEST,
    OVERDUE,
    PARTITIONS,
    UNDER_WAY,
    ROOM,
    QUEUED,
    QUEUE_LIMIT,
];

/// The instruments; cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Metrics {
    attempts: Counter<u64>,
    delivered: Counter<u64>,
    latency: Histogram<f64>,
    expired: Counter<u64>,
    removed: Counter<u64>,
    put_aside: Counter<u64>,
    notices_dropped: Counter<u64>,
    poison: Counter<u64>,
    log_cut: Counter<u64>,
    read_back: Counter<u64>,
    checkpoint_failures: Counter<u64>,
    call_duration: Histogram<f64>,
    pub(crate) redis: Redis,
}

impl Metrics {
    /// What is counted for reasons that are rare is there from the start, as 0: a rise from nothing is seen by no alert.
    pub(crate) fn new() -> Self {
        let metrics = Self {
            attempts: ATTEMPTS.count(),
            delivered: EVENTS.count(),
            latency: LATENCY.measure(),
            expired: EXPIRED.count(),
            removed: REMOVED.count(),
            put_aside: DEAD_LETTERS.count(),
            notices_dropped: NOTICES_DROPPED.count(),
            poison: POISON.count(),
            log_cut: LOG_CUT.count(),
            read_back: READ_BACK.count(),
            checkpoint_failures: CHECKPOINT_FAILURES.count(),
            call_duration: CALLS.measure(),
            redis: Redis::new(),
        };
        for lane in Lane::ALL {
            let rare = [
                &metrics.expired,
                &metrics.removed,
                &metrics.put_aside,
                &metrics.notices_dropped,
                &metrics.poison,
                &metrics.log_cut,
                &metrics.checkpoint_failures,
            ];
            for counter in rare {
                counter.add(0, &[label(lane)]);
            }
            metrics.read_back(lane, 0, 0);
        }
        metrics
    }

    pub(crate) fn called(&self, lane: Lane, class: Option<ErrorClass>, seconds: f64) {
        let mut labels = vec![label(lane)];
        self.call_duration.record(seconds, &labels);
        labels.extend(class.map(|class| KeyValue::new("error.type", class.as_str())));
        self.attempts.add(1, &labels);
    }

    /// Of each event, how long ago it was accepted.
    pub(crate) fn delivered(&self, lane: Lane, class: Class, ages: impl ExactSizeIterator<Item = Duration>) {
        self.delivered.add(count(ages.len()), &[label(lane)]);
        let labels = [label(lane), KeyValue::new(CLASS, class.as_str())];
        for age in ages {
            self.latency.record(age.as_secs_f64(), &labels);
        }
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

    pub(crate) fn log_was_cut(&self, lane: Lane) {
        self.log_cut.add(1, &[label(lane)]);
    }

    /// Of the records that a read back brought, some were taken.
    pub(crate) fn read_back(&self, lane: Lane, read: usize, taken: usize) {
        for (records, used) in [(taken, "taken"), (read.saturating_sub(taken), "passed")] {
            let labels = [label(lane), KeyValue::new("angarium.read.use", used)];
            self.read_back.add(count(records), &labels);
        }
    }

    pub(crate) fn checkpoint_failed(&self, lane: Lane) {
        self.checkpoint_failures.add(1, &[label(lane)]);
    }
}

fn label(lane: Lane) -> KeyValue {
    KeyValue::new(LANE, lane.as_str())
}

fn count(n: usize) -> u64 {
    u64::try_from(n).unwrap_or(u64::MAX)
}
