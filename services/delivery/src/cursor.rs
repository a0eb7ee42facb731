//! Durable cursors: what `angarium.cursors` says of a partition's webhooks (DESIGN §7).
//!
//! An owner writes under its own *epoch*: its cursors, and its **place**, from which a new owner must read. Together
//! they are an epoch's set, which counts once it has a place. A new owner appends a claim, whose offset is its epoch,
//! reads all that was there before, takes the highest set that counts, and writes what it still needs under its own
//! epoch, the place last. So what an owner writes that was frozen meanwhile is never read.

mod key;
mod sets;
mod wire;

use std::sync::Arc;

use angarium_model::{AccountId, Revision};
use sha2::{Digest as _, Sha256};

pub(crate) use self::key::Key;
pub(crate) use self::sets::{Found, Sets};
use crate::hook::{Mark, Replay};

/// How far a webhook has come in a lane.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Cursor {
    pub(crate) account: AccountId,
    /// The offset of the last replay order that was taken; 0 before the first. What was done in an earlier one says
    /// nothing of this one.
    pub(crate) generation: i64,
    /// Everything of the webhook below this offset of the deliveries topic is done.
    pub(crate) resume: i64,
    /// The last event that is done.
    pub(crate) done: Option<Mark>,
    /// The newest view that any record of it was made under: an older one knows nothing of it.
    pub(crate) newest_view: Revision,
    pub(crate) standing: Standing,
}

/// Whether a webhook takes what comes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// It does.
    Live,
    /// It fails, catches up, waits for its slot or is switched off.
    Behind {
        /// When the first attempt failed: Unix milliseconds; 0 when none did.
        since_ms: i64,
        /// The group that failed.
        head: Head,
        /// Batch: where the slot ends that the webhook is in.
        slot_end: Option<i64>,
        /// Batch: since when events wait for a slot: Unix milliseconds. A slot that was missed since is made up.
        rested_at_ms: i64,
        /// What was done is being sent again.
        replay: Option<Replay>,
        /// Groups that failed and that the webhook has passed: of what lies below its place they alone are not done.
        parked: Vec<Parked>,
    },
}

impl Cursor {
    /// The end of what it says of the log.
    pub(crate) fn reaches(&self) -> i64 {
        let Standing::Behind {
            head, replay, parked, ..
        } = &self.standing
        else {
            return self.resume;
        };
        let heads = std::iter::once(head).chain(parked.iter().map(|parked| &parked.head));
        let groups = heads.filter_map(Head::last).map(|last| last + 1).max();
        let ends = [Some(self.resume), groups, replay.map(|replay| replay.then)];
        ends.into_iter().flatten().max().unwrap_or(self.resume)
    }
}

impl Standing {
    pub(crate) fn is_live(&self) -> bool {
        *self == Self::Live
    }

    pub(crate) fn parked(&self) -> &[Parked] {
        match self {
            Self::Behind { parked, .. } => parked,
            Self::Live => &[],
        }
    }
}

/// A group of an unordered webhook that failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Parked {
    pub(crate) head: Head,
    /// When it failed first: Unix milliseconds; 0 when it was not sent yet.
    pub(crate) since_ms: i64,
    /// What it was sent in, which is part of its id.
    pub(crate) generation: i64,
    /// It was sent by a replay.
    pub(crate) is_replay: bool,
}

impl Parked {
    /// Tells one list of them from another; 0: there is none.
    pub(crate) fn digest<'a>(listed: impl IntoIterator<Item = &'a Self>) -> u64 {
        let mut listed = listed.into_iter().peekable();
        if listed.peek().is_none() {
            return 0;
        }
        let mut hash = Sha256::new();
        for parked in listed {
            hash.update(parked.generation.to_be_bytes());
            hash.update(parked.head.len().to_be_bytes());
            for offset in parked.head.offsets() {
                hash.update(offset.to_be_bytes());
            }
        }
        let first = hash.finalize().into_iter().take(8);
        first.fold(0, |digest, byte| digest << 8 | u64::from(byte))
    }
}

/// The group that failed, by the offsets of its records; empty: none. It is kept as what it is, not computed again:
/// whether a repetition counts depends on the view of the moment (docs/model-findings.md, 12).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Head(Option<Arc<[i64]>>);

impl Head {
    /// From rising offsets.
    pub(crate) fn new(offsets: impl IntoIterator<Item = i64>) -> Self {
        let offsets: Arc<[i64]> = offsets.into_iter().collect();
        Self(Some(offsets).filter(|offsets| !offsets.is_empty()))
    }

    pub(crate) fn offsets(&self) -> &[i64] {
        self.0.as_deref().unwrap_or_default()
    }

    pub(crate) fn len(&self) -> usize {
        self.offsets().len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// What of it lies behind this place.
    pub(crate) fn behind(&self, offset: i64) -> Self {
        let first = self.offsets().partition_point(|other| *other <= offset);
        match first {
            0 => self.clone(),
            _ => Self::new(self.offsets().iter().skip(first).copied()),
        }
    }

    pub(crate) fn last(&self) -> Option<i64> {
        self.offsets().last().copied()
    }

    pub(crate) fn contains(&self, offset: i64) -> bool {
        self.offsets().binary_search(&offset).is_ok()
    }
}

#[cfg(test)]
mod tests;
