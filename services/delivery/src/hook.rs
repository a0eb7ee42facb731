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
mod mark;

use std::collections::VecDeque;
use std::num::NonZeroU32;
use std::sync::Arc;

use angarium_model::{Lane, Revision, WebhookId};
use angarium_policy::expired;
use angarium_proto::delivery::v1::RetryState;

pub(crate) use self::failing::Failing;
use self::failing::Head;
use self::mark::Mark;
use crate::group::{Group, GroupLimit, Item};
use crate::record::Delivery;

/// The bound of one webhook's queue (DESIGN §7): 256 events or 1 MiB, but always one event.
const MAX_QUEUE_EVENTS: usize = 256;
const MAX_QUEUE_BYTES: usize = 1024 * 1024;

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

/// What became of an event that was offered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Offered {
    /// It waits in the queue.
    Queued,
    /// It stays in Kafka for later.
    Left,
    /// The queue is full: it and all behind it stay in Kafka.
    Full,
    /// It had been seen.
    Repeated,
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

    /// An event from the live end of the topic.
    pub(crate) fn offer_live(
        &mut self,
        offset: i64,
        delivery: &Arc<Delivery>,
        changed_at: Revision,
    ) -> Offered {
        if let Tail::Detached { .. } = self.tail {
            if let Some(slot) = &mut self.slot
                && offset >= slot.until
            {
                slot.beyond.get_or_insert(offset);
            }
            return Offered::Left;
        }
        if self.seen.is_some_and(|seen| seen.covers(delivery, changed_at)) {
            return Offered::Repeated;
        }
        if self.lane == Lane::Batch || self.is_off() || !self.fits(delivery) {
            self.tail = Tail::Detached { from: offset };
            return Offered::Left;
        }
        self.push(offset, delivery);
        Offered::Queued
    }

    /// The offset that a read back should start at, when the webhook could use more events now.
    pub(crate) fn wants_read(&self, now_ms: i64) -> Option<i64> {
        let Tail::Detached { from } = self.tail else {
            return None;
        };
        let in_turn = match self.slot {
            Some(slot) => from < slot.until,
            None => self.lane == Lane::Realtime,
        };
        let wanted = match self.phase {
            Phase::Ready => {
                self.queue.len() < MAX_QUEUE_EVENTS / 2 && self.queued_bytes < MAX_QUEUE_BYTES / 2
            }
            Phase::Waiting(failing) => failing.next_at_ms <= now_ms && self.queue.len() < failing.head.events,
            Phase::Off(_) => false,
        };
        (in_turn && wanted).then_some(from)
    }

    /// An event that was read back. Events must be offered in order, from [`Hook::wants_read`] on and none left out;
    /// after [`Offered::Full`] none may follow.
    pub(crate) fn offer_read_back(
        &mut self,
        offset: i64,
        delivery: &Arc<Delivery>,
        changed_at: Revision,
    ) -> Offered {
        let Tail::Detached { from } = self.tail else {
            return Offered::Left;
        };
        if offset < from || self.is_off() || self.slot.is_some_and(|slot| offset >= slot.until) {
            return Offered::Left;
        }
        if self.seen.is_some_and(|seen| seen.covers(delivery, changed_at)) {
            self.tail = Tail::Detached { from: offset + 1 };
            return Offered::Repeated;
        }
        if !self.fits(delivery) {
            self.tail = Tail::Detached { from: offset };
            return Offered::Full;
        }
        self.tail = Tail::Detached { from: offset + 1 };
        self.push(offset, delivery);
        Offered::Queued
    }

    /// Tells that everything of this webhook below `next` was offered and none was refused. The webhook joins the live
    /// stream when `next` has reached its end: no record lies between, and what comes is offered live.
    pub(crate) fn read_back_until(&mut self, next: i64, live_next: i64) {
        let Tail::Detached { from } = self.tail else {
            return;
        };
        if self.is_off() {
            return;
        }
        let from = from.max(next);
        self.tail = match self.slot {
            Some(slot) if from >= slot.until => {
                slot.beyond.map_or(Tail::Attached, |from| Tail::Detached { from })
            }
            None if self.lane == Lane::Realtime && from >= live_next => Tail::Attached,
            _ => Tail::Detached { from },
        };
    }

    /// Starts to read back from `low` when the place to read from is beyond the end of the log.
    pub(crate) fn rescan(&mut self, low: i64, high: i64) {
        if matches!(self.tail, Tail::Detached { from } if from > high) {
            self.tail = Tail::Detached { from: low };
        }
    }

    /// Drops the queue but for the group in flight: Kafka has it. For when memory is short.
    pub(crate) fn detach(&mut self) {
        if let Some(front) = self.queue.front() {
            self.tail = Tail::Detached { from: front.offset };
            self.queue.clear();
            self.queued_bytes = 0;
            // What was queued must come again.
            self.seen = self
                .in_flight
                .as_ref()
                .and_then(|g| g.items.last())
                .map(|i| Mark::of(&i.delivery))
                .or(self.done);
        }
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

    fn push(&mut self, offset: i64, delivery: &Arc<Delivery>) {
        self.seen = Some(Mark::of(delivery));
        self.queued_bytes += delivery.weight();
        self.queue.push_back(Item {
            offset,
            delivery: Arc::clone(delivery),
        });
    }

    fn fits(&self, delivery: &Delivery) -> bool {
        let room =
            self.queue.len() < MAX_QUEUE_EVENTS && self.queued_bytes + delivery.weight() <= MAX_QUEUE_BYTES;
        room || self.queue.is_empty()
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
