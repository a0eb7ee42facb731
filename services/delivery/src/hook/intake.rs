//! How events come to a webhook: from the live end of the topic, or read back when it has fallen behind.

use std::sync::Arc;

use angarium_model::Lane;

use super::mark::{Known, Mark};
use super::parked::Retry;
use super::queue::{MAX_EVENTS, MAX_HEAD_BYTES};
use super::{Hook, Phase, Retries, Stage, Tail, Window};
use crate::cursor::Head;
use crate::group::{GroupLimit, Item};
use crate::record::Delivery;

/// What is read along for a webhook that cannot send it yet, when memory is short.
const ALONG_BYTES: usize = 16 * 1024;

/// From where on something is to be read back, and for whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// For new groups.
    Stream(i64),
    /// For groups that are parked.
    Parked(i64),
}

/// What was read back for a webhook and is in memory, in bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) enum ReadBytes {
    None,
    /// For a retry whose turn it is.
    Retry(usize),
    /// For a call that begins when there is room.
    Next(usize),
    /// For one that has to wait: for an answer, or for its time.
    Ahead(usize),
}

/// What may be read back now: what waits for a call takes memory that others need.
#[derive(Clone, Copy, Debug)]
pub(crate) struct MayRead {
    /// For retries.
    pub(crate) retries: bool,
    /// For new groups of webhooks that are behind.
    pub(crate) stream: Stream,
}

/// How far new groups may be read ahead.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Stream {
    /// Also while a call is under way: so many bytes of a webhook.
    Ahead(usize),
    /// One group, for a call that may begin at once.
    OneGroup,
    /// A little, of what is read for others: who is passed over has it read for itself later.
    Along,
    Nothing,
}

impl MayRead {
    /// Whatever is of use.
    pub(super) const ALL: Self = Self {
        retries: true,
        stream: Stream::Ahead(usize::MAX),
    };
}

