//! How a webhook that was behind comes back to the live stream, and how a slot ends.

use angarium_model::Lane;

use super::queue::Queue;
use super::{Hook, Known, Mark, Phase, Stage, Tail};
use crate::group::Item;

/// How near the live position reading back must be for a join: one read (DESIGN §7), in offsets.
const NEAR: i64 = 1_000;

/// The live position where catch-up and live reading meet: what comes from there on is queued here, and not sent.
#[derive(Debug)]
pub(super) struct Join {
    at: i64,
    queue: Queue,
    /// All below is done, and the cursor that says so is under way.
    announced: bool,
}

impl Join {
    pub(super) fn at(&self) -> i64 {
        self.at
    }

    pub(super) fn is_announced(&self) -> bool {
        self.announced
    }

    pub(super) fn queued_bytes(&self) -> usize {
        self.queue.bytes()
    }

    #[cfg(any(test, feature = "simulation"))]
    pub(super) fn fits(&self, delivery: &crate::record::Delivery) -> bool {
        self.queue.fits(delivery)
    }

    /// Queues an event of the live stream; whether there was room.
    pub(super) fn push(&mut self, item: Item) -> bool {
        let fits = self.queue.fits(&item.delivery);
        if fits {
            self.queue.push(item);
        }
        fits
    }
}

impl Hook {
    /// Takes the steps that need nobody's answer: the join, its announcement, the end of a slot.
    pub(crate) fn advance(&mut self, live_next: i64) {
        self.join(live_next);
        if !self.is_through() {
            return;
        }
        if self.is_replaying() {
            return self.end_replay();
        }
        if let Some(slot) = &mut self.slot {
            if slot.stage == Stage::Running {
                slot.stage = Stage::Ending;
            }
        } else if let Tail::Detached { join: Some(join), .. } = &mut self.tail {
            join.announced = true;
        }
    }

    /// `join := R`, when reading back is near and no group waits for its retry: a live cursor has no exceptions.
    fn join(&mut self, live_next: i64) {
        // Leaving is on record before joining is: a live cursor alone would say nothing new.
        let may_join = self.phase == Phase::Ready && self.durable.has_left() && !self.is_replaying();
        if self.lane == Lane::Batch || !may_join {
            return;
        }
        if let Tail::Detached { from, join } = &mut self.tail
            && join.is_none()
            && self.probe.is_none()
            && self.parked.is_empty()
            && live_next.saturating_sub(*from) <= NEAR
        {
            *join = Some(Join {
                // A cursor may lie above what has been read so far, behind a restart.
                at: live_next.max(*from),
                queue: Queue::default(),
                announced: false,
            });
        }
    }

    /// Whether the cursor that says so is under way.
    pub(super) fn is_announced(&self) -> bool {
        matches!(&self.tail, Tail::Detached { join: Some(join), .. } if join.announced)
    }

    /// The live cursor is acknowledged: what was queued behind the join is the queue, but for what the mark has come to
    /// cover meanwhile (docs/model-findings.md, 9).
    pub(super) fn go_live(&mut self, known: Known) {
        let Tail::Detached { join: Some(join), .. } = std::mem::replace(&mut self.tail, Tail::Attached)
        else {
            return;
        };
        self.floor = self.floor.max(join.at);
        self.seen = self.done;
        for item in join.queue.into_items() {
            let is_over = self.over_ahead.contains(&item.offset);
            if !is_over && !self.seen.is_some_and(|seen| seen.covers(&item.delivery, known)) {
                self.seen = Mark::of(&item.delivery).or(self.seen);
                self.queue.push(item);
            }
        }
    }
}
