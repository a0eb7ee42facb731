//! Events that are refused for good, of a webhook that wants them put aside: what comes behind them goes on.
//!
//! A group that was refused often enough goes one by one, to find out which of its events it is. One that is refused
//! alone is put aside: that is on record before the webhook counts it as done (DESIGN §7).

use std::num::NonZeroU32;
use std::sync::Arc;

use super::Hook;
use crate::cursor::Head;
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
    /// What is to be done with the group in flight, which was refused for good, when it is to be given up after so many
    /// refusals in a row: a receiver that was away for long, and refuses once as it comes back, has refused once. In a group
    /// that goes one by one an event was refused so often with the others.
    pub(crate) fn gives_up(&self, after: NonZeroU32) -> GivingUp {
        let Some(group) = &self.in_flight else {
            return GivingUp::NotYet;
        };
        let first = group.items.first().map(|item| item.offset);
        let goes_one_by_one = self.isolating.is_some_and(|last| first <= Some(last));
        if !goes_one_by_one && self.refusals_with_this() < after.get() {
            GivingUp::NotYet
        } else if group.items.len() > 1 {
            GivingUp::OneByOne
        } else {
            GivingUp::PutAside
        }
    }

    /// From now on the events of the group in flight go one by one.
    pub(crate) fn isolate(&mut self) {
        let last = self.in_flight.as_ref().and_then(|group| group.items.last());
        self.isolating = last.map(|last| last.offset);
    }

    /// The event in flight is to be put aside: the group, and how often it failed. It stays in flight until that is on
    /// record.
    pub(crate) fn to_put_aside(&self) -> Option<(Arc<Group>, NonZeroU32)> {
        Some((self.in_flight.clone()?, self.attempts_with_this()))
    }

    /// It is on record that the event was put aside.
    pub(crate) fn was_put_aside(&mut self) {
        if let Some(group) = self.in_flight.take() {
            self.retried = None;
            self.head = Head::default();
            if let Some(last) = group.items.last() {
                self.is_done(last);
            }
        }
    }

    /// Whether the next group is of one event.
    pub(super) fn goes_one_by_one(&self) -> bool {
        self.isolating
            .is_some_and(|last| self.queue.first().is_some_and(|first| first <= last))
    }
}
