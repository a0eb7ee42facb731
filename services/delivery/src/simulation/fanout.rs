//! Fanout: it matches events under one view of the registry, writes them in order, repeats, and is sometimes frozen while
//! another goes on.
//!
//! It keeps the rules that nothing would be safe without: a new view is taken only behind an accepted commit of all that was
//! decided before (docs/model-findings.md, 1), and when the report of a record fails nothing behind it is written by the
//! same producer (`services/fanout/src/producers.rs`). One that is frozen keeps its view for all that it writes late.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use angarium_model::{Revision, Webhook, WebhookId};

use crate::partition::Incoming;

/// An event of the events topic.
#[derive(Clone, Copy, Debug)]
pub(super) struct Event {
    pub(super) accepted_ms: i64,
    /// Of its data, in bytes.
    pub(super) size: usize,
}

/// What was decided of an event.
#[derive(Clone, Debug)]
pub(super) struct Decided {
    pub(super) source: i64,
    pub(super) webhooks: Vec<WebhookId>,
    pub(super) view: Revision,
}

/// One process on the partition of `events`.
#[derive(Clone, Debug)]
pub(super) struct Process {
    /// The next event that it matches.
    next: i64,
    view: Revision,
    /// With the producer.
    pending: VecDeque<Decided>,
}

/// The owner of the partition of `events`, and those that it has followed.
#[derive(Debug)]
pub(super) struct Fanout {
    seed: u64,
    /// By their offsets, from 1.
    events: Vec<Event>,
    /// By revision, from 1: what a webhook wants from that change of it on.
    tastes: Vec<i64>,
    /// The last one owns the partition; the others are frozen, or thaw.
    processes: Vec<Process>,
    committed: i64,
    /// Records that were written late.
    late: BTreeSet<i64>,
    /// What records that were not late name, and the oldest view that one of them was made under.
    named: BTreeMap<WebhookId, BTreeMap<i64, Revision>>,
}

impl Process {
    fn new(next: i64, view: Revision) -> Self {
        Self {
            next,
            view,
            pending: VecDeque::new(),
        }
    }

    /// All below is written.
    fn written(&self) -> i64 {
        self.pending.front().map_or(self.next, |decided| decided.source)
    }
}

impl Fanout {
    pub(super) fn new(seed: u64, webhooks: usize) -> Self {
        let view = Revision::from_offset(i64::try_from(webhooks).unwrap_or(0));
        Self {
            seed,
            events: Vec::new(),
            tastes: (1..).take(webhooks).collect(),
            processes: vec![Process::new(1, view)],
            committed: 1,
            late: BTreeSet::new(),
            named: BTreeMap::new(),
        }
    }

    pub(super) fn accept(&mut self, event: Event) {
        self.events.push(event);
    }

    /// The offset of the last event.
    pub(super) fn last(&self) -> i64 {
        i64::try_from(self.events.len()).unwrap_or(i64::MAX)
    }

    pub(super) fn event(&self, source: i64) -> Option<Event> {
        let index = usize::try_from(source).ok()?.checked_sub(1)?;
        self.events.get(index).copied()
    }

    /// A webhook was changed; it wants what it has wanted since that change of it, or something else.
    pub(super) fn changed(&mut self, still_as: Option<Revision>) {
        let revision = i64::try_from(self.tastes.len()).unwrap_or(i64::MAX) + 1;
        let before = still_as.and_then(|revision| self.taste(revision));
        self.tastes.push(before.unwrap_or(revision));
    }

    fn taste(&self, revision: Revision) -> Option<i64> {
        let index = usize::try_from(revision.offset()).ok()?.checked_sub(1)?;
        self.tastes.get(index).copied()
    }

    /// The process that owns the partition of `events`.
    pub(super) fn owner(&self) -> usize {
        self.processes.len() - 1
    }

    pub(super) fn frozen(&self) -> usize {
        self.processes.len() - 1
    }

    fn process(&mut self) -> &mut Process {
        let owner = self.owner();
        &mut self.processes[owner]
    }

