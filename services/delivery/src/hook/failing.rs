//! How a webhook is failing.

use std::num::NonZeroU32;

use angarium_proto::delivery::v1::retry_state;

/// A webhook whose last call failed (D2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Failing {
    /// How many calls of the head group failed.
    pub(crate) attempts: NonZeroU32,
    /// When the first did: Unix milliseconds.
    pub(crate) since_ms: i64,
    /// When the next one is due: Unix milliseconds.
    pub(crate) next_at_ms: i64,
    /// The group that failed: the next call sends the same.
    pub(super) head: Head,
}

/// Which events from the queue's front make the group that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) events: usize,
    pub(super) last_source_offset: i64,
}

impl Failing {
    pub(super) fn from_stored(stored: &retry_state::Failing) -> Option<Self> {
        Some(Self {
            attempts: NonZeroU32::new(stored.attempts)?,
            since_ms: stored.since_ms,
            next_at_ms: stored.next_at_ms,
            head: Head {
                events: usize::try_from(stored.head_events)
                    .ok()
                    .filter(|events| *events > 0)?,
                last_source_offset: stored.head_last_source_offset,
            },
        })
    }

    pub(super) fn to_stored(self) -> retry_state::Failing {
        retry_state::Failing {
            attempts: self.attempts.get(),
            since_ms: self.since_ms,
            next_at_ms: self.next_at_ms,
            head_events: u32::try_from(self.head.events).unwrap_or(u32::MAX),
            head_last_source_offset: self.head.last_source_offset,
        }
    }
}
