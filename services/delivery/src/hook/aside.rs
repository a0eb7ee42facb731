//! Events that are refused for good, of a webhook that wants them put aside: what comes behind them goes on.
//!
//! A group that was refused often enough goes one by one, to find out which of its events it is. One that is refused
//! alone is put aside: that is on record before the webhook counts it as done (DESIGN §7).

use std::num::NonZeroU32;
use std::sync::Arc;

use super::Hook;
use crate::group::Group;

/// What to do with a group that was refused for good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum GivingUp {
    /// Send it again: it has not failed often enough.
    NotYet,
    /// Send its events one by one.
    OneByOne,
    /// Put its event aside.
    PutAside,
}

impl Hook {
    /// What is to be done with a group in flight, which was refused for good, when it is to be given up after so many
    /// refusals in a row: a receiver that was away for long, and refuses once as it comes back, has refused once. In a group
    /// that goes one by one an event was refused so often with the others.
    pub(crate) fn gives_up(&self, group: &Arc<Group>, after: NonZeroU32) -> GivingUp {
        let first = group.items.first().map(|item| item.offset);
        let is_in_range = self.isolating.is_some_and(|last| first <= Some(last));
        let goes_one_by_one = self
            .parked
            .get(group)
            .map_or(is_in_range, |retry| retry.is_isolated);
        if !goes_one_by_one && self.tried(group).refusals.saturating_add(1) < after.get() {
            GivingUp::NotYet
        } else if group.items.len() > 1 {
            GivingUp::OneByOne
        } else {
            GivingUp::PutAside
        }
    }

    /// How often the group in flight failed whose event is to be put aside. It stays in flight until that is on record.
    pub(crate) fn to_put_aside(&self, group: &Arc<Group>) -> Option<NonZeroU32> {
        let attempts = NonZeroU32::MIN.saturating_add(self.tried(group).attempts);
        self.is_calling_with(group).then_some(attempts)
    }

    /// It is on record that the event was put aside.
    pub(crate) fn was_put_aside(&mut self, group: &Arc<Group>) {
        self.take_probe(group);
        self.is_over(group);
    }

    /// Whether the next group is of one event.
    pub(super) fn goes_one_by_one(&self) -> bool {
        self.isolating
            .is_some_and(|last| self.queue.first().is_some_and(|first| first <= last))
    }
}
