//! The two classes of events and the lanes they travel in.

use std::fmt;

/// The class of an event (E1), and so the lane of its deliveries. Between lanes there is no order (D7).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Lane {
    /// Sent as it happens.
    Realtime,
    /// Collected, and sent at the times of the webhook's timetable.
    Batch,
}

impl Lane {
    /// Both lanes.
    pub const ALL: [Self; 2] = [Self::Realtime, Self::Batch];

    /// The name in topics, logs and metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Realtime => "realtime",
            Self::Batch => "batch",
        }
    }
}

impl fmt::Display for Lane {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
