//! Wall-clock time as a value that is handed around, so that a test can set it.
//!
//! Deadlines and waits do not belong here: they use `tokio::time`, which tests can pause.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// How long the machine has been up, its sleep included: for what must be over when a process wakes again. Only
/// differences mean anything.
#[must_use]
pub fn uptime() -> Duration {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    const CLOCK: rustix::time::ClockId = rustix::time::ClockId::Boottime;
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    const CLOCK: rustix::time::ClockId = rustix::time::ClockId::Monotonic;
    let now = rustix::time::clock_gettime(CLOCK);
    Duration::new(
        u64::try_from(now.tv_sec).unwrap_or(0),
        u32::try_from(now.tv_nsec).unwrap_or(0),
    )
}

/// Tells the time of day, in Unix milliseconds.
#[derive(Clone, Debug)]
pub struct Clock(Source);

#[derive(Clone, Debug)]
enum Source {
    System,
    Manual(Arc<AtomicI64>),
}

impl Clock {
    /// The machine's clock.
    #[must_use]
    pub fn system() -> Self {
        Self(Source::System)
    }

    /// A clock that stands still at `start_ms` until its [`ManualClock`] moves it.
    #[must_use]
    pub fn manual(start_ms: i64) -> (Self, ManualClock) {
        let now = Arc::new(AtomicI64::new(start_ms));
        (Self(Source::Manual(Arc::clone(&now))), ManualClock(now))
    }

    /// Unix time in milliseconds. It may jump, in both directions: never measure a duration with it.
    #[must_use]
    pub fn now_ms(&self) -> i64 {
        match &self.0 {
            Source::System => system_ms(),
            Source::Manual(now) => now.load(Ordering::Acquire),
        }
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the one place that reads the machine's clock"
)]
fn system_ms() -> i64 {
    match SystemTime::now().duration_since(UNIX_EPOCH) {
        Ok(since) => millis(since),
        Err(before) => -millis(before.duration()),
    }
}

/// A duration in milliseconds, as Unix times are; longer than any clock runs if it does not fit.
#[must_use]
pub fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

/// Moves the [`Clock`] it came with.
#[derive(Clone, Debug)]
pub struct ManualClock(Arc<AtomicI64>);

impl ManualClock {
    /// Sets the time, in Unix milliseconds; backwards too, as real clocks do.
    pub fn set(&self, now_ms: i64) {
        self.0.store(now_ms, Ordering::Release);
    }

    /// Moves the time forward.
    pub fn advance(&self, by: Duration) {
        self.0.fetch_add(millis(by), Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manual_clock_moves_only_when_told() {
        let (clock, hand) = Clock::manual(1_000);
        let twin = clock.clone();
        assert_eq!(clock.now_ms(), 1_000);
        hand.advance(Duration::from_secs(2));
        assert_eq!((clock.now_ms(), twin.now_ms()), (3_000, 3_000));
        hand.set(5);
        assert_eq!(clock.now_ms(), 5);
    }

    #[test]
    fn uptime_never_goes_back() {
        let before = uptime();
        assert!(before > Duration::ZERO && uptime() >= before);
    }

    #[test]
    fn the_system_clock_is_past_the_day_this_was_written() {
        assert!(Clock::system().now_ms() > 1_700_000_000_000);
    }
}
