//! Where a webhook stands in a lane, for people.

use angarium_model::Lane;

use super::{Hook, Phase};

/// Where a webhook stands in a lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// Events go as they come.
    Live,
    /// The last call failed (D2).
    Failing,
    /// What waits in Kafka is read back and sent.
    CatchingUp,
    /// Batch: events wait for the next slot (E1).
    Waiting,
    /// It is switched off, or not known (W7).
    Off,
}

impl Hook {
    pub(crate) fn state(&self) -> State {
        if matches!(self.phase, Phase::Off(_)) {
            State::Off
        } else if self.failing().is_some() {
            State::Failing
        } else if self.lane == Lane::Batch && self.slot.is_none() && !self.is_replaying() {
            State::Waiting
        } else if self.is_detached() {
            State::CatchingUp
        } else {
            State::Live
        }
    }
}
