//! Several calls at once (ADR 7): what ends when a call does, and what is parked.

use std::num::NonZeroU32;
use std::sync::Arc;

use super::parked::{Body, Retry, Tried};
use super::window::Room;
use super::{Failing, Hook, Phase, Setback, Tail};
use crate::cursor::{Head, Parked};
use crate::group::{Group, Item};

impl Hook {
    /// Whether what fails holds up what comes behind it.
    pub(super) fn is_ordered(&self) -> bool {
        self.most == 1 && self.parked.is_empty()
    }

    pub(super) fn is_calling_with(&self, group: &Arc<Group>) -> bool {
        self.window.holds(group) || self.parked.get(group).is_some()
    }

    /// How much may be sent that was not tried yet; `None`: nothing. One that has become ordered first ends what it has
    /// under way or parked.
    pub(super) fn room(&self) -> Option<Room> {
        if self.most > 1 {
            return self.window.taken().plus(self.parked.taken()).left();
        }
        let is_free = self.window.is_empty() && self.parked.is_empty();
        is_free.then(|| Room::default().left()).flatten()
    }

    /// The group in flight is done with: taken, or put aside. With it the webhook answers.
    pub(super) fn is_over(&mut self, group: &Arc<Group>) -> bool {
        if let Some(retry) = self.parked.take(group) {
            self.leave_out(&retry.what);
            return true;
        }
        if !self.window.done(group, false) {
            return false;
        }
        self.head = Head::default();
        self.move_on();
        true
    }

    /// The stream may still come to what is over: behind a restart, or when what was queued is dropped.
    fn leave_out(&mut self, what: &Parked) {
        if let Some(undone) = self
            .lowest_undone()
            .filter(|_| what.generation == self.generation)
        {
            let ahead = what.head.offsets().iter().filter(|offset| **offset >= undone);
            self.over_ahead.extend(ahead);
        }
    }

    /// The place moves over what is done.
    fn move_on(&mut self) {
        while let Some(last) = self.window.pop_done() {
            self.is_done(last);
        }
    }

    /// It failed since then, and does not any more. What failed while the receiver was away is tried again at once, or as
    /// fast as its pace allows.
    pub(super) fn answers(&mut self, since_ms: i64, now_ms: i64) {
        self.probe = None;
        match &mut self.phase {
            Phase::Off(failing) => *failing = None,
            phase @ Phase::Waiting(_) => *phase = Phase::Ready,
            Phase::Ready => {}
        }
        for retry in self.parked.0.iter_mut().filter(|retry| retry.last_ms >= since_ms) {
            retry.next_at_ms = retry.next_at_ms.min(now_ms);
        }
    }

    /// A group of which `kept` events make one is parked, and the stream goes on. If nothing says that it is this group's
    /// own fault the webhook fails. When something is sent again.
    pub(super) fn park(
        &mut self,
        group: &Arc<Group>,
        (brokers_ms, live_next): (i64, i64),
        (tried, setback): (Tried, Setback),
        kept: usize,
        next_at_ms: impl Fn(NonZeroU32) -> i64,
    ) -> i64 {
        let attempts = NonZeroU32::MIN.saturating_add(tried.attempts.saturating_sub(1));
        let at_ms = next_at_ms(attempts);
        let probed = self.take_probe(group);
        let before = self.parked.take(group);
        let others_were_taken = |retry: &Retry| {
            retry.is_at_fault || (retry.tried.attempts > 0 && self.successes > retry.successes)
        };
        let is_at_fault = self.most > 1 && before.as_ref().is_some_and(others_were_taken);
        let is_isolated =
            setback == Setback::Isolated || before.as_ref().is_some_and(|retry| retry.is_isolated);
        let is_halved = setback == Setback::TooLarge && kept < group.items.len();
        let first_ms = before.as_ref().map_or(0, |retry| retry.what.since_ms);
        let what = match before {
            Some(retry) => retry.what,
            None => self.leave_to_its_retry(group),
        };
        for items in group.items.chunks(kept.max(1)) {
            let retry = Retry {
                what: Parked {
                    head: head(items),
                    since_ms: if first_ms > 0 { first_ms } else { brokers_ms },
                    ..what.clone()
                },
                tried,
                last_ms: brokers_ms,
                next_at_ms: at_ms,
                is_isolated,
                is_at_fault,
                successes: self.successes,
                bytes: Room::of(items).bytes,
                body: Body::of(items, self.parked.queued_bytes()),
            };
            self.parked.0.push(retry);
        }
        self.leave(live_next);
        if let Some(failing) = probed {
            // What was of size was no failure before, and this is the first, unless it is of size again.
            let is_of_size = failing.is_of_size && is_halved;
            let (attempts, since_ms) = if failing.is_of_size {
                (NonZeroU32::MIN, brokers_ms)
            } else {
                (failing.attempts.saturating_add(1), failing.since_ms)
            };
            self.wait(Failing {
                attempts,
                since_ms,
                last_ms: brokers_ms,
                next_at_ms: next_at_ms(attempts),
                is_of_size,
                ..failing
            });
            // It is away: what is queued is not needed for long.
            self.keep_only(0, live_next);
        } else if let Some(failing) = self.failing_mut() {
            // It was under way when the webhook began to fail.
            failing.last_ms = brokers_ms;
        } else if (!is_at_fault || self.is_full()) && setback != Setback::Isolated && !is_halved {
            self.wait(Failing {
                attempts: NonZeroU32::MIN,
                since_ms: brokers_ms,
                last_ms: brokers_ms,
                next_at_ms: next_at_ms(NonZeroU32::MIN),
                timeouts: 0,
                refusals: 0,
                is_of_size: false,
            });
        }
        self.failing().map_or(at_ms, |failing| failing.next_at_ms)
    }

