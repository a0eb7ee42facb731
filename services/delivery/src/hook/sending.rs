//! What a webhook may be sent now, and when it may be asked again.

use std::sync::Arc;

use angarium_policy::expired;

use super::{Hook, Phase, Stage};
use crate::group::{Group, GroupLimit, Kind};
use crate::record::Delivery;
use crate::target::Terms;

/// What a webhook wants to do next.
#[derive(Debug)]
pub(crate) enum Next {
    /// Send this group.
    Send { group: Arc<Group>, attempt: u32 },
    /// Nothing now.
    Nothing,
}

impl Hook {
    /// When it may be asked again for its next group: Unix milliseconds; `None` when time changes nothing.
    pub(crate) fn waits_until(&self) -> Option<i64> {
        if self.is_calling() {
            return None;
        }
        let rate = self.rate.next_at_ms();
        match &self.phase {
            Phase::Waiting(failing) => Some(failing.next_at_ms.max(rate)),
            Phase::Ready => {
                let pace = self.pace.next_at_ms().filter(|_| self.is_detached());
                let rate = Some(rate).filter(|_| !self.queue.is_empty());
                pace.max(rate)
            }
            Phase::Off(_) => None,
        }
    }

    /// The next group, if one may go now.
    pub(crate) fn next(&mut self, now_ms: i64, terms: Terms) -> Next {
        let in_turn = self.slot.is_none_or(|slot| slot.stage == Stage::Running);
        let is_held = self.order.is_some() || !in_turn || !self.rate.allows(now_ms);
        if self.in_flight.is_some() || is_held {
            return Next::Nothing;
        }
        let limit = self.narrowed_to(terms.group);
        let (items, attempt) = match &self.phase {
            Phase::Off(_) => return Next::Nothing,
            Phase::Waiting(failing) if failing.next_at_ms > now_ms => return Next::Nothing,
            Phase::Waiting(failing) => {
                if !self.queue.begins_with(&self.head) {
                    return Next::Nothing;
                }
                let attempt = failing.attempts.get().saturating_add(1);
                let items = match self.head.len() {
                    // What failed is no more: whatever comes next shows whether the receiver answers again.
                    0 => self.queue.take(limit),
                    // A webhook may have come to take fewer: its administrator has made groups smaller.
                    events => self.queue.take(GroupLimit {
                        events: events.min(terms.group.events),
                        ..terms.group
                    }),
                };
                (items, attempt)
            }
            Phase::Ready if self.is_detached() && !self.pace.allows(now_ms) => return Next::Nothing,
            Phase::Ready => (self.queue.take(limit), 1),
        };
        let previous = self
            .done
            .filter(|done| done.is_of_an_event())
            .map(|done| done.source_offset);
        let Some(group) = Group::new(self.kind(), items, previous) else {
            return Next::Nothing;
        };
        if let Phase::Waiting(failing) = std::mem::replace(&mut self.phase, Phase::Ready) {
            self.retried = Some(failing);
        }
        self.rate.took(now_ms, terms.interval_us);
        let group = Arc::new(group);
        self.in_flight = Some(Arc::clone(&group));
        Next::Send { group, attempt }
    }

    fn kind(&self) -> Kind {
        Kind {
            webhook: self.id,
            lane: self.lane,
            generation: self.generation,
            is_replay: self.is_replaying(),
        }
    }

    /// Takes events off the front that are too old to be sent (D5); they count as done.
    pub(crate) fn drop_expired(&mut self, now_ms: i64) -> Vec<Arc<Delivery>> {
        let mut dropped = Vec::new();
        while self.in_flight.is_none()
            && let Some(item) = self
                .queue
                .pop_first_if(|item| expired(item.delivery.accepted_at, now_ms))
        {
            self.is_done(&item);
            dropped.push(item.delivery);
        }
        if !dropped.is_empty() {
            self.shorten_head();
        }
        dropped
    }
}
