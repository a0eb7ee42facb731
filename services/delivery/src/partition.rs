//! All webhooks of one partition of a lane: the part of the partition actor that decides.
//!
//! It is told what happened (a record came, a call was answered, a cursor was acknowledged, time passed, the registry
//! changed) and leaves behind what is to be done as [`Effect`]s; [`crate::actor`] does it. So it runs the same in a
//! simulation, under a clock and hands that may fail anywhere.
//!
//! The one number that must never be wrong is [`Partition::place`]: a new owner starts reading there. It passes a record
//! only when every webhook that the record names is done with it, or has a durable cursor that leads to it.

mod agenda;
mod answered;
mod begin;
mod entries;
mod entry;
mod holding;
#[cfg(any(test, feature = "simulation"))]
mod inspect;
mod kept;
mod progress;
mod read_back;
mod takeover;
mod turns;

use std::collections::{BTreeSet, HashMap};
use std::num::NonZeroU32;
use std::sync::Arc;

use angarium_directory::Directory;
use angarium_model::{AccountId, Lane, Revision, WebhookId};
use angarium_policy::{Backoff, Reminders};

use self::agenda::Agenda;
pub(crate) use self::answered::{Answer, Failed, Settled, Turn};
pub(crate) use self::begin::Call;
use self::entries::Entries;
use self::entry::Entry;
use self::holding::Passed;
pub(crate) use self::kept::Kept;
use self::read_back::Reading;
pub(crate) use self::takeover::Start;
use self::turns::Turns;
use crate::checkpoint::First;
use crate::clocks::Clocks;
use crate::cursor::Cursor;
use crate::group::{Group, GroupLimit};
use crate::hook::{Expired, Order, Remembered, Removed, State};
use crate::record::Delivery;
use crate::target::Subscription;

/// A record of the deliveries topic, read.
#[derive(Clone, Debug)]
pub(crate) struct Incoming {
    pub(crate) offset: i64,
    pub(crate) delivery: Arc<Delivery>,
    pub(crate) webhooks: Vec<WebhookId>,
}

/// What is to be done.
#[derive(Debug)]
pub(crate) enum Effect {
    /// Append to the cursors topic, in this order, and tell [`Partition::appended`]; no cursor: a tombstone, of which
    /// nobody is told.
    Append {
        webhook: WebhookId,
        cursor: Option<Cursor>,
    },
    /// Put on record that the event of a group was refused for good, and tell [`Partition::was_put_aside`].
    PutAside {
        webhook: WebhookId,
        group: Arc<Group>,
        /// How often it failed.
        attempts: NonZeroU32,
        /// What the receiver answered last.
        status: u16,
    },
    /// Note where a webhook stands.
    Stands {
        webhook: WebhookId,
        account: AccountId,
        before: State,
        now: State,
    },
    /// Note that Kafka had removed what waited for a webhook (D5).
    Removed {
        webhook: WebhookId,
        account: AccountId,
        what: Removed,
    },
    /// Note that events were too old to be sent (D5).
    Expired {
        webhook: WebhookId,
        events: Vec<Arc<Delivery>>,
    },
}

/// The rules of a partition.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rules {
    pub(crate) group: GroupLimit,
    pub(crate) backoff: Backoff,
    /// Whether a receiver may lengthen a wait (D2).
    pub(crate) honours_retry_after: bool,
    /// Whether 410 switches a webhook off (D2).
    pub(crate) disables_gone: bool,
    pub(crate) reminders: Reminders,
    /// What all queues together may hold, in bytes; the largest is dropped first (DESIGN §7).
    pub(crate) max_queued_bytes: usize,
}

/// A clock that goes back by less is corrected in passing, and waits are as much longer.
const CLOCK_STEP_MS: i64 = 1_000;

/// All webhooks of one partition of a lane.
#[derive(Debug)]
pub(crate) struct Partition {
    lane: Lane,
    rules: Rules,
    directory: Directory,
    epoch: i64,
    entries: Entries,
    /// What Redis remembered of webhooks that have no cursor, and that no record has named yet.
    remembered: HashMap<WebhookId, Remembered>,
    /// The next offset of the live stream: everything below has been offered.
    live_next: i64,
    /// The end of the log when the partition was taken over: a slot that was missed goes up to there.
    high_at_start: i64,
    /// The last acknowledged place.
    place: i64,
    agenda: Agenda,
    /// Webhooks that may be called now.
    turns: Turns,
    /// Webhooks that are behind.
    behind: Arc<BTreeSet<WebhookId>>,
    reading: Reading,
    /// Webhooks whose entry in Redis is to be written, or removed.
    changed: BTreeSet<WebhookId>,
    live_has_moved: bool,
    first_checkpoint: First,
    clocks: Clocks,
    /// What our clock said last: Unix milliseconds.
    ticked_at_ms: i64,
    passed: Passed,
    effects: Vec<Effect>,
}

