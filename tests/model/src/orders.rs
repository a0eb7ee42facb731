//! Replays: what was done is sent again, because an order in the log says so (ADR 5).

use crate::Protocol;
use crate::bits::Bits;
use crate::bounds::Lane;
use crate::log::{Order, Ordered};
use crate::mark::Mark;
use crate::owner::Owner;
use crate::rules::Rule;
use crate::webhook::{Join, State, Webhook};
use crate::world::World;

/// A replay under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Replay {
    /// Everything below is sent again.
    pub(crate) until: u8,
    /// Then the webhook goes on from here.
    pub(crate) then: u8,
    /// The last event that was done there.
    pub(crate) then_mark: Mark,
}

impl Webhook {
    /// The live reader shows an order. One that was taken before is met again behind a crash.
    pub(crate) fn meet(&mut self, order: Order, protocol: &Protocol) {
        if order.at > self.generation || !protocol.keeps(Rule::OrderTakenOnce) {
            self.order = Some(order);
        }
    }

    /// Takes the order that waits, if it may. Whether that changed anything.
    fn take_order(&mut self, read_to: u8, protocol: &Protocol) -> bool {
        if self.calls() > 0 && protocol.keeps(Rule::OrderWaitsForCalls) {
            return false;
        }
        let Some(order) = self.order.take() else {
            return false;
        };
        match order.what {
            Ordered::Replay { from, until } => {
                self.generation = order.at;
                self.begin_replay(from, until, read_to, protocol);
            }
            Ordered::Cancel if self.replay.is_some() || self.parked.any_of_replay() => {
                self.generation = order.at;
                if protocol.keeps(Rule::CancelDropsParked) {
                    self.parked.drop_of_replay();
                }
                self.end_replay(protocol);
            }
            Ordered::Cancel => return false,
        }
        true
    }

    fn begin_replay(&mut self, from: u8, until: u8, read_to: u8, protocol: &Protocol) {
        if self.replay.is_some() {
            self.parked.drop_of_replay();
        }
        let before = self
            .replay
            .filter(|_| protocol.keeps(Rule::SecondReplayKeepsThen));
        let (then, then_mark) = match before {
            Some(replay) => (replay.then, replay.then_mark),
            None => (self.done_below(read_to), self.mark),
        };
        let until = if protocol.keeps(Rule::ReplayEndsAtThen) {
            until.min(then)
        } else {
            until
        };
        let from = if protocol.keeps(Rule::ReplayBeginsBelowItsEnd) {
            from.min(until)
        } else {
            from
        };
        self.replay = Some(Replay {
            until,
            then,
            then_mark,
        });
        self.go_back_to(from, Mark::NONE);
    }

    /// The webhook goes on where it was before.
    fn end_replay(&mut self, protocol: &Protocol) {
        let Some(replay) = self.replay.take() else { return };
        let mark = if protocol.keeps(Rule::ThenKeepsItsMark) {
            replay.then_mark
        } else {
            Mark::NONE
        };
        self.go_back_to(replay.then, mark);
        if protocol.bounds.lane == Lane::Batch {
            self.state = State::Resting;
        }
    }

    fn go_back_to(&mut self, resume: u8, mark: Mark) {
        (self.resume, self.mark) = (resume, mark);
        self.taken_ahead = Bits::EMPTY;
        self.state = State::Behind {
            head: Bits::EMPTY,
            join: Join::No,
        };
    }
}

impl Owner {
    /// Takes the order that waits, if it may, and has that written. Whether it did.
    pub(crate) fn take_order(&mut self, id: u8, protocol: &Protocol) -> bool {
        let taken = self.webhooks[usize::from(id)].take_order(self.read_to, protocol);
        if taken {
            self.append_cursor(id, protocol);
        }
        taken
    }

    /// All that the replay had to send was answered, or is parked.
    pub(crate) fn end_replay(&mut self, id: u8, protocol: &Protocol) {
        self.webhooks[usize::from(id)].end_replay(protocol);
        self.append_cursor(id, protocol);
    }
}

impl World {
    /// What someone may order now: all, the first event, the last one, or nothing any more.
    pub(crate) fn orders(&self) -> impl Iterator<Item = Ordered> + use<> {
        let end = self.log.end();
        let (replays, cancels) = (self.left.replays, self.left.cancels);
        let may_replay = replays > 0 && end > 0 && self.log.has_room();
        let all = [(0, end), (0, 1), (end.saturating_sub(1), end)];
        let kinds = if end > 1 { 3 } else { 1 };
        let all = all.into_iter().take(kinds).filter(move |_| may_replay);
        let replays = all.map(|(from, until)| Ordered::Replay { from, until });
        // Before there is a replay it says nothing.
        let may_cancel = cancels > 0 && self.log.last_order(0).is_some() && self.log.has_room();
        replays.chain(may_cancel.then_some(Ordered::Cancel))
    }

    /// Someone orders something of the first webhook.
    pub(crate) fn order(&mut self, what: Ordered) {
        match what {
            Ordered::Replay { .. } => self.left.replays -= 1,
            Ordered::Cancel => self.left.cancels -= 1,
        }
        self.log.append_order(0, what);
    }
}
