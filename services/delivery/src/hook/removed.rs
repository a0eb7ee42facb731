//! What Kafka had removed before it was read back: its retention was over (D5). What it was is not known any more.

use super::{Hook, Retries, Wanted};

/// Records of the deliveries topic that are gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Removed {
    /// The offset of the first.
    pub(crate) from: i64,
    /// The offset behind the last.
    pub(crate) to: i64,
    /// How many of them were for the webhook at most.
    pub(crate) at_most: u64,
}

impl Hook {
    /// What a webhook that reads for `wanted` has lost, of a log that starts at `low`. What a replay does not find any more
    /// was done in its time: nobody is told of it.
    pub(crate) fn removed(&self, wanted: Wanted, low: i64) -> Option<Removed> {
        match wanted {
            Wanted::Stream(_) if self.is_replaying() => None,
            Wanted::Stream(from) => {
                let to = self.reads_until().map_or(low, |until| low.min(until));
                let at_most = u64::try_from(to.saturating_sub(from)).ok()?;
                (at_most > 0).then_some(Removed { from, to, at_most })
            }
            Wanted::Parked(from) => self.parked.removed(from, low),
        }
    }
}

impl Retries {
    /// What those lack that read from `start` on.
    fn removed(&self, start: i64, low: i64) -> Option<Removed> {
        let mut gone = Vec::new();
        for retry in self.iter().filter(|retry| !retry.what.is_replay) {
            let Some(from) = retry.lacks_from().filter(|from| *from >= start) else {
                continue;
            };
            let offsets = retry.what.head.offsets().iter();
            gone.extend(offsets.filter(|offset| (from..low).contains(*offset)));
        }
        Some(Removed {
            from: gone.iter().min().copied()?,
            to: gone.iter().max().copied()? + 1,
            at_most: u64::try_from(gone.len()).ok()?,
        })
    }
}