impl Partition {
    /// A record of the live stream. It is offered to all its webhooks before any of them goes on: a join in between
    /// would take the record for passed.
    pub(crate) fn live(&mut self, record: &Incoming, now_ms: i64) {
        self.reading.look_again = true;
        for id in &record.webhooks {
            self.offer_live(*id, record, now_ms);
        }
        self.live_next = self.live_next.max(record.offset + 1);
        for id in &record.webhooks {
            self.poke(*id, now_ms);
        }
        self.relieve_memory(now_ms);
    }

    /// An order of the live stream, for a webhook of this account, given under this view.
    pub(crate) fn ordered(
        &mut self,
        id: WebhookId,
        (account, view): (AccountId, Revision),
        order: Order,
        now_ms: i64,
    ) {
        self.reading.look_again = true;
        let is_deleted = self.meet(id, (account, view), order.at, now_ms, |entry| {
            entry.hook.order(order);
        });
        self.live_next = self.live_next.max(order.at + 1);
        if !is_deleted {
            self.poke(id, now_ms);
        }
    }

    /// Whether the live stream goes back with this record. It does so only when the log was cut or created anew: then the
    /// partition is to be taken over again, with what is [kept](Partition::kept) of this one.
    pub(crate) fn goes_back(&self, offset: i64) -> bool {
        offset < self.live_next
    }

    /// A record of the live stream that is none of ours: it is passed.
    pub(crate) fn skip(&mut self, offset: i64) {
        self.reading.look_again = true;
        self.live_next = self.live_next.max(offset + 1);
    }

    fn offer_live(&mut self, id: WebhookId, record: &Incoming, now_ms: i64) {
        let delivery = &record.delivery;
        let of = (delivery.account, delivery.revision);
        self.meet(id, of, record.offset, now_ms, |entry| {
            let known = entry.known();
            entry.hook.offer_live(record.offset, delivery, known);
        });
    }

    /// A record of the live stream names a webhook: unless it was deleted, `then` goes on. Whether it was.
    fn meet(
        &mut self,
        id: WebhookId,
        (account, view): (AccountId, Revision),
        offset: i64,
        now_ms: i64,
        then: impl FnOnce(&mut Entry),
    ) -> bool {
        let (lane, directory, live_next) = (self.lane, &self.directory, self.live_next);
        let now = self.clocks.moment(now_ms);
        let remembered = &mut self.remembered;
        self.entries.ensure(id, || {
            let remembered = remembered.remove(&id);
            Entry::new((id, lane, directory), remembered, (account, view), offset)
        });
        let is_deleted = self.entries.change(id, |entry| {
            if view > entry.hook.newest_view() {
                entry.learn(id, view, directory, now, live_next);
            }
            entry.passes(view, offset);
            let is_deleted = matches!(entry.subscription, Subscription::Deleted);
            if !is_deleted {
                then(entry);
            }
            is_deleted
        });
        let is_deleted = is_deleted == Some(true);
        if is_deleted {
            self.remove(id);
        }
        is_deleted
    }

    /// Time has passed: what is due goes. To be called when [`Partition::next_due`] has come, and at least every few
    /// seconds.
    pub(crate) fn tick(&mut self, now_ms: i64) {
        let back_ms = std::mem::replace(&mut self.ticked_at_ms, now_ms).saturating_sub(now_ms);
        if back_ms >= CLOCK_STEP_MS {
            self.clock_was_set_back(back_ms, now_ms);
        }
        while let Some(id) = self.agenda.pop_due(now_ms) {
            let until = self.live_next.max(self.high_at_start);
            self.entries.change(id, |entry| {
                // Only webhooks of the batch lane have one.
                if entry.slot_at_ms.is_some_and(|at_ms| at_ms <= now_ms)
                    && entry.hook.begin_slot(until, now_ms)
                {
                    entry.slot_at_ms = None;
                }
            });
            self.poke(id, now_ms);
        }
        self.let_place_go(now_ms);
    }

    /// Our clock was ahead, and was put right: what waits must not wait for so much longer.
    fn clock_was_set_back(&mut self, by_ms: i64, now_ms: i64) {
        self.agenda.clear();
        self.passed.clear();
        for id in self.entries.ids() {
            self.entries.change(id, |entry| {
                entry.hook.clock_was_set_back(by_ms);
                // Planned anew.
                entry.slot_at_ms = None;
            });
            self.schedule(id, now_ms);
        }
    }

    /// When [`Partition::tick`] is to be called: Unix milliseconds.
    pub(crate) fn next_due(&self) -> Option<i64> {
        self.agenda.next_due()
    }