    /// A process matches its next event; whether there is one. `changes` are all that were made, by revision from 1.
    pub(super) fn decide(&mut self, index: usize, changes: &[Webhook]) -> bool {
        let Process {
            next: source, view, ..
        } = self.processes[index];
        if source > self.last() {
            return false;
        }
        let known = usize::try_from(view.offset()).unwrap_or(0);
        let known = changes.iter().take(known);
        let newest: BTreeMap<WebhookId, &Webhook> = known.map(|webhook| (webhook.id, webhook)).collect();
        let wanting = newest
            .into_values()
            .filter(|webhook| self.is_wanted(webhook, source));
        let webhooks: Vec<WebhookId> = wanting.map(|webhook| webhook.id).collect();
        let process = &mut self.processes[index];
        process.next += 1;
        if !webhooks.is_empty() {
            process.pending.push_back(Decided {
                source,
                webhooks,
                view,
            });
        }
        true
    }

    fn is_wanted(&self, webhook: &Webhook, source: i64) -> bool {
        let taste = self.taste(webhook.revision).unwrap_or_default();
        let numbers = [taste, source].map(i64::unsigned_abs);
        let dice = numbers
            .into_iter()
            .fold(self.seed, |hash, number| mix(hash ^ number));
        webhook.active && dice % 10 < 6
    }

    /// Takes the next record that a process has written.
    pub(super) fn land(&mut self, index: usize) -> Option<Decided> {
        self.processes[index].pending.pop_front()
    }

    /// A record stands in the log, written by that process.
    pub(super) fn wrote(&mut self, index: usize, offset: i64, decided: &Decided) {
        if index != self.owner() {
            self.late.insert(offset);
            return;
        }
        for webhook in &decided.webhooks {
            let named = self.named.entry(*webhook).or_default();
            let oldest = named.entry(decided.source).or_insert(decided.view);
            *oldest = decided.view.min(*oldest);
        }
    }

    /// Whether a record was written late.
    pub(super) fn is_late(&self, offset: i64) -> bool {
        self.late.contains(&offset)
    }

    /// Whether a process is late under an older view than its follower's.
    pub(super) fn has_old_view(&self, index: usize) -> bool {
        self.processes[index].view < self.processes[self.owner()].view
    }

    /// The events that records name which were not late, and the oldest view that one of those was made under.
    pub(super) fn named(&self, webhook: WebhookId) -> impl Iterator<Item = (i64, Revision)> {
        let named = self.named.get(&webhook).into_iter().flatten();
        named.map(|(source, view)| (*source, *view))
    }

    /// The deliveries log has lost what came behind this place; what it has left is this.
    pub(super) fn log_ends_at(&mut self, end: i64, log: &[Incoming]) {
        self.late.retain(|offset| *offset < end);
        self.named.clear();
        let written = log.iter().filter(|record| !record.delivery.resent);
        for record in written.filter(|record| !self.late.contains(&record.offset)) {
            for webhook in &record.webhooks {
                let named = self.named.entry(*webhook).or_default();
                let view = record.delivery.revision;
                let oldest = named.entry(record.delivery.source.offset).or_insert(view);
                *oldest = view.min(*oldest);
            }
        }
    }

    pub(super) fn commit(&mut self) {
        self.committed = self.process().written();
    }

    /// Takes a newer view, if all that was decided before is written; its commit is accepted.
    pub(super) fn renew(&mut self, newest: Revision) -> bool {
        let process = self.process();
        let may = process.pending.is_empty() && process.view < newest;
        if may {
            process.view = newest;
            self.commit();
        }
        may
    }

    /// The producer has failed: what is still with it is gone, and the owner goes back to its commit, under the view that
    /// it has. Whether anything that is written comes again.
    pub(super) fn start_over(&mut self) -> bool {
        let view = self.process().view;
        self.restart(view)
    }

    /// It died, and another follows. Whether anything that is written comes again.
    pub(super) fn restart(&mut self, view: Revision) -> bool {
        let repeats = self.committed < self.process().written();
        *self.process() = Process::new(self.committed, view);
        repeats
    }

    /// It is frozen, and another follows.
    pub(super) fn freeze(&mut self, view: Revision) {
        self.processes.push(Process::new(self.committed, view));
    }

    /// A frozen one is no more.
    pub(super) fn bury(&mut self, index: usize) {
        self.processes.remove(index);
    }

    /// No frozen one is any more.
    pub(super) fn settle(&mut self) {
        let owner = self.owner();
        self.processes.drain(..owner);
    }

    /// The view of the owner.
    pub(super) fn view(&self) -> Revision {
        self.processes[self.owner()].view
    }

    /// Whether all is written.
    pub(super) fn is_done(&self) -> bool {
        self.processes[self.owner()].written() > self.last()
    }
}

/// A number as good as any other (`SplitMix64`).
fn mix(number: u64) -> u64 {
    let number = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ (number >> 31)
}
