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

impl State {
    pub(crate) const ALL: [Self; 5] = [
        Self::Live,
        Self::Failing,
        Self::CatchingUp,
        Self::Waiting,
        Self::Off,
    ];

    /// As metrics call it.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::Failing => "failing",
            Self::CatchingUp => "catching_up",
            Self::Waiting => "waiting",
            Self::Off => "off",
        }
    }
}

impl Hook {
    /// When the oldest event was accepted that is known to be undone, or since when the webhook fails, by the broker's clock:
    /// Unix milliseconds. `None` of one that is off, or waits for a slot.
    pub(crate) fn oldest_undone_ms(&self) -> Option<i64> {
        if matches!(self.state(), State::Off | State::Waiting) {
            return None;
        }
        let under_way = self.window.called().and_then(|group| group.items.first());
        let in_memory = [under_way, self.queue.iter().next()].into_iter().flatten();
        let accepted = in_memory.map(|item| item.delivery.accepted_at.unix_ms());
        accepted
            .chain(self.failing().map(|failing| failing.since_ms))
            .min()
    }

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
