//! Whether our clock may be trusted with what cannot be undone: giving events up (D5), switching a webhook off (D3).

use std::time::Duration;

use angarium_runtime::millis;

/// The most that our clock and the broker's may differ (DESIGN §7, time).
const TOLERANCE: Duration = Duration::from_mins(5);
/// How old the last comparison may be. A clock that jumps meanwhile makes it look older.
const FRESH: Duration = Duration::from_mins(5);

/// The last comparison of our clock with the broker's.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Clocks {
    last: Option<Reading>,
}

/// A moment by both clocks: Unix milliseconds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Moment {
    /// By ours, as all waits go.
    pub(crate) ms: i64,
    /// By the broker's, as far as is known.
    pub(crate) brokers_ms: i64,
}

/// What both said when the broker had just written a record: Unix milliseconds.
#[derive(Clone, Copy, Debug)]
struct Reading {
    ours_ms: i64,
    brokers_ms: i64,
}

impl Clocks {
    /// The broker has written a record at `brokers_ms` by its clock, `None` when it does not tell, and it is `ours_ms`
    /// now by ours.
    pub(crate) fn compare(&mut self, ours_ms: i64, brokers_ms: Option<i64>) {
        let reading = brokers_ms.map(|brokers_ms| Reading { ours_ms, brokers_ms });
        self.last = reading.or(self.last);
    }

    /// Whether they agree, as far as is known.
    pub(crate) fn agree(&self, now_ms: i64) -> bool {
        self.last.is_some_and(|last| {
            let age_ms = now_ms.saturating_sub(last.ours_ms);
            last.apart_ms() <= millis(TOLERANCE) && (0..=millis(FRESH)).contains(&age_ms)
        })
    }

    /// What the broker's clock says, as far as is known: Unix milliseconds. Behind a jump of ours it is what it said at
    /// the last comparison.
    pub(crate) fn brokers_ms(&self, now_ms: i64) -> i64 {
        self.last.map_or(now_ms, |last| {
            let age_ms = now_ms.saturating_sub(last.ours_ms);
            let is_fresh = (0..=millis(FRESH)).contains(&age_ms);
            last.brokers_ms.saturating_add(if is_fresh { age_ms } else { 0 })
        })
    }

    /// Now, when ours says `now_ms`.
    pub(crate) fn moment(&self, now_ms: i64) -> Moment {
        Moment {
            ms: now_ms,
            brokers_ms: self.brokers_ms(now_ms),
        }
    }

    /// How far apart they are, in milliseconds, when that is too far.
    pub(crate) fn too_far_apart_ms(&self) -> Option<i64> {
        let apart = self.last.map(Reading::apart_ms);
        apart.filter(|apart| *apart > millis(TOLERANCE))
    }
}

impl Reading {
    fn apart_ms(self) -> i64 {
        let apart = self.ours_ms.saturating_sub(self.brokers_ms);
        apart.saturating_abs()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_727_414_643_000;
    const MINUTE: i64 = 60_000;
    const WEEK: i64 = 7 * 24 * 60 * MINUTE;

    fn compared(ours_ms: i64, brokers_ms: i64) -> Clocks {
        let mut clocks = Clocks::default();
        clocks.compare(ours_ms, Some(brokers_ms));
        clocks
    }

    #[test]
    fn d5_a_clock_is_trusted_while_it_is_within_five_minutes_of_the_brokers() {
        assert!(compared(NOW, NOW + 5 * MINUTE).agree(NOW));
        assert!(!compared(NOW, NOW + 5 * MINUTE + 1).agree(NOW));
        assert!(!compared(NOW, NOW - 5 * MINUTE - 1).agree(NOW));
        assert!(!Clocks::default().agree(NOW), "nothing is known");
    }

    #[test]
    fn d5_a_clock_that_has_jumped_since_is_not_trusted_until_it_is_compared_again() {
        let mut clocks = compared(NOW, NOW);
        assert!(!clocks.agree(NOW + 8 * WEEK) && !clocks.agree(NOW - MINUTE));
        clocks.compare(NOW + 8 * WEEK, None);
        assert!(
            !clocks.agree(NOW + 8 * WEEK),
            "a broker that tells nothing changes nothing"
        );
        clocks.compare(NOW + 8 * WEEK, Some(NOW));
        assert!(!clocks.agree(NOW + 8 * WEEK));
        assert_eq!(clocks.too_far_apart_ms(), Some(8 * WEEK));
        clocks.compare(NOW, Some(NOW));
        assert!(clocks.agree(NOW));
    }

    #[test]
    fn d3_time_is_told_by_the_brokers_clock_and_stands_still_when_ours_jumps() {
        let clocks = compared(NOW - WEEK, NOW);
        assert_eq!(clocks.brokers_ms(NOW - WEEK + MINUTE), NOW + MINUTE);
        assert_eq!(clocks.brokers_ms(NOW - 2 * WEEK), NOW);
        assert_eq!(clocks.brokers_ms(NOW + WEEK), NOW);
        assert_eq!(Clocks::default().brokers_ms(NOW), NOW, "nothing is known");
    }
}
