//! One webhook in one lane: what waits for it, and whether it may be sent.
//!
//! Two things are told apart. The **tail** says whether the queue holds everything from the first undone event to the
//! newest (`Attached`), or whether from some place on it must be read back from Kafka (`Detached`). The **phase** says
//! whether a call may start: it may (`Ready`), or the back-off runs (`Waiting`), or the webhook is off (`Off`). A
//! healthy webhook is attached and ready, which DESIGN §7 calls `Live`; waiting is its `Lagging`, and detached but
//! ready its `CatchUp`. A webhook of the batch lane tails nothing: it is detached at its first event, and ready only
//! inside a slot of its timetable.
//!
//! Nothing here waits, reads a clock or does I/O: [`crate::partition`] asks and tells.

mod failing;
mod intake;
mod mark;

use std::collections::VecDeque;
use std::num::NonZeroU32;
use std::sync::Arc;

use angarium_model::{Lane, Revision, WebhookId};
use angarium_policy::expired;
use angarium_proto::delivery::v1::RetryState;

pub(crate) use self::failing::Failing;
use self::failing::Head;
pub(crate) use self::intake::Offered;
pub(crate) use self::mark::Known;
use self::mark::Mark;
use crate::group::{Group, GroupLimit, Item};
use crate::record::Delivery;

/// Where the events behind the queue are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Tail {
    /// In the queue: there are no others.
    Attached,
    /// From this offset of the deliveries topic on, in Kafka.
    Detached { from: i64 },
}

/// Whether a call may start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Ready,
    /// Until the back-off is over (D2).
    Waiting(Failing),
    /// Until the webhook is switched on again, or the registry tells of it (W7). Keeps the back-off.
    Off(Option<Failing>),
}

/// A run of the batch lane: up to the live position at the slot's start, or where a restart finds it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Slot {
    until: i64,
    /// The first event that came after the slot had begun: the next slot starts there.
    beyond: Option<i64>,
}

/// What a webhook wants to do next.
#[derive(Debug)]
pub(crate) enum Next {
    /// Send this group.
    Send { group: Arc<Group>, attempt: u32 },
    /// Nothing now.
    Nothing,
}

/// One webhook in one lane.
#[derive(Debug)]
pub(crate) struct Hook {
    id: WebhookId,
    lane: Lane,
    /// The last event taken into the queue, sent or skipped: what is at or below it is a repetition.
    seen: Option<Mark>,
    /// The last event done.
    done: Option<Mark>,
    queue: VecDeque<Item>,
    queued_bytes: usize,
    tail: Tail,
    phase: Phase,
    slot: Option<Slot>,
    in_flight: Option<Arc<Group>>,
    /// The newest view that any record of this webhook was made under.
    newest_view: Revision,
    /// Attempts of the group in flight that failed before.
    retried: Option<Failing>,
}

impl Hook {
    /// A webhook at its first record, with what Redis remembers of it.
    pub(crate) fn new(id: WebhookId, lane: Lane, stored: Option<&RetryState>) -> Self {
        let done = stored.map(|state| Mark {
            source_offset: state.source_offset,
            revision: Revision::from_offset(state.registry_revision),
        });
        let failing = stored
            .and_then(|state| state.failing.as_ref())
            .and_then(Failing::from_stored);
        Self {
            id,
            lane,
            seen: done,
            done,
            queue: VecDeque::new(),
            queued_bytes: 0,
            tail: Tail::Attached,
            phase: failing.map_or(Phase::Ready, Phase::Waiting),
            slot: None,
            in_flight: None,
            newest_view: Revision::default(),
            retried: None,
        }
    }

    /// What Redis should remember; `None` before anything is done or has failed.
    pub(crate) fn stored(&self) -> Option<RetryState> {
        let failing = self.failing().copied().map(Failing::to_stored);
        if self.done.is_none() && failing.is_none() {
            return None;
        }
        let done = self.done.unwrap_or(Mark {
            source_offset: -1,
            revision: Revision::default(),
        });
        Some(RetryState {
            source_offset: done.source_offset,
            registry_revision: done.revision.offset(),
            failing,
        })
    }

