//! What the simulation looks at.

use super::{Hook, Tail};
use crate::record::Delivery;

/// Where a webhook is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Look {
    pub(crate) is_detached: bool,
    pub(crate) is_calling: bool,
    pub(crate) is_failing: bool,
    /// A group waits for its retry.
    pub(crate) has_head: bool,
    pub(crate) is_in_slot: bool,
    pub(crate) is_in_replay: bool,
}

/// A queue that has no room for an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Full {
    Queue,
    Join,
}

impl Hook {
    pub(crate) fn look(&self) -> Look {
        Look {
            is_detached: self.is_detached(),
            is_calling: self.is_calling(),
            is_failing: self.failing().is_some(),
            has_head: !self.head.is_empty(),
            is_in_slot: self.slot.is_some(),
            is_in_replay: self.is_replaying(),
        }
    }

    /// The queue that has no room for what comes from the live stream.
    pub(crate) fn full_for(&self, delivery: &Delivery) -> Option<Full> {
        match &self.tail {
            Tail::Attached => (!self.queue.fits(delivery)).then_some(Full::Queue),
            Tail::Detached { join: Some(join), .. } => (!join.fits(delivery)).then_some(Full::Join),
            Tail::Detached { join: None, .. } => None,
        }
    }
}
