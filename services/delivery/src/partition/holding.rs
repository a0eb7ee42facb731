//! No slow receiver holds the partition's place for long: what it has not taken yet is left to Kafka, as its cursor says
//! then. Else one webhook that takes its events one by one would have all others of the partition repeat minutes of
//! theirs when its worker dies and Redis is away (DESIGN §8).

use std::collections::VecDeque;

use super::Partition;
use super::entry::Entry;

/// For so long one may hold the place: longer than two calls that are answered as late as may be (D1), or whoever takes
/// his time and keeps up would go back and forth.
const MOST_MS: i64 = 15_000;
/// How often that is looked at.
const EVERY_MS: i64 = 1_000;

/// Where the live stream was in the last seconds: by our clock in Unix milliseconds, and its next offset.
#[derive(Debug, Default)]
pub(super) struct Passed(VecDeque<(i64, i64)>);

impl Passed {
    /// Everything below this offset was offered at least [`MOST_MS`] ago; `None` when it is not time to look.
    fn look(&mut self, now_ms: i64, live_next: i64) -> Option<i64> {
        let last = self.0.back();
        if last.is_some_and(|(at_ms, _)| now_ms.saturating_sub(*at_ms) < EVERY_MS) {
            return None;
        }
        self.0.push_back((now_ms, live_next));
        let mut passed = None;
        while let Some((_, offset)) = self
            .0
            .pop_front_if(|(at_ms, _)| now_ms.saturating_sub(*at_ms) >= MOST_MS)
        {
            passed = Some(offset);
        }
        passed
    }

    pub(super) fn clear(&mut self) {
        self.0.clear();
    }
}

impl Partition {
    /// Has whoever holds the place for too long let it go. One that waits for its turn waits for us: that is not its fault,
    /// and to read its events again would take even more of us.
    pub(super) fn let_place_go(&mut self, now_ms: i64) {
        let live_next = self.live_next;
        let Some(passed) = self.passed.look(now_ms, live_next) else {
            return;
        };
        let is_slow = |entry: &Entry| {
            !entry.in_lines.has_any() && entry.hook.may_let_go() && entry.hook.holds_below(passed, live_next)
        };
        let slow = self.entries.iter().filter(|(_, entry)| is_slow(entry));
        let slow: Vec<_> = slow.map(|(id, _)| id).collect();
        for id in slow {
            self.entries.change(id, |entry| entry.hook.let_go(live_next));
            self.poke(id, now_ms);
        }
    }
}