    pub(crate) fn queued_bytes(&self) -> usize {
        self.queued_bytes
    }

    pub(crate) fn newest_view(&self) -> Revision {
        self.newest_view
    }

    /// A record of this webhook was made under that view.
    pub(crate) fn saw_view(&mut self, view: Revision) {
        self.newest_view = self.newest_view.max(view);
    }

    /// Whether events of this webhook are in Kafka only.
    pub(crate) fn is_detached(&self) -> bool {
        self.tail != Tail::Attached
    }

    /// Whether a batch webhook has events for a slot and is in none.
    pub(crate) fn awaits_slot(&self) -> bool {
        self.slot.is_none() && self.is_detached()
    }

    pub(crate) fn is_calling(&self) -> bool {
        self.in_flight.is_some()
    }

    pub(crate) fn is_off(&self) -> bool {
        matches!(self.phase, Phase::Off(_))
    }

    /// How the webhook is failing, if it is.
    pub(crate) fn failing(&self) -> Option<&Failing> {
        match &self.phase {
            Phase::Waiting(failing) | Phase::Off(Some(failing)) => Some(failing),
            Phase::Ready | Phase::Off(None) => self.retried.as_ref(),
        }
    }

    /// The place in the deliveries topic from which on something may be undone; `None` when nothing is. No commit may
    /// pass it.
    pub(crate) fn lowest_undone(&self) -> Option<i64> {
        let called = self
            .in_flight
            .as_ref()
            .and_then(|group| group.items.first())
            .map(|item| item.offset);
        let queued = self.queue.front().map(|item| item.offset);
        let behind = match self.tail {
            Tail::Attached => None,
            Tail::Detached { from } => Some(from),
        };
        let beyond = self.slot.and_then(|slot| slot.beyond);
        [called, queued, behind, beyond].into_iter().flatten().min()
    }

    /// Begins a run of the batch lane: everything below `until` is to be sent. Does nothing during another run.
    pub(crate) fn begin_slot(&mut self, until: i64) {
        if self.slot.is_none() && self.tail != Tail::Attached {
            self.slot = Some(Slot { until, beyond: None });
        }
    }

    /// Switches the webhook off: nothing is sent, and what waits stays in Kafka (W7).
    pub(crate) fn switch_off(&mut self) {
        self.detach();
        self.phase = match self.phase {
            Phase::Waiting(failing) => Phase::Off(Some(failing)),
            Phase::Ready => Phase::Off(None),
            off @ Phase::Off(_) => off,
        };
    }

    /// Switches the webhook on: what waited goes first (W7), and a failing one is tried at once.
    pub(crate) fn switch_on(&mut self, now_ms: i64) {
        if let Phase::Off(failing) = self.phase {
            self.phase = failing.map_or(Phase::Ready, |failing| {
                Phase::Waiting(Failing {
                    next_at_ms: now_ms,
                    ..failing
                })
            });
        }
    }

    /// The next group, if one may go now.
    pub(crate) fn next(&mut self, now_ms: i64, limit: GroupLimit) -> Next {
        if self.in_flight.is_some() {
            return Next::Nothing;
        }
        let (limit, attempt) = match self.phase {
            Phase::Off(_) => return Next::Nothing,
            Phase::Waiting(failing) if failing.next_at_ms > now_ms => return Next::Nothing,
            Phase::Waiting(failing) => match self.head_limit(failing.head) {
                Some(limit) => (limit, failing.attempts.get().saturating_add(1)),
                None => return Next::Nothing,
            },
            Phase::Ready => (limit, 1),
        };
        let items = self.take(limit);
        let Some(group) = Group::new(self.id, self.lane, items) else {
            self.end_slot_if_done();
            return Next::Nothing;
        };
        if let Phase::Waiting(failing) = self.phase {
            self.retried = Some(failing);
            self.phase = Phase::Ready;
        }
        let group = Arc::new(group);
        self.in_flight = Some(Arc::clone(&group));
        Next::Send { group, attempt }
    }

