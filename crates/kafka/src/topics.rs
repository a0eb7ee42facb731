//! The topics of Angarium: names, layout, and bringing a cluster in line with it.

mod apply;
mod look;

use std::num::{NonZeroU16, NonZeroU32};
use std::sync::Arc;
use std::time::Duration;

use angarium_model::Lane;

pub use apply::{Applied, Change, apply, partitions};
pub use look::{Looked, State, look};

pub use crate::error::Conflict;

/// The names of the topics; cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Names(Arc<Inner>);

#[derive(Debug, PartialEq, Eq)]
struct Inner {
    events: String,
    realtime: String,
    batch: String,
    cursors: String,
    registry: String,
    audit: String,
    journal: String,
    journal_ok: String,
    notices: String,
}

impl Names {
    /// Names that begin with `prefix` and a dot. Only tests that share a broker want another one than the default.
    #[must_use]
    pub fn new(prefix: &str) -> Self {
        let name = |suffix: &str| format!("{prefix}.{suffix}");
        let deliveries = |lane: Lane| format!("{prefix}.deliveries.{lane}");
        Self(Arc::new(Inner {
            events: name("events"),
            realtime: deliveries(Lane::Realtime),
            batch: deliveries(Lane::Batch),
            cursors: name("cursors"),
            registry: name("registry"),
            audit: name("audit"),
            journal: name("journal"),
            journal_ok: name("journal.ok"),
            notices: name("notices"),
        }))
    }

    /// Accepted events, keyed by account.
    #[must_use]
    pub fn events(&self) -> &str {
        &self.0.events
    }

    /// The deliveries of a lane: an event with the webhooks it goes to, partitioned by webhook.
    #[must_use]
    pub fn deliveries(&self, lane: Lane) -> &str {
        match lane {
            Lane::Realtime => &self.0.realtime,
            Lane::Batch => &self.0.batch,
        }
    }

    /// How far webhooks have come that fail or lag, by the partitions of their deliveries; compacted.
    #[must_use]
    pub fn cursors(&self) -> &str {
        &self.0.cursors
    }

    /// Accounts, webhooks and API keys; compacted.
    #[must_use]
    pub fn registry(&self) -> &str {
        &self.0.registry
    }

    /// Who changed what of them, by the partitions of the registry topic.
    #[must_use]
    pub fn audit(&self) -> &str {
        &self.0.audit
    }

    /// What became of events: matches, failures, changes of state.
    #[must_use]
    pub fn journal(&self) -> &str {
        &self.0.journal
    }

    /// Successful attempts, which are many and kept for a day only.
    #[must_use]
    pub fn journal_ok(&self) -> &str {
        &self.0.journal_ok
    }

    /// What someone is to be told of webhooks, by the partitions of their deliveries.
    #[must_use]
    pub fn notices(&self) -> &str {
        &self.0.notices
    }
}

impl Default for Names {
    fn default() -> Self {
        Self::new(DEFAULT_PREFIX)
    }
}

const DEFAULT_PREFIX: &str = "angarium";

/// How many partitions and replicas the topics have. Choose the partitions before the first event: they cannot be
/// changed in place (DESIGN §3).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    /// What the names begin with.
    pub prefix: String,
    /// Partitions of the events topic.
    pub events: NonZeroU32,
    /// Partitions of each deliveries topic, and of the cursors and notices topics.
    pub deliveries: NonZeroU32,
    /// Partitions of the registry topic, and of the audit topic.
    pub registry: NonZeroU32,
    /// Partitions of each journal topic.
    pub journal: NonZeroU32,
    /// Replicas of every partition; 3 in production. From 3 on, a write needs two of them.
    pub replication: NonZeroU16,
}

impl Default for Layout {
    fn default() -> Self {
        const TWELVE: NonZeroU32 = NonZeroU32::new(12).unwrap();
        const FOUR: NonZeroU32 = NonZeroU32::new(4).unwrap();
        Self {
            prefix: DEFAULT_PREFIX.to_owned(),
            events: TWELVE,
            deliveries: TWELVE,
            registry: FOUR,
            journal: TWELVE,
            replication: NonZeroU16::MIN,
        }
    }
}

/// A topic as it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spec {
    /// Its name.
    pub name: String,
    /// Its number of partitions.
    pub partitions: NonZeroU32,
    /// Replicas of every partition.
    pub replication: NonZeroU16,
    /// Kafka's topic settings that matter to us; the others keep the broker's defaults. Among them
    /// `max.message.bytes`: 1 MiB and 12 bytes, four times the largest event we accept.
    pub configs: Vec<(&'static str, String)>,
}

impl Spec {
    pub(crate) fn partitions_i32(&self) -> i32 {
        i32::try_from(self.partitions.get()).unwrap_or(i32::MAX)
    }

    pub(crate) fn replication_i32(&self) -> i32 {
        i32::from(self.replication.get())
    }
}