impl Wanted {
    pub(crate) fn from(self) -> i64 {
        match self {
            Self::Stream(from) | Self::Parked(from) => from,
        }
    }
}

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

    /// What it would have read back now, if anything. What is parked and due goes first, as it does when it is sent.
    pub(crate) fn wants_read(&self, now_ms: i64, live_next: i64, may: MayRead) -> Option<Wanted> {
        let stream = self.wants_more(now_ms, live_next, may);
        let parked = match &self.phase {
            _ if !may.retries => None,
            Phase::Ready if self.calls() < self.most => self.parked.lacks_from(now_ms),
            Phase::Waiting(failing) if failing.next_at_ms <= now_ms && self.probe.is_none() => {
                let is_its_turn = self.room().is_none() || (self.queue.is_empty() && stream.is_none());
                let next = self.parked.next().filter(|_| is_its_turn);
                next.and_then(Retry::lacks_from)
            }
            _ => None,
        };
        parked.map(Wanted::Parked).or(stream.map(Wanted::Stream))
    }

    /// What it takes of what is read back for any webhook: what it would have read for itself, and what fills its queue
    /// beyond that. So those that have come equally far, more or less, go on from one place, and are served by one read.
    pub(crate) fn takes(&self, now_ms: i64, live_next: i64, may: MayRead) -> Option<Wanted> {
        self.wants_read(now_ms, live_next, may).or_else(|| {
            let has_room = matches!((&self.phase, may.stream), (Phase::Ready, Stream::Ahead(_)))
                && self.queue.has_room()
                && (self.is_ordered() || self.room().is_some());
            self.may_read_on(live_next)
                .filter(|_| has_room)
                .map(Wanted::Stream)
        })
    }

    /// Where to read on for new groups, if there is anything and it is its turn.
    fn may_read_on(&self, live_next: i64) -> Option<i64> {
        let Tail::Detached { from, .. } = &self.tail else {
            return None;
        };
        let in_turn = match self.reads_until() {
            Some(until) => *from < until && self.slot.is_none_or(|slot| slot.stage != Stage::Ending),
            // Behind the live position there is nothing yet.
            None => self.lane == Lane::Realtime && *from < live_next,
        };
        in_turn.then_some(*from)
    }

    /// Where to read on for new groups, when the webhook could use more events now.
    pub(super) fn wants_more(&self, now_ms: i64, live_next: i64, may: MayRead) -> Option<i64> {
        let from = self.may_read_on(live_next)?;
        let wanted = match &self.phase {
            Phase::Ready => match may.stream {
                // One that has as much parked as it may goes on when less is.
                Stream::Ahead(_) => {
                    self.queue.is_below_half() && (self.is_ordered() || self.room().is_some())
                }
                Stream::OneGroup => self.queue.is_empty() && self.sends_at_once(now_ms),
                Stream::Along => {
                    (self.is_calling() || self.sends_at_once(now_ms))
                        && !self.queue.holds(MAX_EVENTS, ALONG_BYTES)
                }
                Stream::Nothing => false,
            },
            Phase::Waiting(_) if !may.retries => false,
            Phase::Waiting(failing) => {
                let lacks = match self.head.len() {
                    0 => self.queue.is_empty() && self.room().is_some(),
                    _ => !self.queue.begins_with(&self.head),
                };
                failing.next_at_ms <= now_ms && lacks && self.probe.is_none()
            }
            Phase::Off(_) => false,
        };
        wanted.then_some(from)
    }

    /// Whether what comes now could be sent, if there is room for a call.
    fn sends_at_once(&self, now_ms: i64) -> bool {
        let is_free = !self.is_calling() && self.room().is_some();
        is_free && self.rate.allows(now_ms) && self.pace.allows(now_ms)
    }

    /// Whether what is read for new groups is as much as it may be.
    pub(crate) fn has_read_enough(&self, stream: Stream, group: GroupLimit) -> bool {
        let holds_group = || self.queue.holds(group.events, group.bytes.min(MAX_HEAD_BYTES));
        match (&self.phase, stream) {
            // One group shows whether the receiver answers.
            (Phase::Waiting(_), _) => self.head.is_empty() && holds_group(),
            (Phase::Off(_), _) => false,
            (Phase::Ready, Stream::Ahead(most)) => self.queue.bytes() >= most,
            (Phase::Ready, Stream::OneGroup) if self.is_calling() => true,
            (Phase::Ready, Stream::Along) if self.is_calling() => self.queue.holds(group.events, ALONG_BYTES),
            // A call takes it.
            (Phase::Ready, Stream::OneGroup | Stream::Along) => holds_group(),
            (Phase::Ready, Stream::Nothing) => true,
        }
    }

    /// What it has in memory of what was read back, in bytes.
    pub(crate) fn read_bytes(&self, is_retry: bool) -> ReadBytes {
        if is_retry {
            return ReadBytes::Retry(self.queue.bytes() + self.parked.queued_bytes());
        }
        if !self.is_detached() || self.phase != Phase::Ready {
            return ReadBytes::None;
        }
        let waits_for_time = self.rate.is_limited() || self.pace.next_at_ms().is_some();
        if self.is_calling() || waits_for_time || self.room().is_none() {
            ReadBytes::Ahead(self.queue.bytes())
        } else {
            ReadBytes::Next(self.queue.bytes())
        }
    }

    /// An event that was read back; whether another may follow. Events must be offered in order, from what
    /// [`Hook::wants_read`] said on and none left out.
    pub(crate) fn offer_read_back(
        &mut self,
        wanted: Wanted,
        offset: i64,
        delivery: &Arc<Delivery>,
        known: Known,
    ) -> bool {
        match wanted {
            Wanted::Stream(_) => self.offer_to_stream(offset, delivery, known),
            Wanted::Parked(from) => self.parked.offer(from, offset, delivery),
        }
    }

    /// Tells that everything below `next` was offered and none was refused.
    pub(crate) fn read_back_until(&mut self, wanted: Wanted, next: i64) {
        match wanted {
            Wanted::Stream(_) => self.stream_is_at(next),
            Wanted::Parked(from) => self.parked.read_until(from, next),
        }
    }

    fn offer_to_stream(&mut self, offset: i64, delivery: &Arc<Delivery>, known: Known) -> bool {
        let Tail::Detached { from, .. } = &self.tail else {
            return true;
        };
        let beyond = self.reads_until().is_some_and(|until| offset >= until);
        if offset < *from || beyond || self.is_off() {
            return true;
        }
        if self.parked.contains(self.generation, offset) || self.over_ahead.contains(&offset) {
            // It waits for its own retry, or has had it.
            self.seen = Mark::of(delivery).or(self.seen);
            self.read_to(offset + 1);
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

    fn stream_is_at(&mut self, next: i64) {
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
        if self.is_detached() && !self.is_ordered() {
            // What became of those is not waited for, and a mark would cover them.
            (self.window, self.probe) = (Window::default(), None);
            if !self.parked.is_empty() {
                (self.seen, self.done) = (None, None);
            }
            self.parked = Retries::default();
            self.over_ahead.clear();
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

    /// The last event done, if it says in another log too what was done: what is parked does not lie below a mark.
    pub(crate) fn done_in_any_log(&self) -> Option<Mark> {
        let done = self.replay.map_or(self.done, |replay| replay.then_done);
        done.filter(|_| self.parked.is_empty())
    }

    /// It has all up to this event, whatever its cursor says.
    pub(crate) fn has(&mut self, done: Mark) {
        (self.seen, self.done) = (Some(done), Some(done));
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