    /// Takes events off the front that are too old to be sent (D5); they count as done.
    pub(crate) fn drop_expired(&mut self, now_ms: i64) -> Vec<Arc<Delivery>> {
        let mut dropped = Vec::new();
        while self.in_flight.is_none()
            && self
                .queue
                .front()
                .is_some_and(|i| expired(i.delivery.accepted_at, now_ms))
        {
            let Some(item) = self.queue.pop_front() else { break };
            self.queued_bytes -= item.delivery.weight();
            self.done = Some(Mark::of(&item.delivery));
            dropped.push(item.delivery);
        }
        if !dropped.is_empty() {
            self.forget_broken_head();
        }
        dropped
    }

    /// The group in flight was taken by the receiver.
    pub(crate) fn succeeded(&mut self) -> Option<Arc<Group>> {
        let group = self.in_flight.take()?;
        self.done = group
            .items
            .last()
            .map(|item| Mark::of(&item.delivery))
            .or(self.done);
        self.retried = None;
        self.end_slot_if_done();
        Some(group)
    }

    /// The group in flight was not taken: it goes back to the front, to be sent again as it is.
    pub(crate) fn failed(
        &mut self,
        now_ms: i64,
        next_at_ms: impl FnOnce(NonZeroU32) -> i64,
    ) -> Option<Arc<Group>> {
        let group = self.in_flight.take()?;
        let last_source_offset = group.items.last()?.delivery.source.offset;
        let head = Head {
            events: group.items.len(),
            last_source_offset,
        };
        for item in group.items.iter().rev() {
            self.queued_bytes += item.delivery.weight();
            self.queue.push_front(item.clone());
        }
        let before = self.retried.take();
        let attempts = before.map_or(NonZeroU32::MIN, |failing| failing.attempts.saturating_add(1));
        let failing = Failing {
            attempts,
            since_ms: before.map_or(now_ms, |failing| failing.since_ms),
            next_at_ms: next_at_ms(attempts),
            head,
        };
        self.phase = match self.phase {
            Phase::Off(_) => Phase::Off(Some(failing)),
            Phase::Ready | Phase::Waiting(_) => Phase::Waiting(failing),
        };
        if self.is_off() {
            self.detach();
        }
        Some(group)
    }

    /// How much of the queue is the group that failed; `None` while it is not all there.
    fn head_limit(&self, head: Head) -> Option<GroupLimit> {
        // A restart may find a slot that ends before the head does: what there is goes, as a group of its own.
        if self.queue.len() < head.events && !self.all_read() {
            return None;
        }
        Some(GroupLimit {
            events: head.events,
            bytes: usize::MAX,
        })
    }

    /// When part of the group that failed has expired, what is left is another group.
    fn forget_broken_head(&mut self) {
        if let Phase::Waiting(failing) = &mut self.phase {
            let front = self
                .queue
                .iter()
                .take_while(|i| i.delivery.source.offset <= failing.head.last_source_offset);
            failing.head.events = front.count().max(1);
        }
    }

    fn take(&mut self, limit: GroupLimit) -> Vec<Item> {
        let mut items = Vec::new();
        let mut bytes = 0;
        while let Some(item) = self.queue.front() {
            let weight = item.delivery.weight();
            if items.len() >= limit.events || (!items.is_empty() && bytes + weight > limit.bytes) {
                break;
            }
            bytes += weight;
            self.queued_bytes -= weight;
            items.extend(self.queue.pop_front());
        }
        items
    }

    /// Whether all that may be sent now is in the queue.
    fn all_read(&self) -> bool {
        match (self.tail, self.slot) {
            (Tail::Attached, _) => true,
            (Tail::Detached { from }, Some(slot)) => from >= slot.until,
            (Tail::Detached { .. }, None) => false,
        }
    }

    /// A slot ends when all below its end has been sent.
    fn end_slot_if_done(&mut self) {
        if self.slot.is_some() && self.all_read() && self.queue.is_empty() && self.in_flight.is_none() {
            self.slot = None;
        }
    }
}
