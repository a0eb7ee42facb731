//! How long a failing webhook waits before its next attempt (D2).

use std::num::NonZeroU32;
use std::time::Duration;

use thiserror::Error;

use crate::answer::MAX_RETRY_AFTER;

/// Below this doubling would take more steps than an attempt counter has bits for.
const SHORTEST_FIRST: Duration = Duration::from_millis(1);

/// A receiver that is back should not wait longer than this to be found out.
const LONGEST_CAP: Duration = Duration::from_secs(24 * 60 * 60);

/// Doubling waits up to a cap. The default is D2's: 5 s, 10, 20, … to 5 minutes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backoff {
    first: Duration,
    cap: Duration,
}

/// The waits are out of bounds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error(
    "back-off from {first:?} to {cap:?}: the first wait must be at least {SHORTEST_FIRST:?}, and the cap from the first \
     wait to {LONGEST_CAP:?}"
)]
pub struct InvalidBackoff {
    first: Duration,
    cap: Duration,
}

impl Default for Backoff {
    fn default() -> Self {
        Self {
            first: Duration::from_secs(5),
            cap: Duration::from_secs(5 * 60),
        }
    }
}

impl Backoff {
    /// Waits that start at `first` and double up to `cap`.
    ///
    /// # Errors
    /// [`InvalidBackoff`] unless 1 ms ≤ `first` ≤ `cap` ≤ 24 h.
    pub fn new(first: Duration, cap: Duration) -> Result<Self, InvalidBackoff> {
        if first < SHORTEST_FIRST || cap < first || cap > LONGEST_CAP {
            return Err(InvalidBackoff { first, cap });
        }
        Ok(Self { first, cap })
    }

    /// The wait after `attempt` failures in a row. `jitter`, evenly spread over 0 to 1, shortens it by up to 10 %.
    ///
    /// Jitter never lengthens, so that D2's times are upper bounds. Out of range it counts as the nearer end, NaN as 0.
    #[must_use]
    pub fn delay(self, attempt: NonZeroU32, jitter: f64) -> Duration {
        let full = self.full(attempt);
        #[expect(clippy::manual_clamp, reason = "clamp keeps a NaN, which would panic below")]
        let jitter = jitter.max(0.0).min(1.0);
        full - (full / 10).mul_f64(jitter)
    }

    /// Like [`Self::delay`], but no shorter than the receiver's `Retry-After`, which lengthens this one wait only (D2).
    #[must_use]
    pub fn delay_honouring(
        self,
        attempt: NonZeroU32,
        jitter: f64,
        retry_after: Option<Duration>,
    ) -> Duration {
        self.delay(attempt, jitter).max(retry_after.unwrap_or_default())
    }

    /// How many attempts have failed, at least one, when the first did so long ago and none since came early: for a
    /// webhook whose count was lost.
    #[must_use]
    pub fn attempts_within(self, elapsed: Duration) -> NonZeroU32 {
        let mut attempts = NonZeroU32::MIN;
        let mut waited = self.full(attempts);
        while waited <= elapsed && self.full(attempts) < self.cap {
            attempts = attempts.saturating_add(1);
            waited = waited.saturating_add(self.full(attempts));
        }
        attempts
    }

    /// The longest that any wait lasts: what is further away was written by a clock that was wrong.
    #[must_use]
    pub fn longest(self) -> Duration {
        self.cap.max(MAX_RETRY_AFTER)
    }

    fn full(self, attempt: NonZeroU32) -> Duration {
        match 2_u32.checked_pow(attempt.get() - 1) {
            Some(factor) => self.first.saturating_mul(factor).min(self.cap),
            // 2^32 × 1 ms is 49 days: past any cap.
            None => self.cap,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn nth(attempt: u32) -> NonZeroU32 {
        NonZeroU32::new(attempt).unwrap()
    }

    #[test]
    fn d2_waits_are_5_s_doubling_to_5_minutes() {
        let waits: Vec<u64> = (1..=9)
            .map(|n| Backoff::default().delay(nth(n), 0.0).as_secs())
            .collect();
        assert_eq!(waits, [5, 10, 20, 40, 80, 160, 300, 300, 300]);
    }

    #[test]
    fn d2_a_lost_count_of_attempts_follows_from_the_time_since_the_first() {
        let attempts = |secs| Backoff::default().attempts_within(secs * SECOND).get();
        let at: Vec<u32> = [0, 4, 5, 14, 15, 34, 35, 315, 100_000].map(attempts).to_vec();
        assert_eq!(
            at,
            [1, 1, 2, 2, 3, 3, 4, 7, 7],
            "from the cap on it makes no difference"
        );
    }

    #[test]
    fn jitter_shortens_by_a_tenth_at_most_whatever_it_is() {
        let delay = |jitter| Backoff::default().delay(nth(2), jitter);
        assert_eq!(delay(0.5), Duration::from_millis(9_500));
        assert_eq!(delay(1.0), 9 * SECOND);
        assert_eq!(delay(f64::INFINITY), 9 * SECOND);
        assert_eq!(delay(-1.0), 10 * SECOND);
        assert_eq!(delay(f64::NAN), 10 * SECOND);
    }

    #[test]
    fn retry_after_lengthens_and_never_shortens() {
        let delay = |retry_after| Backoff::default().delay_honouring(nth(1), 0.0, retry_after);
        assert_eq!(delay(None), 5 * SECOND);
        assert_eq!(delay(Some(SECOND)), 5 * SECOND);
        assert_eq!(delay(Some(3600 * SECOND)), 3600 * SECOND);
    }

    #[test]
    fn bounds_are_checked_and_named() {
        assert!(Backoff::new(SHORTEST_FIRST, SHORTEST_FIRST).is_ok());
        assert!(Backoff::new(SECOND, LONGEST_CAP).is_ok());
        for (first, cap) in [
            (Duration::ZERO, SECOND),
            (2 * SECOND, SECOND),
            (SECOND, LONGEST_CAP + SHORTEST_FIRST),
        ] {
            let error = Backoff::new(first, cap).unwrap_err();
            assert!(
                error.to_string().contains(&format!("{first:?} to {cap:?}")),
                "{error}"
            );
        }
    }

    fn any_backoff() -> impl Strategy<Value = Backoff> {
        (1_u64..86_400_000, 0_u64..86_400_000).prop_filter_map("cap over a day", |(first, more)| {
            Backoff::new(Duration::from_millis(first), Duration::from_millis(first + more)).ok()
        })
    }

    proptest! {
        #[test]
        fn every_wait_is_within_its_bounds(backoff in any_backoff(), attempt in 1..=u32::MAX, jitter in 0.0..=1.0) {
            let full = backoff.full(nth(attempt));
            let wait = backoff.delay(nth(attempt), jitter);
            prop_assert!(backoff.first <= full && full <= backoff.cap);
            prop_assert!(full - full / 10 <= wait && wait <= full);
        }

        #[test]
        fn waits_double_until_the_cap_and_stay_there(backoff in any_backoff(), attempt in 1..u32::MAX) {
            let attempt = if attempt % 2 == 0 { attempt } else { attempt % 40 + 1 };
            let (this, next) = (backoff.full(nth(attempt)), backoff.full(nth(attempt + 1)));
            prop_assert_eq!(next, this.saturating_mul(2).min(backoff.cap));
        }
    }
}
