//! What the checker notes of what owners, not zombies, have put on record; and what it holds their POSTs against.

use crate::Protocol;
use crate::bits::Bits;
use crate::cursors::Cursor;
use crate::log::Ordered;
use crate::orders::Replay;
use crate::parked::{Listed, Parked, Retries};
use crate::redis::Entry;
use crate::webhook::{State, Webhook};
use crate::world::{Breach, World};

/// Facts that were told: events below are done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Told {
    pub(crate) resume: u8,
    pub(crate) source: u8,
}

/// What was told where.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Facts {
    /// In `cursors`.
    pub(crate) durable: Told,
    /// In Redis, as far as Redis still has it.
    pub(crate) redis: Told,
}

/// What is on record of a replay.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
struct Run {
    generation: u8,
    facts: Facts,
    /// It has ended, but for what is parked, or never began.
    is_over: bool,
}

/// What is on record of one webhook.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Ledger {
    /// Of what is sent for the first time.
    pub(crate) stream: Facts,
    /// Of the newest order.
    run: Run,
    /// The recorded head that is not answered yet, and its generation.
    pub(crate) head: (u8, Bits),
    /// What the last cursor lists.
    parked: Listed,
    /// Of that, what is not answered yet.
    waiting: Retries,
    /// The end of the slot whose first group was sent.
    pub(crate) slot_end: Option<u8>,
}

impl Told {
    pub(crate) fn add(&mut self, resume: u8, source: u8) {
        self.resume = self.resume.max(resume);
        self.source = self.source.max(source);
    }

    fn covers(self, offset: u8, source: u8) -> bool {
        offset < self.resume || source <= self.source
    }
}

impl Facts {
    fn covers(self, offset: u8, source: u8) -> bool {
        self.durable.covers(offset, source) || self.redis.covers(offset, source)
    }
}

impl Ledger {
    /// What an owner's acknowledged cursor tells.
    pub(crate) fn note(&mut self, cursor: &Cursor) {
        if cursor.generation > self.run.generation {
            self.run = Run {
                generation: cursor.generation,
                ..Run::default()
            };
            // No slot outlasts an order.
            self.slot_end = None;
        }
        self.parked = cursor.standing.parked();
        self.waiting = Retries::of(self.parked);
        let Some(replay) = cursor.standing.replay() else {
            self.run.is_over = true;
            self.stream.durable.add(cursor.resume, cursor.mark.source);
            return;
        };
        self.stream.durable.add(replay.then, replay.then_mark.source);
        if cursor.generation == self.run.generation {
            // Beyond its end a replay tells nothing.
            let done = cursor.resume.min(replay.until);
            self.run.facts.durable.add(done, cursor.mark.source);
        }
    }

    /// The owner's POST of this group was taken.
    pub(crate) fn note_taken(&mut self, what: Parked) {
        self.head = (0, Bits::EMPTY);
        self.waiting.forget(what);
    }

    /// What an owner tells Redis.
    pub(crate) fn note_progress(&mut self, entry: &Entry, replay: Option<Replay>) {
        match replay {
            None => self.stream.redis.add(entry.resume, entry.mark.source),
            Some(replay) if entry.generation == self.run.generation => {
                let done = entry.resume.min(replay.until);
                self.run.facts.redis.add(done, entry.mark.source);
            }
            Some(_) => {}
        }
    }

    /// What a zombie tells Redis may count for nobody, and has taken the place of what did.
    pub(crate) fn note_zombies(&mut self, entry: &Entry) {
        if (entry.generation, entry.parked) != (self.run.generation, self.parked) {
            self.forget_redis();
        }
    }

    /// What Redis was told is known no more, or not to the new owner.
    pub(crate) fn forget_redis(&mut self) {
        self.stream.redis = Told::default();
        self.run.facts.redis = Told::default();
    }

    /// Whether what an owner sends was told to be done. What the last cursor lists is not, unless its replay was cancelled.
    fn is_done(&self, what: Parked, world: &World) -> bool {
        let newest = self.run.generation;
        let is_listed = self.parked.iter().any(|parked| parked == what);
        if what.is_replay && what.generation < newest {
            let order = world.log.order(newest);
            return !is_listed || order.is_some_and(|order| order.what == Ordered::Cancel);
        }
        if is_listed {
            return false;
        }
        if what.is_replay {
            let is_this = what.generation == newest;
            return is_this && (self.run.is_over || self.is_covered(self.run.facts, what, world));
        }
        // What a replay has sent beyond its end is none of what comes behind it.
        let sent_by_run = what.generation == newest
            && what
                .group
                .first()
                .is_some_and(|o| o < self.run.facts.durable.resume);
        sent_by_run || self.is_covered(self.stream, what, world)
    }

    fn is_covered(&self, facts: Facts, what: Parked, world: &World) -> bool {
        let mut offsets = what.group.iter();
        offsets.any(|offset| facts.covers(offset, world.log.at(offset).source))
    }

    /// Whether it has a part of a recorded group, and not all.
    fn splits(&self, what: Parked) -> bool {
        let waiting = self.waiting.iter().map(|retry| retry.what);
        waiting
            .map(|waits| (waits.generation, waits.group))
            .chain([self.head])
            .filter(|(generation, _)| *generation == what.generation)
            .any(|(_, group)| group != what.group && group.intersects(what.group))
    }
}

impl World {
    /// Holds a group that the owner sends against what was told.
    pub(crate) fn check(&mut self, id: u8, what: Parked, protocol: &Protocol) {
        let ledger = self.ledgers[usize::from(id)];
        if ledger.is_done(what, self) && protocol.bounds.sources_rise() {
            self.breach = Some(Breach::Repeated);
        }
        if ledger.splits(what) {
            self.breach = Some(Breach::HeadChanged);
        }
    }

    /// Holds a new group that the owner sends against the end that its slot had at first.
    pub(crate) fn check_slot(&mut self, webhook: &Webhook, group: Bits) {
        let State::InSlot { end, .. } = webhook.state else {
            return;
        };
        let slot_end = &mut self.ledgers[usize::from(webhook.id)].slot_end;
        let end = *slot_end.get_or_insert(end);
        if group.last().is_some_and(|offset| offset >= end) {
            self.breach = Some(Breach::AboveSlotEnd);
        }
    }
}
