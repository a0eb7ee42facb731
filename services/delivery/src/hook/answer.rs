//! What became of a group in flight.

use std::num::NonZeroU32;
use std::sync::Arc;

use super::pace::Pace;
use super::parked::Tried;
use super::{Failing, Hook, Last, Phase, Setback};
use crate::cursor::Head;
use crate::group::Group;

impl Hook {
    /// A group in flight was taken by the receiver, which took `took_ms` for it. Whether it was in flight.
    pub(crate) fn succeeded(&mut self, group: &Arc<Group>, now_ms: i64, took_ms: i64) -> bool {
        let since_ms = self.failing().map(|failing| failing.since_ms);
        if !self.is_over(group) {
            return false;
        }
        self.successes += 1;
        let probed = self.take_probe(group);
        if let Some(since_ms) = since_ms {
            self.answers(since_ms, now_ms);
        }
        if probed.is_some_and(|failing| !failing.is_of_size) {
            self.pace = Pace::slow(now_ms);
        } else {
            self.pace.answered(now_ms, took_ms);
        }
        self.widen();
        true
    }

    /// A group in flight was not taken, at this time by the broker's clock: it is the head now, to be sent again as it
    /// is, or halved. What is queued behind it is dropped: Kafka has it. A group of an unordered webhook is parked
    /// instead. When it is sent again, unless it was not in flight.
    pub(crate) fn failed(
        &mut self,
        group: &Arc<Group>,
        brokers_ms: i64,
        live_next: i64,
        setback: Setback,
        next_at_ms: impl Fn(NonZeroU32) -> i64,
    ) -> Option<i64> {
        if !self.is_calling_with(group) {
            return None;
        }
        let tried = self.tried_with(group, setback);
        let attempts = NonZeroU32::MIN.saturating_add(tried.attempts.saturating_sub(1));
        let kept = self.narrow(group.items.len(), setback, tried.timeouts);
        let timeouts = if kept < group.items.len() {
            0
        } else {
            tried.timeouts
        };
        let tried = Tried { timeouts, ..tried };
        let is_alone = self.is_ordered() && self.window.calls() == 1;
        if !is_alone || !self.window.undo(group) {
            return Some(self.park(group, (brokers_ms, live_next), (tried, setback), kept, next_at_ms));
        }
        if setback == Setback::Isolated {
            self.isolating = group.items.last().map(|last| last.offset);
        }
        let before = self.take_probe(group).filter(|before| !before.is_of_size);
        let at_ms = next_at_ms(attempts);
        let failing = Failing {
            attempts,
            since_ms: before.as_ref().map_or(brokers_ms, |failing| failing.since_ms),
            last_ms: brokers_ms,
            next_at_ms: at_ms,
            refusals: tried.refusals,
            timeouts: tried.timeouts,
            is_of_size: before.is_none() && setback == Setback::TooLarge && kept < group.items.len(),
        };
        self.head = Head::new(group.items.iter().take(kept).map(|item| item.offset));
        self.queue.put_back(&group.items);
        self.keep_only(kept, live_next);
        self.wait(failing);
        Some(at_ms)
    }

    /// How often a group in flight failed, with the call that has just ended.
    fn tried_with(&self, group: &Arc<Group>, setback: Setback) -> Tried {
        let before = self.tried(group);
        let is_refused = matches!(setback, Setback::Refused | Setback::Isolated);
        let timed_out = setback == Setback::TimedOut;
        Tried {
            attempts: before.attempts.saturating_add(1),
            timeouts: if timed_out { before.timeouts + 1 } else { 0 },
            refusals: if is_refused { before.refusals + 1 } else { 0 },
        }
    }

    /// How often a group in flight failed before. What an ordered webhook is sent is what failed, or takes its place.
    pub(super) fn tried(&self, group: &Arc<Group>) -> Tried {
        if let Some(retry) = self.parked.get(group) {
            return retry.tried;
        }
        let takes_its_place = self.most == 1 || !self.head.is_empty();
        match &self.probe {
            Some((probe, failing)) if takes_its_place && Arc::ptr_eq(probe, group) && !failing.is_of_size => {
                Tried {
                    attempts: failing.attempts.get(),
                    timeouts: failing.timeouts,
                    refusals: failing.refusals,
                }
            }
            _ => Tried::default(),
        }
    }

    /// A group in flight was not sent, through no fault of the receiver: it is as if it had not been tried.
    pub(crate) fn not_sent(&mut self, group: &Arc<Group>, now_ms: i64, live_next: i64) {
        if self.window.undo(group) {
            self.queue.put_back(&group.items);
        } else if self.is_calling_with(group) {
            self.park_untried(group, now_ms, live_next);
        }
        if let Some(failing) = self.take_probe(group) {
            self.wait(failing);
        }
    }

    /// How the webhook failed before, if the group is the one that was to show whether it answers again.
    pub(super) fn take_probe(&mut self, group: &Arc<Group>) -> Option<Failing> {
        let probe = self.probe.take_if(|(probe, _)| Arc::ptr_eq(probe, group))?;
        Some(probe.1)
    }

    /// The back-off runs, now or once the webhook is on again.
    pub(super) fn wait(&mut self, failing: Failing) {
        self.phase = match self.phase {
            Phase::Off(_) => Phase::Off(Some(failing)),
            Phase::Ready | Phase::Waiting(_) => Phase::Waiting(failing),
        };
    }

    /// It was taken, or is too old to be.
    pub(super) fn is_done(&mut self, last: Last) {
        self.done = last.mark.or(self.done);
        self.done_at = last.offset;
        self.over_ahead = self.over_ahead.split_off(&(last.offset + 1));
        self.isolating.take_if(|isolated| *isolated <= last.offset);
    }
}
