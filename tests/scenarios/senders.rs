//! Which worker sends what, as the receiver sees it.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use angarium_model::Lane;
use angarium_testkit::receiver::Received;
use angarium_testkit::stack::PARTITIONS;
use tokio::time::Instant;

/// The process id of a worker.
pub(crate) type Worker = u32;

/// What a request carries.
pub(crate) struct Group {
    pub(crate) lane: Lane,
    /// The numbers of its events, probes left out.
    pub(crate) numbers: Vec<u64>,
}

impl Group {
    pub(crate) fn newest(&self) -> Option<u64> {
        self.numbers.iter().max().copied()
    }
}

/// A request that was looked at.
pub(crate) struct Sent {
    pub(crate) by: Option<Worker>,
    pub(crate) at: Instant,
    pub(crate) hook: Arc<str>,
    pub(crate) partition: (Lane, i32),
    numbers: Vec<u64>,
    is_delivered: bool,
}

/// Since when what a worker has delivered may come again, because it was not remembered.
#[derive(Clone, Copy)]
pub(crate) struct Forgotten {
    pub(crate) by: Worker,
    pub(crate) since: Instant,
}

/// A webhook in a lane.
pub(crate) struct Target {
    pub(crate) partition: (Lane, i32),
    /// The worker that called it last.
    pub(crate) owner: Option<Worker>,
    /// Its first call after that of another one.
    pub(crate) since: Instant,
    /// The highest number of the events that it has taken.
    pub(crate) newest: Option<u64>,
    pub(crate) last_at: Instant,
    /// The longest time between two calls since [`Senders::hush`].
    silence: Duration,
}

impl Target {
    /// The longest time without a call since [`Senders::hush`], up to now.
    pub(crate) fn silence(&self) -> Duration {
        self.silence.max(self.last_at.elapsed())
    }
}

/// Who has sent what. It needs a receiver with `senders`.
#[derive(Default)]
pub(crate) struct Senders {
    targets: BTreeMap<Arc<str>, Target>,
    sent: Vec<Sent>,
    /// Events whose producer was told that they are not accepted, which some of them may have been, and published them again.
    published_again: BTreeSet<u64>,
}

impl Senders {
    pub(crate) fn look(&mut self, request: &Received, group: Group, partition: i32) {
        let (hook, by, at) = (Arc::clone(&request.hook), request.sender, request.at);
        let partition = (group.lane, partition);
        let target = self.targets.entry(Arc::clone(&hook)).or_insert(Target {
            partition,
            owner: by,
            since: at,
            newest: None,
            last_at: at,
            silence: Duration::ZERO,
        });
        if target.owner != by {
            (target.owner, target.since) = (by, at);
        }
        target.silence = target.silence.max(at.duration_since(target.last_at));
        target.last_at = at;
        if request.is_delivered() {
            target.newest = target.newest.max(group.newest());
        }
        self.sent.push(Sent {
            by,
            at,
            hook,
            partition,
            numbers: group.numbers,
            is_delivered: request.is_delivered(),
        });
    }

    /// Webhooks by hook and lane.
    pub(crate) fn targets(&self) -> impl Iterator<Item = (&str, &Target)> {
        self.targets.iter().map(|(name, target)| (&**name, target))
    }

    pub(crate) fn target(&self, hook: &str) -> &Target {
        &self.targets[hook]
    }

    /// All requests so far, in order of arrival.
    pub(crate) fn sent(&self) -> &[Sent] {
        &self.sent
    }

    /// Silences are measured anew.
    pub(crate) fn hush(&mut self) {
        let now = Instant::now();
        for target in self.targets.values_mut() {
            (target.silence, target.last_at) = (Duration::ZERO, now);
        }
    }

    /// Whether each worker has its share of each lane: no rebalance of these members is to come.
    pub(crate) fn are_shared_out(&self, workers: &[Worker]) -> bool {
        let mut shares: BTreeMap<(Lane, Option<Worker>), BTreeSet<i32>> = BTreeMap::new();
        for target in self.targets.values() {
            let (lane, partition) = target.partition;
            shares.entry((lane, target.owner)).or_default().insert(partition);
        }
        let all = usize::try_from(PARTITIONS.get()).unwrap();
        Lane::ALL.into_iter().all(|lane| {
            let share = |worker: &Worker| shares.get(&(lane, Some(*worker))).map_or(0, BTreeSet::len);
            let (fewest, most) = (all / workers.len(), all.div_ceil(workers.len()));
            let total: usize = workers.iter().map(share).sum();
            total == all
                && workers
                    .iter()
                    .all(|worker| (fewest..=most).contains(&share(worker)))
        })
    }

    /// Events with these numbers are published again.
    pub(crate) fn published_again(&mut self, numbers: Range<u64>) {
        self.published_again.extend(numbers);
    }

    /// How many events may come again: those that were delivered and forgotten, or published again.
    pub(crate) fn may_repeat(&self, forgotten: &[Forgotten]) -> usize {
        let delivered = self.sent.iter().filter(|sent| sent.is_delivered);
        let numbers = delivered.flat_map(|sent| sent.numbers.iter().map(move |number| (sent, *number)));
        numbers
            .filter(|(sent, number)| self.may_come_again(sent, *number, forgotten))
            .count()
    }

    fn may_come_again(&self, sent: &Sent, number: u64, forgotten: &[Forgotten]) -> bool {
        sent.is_forgotten(forgotten) || self.published_again.contains(&number)
    }

    /// Repetitions of what was not forgotten, for a person.
    pub(crate) fn unexplained(&self, forgotten: &[Forgotten]) -> Vec<String> {
        let mut last: HashMap<(&str, u64), &Sent> = HashMap::new();
        let mut unexplained = Vec::new();
        for sent in self.sent.iter().filter(|sent| sent.is_delivered) {
            for number in &sent.numbers {
                let before = last.insert((&sent.hook, *number), sent);
                let before = before.filter(|before| !self.may_come_again(before, *number, forgotten));
                if let Some(before) = before {
                    let later = sent.at.duration_since(before.at).as_secs_f64();
                    let (hook, first, by) = (&sent.hook, before.by, sent.by);
                    unexplained.push(format!(
                        "{hook}: event {number} of {first:?} again by {by:?}, {later:.3} s later"
                    ));
                }
            }
        }
        unexplained
    }
}

impl Sent {
    fn is_forgotten(&self, forgotten: &[Forgotten]) -> bool {
        let is_forgotten = |by: &Forgotten| self.by == Some(by.by) && self.at >= by.since;
        self.is_delivered && forgotten.iter().any(is_forgotten)
    }
}