    /// The registry has changed: every webhook is looked up anew.
    pub(crate) fn refresh(&mut self, now_ms: i64) {
        let (directory, live_next) = (&self.directory, self.live_next);
        let now = self.clocks.moment(now_ms);
        let mut changed = Vec::new();
        for id in self.entries.ids() {
            let look_up = |entry: &mut Entry| {
                let is_changed = entry.look_up(id, directory, now, live_next);
                is_changed.then(|| entry.hook.is_calling())
            };
            changed.extend(
                self.entries
                    .change(id, look_up)
                    .flatten()
                    .map(|calling| (id, calling)),
            );
        }
        for (id, is_calling) in changed {
            if is_calling {
                self.poke(id, now_ms);
            } else {
                self.go_on(id, now_ms);
            }
        }
    }

    /// Our clock said `now_ms` when the broker had just written a record, at `brokers_ms` by its own.
    pub(crate) fn compare_clocks(&mut self, now_ms: i64, brokers_ms: Option<i64>) -> Option<i64> {
        self.clocks.compare(now_ms, brokers_ms);
        self.clocks.too_far_apart_ms()
    }

    /// What all queues hold, in bytes.
    pub(crate) fn queued_bytes(&self) -> usize {
        self.entries.queued_bytes()
    }

    /// From now on all queues may hold so many bytes.
    pub(crate) fn may_queue(&mut self, bytes: usize, now_ms: i64) {
        let before = std::mem::replace(&mut self.rules.max_queued_bytes, bytes);
        self.reading.look_again |= bytes > before;
        self.relieve_memory(now_ms);
    }

    /// What is to be done now.
    pub(crate) fn take_effects(&mut self) -> Vec<Effect> {
        std::mem::take(&mut self.effects)
    }

    /// Has the webhook called if it may be now, and sees to it that it is asked again in time.
    fn poke(&mut self, id: WebhookId, now_ms: i64) {
        let live_next = self.live_next;
        self.entries.change(id, |entry| entry.hook.take_order(live_next));
        self.expire(id, now_ms);
        self.line_up(id, now_ms);
        self.schedule(id, now_ms);
    }

    /// Passes what is too old to be sent (D5).
    fn expire(&mut self, id: WebhookId, now_ms: i64) {
        if !self.clocks.agree(now_ms) {
            return;
        }
        let expired = self.entries.change(id, |entry| match entry.subscription {
            Subscription::Active(_) => entry.hook.drop_expired(now_ms),
            Subscription::Held { .. } | Subscription::Deleted => Expired::default(),
        });
        let expired = expired.unwrap_or_default();
        if expired.any {
            self.changed.insert(id);
            self.live_has_moved = true;
        }
        if !expired.lost.is_empty() {
            let events = expired.lost;
            self.effects.push(Effect::Expired { webhook: id, events });
        }
    }

    /// Takes the steps that wait for nobody, writes the cursor that is due, and notes when the webhook is due next.
    fn schedule(&mut self, id: WebhookId, now_ms: i64) {
        let live_next = self.live_next;
        let scheduled = self.entries.change(id, |entry| {
            entry.hook.advance(live_next);
            let cursor = entry.hook.due_cursor(live_next, now_ms);
            let due = [entry.plan_slot(now_ms), entry.hook.waits_until(now_ms)];
            (cursor, entry.hook.is_detached(), due, entry.stands(id))
        });
        let Some((cursor, is_detached, due, stands)) = scheduled else {
            return;
        };
        self.reading.look_again |= is_detached;
        self.effects.extend(stands);
        if cursor.is_some() {
            self.effects.push(Effect::Append { webhook: id, cursor });
            self.changed.insert(id);
        }
        // Whoever reads for them may have the set: it is copied only when it changes.
        match (is_detached, self.behind.contains(&id)) {
            (true, false) => drop(Arc::make_mut(&mut self.behind).insert(id)),
            (false, true) => {
                Arc::make_mut(&mut self.behind).remove(&id);
                self.changed.insert(id);
            }
            (true, true) | (false, false) => {}
        }
        for at_ms in due.into_iter().flatten() {
            self.agenda.add(at_ms, id);
        }
    }

    /// Forgets a deleted webhook and all that waits for it, its cursor too.
    fn remove(&mut self, id: WebhookId) {
        let Some(entry) = self.entries.get(id).filter(|entry| !entry.hook.is_calling()) else {
            return;
        };
        if entry.hook.is_on_record() {
            self.effects.push(Effect::Append {
                webhook: id,
                cursor: None,
            });
        }
        self.entries.remove(id);
        Arc::make_mut(&mut self.behind).remove(&id);
        self.changed.insert(id);
    }

    /// Keeps all queues together within their bound: the largest goes first, Kafka has it.
    fn relieve_memory(&mut self, now_ms: i64) {
        let live_next = self.live_next;
        while self.entries.queued_bytes() > self.rules.max_queued_bytes
            && let Some(id) = self.entries.fullest()
        {
            self.entries.change(id, |entry| entry.drop_queues(live_next));
            self.schedule(id, now_ms);
        }
    }
}

#[cfg(test)]
mod tests;
