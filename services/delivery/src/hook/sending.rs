//! What a webhook may be sent now, and when it may be asked again.

use std::sync::Arc;

use angarium_policy::expired;

use super::{Hook, Last, MayRead, Phase, Stage};
use crate::group::{Group, GroupLimit, Kind};
use crate::record::Delivery;
use crate::target::Terms;

/// Which calls a call shares its room with, so that receivers that hang, or come back, take nothing from those that are
/// well (DESIGN §7, isolation).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Class {
    /// First attempts of webhooks that keep up.
    Live,
    /// First attempts of webhooks that are behind: catching up, in a slot, in a replay.
    CatchUp,
    /// Retries, and what shows whether a receiver answers again.
    Retry,
}

impl Class {
    /// In the order in which they are served: of a webhook's retries and its new groups, neither starves the other.
    pub(crate) const ALL: [Self; 3] = [Self::Retry, Self::CatchUp, Self::Live];

    /// As metrics call it.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::CatchUp => "catch_up",
            Self::Retry => "retry",
        }
    }
}

impl Hook {
    /// When it may be asked again for its next group, later than now: Unix milliseconds; `None` when time changes nothing.
    pub(crate) fn waits_until(&self, now_ms: i64) -> Option<i64> {
        if self.calls() >= self.most || self.probe.is_some() {
            return None;
        }
        let rate = self.rate.next_at_ms();
        let (new, retry) = match &self.phase {
            Phase::Waiting(failing) => (Some(failing.next_at_ms.max(rate)), None),
            Phase::Ready => {
                let pace = self.pace.next_at_ms().filter(|_| self.is_detached());
                let retry = self.parked.next().map(|retry| retry.next_at_ms.max(rate));
                (
                    pace.max(Some(rate).filter(|_| !self.queue.is_empty())),
                    retry.map(|at_ms| pace.map_or(at_ms, |pace| pace.max(at_ms))),
                )
            }
            Phase::Off(_) => (None, None),
        };
        let later = [new, retry].into_iter().flatten().filter(|at_ms| *at_ms > now_ms);
        later.min()
    }

    /// Whether a call of this class may begin now.
    pub(crate) fn may_call(&mut self, class: Class, now_ms: i64, live_next: i64, terms: Terms) -> bool {
        self.most = terms.in_flight;
        let in_turn = self.slot.is_none_or(|slot| slot.stage == Stage::Running);
        let is_held = self.order.is_some() || !in_turn || !self.rate.allows(now_ms);
        // A receiver that is to show that it answers, or has just come back, is sent one at a time.
        let is_slow = self.is_detached() && self.pace.next_at_ms().is_some();
        let most = if is_slow { 1 } else { self.most };
        if is_held || self.probe.is_some() || self.calls() >= most {
            return false;
        }
        match (&self.phase, class) {
            (Phase::Off(_), _) => false,
            (Phase::Waiting(failing), Class::Retry) => {
                failing.next_at_ms <= now_ms && self.has_probe(now_ms, live_next)
            }
            (Phase::Waiting(_), Class::Live | Class::CatchUp) => false,
            (Phase::Ready, _) if self.is_detached() && !self.pace.allows(now_ms) => false,
            (Phase::Ready, Class::Retry) => self.parked.has_whole(now_ms),
            (Phase::Ready, Class::CatchUp) => self.is_detached() && self.has_new(),
            (Phase::Ready, Class::Live) => !self.is_detached() && self.has_new(),
        }
    }

    /// The group that goes now, and which attempt of it, if a call of this class may begin.
    pub(crate) fn next(
        &mut self,
        class: Class,
        now_ms: i64,
        live_next: i64,
        terms: Terms,
    ) -> Option<(Arc<Group>, u32)> {
        if !self.may_call(class, now_ms, live_next, terms) {
            return None;
        }
        let (group, attempt) = match (&self.phase, class) {
            (Phase::Waiting(failing), _) => {
                let attempt = failing.attempts.get().saturating_add(1);
                self.choose_probe(now_ms, live_next, terms, attempt)
            }
            (Phase::Off(_) | Phase::Ready, Class::Retry) => self.choose_retry(now_ms),
            (Phase::Off(_) | Phase::Ready, Class::CatchUp | Class::Live) => {
                self.choose_new(terms.group).map(|group| (group, 1))
            }
        }?;
        if let Phase::Waiting(failing) = std::mem::replace(&mut self.phase, Phase::Ready) {
            self.probe = Some((Arc::clone(&group), failing));
        }
        self.rate.took(now_ms, terms.interval_us);
        Some((group, attempt))
    }

