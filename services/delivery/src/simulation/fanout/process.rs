//! A process of fanout, that owns the partition of `events` or did. What it decides is fanout's own code
//! (`angarium_fanout::simulation`); its consumer group, and a producer that writes nothing behind what has failed, are here.

use std::collections::VecDeque;
use std::num::{NonZeroU32, NonZeroUsize};

use angarium_directory::Directory;
use angarium_fanout::Config;
use angarium_fanout::simulation::{Awaits, Produced, Promise, Source};
use angarium_kafka::Record;
use angarium_model::{Revision, Webhook};

use super::super::fixtures::{Change, account};

/// Of each lane's deliveries: the one that is simulated, and one elsewhere.
pub(super) const PARTITIONS: usize = 2;

/// One process on the partition of `events`.
#[derive(Debug)]
pub(super) struct Process {
    directory: Directory,
    /// How many changes of webhooks it has learnt.
    learnt: usize,
    source: Source,
    /// The next event that it matches.
    next: i64,
    /// Where the batch ends that it has begun.
    batch_ends: i64,
    /// With the producer: by partition, in the order in which they land.
    produced: [VecDeque<Produced>; PARTITIONS],
    /// Written, and not acknowledged yet.
    written: [VecDeque<Promise>; PARTITIONS],
    /// A commit that is under way, and that nobody waits for.
    committing: Option<i64>,
    /// The event behind the newest that it has written.
    pub(super) wrote: i64,
}

/// What came of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum Step {
    /// It went on.
    Went,
    /// There is nothing to do before something else happens.
    Waits,
    /// A newer view waits for its reports, or for its commit.
    AwaitsView,
}

impl Process {
    /// It follows where `next` is committed, and knows these changes; `elsewhere` is always there.
    pub(super) fn new(next: i64, elsewhere: Webhook, known: &[Change]) -> Self {
        let directory = Directory::fixed([], [elsewhere]);
        known.iter().for_each(|change| change.reach(&directory));
        let config = Config {
            max_pending_events: NonZeroUsize::new(8).unwrap_or(NonZeroUsize::MIN),
            ..Config::default()
        };
        let partitions = u32::try_from(PARTITIONS).ok().and_then(NonZeroU32::new);
        let source = Source::new(
            directory.clone(),
            &config,
            partitions.unwrap_or(NonZeroU32::MIN),
            next,
        );
        Self {
            directory,
            learnt: known.len(),
            source,
            next,
            batch_ends: next,
            produced: Default::default(),
            written: Default::default(),
            committing: None,
            wrote: next,
        }
    }

    /// The view that it matches under.
    pub(super) fn view(&self) -> Revision {
        self.source.revision(account())
    }

    /// All events below are done, as far as it knows.
    pub(super) const fn done(&self) -> i64 {
        self.source.done()
    }

    /// Whether it dies with some of an event handed over.
    pub(super) const fn is_in_event(&self) -> bool {
        self.source.is_in_event()
    }

    /// Learns changes, up to so many of all.
    pub(super) fn learn(&mut self, changes: &[Change], known: usize) {
        for change in &changes[self.learnt.min(known)..known] {
            change.reach(&self.directory);
        }
        self.learnt = self.learnt.max(known);
    }

    /// Goes on by a step, as the source actor does; a batch has so many events.
    pub(super) fn step(&mut self, events: &[Record], batch: i64) -> Result<Step, String> {
        self.hear();
        if self.source.is_in_event() {
            if let Some(produced) = self.source.hand_over() {
                let partition = usize::try_from(produced.partition).unwrap_or(0);
                self.produced[partition].push_back(produced);
            }
            return Ok(Step::Went);
        }
        if self.next >= self.batch_ends {
            if self.source.awaits().is_some() {
                return Ok(Step::AwaitsView);
            }
            let last = i64::try_from(events.len()).unwrap_or(i64::MAX);
            self.batch_ends = (self.next + batch).min(last + 1);
        }
        let index = usize::try_from(self.next - 1).map_err(|error| error.to_string())?;
        match events.get(index) {
            Some(record) if self.next < self.batch_ends && self.source.has_room() => {
                let forwarded = self.source.forward(record);
                forwarded.map_err(|error| format!("event {} cannot be read: {error}", self.next))?;
                self.next += 1;
                Ok(Step::Went)
            }
            _ => Ok(Step::Waits),
        }
    }

    /// The next record for a partition is written.
    pub(super) fn land(&mut self, partition: usize) -> Option<Vec<u8>> {
        let produced = self.produced[partition].pop_front()?;
        self.written[partition].push_back(produced.promise);
        Some(produced.value)
    }

    /// Kafka acknowledges the oldest of what is written to a partition; whether there was anything.
    pub(super) fn acknowledge(&mut self, partition: usize) -> bool {
        let promise = self.written[partition].pop_front();
        promise.is_some_and(|promise| promise.send(()).is_ok())
    }

    /// The producer fails: what is still with it is not written, and what is not acknowledged never will be.
    pub(super) fn producer_fails(&mut self) {
        self.produced = Default::default();
        self.written = Default::default();
        self.hear();
    }

    /// It hears of the reports that have come, and goes back if one is bad.
    pub(super) fn hear(&mut self) {
        if self.source.settle().is_err() {
            self.next = self.source.go_back();
            self.batch_ends = self.next;
        }
    }

    /// It asks for a commit, now and then.
    pub(super) fn commit(&mut self) {
        self.committing = self.source.commit().or(self.committing);
    }

    /// The group accepts what was asked for, if anything was: it owns the partition.
    pub(super) fn commit_lands(&mut self) -> Option<i64> {
        self.committing.take()
    }

    /// The commit that a newer view waits for.
    pub(super) fn awaited_commit(&self) -> Option<i64> {
        match self.source.awaits() {
            Some(Awaits::Commit(offset)) => Some(offset),
            Some(Awaits::Reports) | None => None,
        }
    }

    /// The group has accepted it.
    pub(super) fn accepted(&mut self, offset: i64) {
        self.committing = None;
        self.source.accepted(offset);
    }
}
