//! Redis fails, receivers fail, and owners die or are frozen; another takes over.

use std::collections::VecDeque;

use angarium_directory::Directory;
use angarium_kafka::Watermarks;
use rand::RngExt as _;

use super::super::fixtures;
use super::super::happened::What;
use super::super::heads::Heads;
use super::super::owner::{Owner, Stage};
use super::World;
use crate::checkpoint::{Memories, Stored};
use crate::clocks::Clocks;
use crate::hook::Look;
use crate::partition::{Kept, Partition, Start};

/// How far a clock is off that is wrong: further than events are kept.
const WRONG_MS: i64 = 8 * 24 * 60 * 60 * 1_000;
/// Owners that were followed and whose writes still land.
const MAX_FROZEN: usize = 2;

impl World {
    pub(super) fn redis_fails(&mut self) {
        match self.rng.random_range(0..4) {
            0 => {
                self.redis = Stored::default();
                self.note(What::RedisIsWiped);
            }
            1 => {
                if let Some(before) = self.redis_before.pop_front() {
                    self.redis = before;
                    self.redis_before.clear();
                    self.note(What::RedisIsRolledBack);
                }
            }
            _ => self.redis_is_away = !self.redis_is_away,
        }
    }

    pub(super) fn receiver_fails_or_recovers(&mut self) {
        let number = self.rng.random_range(0..self.webhooks.len());
        let id = self.webhooks[number].id;
        if !self.down.remove(&id) {
            self.down.insert(id);
        }
    }

    /// The owner dies, with all that it had under way but not written.
    pub(super) fn crash(&mut self) {
        if let Some(owner) = self.owners.pop() {
            let has = |what: fn(&Look) -> bool| owner.partition.looks().any(|(_, look)| what(&look));
            let writes = !owner.appends.is_empty() || !owner.landed.is_empty();
            self.note_if(has(|look| look.is_in_slot), What::CrashInSlot);
            self.note_if(has(|look| look.is_in_replay), What::DiesInReplay);
            self.note_if(owner.stage != Stage::Acting, What::DiesInTakeover);
            self.note_if(owner.stage == Stage::Acting && writes, What::DiesBetweenWrites);
        }
        self.take_over(None);
    }

    /// The owner is frozen, and followed; what it had under way may still come.
    pub(super) fn freeze(&mut self) {
        self.owner().is_frozen = true;
        let acts = self.owner().stage == Stage::Acting;
        self.note_if(!acts, What::DiesInTakeover);
        let is_calling = !self.owner().posts.is_empty();
        self.note_if(is_calling, What::FollowedInACall);
        if self.owners.len() > MAX_FROZEN {
            self.owners.remove(0);
        }
        self.take_over(None);
    }

    /// A worker that was followed takes the partition again, by what it knows, while its own earlier owner still lives.
    pub(super) fn rejoin(&mut self) {
        if self.owners.len() < 2 {
            return;
        }
        let index = self.rng.random_range(0..self.owners.len() - 1);
        let (directory, skew_ms) = (self.owners[index].directory.clone(), self.owners[index].skew_ms);
        self.owner().is_frozen = true;
        self.note(What::Rejoins);
        self.take_over(Some((directory, skew_ms)));
    }

    /// How far a clock is off: mostly it is not.
    pub(super) fn any_skew(&mut self) -> i64 {
        [0, 0, 0, 0, 0, 0, WRONG_MS, -WRONG_MS][self.rng.random_range(0..8)]
    }

    /// Someone takes the partition over; perhaps a worker that is here already, with what it knows and its clock.
    pub(super) fn take_over(&mut self, by: Option<(Directory, i64)>) {
        self.take_over_cut(by, None);
    }

    /// The same, of a log that is known to have been cut.
    pub(super) fn take_over_cut(&mut self, by: Option<(Directory, i64)>, cut: Option<Kept>) {
        self.summary.takeovers += 1;
        self.cut.is_unseen = false;
        let epoch = self.topic.claim();
        let found = self.topic.found();
        self.note_if(self.redis_is_away, What::RedisIsAwayAtTakeover);
        let memories = if self.redis_is_away {
            Memories::default()
        } else {
            self.redis.clone().into()
        };
        let (directory, skew_ms) = by.unwrap_or_else(|| (self.any_directory(), self.any_skew()));
        let known = directory.revision(fixtures::account()).offset();
        let learnt = usize::try_from(known).unwrap_or(0);
        let heads = if self.cut.is_open {
            // They were of another log.
            self.topic.forget_told();
            Heads::default()
        } else {
            Heads::new(found.as_ref(), &memories)
        };
        self.tell(|| format!("[{epoch}] takes over: {found:?}, {memories:?}"));
        self.note_if(skew_ms != 0, What::WrongClock);
        if let Some(found) = &found {
            self.told.unread(found.place..self.low());
        }
        let mut clocks = Clocks::default();
        clocks.compare(self.now_ms + skew_ms, Some(self.now_ms));
        let start = Start {
            epoch,
            found,
            memories,
            is_anew: false,
            cut,
            ends: Watermarks {
                low: self.low(),
                high: i64::try_from(self.log.len()).unwrap_or(i64::MAX),
            },
            clocks,
            now_ms: self.now_ms + skew_ms,
            dice: self.rng.random(),
        };
        let mut owner = Owner {
            epoch,
            stage: Stage::Asserting,
            partition: Partition::take_over(self.lane, self.scale.rules(), directory.clone(), start),
            directory,
            learnt,
            live: 0,
            appends: VecDeque::new(),
            landed: VecDeque::new(),
            place: -1,
            saving: None,
            reading: None,
            posts: Vec::new(),
            putting_aside: VecDeque::new(),
            expired: Vec::new(),
            removed: Vec::new(),
            heads,
            is_frozen: false,
            is_superseded: false,
            skew_ms,
        };
        let has_missed_slot = owner.partition.has_missed_slot(self.now_ms + skew_ms);
        self.note_if(has_missed_slot, What::MissedSlot);
        owner.perform();
        self.owners.push(owner);
        self.owner_misses_deleted();
        let last = self.owners.len() - 1;
        // A place of its own: nothing has been written yet, so it cannot go back.
        if let Err(what) = self.complete(last) {
            unreachable!("{what}");
        }
    }

    /// What a new worker knows: the registry as it was at some time.
    fn any_directory(&mut self) -> Directory {
        let learnt = self.rng.random_range(0..=self.changes.len());
        let directory = Directory::fixed([], []);
        for change in &self.changes[..learnt] {
            change.reach(&directory);
        }
        self.note_if(learnt < self.changes.len(), What::StaleView);
        directory
    }
}
