//! What became of the group in flight.

use std::num::NonZeroU32;
use std::sync::Arc;

use super::pace::Pace;
use super::{Failing, Hook, Mark, Phase, Setback};
use crate::cursor::Head;
use crate::group::{Group, Item};

impl Hook {
    /// The group in flight was taken by the receiver, which took `took_ms` for it.
    pub(crate) fn succeeded(&mut self, now_ms: i64, took_ms: i64) -> Option<Arc<Group>> {
        let group = self.in_flight.take()?;
        if let Some(last) = group.items.last() {
            self.is_done(last);
        }
        self.head = Head::default();
        match self.retried.take() {
            Some(_) => self.pace = Pace::slow(now_ms),
            None => self.pace.answered(now_ms, took_ms),
        }
        self.widen();
        Some(group)
    }

    /// The group in flight was not taken: it is the head now, to be sent again as it is, or halved. What is queued
    /// behind it is dropped: Kafka has it.
    pub(crate) fn failed(
        &mut self,
        now_ms: i64,
        live_next: i64,
        setback: Setback,
        next_at_ms: impl FnOnce(NonZeroU32) -> i64,
    ) -> Option<Arc<Group>> {
        let group = self.in_flight.take()?;
        let attempts = self.attempts_with_this();
        let refusals = match setback {
            Setback::Refused | Setback::Isolated => self.refusals_with_this(),
            Setback::TooLarge | Setback::TimedOut | Setback::Other => 0,
        };
        let before = self.retried.take();
        let timeouts = match setback {
            Setback::TimedOut => before.as_ref().map_or(0, |failing| failing.timeouts) + 1,
            Setback::TooLarge | Setback::Refused | Setback::Isolated | Setback::Other => 0,
        };
        let kept = self.narrow(group.items.len(), setback, timeouts);
        let failing = Failing {
            attempts,
            since_ms: before.map_or(now_ms, |failing| failing.since_ms),
            last_ms: now_ms,
            next_at_ms: next_at_ms(attempts),
            refusals,
            timeouts: if kept < group.items.len() { 0 } else { timeouts },
        };
        self.head = Head::new(group.items.iter().take(kept).map(|item| item.offset));
        self.queue.put_back(&group.items);
        self.keep_only(kept, live_next);
        self.wait(failing);
        Some(group)
    }

    /// The attempts of the group in flight that failed, with the one that has just ended.
    pub(super) fn attempts_with_this(&self) -> NonZeroU32 {
        let before = self.retried.as_ref();
        before.map_or(NonZeroU32::MIN, |failing| failing.attempts.saturating_add(1))
    }

    /// The calls in a row that were refused for good, with the one that has just ended.
    pub(super) fn refusals_with_this(&self) -> u32 {
        self.retried.as_ref().map_or(0, |failing| failing.refusals) + 1
    }

    /// The group in flight was not sent, through no fault of the receiver: it is as if it had not been tried.
    pub(crate) fn not_sent(&mut self) {
        let Some(group) = self.in_flight.take() else {
            return;
        };
        self.queue.put_back(&group.items);
        if let Some(failing) = self.retried.take() {
            self.wait(failing);
        }
    }

    /// The back-off runs, now or once the webhook is on again.
    fn wait(&mut self, failing: Failing) {
        self.phase = match self.phase {
            Phase::Off(_) => Phase::Off(Some(failing)),
            Phase::Ready | Phase::Waiting(_) => Phase::Waiting(failing),
        };
    }

    /// It was taken, or is too old to be.
    pub(super) fn is_done(&mut self, item: &Item) {
        self.done = Mark::of(&item.delivery).or(self.done);
        self.done_at = item.offset;
        self.isolating.take_if(|last| *last <= item.offset);
    }
}