/// D5: an event is delivered for up to seven days.
const WEEK: Duration = Duration::from_hours(7 * 24);
/// A delivery outlives its event, so that what is due on the last day can still be read back (DESIGN §3).
const DELIVERIES: Duration = Duration::from_hours(7 * 24 + 12);
/// Retention removes whole segments: an hour bounds how late.
const SEGMENT: Duration = Duration::from_hours(1);
/// The segment that is written to is never compacted: ten minutes are 600 records of a partition's own place.
const CURSORS_SEGMENT: Duration = Duration::from_mins(10);
const CURSORS_SEGMENT_BYTES: u32 = 4 * 1024 * 1024;
const DAY: Duration = Duration::from_hours(24);
/// Who changed what is asked for when something turns out to be wrong, which may be weeks later.
const AUDIT: Duration = Duration::from_hours(90 * 24);

impl Layout {
    /// The names that go with it.
    #[must_use]
    pub fn names(&self) -> Names {
        Names::new(&self.prefix)
    }

    /// All topics.
    #[must_use]
    pub fn specs(&self) -> Vec<Spec> {
        let names = self.names();
        let append_time = ("message.timestamp.type", "LogAppendTime".to_owned());
        let deleted_after = |kept: Duration| vec![("cleanup.policy", "delete".to_owned()), retention(kept)];
        let deliveries = || {
            let mut configs = deleted_after(DELIVERIES);
            configs.extend([
                ("segment.ms", SEGMENT.as_millis().to_string()),
                append_time.clone(),
            ]);
            configs
        };
        // A takeover reads all of it, and a record a second and partition is outdated by the next: compacted soon.
        let cursors = vec![
            ("cleanup.policy", "compact".to_owned()),
            ("segment.ms", CURSORS_SEGMENT.as_millis().to_string()),
            ("segment.bytes", CURSORS_SEGMENT_BYTES.to_string()),
            ("min.cleanable.dirty.ratio", "0.1".to_owned()),
            append_time.clone(),
        ];
        let mut audit = deleted_after(AUDIT);
        audit.push(append_time.clone());
        let mut events = deleted_after(WEEK);
        events.push(append_time.clone());
        vec![
            self.spec(names.events(), self.events, events),
            self.spec(names.deliveries(Lane::Realtime), self.deliveries, deliveries()),
            self.spec(names.deliveries(Lane::Batch), self.deliveries, deliveries()),
            self.spec(names.cursors(), self.deliveries, cursors),
            self.spec(
                names.registry(),
                self.registry,
                vec![("cleanup.policy", "compact".to_owned())],
            ),
            self.spec(names.audit(), self.registry, audit),
            self.spec(names.journal(), self.journal, deleted_after(WEEK)),
            self.spec(names.journal_ok(), self.journal, deleted_after(DAY)),
            self.spec(names.notices(), self.deliveries, deleted_after(WEEK)),
        ]
    }

    fn spec(&self, name: &str, partitions: NonZeroU32, mut configs: Vec<(&'static str, String)>) -> Spec {
        // A replica that has missed acknowledged records must never lead, and one replica alone must not
        // acknowledge where there are enough of them.
        configs.push(("unclean.leader.election.enable", "false".to_owned()));
        configs.push((
            "min.insync.replicas",
            if self.replication.get() >= 3 { "2" } else { "1" }.to_owned(),
        ));
        Spec {
            name: name.to_owned(),
            partitions,
            replication: self.replication,
            configs,
        }
    }
}

fn retention(kept: Duration) -> (&'static str, String) {
    ("retention.ms", kept.as_millis().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config<'a>(spec: &'a Spec, name: &str) -> Option<&'a str> {
        spec.configs
            .iter()
            .find(|(key, _)| *key == name)
            .map(|(_, value)| value.as_str())
    }

    #[test]
    fn a_delivery_outlives_its_event() {
        let layout = Layout::default();
        let kept = |name: &str| -> u64 {
            let specs = layout.specs();
            config(
                specs.iter().find(|spec| spec.name == name).unwrap(),
                "retention.ms",
            )
            .unwrap()
            .parse()
            .unwrap()
        };
        for lane in Lane::ALL {
            assert!(kept(layout.names().deliveries(lane)) > kept("angarium.events"));
        }
        assert_eq!(kept("angarium.events"), 7 * 24 * 3_600_000);
    }

    #[test]
    fn with_three_replicas_a_write_needs_two() {
        let single = Layout::default();
        let triple = Layout {
            replication: NonZeroU16::new(3).unwrap(),
            ..Layout::default()
        };
        assert!(
            single
                .specs()
                .iter()
                .all(|spec| config(spec, "min.insync.replicas") == Some("1"))
        );
        assert!(
            triple
                .specs()
                .iter()
                .all(|spec| config(spec, "min.insync.replicas") == Some("2"))
        );
    }

    #[test]
    fn tests_can_share_a_broker() {
        let layout = Layout {
            prefix: "mine".to_owned(),
            ..Layout::default()
        };
        assert!(layout.specs().iter().all(|spec| spec.name.starts_with("mine.")));
        assert_eq!(layout.names().deliveries(Lane::Batch), "mine.deliveries.batch");
    }
}
