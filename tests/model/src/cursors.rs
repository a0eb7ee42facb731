//! `angarium.cursors`: durable cursors in sets, one set an epoch.

use crate::bits::Bits;
use crate::bounds::WEBHOOKS;
use crate::mark::Mark;
use crate::orders::Replay;
use crate::parked::Listed;

/// What a cursor says of its webhook.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Standing {
    /// It takes what comes.
    Live,
    /// It is behind: it lags, catches up, or waits for its slot.
    Behind {
        /// The failed group, by its offsets; empty: none.
        head: Bits,
        /// In the batch lane, within a slot: the high watermark at its start.
        slot_end: Option<u8>,
        /// What was done is being sent again.
        replay: Option<Replay>,
        /// The groups that failed and that the webhook has passed.
        parked: Listed,
    },
}

/// A durable cursor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Cursor {
    /// The offset of the last order that was taken; 0: none.
    pub generation: u8,
    /// The owner that wrote it.
    pub epoch: u8,
    /// Where to read from.
    pub resume: u8,
    /// What is done.
    pub mark: Mark,
    /// Whether the webhook is live.
    pub standing: Standing,
}

/// The cursors of one epoch, valid once it has P.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct EpochSet {
    pub(crate) epoch: u8,
    pub(crate) p: Option<u8>,
    /// Beside P, the highest source offset below it. Only for the test that shows why there is no such filter.
    pub(crate) filter: u8,
    pub(crate) cursors: [Option<Cursor>; WEBHOOKS],
}

/// The topic, compacted.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Cursors {
    /// By rising epoch. What lies below the highest valid set is deleted, or is written late and never read.
    sets: Vec<EpochSet>,
    /// Kafka's committed offset: the last P that anybody wrote.
    pub(crate) committed: u8,
}

impl Standing {
    pub(crate) fn replay(&self) -> Option<Replay> {
        match self {
            Self::Live => None,
            Self::Behind { replay, .. } => *replay,
        }
    }

    pub(crate) fn parked(&self) -> Listed {
        match self {
            Self::Live => Listed::EMPTY,
            Self::Behind { parked, .. } => *parked,
        }
    }
}

impl EpochSet {
    fn new(epoch: u8) -> Self {
        Self {
            epoch,
            p: None,
            filter: 0,
            cursors: [None; WEBHOOKS],
        }
    }
}

impl Cursors {
    /// The first owner's set: complete, with P at the start.
    pub(crate) fn new() -> Self {
        let first = EpochSet {
            p: Some(0),
            ..EpochSet::new(0)
        };
        Self {
            sets: vec![first],
            committed: 0,
        }
    }

    /// The set that a takeover starts from.
    pub(crate) fn highest_valid(&self) -> &EpochSet {
        self.sets
            .iter()
            .rfind(|set| set.p.is_some())
            .unwrap_or(&self.sets[0])
    }

    /// A webhook's cursor in the highest set that has one, valid or not. Only for the mistake of mixing sets.
    pub(crate) fn highest_of(&self, webhook: usize) -> Option<Cursor> {
        self.sets.iter().rev().find_map(|set| set.cursors[webhook])
    }

    pub(crate) fn write(&mut self, epoch: u8, webhook: usize, cursor: Option<Cursor>) {
        if let Some(set) = self.set(epoch) {
            set.cursors[webhook] = cursor;
        }
    }

    /// The P record, which completes the set. Lower sets are deleted then.
    pub(crate) fn write_p(&mut self, epoch: u8, p: u8, filter: u8) {
        if let Some(set) = self.set(epoch) {
            set.p = Some(p);
            set.filter = filter;
        }
        let valid = self.highest_valid().epoch;
        self.sets.retain(|set| set.epoch >= valid);
    }

    fn set(&mut self, epoch: u8) -> Option<&mut EpochSet> {
        if epoch < self.highest_valid().epoch {
            return None;
        }
        let at = self.sets.partition_point(|set| set.epoch < epoch);
        if self.sets.get(at).is_none_or(|set| set.epoch != epoch) {
            self.sets.insert(at, EpochSet::new(epoch));
        }
        self.sets.get_mut(at)
    }
}
