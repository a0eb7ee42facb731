//! How many POSTs a webhook may be sent in a second, attempts included: a setting of the webhook.

/// The earliest time of the next call.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Rate {
    next_at_us: i64,
}

impl Rate {
    /// A call begins, one of at most one in `interval_us`; 0: of any number.
    pub(super) fn took(&mut self, now_ms: i64, interval_us: i64) {
        // The clock has no more than milliseconds: what is due within one goes with it.
        let begins_us = self.next_at_us.max(now_ms.saturating_mul(1_000));
        self.next_at_us = match interval_us {
            0 => 0,
            _ => begins_us.saturating_add(interval_us),
        };
    }

    pub(super) fn allows(self, now_ms: i64) -> bool {
        now_ms >= self.next_at_ms()
    }

    /// Whether the last call had to be one of so many in a second.
    pub(super) fn is_limited(self) -> bool {
        self.next_at_us > 0
    }

    pub(super) fn clock_was_set_back(&mut self, by_ms: i64) {
        self.next_at_us = self.next_at_us.saturating_sub(by_ms.saturating_mul(1_000));
    }

    /// When the next call may go: Unix milliseconds; in the past when it may at any time.
    pub(super) fn next_at_ms(self) -> i64 {
        self.next_at_us / 1_000
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The calls of a second, the clock read every millisecond.
    fn in_a_second(per_second: i64) -> usize {
        let mut rate = Rate::default();
        let mut calls = 0;
        for now_ms in 5_000..6_000 {
            while rate.allows(now_ms) && calls < 20_000 {
                rate.took(now_ms, 1_000_000 / per_second);
                calls += 1;
            }
        }
        calls
    }

    #[test]
    fn a_second_has_as_many_calls_as_the_rate_allows() {
        for per_second in [1, 3, 10, 999, 1_000, 3_000, 10_000] {
            let calls = in_a_second(per_second);
            let most = usize::try_from(per_second).unwrap();
            assert!((most..=most + 10).contains(&calls), "{calls} of {per_second}");
        }
    }

    #[test]
    fn a_clock_that_was_set_back_does_not_stop_it() {
        let mut rate = Rate::default();
        rate.took(1_000_000, 1_000_000);
        assert!(!rate.allows(1_000_999) && rate.allows(1_001_000));
        rate.clock_was_set_back(500_000);
        assert!(!rate.allows(500_999) && rate.allows(501_000));
    }
}
