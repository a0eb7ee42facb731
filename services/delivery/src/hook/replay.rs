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

/// What was ordered and waits for its turn: first the end of what is, then what begins.
#[derive(Clone, Copy, Debug)]
pub(super) struct Waiting {
    /// Where the last of the orders stands.
    pub(super) at: i64,
    ends: Option<Ends>,
    begins: Option<Range>,
}

/// What a cancellation ends. The wider one is the greater.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Ends {
    /// The last replay, and its groups that are parked.
    Last,
    /// It, and the parked groups of all before it.
    All,
}

/// What a replay sends.
#[derive(Clone, Copy, Debug)]
struct Range {
    from: i64,
    until: i64,
    after: Option<i64>,
}

impl Hook {
    /// The live stream has an order for this webhook. It counts once no call is under way, and holds the partition's
    /// place until a cursor says so. One that was taken before is met again behind a crash. Of several that wait it
    /// becomes what they would have done one after the other.
    pub(crate) fn order(&mut self, order: Order) {
        let waiting = self.order;
        let last = waiting.map_or(self.generation, |waiting| waiting.at);
        if order.at <= last {
            return;
        }
        let (ends, begins) = waiting.map_or((None, None), |waiting| (waiting.ends, waiting.begins));
        // One between the last that was taken and this order is a replay that waited, before a crash.
        let newest = begins.map_or(self.generation, |_| last);
        let (ends, begins) = match order.what {
            Ordered::Replay { from, until, after } => (ends, Some(Range { from, until, after })),
            Ordered::Cancel { of: None } => (Some(Ends::All), None),
            // Another one is meant.
            Ordered::Cancel { of: Some(of) } if !(newest..order.at).contains(&of) => return,
            Ordered::Cancel { of: Some(of) } => {
                // One that waits would have taken the place of the one under way, and ended with it.
                let ends_last = of == self.generation || self.is_replaying();
                (ends.max(ends_last.then_some(Ends::Last)), None)
            }
        };
        self.order = Some(Waiting {
            at: order.at,
            ends,
            begins,
        });
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
        let Some(Waiting { at, ends, begins }) = self.order.take() else {
            return;
        };
        let ends = ends.filter(|_| self.is_replaying() || self.parked.has_replayed());
        if ends.is_none() && begins.is_none() {
            return;
        }
        // A replay takes the place of the one under way.
        let replaced = self.is_replaying().then_some(Ends::Last);
        match ends.max(replaced) {
            None => {}
            Some(Ends::Last) => self
                .parked
                .drop_replayed(|generation| generation == self.generation),
            Some(Ends::All) => self.parked.drop_replayed(|_| true),
        }
        self.generation = at;
        match begins {
            Some(range) => self.begin_replay(range, live_next),
            None => self.end_replay(),
        }
    }

    fn begin_replay(&mut self, Range { from, until, after }: Range, live_next: i64) {
        // What comes meanwhile waits from now on.
        self.durable.rest_is_over |= self.is_at_rest();
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
