//! What outlives an owner, and what the checker notes beside it.

use crate::Protocol;
use crate::bits::Bits;
use crate::bounds::{Faults, WEBHOOKS};
use crate::cursors::Cursors;
use crate::fanout::Fanout;
use crate::log::Log;
use crate::receiver::Receiver;
use crate::redis::Redis;

/// A promise that a step broke.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Breach {
    /// A first receipt came before that of an earlier event.
    OutOfOrder,
    /// An event was sent again although a fact said that it was done.
    Repeated,
    /// A recorded head was retried as another group.
    HeadChanged,
    /// A slot sent what lay above its end.
    AboveSlotEnd,
}

/// Facts that were told: events below are done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Told {
    pub(crate) resume: u8,
    pub(crate) source: u8,
}

/// What owners, not zombies, have put on record of one webhook in its newest generation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Ledger {
    /// In `cursors`.
    pub(crate) durable: Told,
    /// In Redis, as far as Redis still has it.
    pub(crate) redis: Told,
    /// The recorded head that is not answered yet.
    pub(crate) head: Bits,
    /// The end of the slot whose first group was sent.
    pub(crate) slot_end: Option<u8>,
}

/// Everything but the owners' memory.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct World {
    pub(crate) log: Log,
    pub(crate) fanout: Fanout,
    /// The registry's newest revision.
    pub(crate) revision: u8,
    /// The registry's counter of replays of the first webhook.
    pub(crate) generation: u8,
    pub(crate) cursors: Cursors,
    pub(crate) redis: Redis,
    /// Redis before its last write, while it may still be rolled back.
    pub(crate) redis_before: Option<Redis>,
    /// Batch: the webhooks whose slot has come.
    pub(crate) due: Bits,
    pub(crate) receivers: [Receiver; WEBHOOKS],
    pub(crate) ledgers: [Ledger; WEBHOOKS],
    /// The faults that may still strike.
    pub(crate) left: Faults,
    pub(crate) breach: Option<Breach>,
}

impl Told {
    pub(crate) fn add(&mut self, resume: u8, source: u8) {
        self.resume = self.resume.max(resume);
        self.source = self.source.max(source);
    }
}

impl World {
    pub(crate) fn new(protocol: &Protocol) -> Self {
        let faults = protocol.bounds.faults;
        Self {
            log: Log::default(),
            fanout: Fanout::default(),
            revision: 0,
            generation: 0,
            cursors: Cursors::new(),
            redis: Redis::default(),
            redis_before: (faults.redis_rollbacks > 0).then(Redis::default),
            due: Bits::EMPTY,
            receivers: [Receiver::default(); WEBHOOKS],
            ledgers: [Ledger::default(); WEBHOOKS],
            left: faults,
            breach: None,
        }
    }

    /// The generation that the registry asks for.
    pub(crate) fn generation_of(&self, webhook: u8) -> u8 {
        if webhook == 0 { self.generation } else { 0 }
    }

    pub(crate) fn ask_replay(&mut self) {
        self.generation += 1;
        self.ledgers[0] = Ledger::default();
    }

    pub(crate) fn wipe_redis(&mut self) {
        self.redis = Redis::default();
        self.forget_redis();
        if self.redis_before.is_some() {
            self.redis_before = Some(Redis::default());
        }
    }

    pub(crate) fn roll_back_redis(&mut self) {
        if let Some(before) = self.redis_before.take() {
            self.redis = before;
            self.forget_redis();
        }
    }

    /// What Redis was told is known no more, or not to the new owner.
    pub(crate) fn forget_redis(&mut self) {
        self.ledgers.iter_mut().for_each(|l| l.redis = Told::default());
    }
}
