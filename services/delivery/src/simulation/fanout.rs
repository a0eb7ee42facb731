//! Fanout: it matches events under one view of the registry, writes them in order, repeats, and is sometimes frozen while
//! another goes on. What it decides is its own code (`process`); what it writes is looked at (`written`).

mod process;
mod written;

use std::collections::{BTreeMap, BTreeSet};

use angarium_kafka::Record;
use angarium_model::{Catalogue, EventName, Lane, Revision, TypePattern, Webhook, WebhookId};
use rand::rngs::SmallRng;
use rand::{RngExt as _, SeedableRng as _};

pub(super) use self::process::Step;
use self::process::{PARTITIONS, Process};
use self::written::{Written, wanting};
use super::fixtures::{self, Change};
use crate::partition::Incoming;
use crate::record::{self, Read};

/// The partition of the deliveries topic that is simulated.
const HERE: usize = 1;
/// Webhooks of it by their numbers: Kafka's hash leads their ids there, of two partitions.
const NUMBERS_HERE: [u8; 6] = [1, 2, 3, 4, 6, 8];
/// One of the other partition.
const NUMBER_ELSEWHERE: u8 = 5;

/// The partition of `events`: its owner, and those that it has followed.
#[derive(Debug)]
pub(super) struct Fanout {
    /// Of its own: what is chosen here changes nothing else.
    rng: SmallRng,
    /// Of the world's lane.
    types: Vec<EventName>,
    /// By their offsets, from 1.
    events: Vec<Record>,
    names: Vec<EventName>,
    /// The last one owns the partition; the others are frozen, or thaw.
    processes: Vec<Process>,
    committed: i64,
    written: Written,
    /// Records that were written late.
    late: BTreeSet<i64>,
    /// What records that were not late name, and the oldest view that one of them was made under.
    named: BTreeMap<WebhookId, BTreeMap<i64, Revision>>,
}

/// What a webhook of this number is called, of those that a world may have.
pub(super) fn number(index: usize) -> Option<u8> {
    NUMBERS_HERE.get(index).copied()
}

fn elsewhere() -> Webhook {
    Webhook {
        event_types: vec![TypePattern::Any],
        ..fixtures::webhook(NUMBER_ELSEWHERE, true, 0)
    }
}

impl Fanout {
    pub(super) fn new(seed: u64, lane: Lane) -> Self {
        let types = Catalogue.types().filter(|known| known.lane == lane);
        Self {
            rng: SmallRng::seed_from_u64(seed.rotate_left(7)),
            types: types
                .filter_map(|known| EventName::new(known.name).ok())
                .collect(),
            events: Vec::new(),
            names: Vec::new(),
            processes: Vec::new(),
            committed: 1,
            written: Written::default(),
            late: BTreeSet::new(),
            named: BTreeMap::new(),
        }
    }

    /// The first process comes, and knows these changes.
    pub(super) fn begin(&mut self, changes: &[Change]) {
        self.processes.push(Process::new(1, elsewhere(), changes));
    }

    /// What a webhook may want.
    pub(super) fn taste(&mut self) -> Vec<TypePattern> {
        if self.rng.random_bool(0.1) {
            return vec![TypePattern::Any];
        }
        let chosen = self.types.iter().filter(|_| self.rng.random_bool(0.6));
        chosen.cloned().map(TypePattern::Exact).collect()
    }

    pub(super) fn accept(&mut self, accepted_ms: i64, size: usize) {
        let source = self.last() + 1;
        let name = self.types[self.rng.random_range(0..self.types.len())].clone();
        self.events
            .push(fixtures::event(source, name.clone(), accepted_ms, size));
        self.names.push(name);
    }

