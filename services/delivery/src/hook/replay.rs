//! Replays: what was done is sent again, from an earlier place on (ADR 5).
//!
//! An order stands in the deliveries topic itself, so that the owner of the partition meets it in its turn, and meets it
//! again after a crash until a cursor says that it was taken. What is sent then is of a new *generation*, the order's
//! offset: what was done before says nothing of it. The cursor says up to where the replay goes and where the webhook was
//! before, and there it goes on afterwards. Nothing is copied. What is parked stays so, under the id that it has.

#[cfg(any(test, feature = "simulation"))]
use std::sync::Arc;

use super::{Hook, Mark, Tail};
use crate::cursor::Head;
#[cfg(any(test, feature = "simulation"))]
use crate::group::Group;

/// An order as it stands in the topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Order {
    /// Where it stands; from then on the generation.
    pub(crate) at: i64,
    pub(crate) what: Ordered,
}

/// What is ordered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ordered {
    /// To send again what lies from `from` up to `until` in the deliveries topic.
    Replay {
        from: i64,
        until: i64,
        /// Of it, what lies behind this place of the events topic.
        after: Option<i64>,
    },
    /// To end the replay under way, if there is one; and none but `of`, if that is said.
    Cancel { of: Option<i64> },
}

/// A replay under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Replay {
    /// Everything below this offset of the deliveries topic is sent again.
    pub(crate) until: i64,
    /// Then the webhook goes on from here; never below `until`, for what comes next is sent for the first time.
    pub(crate) then: i64,
    /// The last event that was done there.
    pub(crate) then_done: Option<Mark>,
}

impl Hook {
    /// The live stream has an order for this webhook. It counts once no call is under way, and holds the partition's
    /// place until a cursor says so. One that was taken before is met again behind a crash.
    pub(crate) fn order(&mut self, order: Order) {
        let is_newer = self.order.is_none_or(|last| order.at > last.at);
        // The replay that waits for its turn takes the place of the one that is meant.
        let is_for_another = match (self.order.map(|last| (last.at, last.what)), order.what) {
            (Some((at, Ordered::Replay { .. })), Ordered::Cancel { of: Some(of) }) => of != at,
            _ => false,
        };
        if order.at > self.generation && is_newer && !is_for_another {
            self.order = Some(order);
        }
    }

    /// The order that a group under way was sent by.
    #[cfg(any(test, feature = "simulation"))]
    pub(crate) fn generation_of(&self, group: &Arc<Group>) -> i64 {
        let parked = self.parked.get(group);
        parked.map_or(self.generation, |retry| retry.what.generation)
    }

    #[cfg(test)]
    pub(crate) fn called(&self) -> Option<&Arc<Group>> {
        self.window.called().or(self.parked.called())
    }

    #[cfg(any(test, feature = "simulation"))]
    pub(crate) fn is_parking(&self) -> bool {
        !self.parked.is_empty()
    }

    pub(crate) fn is_replaying(&self) -> bool {
        self.replay.is_some()
    }

    /// Does what was ordered, now that no call is under way.
    pub(crate) fn take_order(&mut self, live_next: i64) {
        if self.is_calling() {
            return;
        }
        let Some(order) = self.order.take() else { return };
        match order.what {
            Ordered::Replay { from, until, after } => {
                self.generation = order.at;
                if self.is_replaying() {
                    self.parked.0.retain(|retry| !retry.what.is_replay);
                }
                self.begin_replay((from, until, after), live_next);
            }
            Ordered::Cancel { of } => {
                let is_meant = of.is_none_or(|of| of == self.generation);
                let has_any = self.is_replaying() || self.parked.iter().any(|retry| retry.what.is_replay);
                if is_meant && has_any {
                    self.generation = order.at;
                    self.parked.0.retain(|retry| !retry.what.is_replay);
                    self.end_replay();
                }
            }
        }
    }

    fn begin_replay(&mut self, (from, until, after): (i64, i64, Option<i64>), live_next: i64) {
        // What lies above has never been sent: it comes in its turn.
        let then = match &self.replay {
            Some(replay) => *replay,
            None => {
                let then = self.resume(live_next);
                Replay {
                    until: then,
                    then,
                    then_done: self.done,
                }
            }
        };
        let until = until.min(then.then);
        self.replay = Some(Replay { until, ..then });
        self.go_back_to(from.min(until), after.map(Mark::up_to));
    }

    /// What was to be sent again was: the webhook goes on where it was before.
    pub(super) fn end_replay(&mut self) {
        if let Some(replay) = self.replay.take() {
            self.go_back_to(replay.then, replay.then_done);
        }
    }

    fn go_back_to(&mut self, from: i64, done: Option<Mark>) {
        self.queue.clear();
        self.tail = Tail::Detached { from, join: None };
        self.slot = None;
        self.more = true;
        (self.seen, self.done, self.done_at) = (done, done, from - 1);
        self.over_ahead.clear();
        self.isolating = None;
        self.head = Head::default();
    }
}
