//! When someone is reminded of a webhook that still fails (D4).

use std::time::Duration;

/// When reminders are due, counted from the first failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reminders {
    first: Duration,
    every: Duration,
}

impl Default for Reminders {
    /// D4: after 15 minutes, then every 24 hours.
    fn default() -> Self {
        Self {
            first: Duration::from_mins(15),
            every: Duration::from_hours(24),
        }
    }
}

impl Reminders {
    /// The first after `first`, the others `every` so long behind it, which is at least a millisecond.
    #[must_use]
    pub fn new(first: Duration, every: Duration) -> Self {
        Self {
            first,
            every: every.max(Duration::from_millis(1)),
        }
    }

    /// After how long the first is due.
    #[must_use]
    pub const fn first(self) -> Duration {
        self.first
    }

    /// Whether one has become due after `after_ms` and until `until_ms`, of a webhook that fails since `since_ms`: Unix
    /// milliseconds.
    #[must_use]
    pub fn due(self, since_ms: i64, after_ms: i64, until_ms: i64) -> bool {
        self.count(since_ms, until_ms) > self.count(since_ms, after_ms)
    }

    /// How many have been due.
    fn count(self, since_ms: i64, at_ms: i64) -> u128 {
        let failing_for = u64::try_from(at_ms.saturating_sub(since_ms)).unwrap_or(0);
        match Duration::from_millis(failing_for).checked_sub(self.first) {
            Some(beyond) => 1 + beyond.as_millis() / self.every.as_millis().max(1),
            None => 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE_MS: i64 = 60_000;
    const DAY_MS: i64 = 24 * 60 * MINUTE_MS;

    #[test]
    fn d4_the_first_is_due_after_15_minutes_and_then_one_every_24_hours() {
        let reminders = Reminders::default();
        let since = 1_727_414_643_000;
        let mut due = Vec::new();
        let mut before = since;
        // Attempts every 5 minutes, as D2 has it.
        for at in (since..since + 3 * DAY_MS).step_by(5 * 60_000) {
            if reminders.due(since, before, at) {
                due.push((at - since) / MINUTE_MS);
            }
            before = at;
        }
        assert_eq!(due, [15, 15 + 24 * 60, 15 + 48 * 60]);
    }

    #[test]
    fn d4_attempts_that_are_far_apart_have_one_reminder_and_a_clock_that_was_set_back_has_none() {
        let reminders = Reminders::default();
        assert!(reminders.due(0, 1, 5 * DAY_MS));
        assert!(!reminders.due(0, 5 * DAY_MS, 5 * DAY_MS + 1));
        assert!(!reminders.due(0, 5 * DAY_MS, DAY_MS));
        assert!(!reminders.due(0, -DAY_MS, 0));
    }
}