    /// Whether [`Hook::choose_new`] has something to choose.
    fn has_new(&self) -> bool {
        !self.queue.is_empty() && self.room().is_some()
    }

    /// Whether [`Hook::choose_probe`] has.
    fn has_probe(&self, now_ms: i64, live_next: i64) -> bool {
        self.queue.begins_with(&self.head)
            && (self.has_new()
                || (self.wants_more(now_ms, live_next, MayRead::ALL).is_none()
                    && self.is_next_parked_whole()))
    }

    fn is_next_parked_whole(&self) -> bool {
        let next = self.parked.next();
        next.is_some_and(|retry| self.parked.has_whole(retry.next_at_ms))
    }

    /// The group that shows whether the receiver answers again: the one that failed; else one that was not tried yet;
    /// else, unless there may be such a one in Kafka, that of those that are parked whose turn it is.
    fn choose_probe(
        &mut self,
        now_ms: i64,
        live_next: i64,
        terms: Terms,
        attempt: u32,
    ) -> Option<(Arc<Group>, u32)> {
        if !self.queue.begins_with(&self.head) {
            return None;
        }
        let limit = match self.head.len() {
            // What failed is no more, or is parked: whatever comes next shows it.
            0 => terms.group,
            // A webhook may have come to take fewer: its administrator has made groups smaller.
            events => GroupLimit {
                events: events.min(terms.group.events),
                ..terms.group
            },
        };
        if let Some(group) = self.choose_new(limit) {
            return Some((group, attempt));
        }
        if self.wants_more(now_ms, live_next, MayRead::ALL).is_some() {
            return None;
        }
        // Not another one that is whole before it: it would never be read.
        let due_ms = self.parked.next()?.next_at_ms;
        self.choose_retry(due_ms)
    }

    /// The next group of those that were not tried yet, or were not parked.
    fn choose_new(&mut self, limit: GroupLimit) -> Option<Arc<Group>> {
        let room = self.room()?;
        let limit = match self.head.len() {
            0 => self.narrowed_to(limit),
            _ => limit,
        };
        let limit = if self.is_ordered() {
            limit
        } else {
            GroupLimit {
                events: limit.events.min(room.events),
                bytes: limit.bytes.min(room.bytes),
                ..limit
            }
        };
        let items = self.queue.take(limit);
        let group = Arc::new(Group::new(self.kind(), items, self.previous())?);
        self.window.begin(&group);
        Some(group)
    }

    /// Of the last event that was acknowledged before any that is not.
    pub(super) fn previous(&self) -> Option<i64> {
        let done = self
            .done
            .filter(|done| done.is_of_an_event() && self.parked.is_empty());
        done.map(|done| done.source_offset)
    }

    pub(super) fn kind(&self) -> Kind {
        Kind {
            webhook: self.id,
            lane: self.lane,
            generation: self.generation,
            is_replay: self.is_replaying(),
        }
    }

    /// Takes events off the front, and out of what is parked, that are too old to be sent (D5); they count as done.
    pub(crate) fn drop_expired(&mut self, now_ms: i64) -> Expired {
        let is_over = |delivery: &Delivery| expired(delivery.accepted_at, now_ms);
        let mut dropped = Expired::default();
        while (self.window.is_empty() || self.most > 1)
            && let Some(item) = self.queue.pop_first_if(|item| is_over(&item.delivery))
        {
            if self.window.is_empty() {
                self.is_done(Last::of(&item));
            } else {
                self.window.pass(&item);
            }
            self.head = self.head.behind(item.offset);
            dropped.note(self.is_replaying(), item.delivery);
        }
        for (is_replay, delivery) in self.parked.drop_expired(is_over) {
            dropped.note(is_replay, delivery);
        }
        dropped
    }
}

/// Events that were too old to be sent.
#[derive(Debug, Default)]
pub(crate) struct Expired {
    /// Whether there were any.
    pub(crate) any: bool,
    /// Those that nobody had got: what a replay finds too old, or is resent, was done in its time.
    pub(crate) lost: Vec<Arc<Delivery>>,
}

impl Expired {
    fn note(&mut self, is_replay: bool, delivery: Arc<Delivery>) {
        self.any = true;
        if !is_replay && !delivery.resent {
            self.lost.push(delivery);
        }
    }
}
