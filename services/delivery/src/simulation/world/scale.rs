//! How large a world's events are, how many come at once, and what there is room for: small worlds reach the bound of the
//! partition, those with large or with many events the bounds of a webhook's queue.

use angarium_policy::{Backoff, Reminders};
use rand::RngExt as _;
use rand::rngs::SmallRng;

use crate::group::GroupLimit;
use crate::partition::Rules;

/// More than a queue holds, 1 MiB (DESIGN §7).
const HUGE: usize = 1_100_000;
const LARGE: usize = 300_000;
/// Those that a world begins with, and one that is created.
const MOST_WEBHOOKS: usize = 5;

/// What a world is like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scale {
    Small,
    /// Three events fill a queue, and some are larger than any.
    Large {
        max_queued_bytes: usize,
    },
    /// Events come by hundreds: 256 fill a queue (DESIGN §7).
    Many,
}

impl Scale {
    pub(super) fn any(rng: &mut SmallRng) -> Self {
        match rng.random_range(0..100) {
            0..72 => Self::Small,
            72..95 => Self::Large {
                // Less than a single event; more than the queues of all.
                max_queued_bytes: [1_000_000, 2_500_000, 20_000_000][rng.random_range(0..3)],
            },
            _ => Self::Many,
        }
    }

    /// The data of an event, in bytes.
    pub(super) fn size(self, rng: &mut SmallRng) -> usize {
        match self {
            Self::Small => [2, 2, 2, 400][rng.random_range(0..4)],
            Self::Large { .. } => [2, 2, 2, LARGE, LARGE, LARGE, LARGE, HUGE][rng.random_range(0..8)],
            Self::Many => 2,
        }
    }

    /// How many events come at once.
    pub(super) fn burst(self, rng: &mut SmallRng) -> usize {
        match self {
            Self::Many if rng.random_bool(0.04) => rng.random_range(200..500),
            _ => 1,
        }
    }

    /// How much of what is done one by one elsewhere is done in a step.
    pub(super) fn stride(self) -> usize {
        match self {
            Self::Small | Self::Large { .. } => 1,
            Self::Many => 40,
        }
    }

    pub(super) fn max_queued_bytes(self) -> usize {
        match self {
            Self::Small => 3_000,
            Self::Large { max_queued_bytes } => max_queued_bytes,
            Self::Many => 100_000,
        }
    }

    /// What all queues hold at most: their bound admits one event, which counts for each webhook that it is for, and the
    /// group that is read back for a retry.
    pub(super) fn admits(self) -> usize {
        let event = 200
            + match self {
                Self::Small => 400,
                Self::Large { .. } => HUGE,
                Self::Many => 2,
            };
        self.max_queued_bytes() + MOST_WEBHOOKS * event + self.rules().group.bytes.max(event)
    }

    pub(super) fn rules(self) -> Rules {
        let (events, bytes) = match self {
            Self::Small => (5, 2_000),
            Self::Large { .. } => (5, 700_000),
            Self::Many => (50, 10_000),
        };
        Rules {
            group: GroupLimit {
                events,
                bytes,
                around: 0,
            },
            backoff: Backoff::default(),
            honours_retry_after: true,
            disables_gone: true,
            reminders: Reminders::default(),
            max_queued_bytes: self.max_queued_bytes(),
        }
    }
}