    /// Whether there is so much that is parked that nothing else has room: what fails by its own fault holds up the others
    /// then.
    fn is_full(&self) -> bool {
        self.window.is_empty() && self.room().is_none()
    }

    /// A group that others have followed was not sent: it goes as it is, before what was not tried.
    pub(super) fn park_untried(&mut self, group: &Arc<Group>, now_ms: i64, live_next: i64) {
        let retry = match self.parked.take(group) {
            Some(before) => Retry {
                body: Body::of(&group.items, self.parked.queued_bytes()),
                ..before
            },
            None => Retry {
                what: self.leave_to_its_retry(group),
                tried: Tried::default(),
                last_ms: 0,
                next_at_ms: now_ms,
                is_isolated: false,
                is_at_fault: false,
                successes: self.successes,
                bytes: Room::of(&group.items).bytes,
                body: Body::of(&group.items, self.parked.queued_bytes()),
            },
        };
        self.parked.0.push(retry);
        self.leave(live_next);
    }

    /// The group leaves the window: it is an exception from what the cursor says.
    fn leave_to_its_retry(&mut self, group: &Arc<Group>) -> Parked {
        let kind = self.kind();
        self.window.done(group, true);
        self.move_on();
        self.head = Head::default();
        Parked {
            head: head(&group.items),
            since_ms: 0,
            generation: kind.generation,
            is_replay: kind.is_replay,
        }
    }

    /// What comes is left to Kafka, which is not behind what is queued.
    fn leave(&mut self, live_next: i64) {
        match &mut self.tail {
            Tail::Detached { join, .. } => *join = None,
            Tail::Attached => {
                self.tail = Tail::Detached {
                    from: live_next.max(self.floor),
                    join: None,
                };
            }
        }
    }

    pub(super) fn failing_mut(&mut self) -> Option<&mut Failing> {
        match &mut self.phase {
            Phase::Waiting(failing) | Phase::Off(Some(failing)) => Some(failing),
            Phase::Ready | Phase::Off(None) => self.probe.as_mut().map(|(_, failing)| failing),
        }
    }

    /// The retry that is due by then and whole, if there is one.
    pub(super) fn choose_retry(&mut self, by_ms: i64) -> Option<(Arc<Group>, u32)> {
        let (kind, previous) = (self.kind(), self.previous());
        let retry = self.parked.next_whole(by_ms)?;
        let Body::Kept(items) = &mut retry.body else {
            return None;
        };
        let kind = crate::group::Kind {
            generation: retry.what.generation,
            is_replay: retry.what.is_replay,
            ..kind
        };
        let group = Arc::new(Group::new(kind, std::mem::take(items), previous)?);
        retry.body = Body::Called(Arc::clone(&group));
        Some((group, retry.tried.attempts.saturating_add(1)))
    }
}

fn head(items: &[Item]) -> Head {
    Head::new(items.iter().map(|item| item.offset))
}
