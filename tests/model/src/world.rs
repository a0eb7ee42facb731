//! What outlives an owner, and what the checker notes beside it.

use crate::Protocol;
use crate::bits::Bits;
use crate::bounds::{Faults, WEBHOOKS};
use crate::cursors::Cursors;
use crate::fanout::Fanout;
use crate::ledger::Ledger;
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

/// Everything but the owners' memory.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct World {
    pub(crate) log: Log,
    pub(crate) fanout: Fanout,
    /// The registry's newest revision.
    pub(crate) revision: u8,
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

impl World {
    pub(crate) fn new(protocol: &Protocol) -> Self {
        let faults = protocol.bounds.faults;
        Self {
            log: Log::default(),
            fanout: Fanout::default(),
            revision: 0,
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
        self.ledgers.iter_mut().for_each(Ledger::forget_redis);
    }
}
