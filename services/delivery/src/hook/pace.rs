//! How fast a webhook catches up: a receiver that has just come back is not knocked over (DESIGN §7).

/// The first wait between two groups, in milliseconds.
const FIRST_MS: i64 = 1_000;
/// Below this the webhook goes as fast as it answers.
const NO_WAIT_MS: i64 = 8;
/// An answer that takes longer is no reason to go faster.
const FAST_MS: i64 = 1_000;
/// But a receiver that has taken so many groups is back, however long it takes for one (D1 allows 5 s).
const MOST: u32 = 20;

/// The wait between two groups: it halves, and so the rate doubles, with every fast answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Pace {
    /// Zero: none.
    wait_ms: i64,
    next_at_ms: i64,
    taken: u32,
}

impl Pace {
    /// Behind the first group that was taken after failures.
    pub(super) fn slow(now_ms: i64) -> Self {
        Self {
            wait_ms: FIRST_MS,
            next_at_ms: now_ms.saturating_add(FIRST_MS),
            taken: 0,
        }
    }

    pub(super) fn answered(&mut self, now_ms: i64, took_ms: i64) {
        self.taken = self.taken.saturating_add(1);
        if took_ms <= FAST_MS {
            self.wait_ms /= 2;
        }
        if self.wait_ms < NO_WAIT_MS || self.taken >= MOST {
            self.wait_ms = 0;
        }
        self.next_at_ms = now_ms.saturating_add(self.wait_ms);
    }

    pub(super) fn allows(self, now_ms: i64) -> bool {
        self.wait_ms == 0 || now_ms >= self.next_at_ms
    }

    pub(super) fn clock_was_set_back(&mut self, by_ms: i64) {
        self.next_at_ms = self.next_at_ms.saturating_sub(by_ms);
    }

    /// When the next group may go: Unix milliseconds; `None` when it may at any time.
    pub(super) fn next_at_ms(self) -> Option<i64> {
        (self.wait_ms > 0).then_some(self.next_at_ms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_doubles_with_fast_answers_until_there_is_no_wait() {
        let mut pace = Pace::slow(0);
        let mut now_ms = 0;
        let mut waits = Vec::new();
        while let Some(next_at_ms) = pace.next_at_ms() {
            assert!(!pace.allows(next_at_ms - 1) && pace.allows(next_at_ms));
            waits.push(next_at_ms - now_ms);
            now_ms = next_at_ms;
            pace.answered(now_ms, 3);
        }
        assert_eq!(waits, [1_000, 500, 250, 125, 62, 31, 15]);
        assert!(pace.allows(0));
    }

    #[test]
    fn slow_answers_keep_the_rate_for_twenty_groups() {
        let mut pace = Pace::slow(0);
        let mut groups = 0;
        while let Some(now_ms) = pace.next_at_ms() {
            pace.answered(now_ms, 1_001);
            groups += 1;
            assert!(pace.next_at_ms().is_none_or(|at_ms| at_ms == now_ms + 1_000));
        }
        assert_eq!(groups, 20);
    }
}
