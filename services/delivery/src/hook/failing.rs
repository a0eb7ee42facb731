//! How a webhook is failing, and how large its groups may be meanwhile.

use std::num::NonZeroU32;

use super::Hook;
use super::queue::MAX_EVENTS;
use crate::group::GroupLimit;

/// After so many timeouts in a row a group is halved (DESIGN §7).
const TIMEOUTS: u32 = 3;
/// Groups stay halved until so many were taken (DESIGN §7); then they may be twice as large.
const SUCCESSES: u32 = 10;
/// And for at most so many, twice as long each time that this was too much again (ADR 26).
const MOST_SUCCESSES: u32 = 1_280;

/// A webhook whose last call failed (D2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Failing {
    /// How many calls of the head group failed.
    pub(crate) attempts: NonZeroU32,
    /// When the first did, by the broker's clock: Unix milliseconds.
    pub(crate) since_ms: i64,
    /// When the last one did, by the broker's clock: Unix milliseconds.
    pub(crate) last_ms: i64,
    /// When the next one is due: Unix milliseconds.
    pub(crate) next_at_ms: i64,
    /// How many of the last calls in a row timed out.
    pub(super) timeouts: u32,
    /// How many of the last calls in a row were refused for good.
    pub(super) refusals: u32,
    /// It answers, and what it was sent was too large: half of it goes at once, and nobody is told (ADR 26).
    pub(crate) is_of_size: bool,
}

/// What kind of failure it was, as far as the size of groups depends on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Setback {
    /// 413: the group is halved.
    TooLarge,
    /// No answer in time: halved at the third in a row.
    TimedOut,
    /// It was refused for good.
    Refused,
    /// The same, often enough, with others: they go one by one.
    Isolated,
    /// It is sent again as it is.
    Other,
}

/// Groups are smaller than they might be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Narrowed {
    events: usize,
    /// How many were taken of that size.
    successes: u32,
    /// How many must be before a larger one is tried.
    needed: u32,
    /// That it is tried: it was smaller before.
    is_tried: bool,
}

impl Hook {
    /// Our clock was set back: what waits goes when it would have gone.
    pub(crate) fn clock_was_set_back(&mut self, by_ms: i64) {
        self.pace.clock_was_set_back(by_ms);
        self.rate.clock_was_set_back(by_ms);
        if let Some(failing) = self.failing_mut() {
            failing.next_at_ms = failing.next_at_ms.saturating_sub(by_ms);
        }
        for retry in &mut self.parked.0 {
            retry.next_at_ms = retry.next_at_ms.saturating_sub(by_ms);
        }
    }

    /// How many events of the group that failed make the next one: all, or half.
    pub(super) fn narrow(&mut self, events: usize, setback: Setback, timeouts: u32) -> usize {
        let halve = match setback {
            Setback::Isolated => return 1,
            Setback::TooLarge => true,
            Setback::TimedOut => timeouts >= TIMEOUTS,
            Setback::Refused | Setback::Other => false,
        };
        if !halve || events < 2 {
            return events;
        }
        let half = events.div_ceil(2);
        let needed = match self.narrowed {
            Some(before) if before.is_tried => before.needed.saturating_mul(2).min(MOST_SUCCESSES),
            Some(before) => before.needed,
            None => SUCCESSES,
        };
        self.narrowed = Some(Narrowed {
            events: half,
            successes: 0,
            needed,
            is_tried: false,
        });
        half
    }

    /// A group was taken.
    pub(super) fn widen(&mut self) {
        let Some(narrowed) = &mut self.narrowed else {
            return;
        };
        narrowed.successes += 1;
        if narrowed.successes >= narrowed.needed {
            *narrowed = Narrowed {
                events: narrowed.events.saturating_mul(2),
                successes: 0,
                is_tried: true,
                ..*narrowed
            };
        }
        self.narrowed.take_if(|narrowed| narrowed.events >= MAX_EVENTS);
    }

    pub(super) fn narrowed_to(&self, limit: GroupLimit) -> GroupLimit {
        let events = self
            .narrowed
            .map_or(limit.events, |narrowed| narrowed.events.min(limit.events));
        let events = if self.goes_one_by_one() { 1 } else { events };
        GroupLimit { events, ..limit }
    }

    /// Part of the group that failed has left Kafka: what there is of it is another group, which is sent
    /// when the back-off is over.
    pub(super) fn shorten_head(&mut self) {
        self.head = self.queue.common(&self.head);
    }
}
