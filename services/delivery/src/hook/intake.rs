//! How events come to a webhook: from the live end of the topic, or read back when it has fallen behind.

use std::sync::Arc;

use angarium_model::Lane;

use super::mark::{Known, Mark};
use super::{Hook, Phase, Stage, Tail};
use crate::cursor::Head;
use crate::group::Item;
use crate::record::Delivery;

impl Hook {
    /// An event from the live end of the topic: it is queued, unless it was seen, or stays in Kafka.
    pub(crate) fn offer_live(&mut self, offset: i64, delivery: &Arc<Delivery>, known: Known) {
        if offset < self.floor {
            return;
        }
        if self.is_detached() {
            return self.offer_detached(offset, delivery);
        }
        if self.seen.is_some_and(|seen| seen.covers(delivery, known)) {
            return;
        }
        if self.lane == Lane::Realtime && self.queue.fits(delivery) {
            return self.push(offset, delivery);
        }
        self.more = true;
        self.tail = Tail::Detached {
            from: offset,
            join: None,
        };
    }

    fn offer_detached(&mut self, offset: i64, delivery: &Arc<Delivery>) {
        let Tail::Detached { from, join } = &mut self.tail else {
            return;
        };
        match self.slot {
            Some(slot) => self.more |= offset >= slot.until,
            None if self.lane == Lane::Batch && !self.more => {
                // Between its last slot and this event there is nothing for it.
                *from = offset.max(*from);
                self.more = true;
                self.durable.rest_is_over = true;
            }
            None => {}
        }
        let delivery = Arc::clone(delivery);
        if let Some(queueing) = join.as_mut().filter(|join| offset >= join.at())
            && !queueing.push(Item { offset, delivery })
        {
            // Kafka has what was queued, and reading back has not passed the join.
            *join = None;
        }
    }

    /// The offset that a read back should start at, when the webhook could use more events now.
    pub(crate) fn wants_read(&self, now_ms: i64, live_next: i64) -> Option<i64> {
        let Tail::Detached { from, .. } = &self.tail else {
            return None;
        };
        let in_turn = match self.reads_until() {
            Some(until) => *from < until && self.slot.is_none_or(|slot| slot.stage != Stage::Ending),
            // Behind the live position there is nothing yet.
            None => self.lane == Lane::Realtime && *from < live_next,
        };
        let wanted = match &self.phase {
            Phase::Ready => self.queue.is_below_half(),
            Phase::Waiting(failing) => {
                let lacks = match self.head.len() {
                    0 => self.queue.is_empty(),
                    _ => !self.queue.begins_with(&self.head),
                };
                failing.next_at_ms <= now_ms && lacks && !self.is_calling()
            }
            Phase::Off(_) => false,
        };
        (in_turn && wanted).then_some(*from)
    }

    /// An event that was read back; whether another may follow. Events must be offered in order, from
    /// [`Hook::wants_read`] on and none left out.
    pub(crate) fn offer_read_back(&mut self, offset: i64, delivery: &Arc<Delivery>, known: Known) -> bool {
        let Tail::Detached { from, .. } = &self.tail else {
            return true;
        };
        let beyond = self.reads_until().is_some_and(|until| offset >= until);
        if offset < *from || beyond || self.is_off() {
            return true;
        }
        let head = self.awaited_head();
        // What is behind the head waits until it is answered.
        if head.last().is_some_and(|last| offset > last) {
            self.read_to(offset);
            self.shorten_head_unless_whole(&head);
            return false;
        }
        let repeated = if head.is_empty() {
            // What was resent within the range of a replay has its event there.
            let is_twice = self.is_replaying() && delivery.resent;
            is_twice || self.seen.is_some_and(|seen| seen.covers(delivery, known))
        } else {
            !head.contains(offset)
        };
        if !repeated && head.is_empty() && !self.queue.fits(delivery) {
            self.read_to(offset);
            self.queue.found_full();
            return false;
        }
        self.read_to(offset + 1);
        if !repeated {
            self.push(offset, delivery);
        }
        true
    }

    /// Tells that everything of this webhook below `next` was offered and none was refused.
    pub(crate) fn read_back_until(&mut self, next: i64) {
        if self.is_off() {
            return;
        }
        let Tail::Detached { from, .. } = &self.tail else {
            return;
        };
        let until = self.reads_until().unwrap_or(next);
        let next = next.min(until).max(*from);
        self.read_to(next);
        let head = self.awaited_head();
        if head.last().is_some_and(|last| next > last) {
            self.shorten_head_unless_whole(&head);
        }
    }

    /// All of it was read back, but for what may be gone from Kafka.
    fn shorten_head_unless_whole(&mut self, head: &Head) {
        if !self.queue.begins_with(head) {
            self.shorten_head();
        }
    }

    /// The log was cut or created anew: no place that was known says anything of it. What waited is looked for from its
    /// start; what was done is known by the mark.
    pub(crate) fn rescan(&mut self, low: i64) {
        self.floor = 0;
        self.slot = None;
        // What was ordered stood in the other log, and so did the place up to which events go one by one.
        (self.generation, self.order, self.isolating) = (0, None, None);
        if let Some(replay) = self.replay.take() {
            (self.seen, self.done) = (replay.then_done, replay.then_done);
        }
        self.more = true;
        if self.is_detached() {
            self.tail = Tail::Detached {
                from: low,
                join: None,
            };
            self.head = Head::default();
        }
    }

    /// The group that waits for its retry.
    fn awaited_head(&self) -> Head {
        match &self.phase {
            Phase::Waiting(_) => self.head.clone(),
            Phase::Ready | Phase::Off(_) => Head::default(),
        }
    }

    fn read_to(&mut self, next: i64) {
        if let Tail::Detached { from, .. } = &mut self.tail {
            *from = next;
        }
    }

    pub(super) fn push(&mut self, offset: i64, delivery: &Arc<Delivery>) {
        self.seen = Mark::of(delivery).or(self.seen);
        self.queue.push(Item {
            offset,
            delivery: Arc::clone(delivery),
        });
    }
}