    /// The offset of the last event.
    pub(super) fn last(&self) -> i64 {
        i64::try_from(self.events.len()).unwrap_or(i64::MAX)
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

    /// A process goes on by a step; whether it could.
    pub(super) fn step(&mut self, index: usize) -> Result<Step, String> {
        let batch = self.rng.random_range(1..8);
        self.processes[index].step(&self.events, batch)
    }

    /// Who wants an event under a view.
    fn wanting(&self, changes: &[Change], source: i64, view: Revision) -> Vec<WebhookId> {
        let index = usize::try_from(source - 1).unwrap_or(usize::MAX);
        let name = self.names.get(index);
        name.map_or_else(Vec::new, |name| wanting(changes, view, name))
    }

    /// The next record of a process is written to the other partition; whether there was one.
    pub(super) fn land_elsewhere(&mut self, index: usize) -> Result<bool, String> {
        let Some(value) = self.processes[index].land(1 - HERE) else {
            return Ok(false);
        };
        let record = read(0, value)?;
        self.processes[index].wrote = record.delivery.source.offset + 1;
        self.written.elsewhere(&record, index != self.owner())?;
        Ok(true)
    }

    /// The next record of a process is written, at this offset; `changes` are all that were made, by revision from 1.
    pub(super) fn land(
        &mut self,
        index: usize,
        offset: i64,
        changes: &[Change],
    ) -> Result<Option<Incoming>, String> {
        let Some(value) = self.processes[index].land(HERE) else {
            return Ok(None);
        };
        let record = read(offset, value)?;
        let (source, view) = (record.delivery.source.offset, record.delivery.revision);
        self.processes[index].wrote = source + 1;
        let wanting = self.wanting(changes, source, view);
        self.written.here(&record, &wanting, index != self.owner())?;
        self.wrote(index, &record);
        Ok(Some(record))
    }

    fn wrote(&mut self, index: usize, record: &Incoming) {
        if index != self.owner() {
            self.late.insert(record.offset);
            return;
        }
        for webhook in &record.webhooks {
            let named = self.named.entry(*webhook).or_default();
            let view = record.delivery.revision;
            let oldest = named.entry(record.delivery.source.offset).or_insert(view);
            *oldest = view.min(*oldest);
        }
    }

    /// Some of what a process has written is acknowledged.
    pub(super) fn acknowledge(&mut self, index: usize) {
        let partition = self.rng.random_range(0..PARTITIONS);
        self.processes[index].acknowledge(partition);
    }

    /// Whether a record was written late.
    pub(super) fn is_late(&self, offset: i64) -> bool {
        self.late.contains(&offset)
    }

    /// Whether a process is late under an older view than its follower's.
    pub(super) fn has_old_view(&self, index: usize) -> bool {
        self.processes[index].view() < self.view()
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

    /// The owner learns changes, up to so many.
    pub(super) fn learn(&mut self, changes: &[Change], known: usize) {
        self.process().learn(changes, known);
    }

    /// A frozen one learns all there is, when it thaws.
    pub(super) fn learn_late(&mut self, index: usize, changes: &[Change]) {
        self.processes[index].learn(changes, changes.len());
    }

    /// It is time to ask for a commit.
    pub(super) fn commit(&mut self) {
        self.process().commit();
    }

    /// What the owner asked for is committed: the group takes it from nobody else.
    pub(super) fn commit_lands(&mut self, changes: &[Change]) -> Result<(), String> {
        let offset = self.process().commit_lands();
        offset.map_or(Ok(()), |offset| self.committed(offset, changes))
    }

    /// The commit that the owner's newer view waits for is accepted; whether it takes that view.
    pub(super) fn accept_awaited(&mut self, changes: &[Change]) -> Result<bool, String> {
        let Some(offset) = self.process().awaited_commit() else {
            return Ok(false);
        };
        self.committed(offset, changes)?;
        self.process().accepted(offset);
        Ok(true)
    }

    /// All below is written, whoever commits it.
    fn committed(&mut self, offset: i64, changes: &[Change]) -> Result<(), String> {
        for source in self.committed..offset {
            let wanting = |view| self.wanting(changes, source, view);
            self.written.check_committed(source, wanting)?;
        }
        self.committed = offset;
        Ok(())
    }

    /// The producer of the owner fails, and it goes back. Whether anything that is written comes again.
    pub(super) fn producer_fails(&mut self) -> bool {
        let process = self.process();
        process.producer_fails();
        process.done() < process.wrote
    }

    /// It died, and another follows that knows so many changes. Whether anything that is written comes again.
    pub(super) fn restart(&mut self, known: &[Change]) -> bool {
        let repeats = self.committed < self.process().wrote;
        *self.process() = Process::new(self.committed, elsewhere(), known);
        repeats
    }

    /// It is frozen, and another follows.
    pub(super) fn freeze(&mut self, known: &[Change]) {
        self.processes
            .push(Process::new(self.committed, elsewhere(), known));
    }

    /// Whether the owner has handed over a part of an event.
    pub(super) fn is_in_event(&self) -> bool {
        self.processes[self.owner()].is_in_event()
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

    /// The owner hears of all that is written, and it is committed.
    pub(super) fn all_is_known(&mut self, changes: &[Change]) -> Result<(), String> {
        let owner = self.owner();
        while self.is_in_event() {
            self.step(owner)?;
        }
        while self.land_elsewhere(owner)? {}
        for partition in 0..PARTITIONS {
            while self.process().acknowledge(partition) {}
        }
        // Nothing is new: it hears of what was acknowledged.
        self.process().hear();
        self.commit();
        self.commit_lands(changes)
    }

    /// Whether all that was ever written is committed.
    pub(super) fn has_repeated_all(&self) -> bool {
        self.committed > self.written.newest()
    }

    /// The view of the owner.
    pub(super) fn view(&self) -> Revision {
        self.processes[self.owner()].view()
    }

    /// Whether all is written, and the owner knows.
    pub(super) fn is_done(&self) -> bool {
        self.processes[self.owner()].done() > self.last()
    }
}

/// Reads a record as delivery does.
fn read(offset: i64, value: Vec<u8>) -> Result<Incoming, String> {
    match record::read(fixtures::record(offset, value)) {
        Ok(Read::Event(record)) => Ok(record),
        other => Err(format!("fanout wrote what delivery cannot read: {other:?}")),
    }
}
