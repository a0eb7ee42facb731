//! How events come to a webhook: from the live end of the topic, or read back when it has fallen behind.

use std::sync::Arc;

use angarium_model::Lane;

use super::mark::{Known, Mark};
use super::{Hook, Phase, Tail};
use crate::group::Item;
use crate::record::Delivery;

/// The bound of one webhook's queue (DESIGN §7): 256 events or 1 MiB, but always one event.
const MAX_QUEUE_EVENTS: usize = 256;
const MAX_QUEUE_BYTES: usize = 1024 * 1024;

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

impl Hook {
    /// An event from the live end of the topic.
    pub(crate) fn offer_live(&mut self, offset: i64, delivery: &Arc<Delivery>, known: Known) -> Offered {
        if let Tail::Detached { .. } = self.tail {
            self.note_beyond(offset);
            return Offered::Left;
        }
        if self.seen.is_some_and(|seen| seen.covers(delivery, known)) {
            return Offered::Repeated;
        }
        if self.lane == Lane::Batch || self.is_off() || !self.fits(delivery) {
            self.note_beyond(offset);
            self.tail = Tail::Detached { from: offset };
            return Offered::Left;
        }
        self.push(offset, delivery);
        Offered::Queued
    }

    /// Notes the first event that comes after the slot has begun. The slot may be read again, from its start, and must
    /// still know of it.
    fn note_beyond(&mut self, offset: i64) {
        if let Some(slot) = &mut self.slot
            && offset >= slot.until
        {
            slot.beyond.get_or_insert(offset);
        }
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
    pub(crate) fn offer_read_back(&mut self, offset: i64, delivery: &Arc<Delivery>, known: Known) -> Offered {
        let Tail::Detached { from } = self.tail else {
            return Offered::Left;
        };
        if offset < from || self.is_off() || self.slot.is_some_and(|slot| offset >= slot.until) {
            return Offered::Left;
        }
        if self.seen.is_some_and(|seen| seen.covers(delivery, known)) {
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
}
