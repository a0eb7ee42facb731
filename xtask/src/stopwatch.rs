//! How long a step took, for the person who waits.

use std::fmt;
use std::time::{Duration, Instant};

/// Started when made.
#[derive(Debug)]
pub(crate) struct Stopwatch(Instant);

/// Shown as `12.3 s`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Seconds(Duration);

impl Stopwatch {
    #[expect(clippy::disallowed_methods, reason = "a chore takes real time")]
    pub(crate) fn start() -> Self {
        Self(Instant::now())
    }

    pub(crate) fn elapsed(&self) -> Seconds {
        Seconds(self.0.elapsed())
    }
}

impl fmt::Display for Seconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:>6.1} s", self.0.as_secs_f64())
    }
}
