//! All webhooks of one partition of a lane: the part of the partition actor that decides.
//!
//! It is told what happened (a record came, a call was answered, a cursor was acknowledged, time passed, the registry
//! changed) and leaves behind what is to be done as [`Effect`]s; [`crate::actor`] does it. So it runs the same in a
//! simulation, under a clock and hands that may fail anywhere.
//!
//! The one number that must never be wrong is [`Partition::place`]: a new owner starts reading there. It passes a record
//! only when every webhook that the record names is done with it, or has a durable cursor that leads to it.

mod agenda;
mod entry;
mod progress;
mod read_back;
mod takeover;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use angarium_directory::Directory;
use angarium_model::{Lane, WebhookId};
use angarium_policy::{Backoff, ErrorClass, Failure, Verdict};

use self::agenda::Agenda;
use self::entry::Entry;
pub(crate) use self::takeover::Start;
use crate::checkpoint::First;
use crate::cursor::Cursor;
use crate::group::{Group, GroupLimit};
use crate::hook::{Next, Remembered, Setback};
use crate::record::Delivery;
use crate::target::{Subscription, Target};

/// A record of the deliveries topic, read.
#[derive(Debug)]
pub(crate) struct Incoming {
    pub(crate) offset: i64,
    pub(crate) delivery: Arc<Delivery>,
    pub(crate) webhooks: Vec<WebhookId>,
}

/// What is to be done.
#[derive(Debug)]
pub(crate) enum Effect {
    /// Call the receiver, and tell [`Partition::answered`] or [`Partition::not_sent`].
    Call {
        webhook: WebhookId,
        target: Arc<Target>,
        group: Arc<Group>,
        attempt: u32,
    },
    /// Append to the cursors topic, in this order, and tell [`Partition::appended`]; no cursor: a tombstone, of which
    /// nobody is told.
    Append {
        webhook: WebhookId,
        cursor: Option<Cursor>,
    },
    /// Note that events were too old to be sent (D5).
    Expired {
        webhook: WebhookId,
        events: Vec<Arc<Delivery>>,
    },
}

/// How a call ended.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Answer {
    pub(crate) verdict: Verdict,
    /// How long the receiver took, in milliseconds.
    pub(crate) took_ms: i64,
    /// From 0 to 1: how much the webhook's back-off is shortened.
    pub(crate) jitter: f64,
}

/// What a call's end meant for its webhook, for the journal.
#[derive(Debug)]
pub(crate) struct Settled {
    pub(crate) group: Arc<Group>,
    /// When the group is sent again: Unix milliseconds; `None` when it was taken.
    pub(crate) next_attempt_at_ms: Option<i64>,
}

/// The rules of a partition.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rules {
    pub(crate) group: GroupLimit,
    pub(crate) backoff: Backoff,
    /// What all queues together may hold, in bytes; the largest is dropped first (DESIGN §7).
    pub(crate) max_queued_bytes: usize,
}

/// All webhooks of one partition of a lane.
#[derive(Debug)]
pub(crate) struct Partition {
    lane: Lane,
    rules: Rules,
    directory: Directory,
    epoch: i64,
    /// Ordered, so that the same things happening do the same again: a failing seed must fail again.
    entries: BTreeMap<WebhookId, Entry>,
    /// What Redis remembered of webhooks that have no cursor, and that no record has named yet.
    remembered: HashMap<WebhookId, Remembered>,
    /// The next offset of the live stream: everything below has been offered.
    live_next: i64,
    /// The end of the log when the partition was taken over: a slot that was missed goes up to there.
    high_at_start: i64,
    /// The last acknowledged place.
    place: i64,
    agenda: Agenda,
    /// Webhooks that are behind.
    behind: BTreeSet<WebhookId>,
    /// The one that was read back for last.
    served: Option<WebhookId>,
    queued_bytes: usize,
    /// Webhooks whose entry in Redis is to be written, or removed.
    changed: BTreeSet<WebhookId>,
    live_has_moved: bool,
    first_checkpoint: First,
    effects: Vec<Effect>,
}

impl Partition {
    /// A record of the live stream. It is offered to all its webhooks before any of them goes on: a join in between
    /// would take the record for passed.
    pub(crate) fn live(&mut self, record: &Incoming, now_ms: i64) {
        if record.offset < self.live_next {
            // Reading goes back only when the log does not have the place any more.
            self.log_was_cut(record.offset);
            self.live_next = record.offset;
        }
        for id in &record.webhooks {
            self.offer_live(*id, record, now_ms);
        }
        self.live_next = self.live_next.max(record.offset + 1);
        for id in &record.webhooks {
            self.poke(*id, now_ms);
        }
        self.relieve_memory(now_ms);
    }

    /// A record of the live stream that is none of ours: it is passed.
    pub(crate) fn skip(&mut self, offset: i64) {
        self.live_next = self.live_next.max(offset + 1);
    }

    fn offer_live(&mut self, id: WebhookId, record: &Incoming, now_ms: i64) {
        let (lane, directory, live_next) = (self.lane, &self.directory, self.live_next);
        let remembered = &mut self.remembered;
        let entry = self.entries.entry(id).or_insert_with(|| {
            let remembered = remembered.remove(&id);
            Entry::new(id, lane, remembered, &record.delivery, directory, record.offset)
        });
        let before = entry.hook.queued_bytes();
        if record.delivery.revision > entry.hook.newest_view() {
            entry.learn(id, record.delivery.revision, directory, now_ms, live_next);
        }
        let is_deleted = matches!(entry.subscription, Subscription::Deleted);
        if !is_deleted {
            let known = entry.known();
            entry.hook.offer_live(record.offset, &record.delivery, known);
        }
        self.queued_bytes = self.queued_bytes + entry.hook.queued_bytes() - before;
        if is_deleted {
            self.remove(id);
        }
    }

    /// A call has ended.
    pub(crate) fn answered(&mut self, id: WebhookId, answer: Answer, now_ms: i64) -> Option<Settled> {
        let live_next = self.live_next;
        let entry = self.entries.get_mut(&id)?;
        let before = entry.hook.queued_bytes();
        let settled = match answer.verdict {
            Verdict::Delivered => Settled {
                group: entry.hook.succeeded(now_ms, answer.took_ms)?,
                next_attempt_at_ms: None,
            },
            failed => {
                let mut due = now_ms;
                let backoff = self.rules.backoff;
                let next_at_ms = |attempts| {
                    due = now_ms.saturating_add(millis(delay(backoff, attempts, answer.jitter, failed)));
                    due
                };
                let group = entry
                    .hook
                    .failed(now_ms, live_next, setback(failed), next_at_ms)?;
                Settled {
                    group,
                    next_attempt_at_ms: Some(due),
                }
            }
        };
        self.queued_bytes = self.queued_bytes + entry.hook.queued_bytes() - before;
        self.note_progress(id);
        self.go_on(id, now_ms);
        self.relieve_memory(now_ms);
        Some(settled)
    }

    /// A call was not made, through no fault of the receiver: its group is to be sent as if nothing had happened.
    pub(crate) fn not_sent(&mut self, id: WebhookId, now_ms: i64) {
        if let Some(entry) = self.entries.get_mut(&id) {
            let before = entry.hook.queued_bytes();
            entry.hook.not_sent();
            self.queued_bytes = self.queued_bytes + entry.hook.queued_bytes() - before;
            self.go_on(id, now_ms);
        }
    }

    /// Behind the end of a call: the next one, or the end of a webhook that was deleted meanwhile.
    fn go_on(&mut self, id: WebhookId, now_ms: i64) {
        match self.entries.get(&id).map(|entry| &entry.subscription) {
            Some(Subscription::Deleted) => self.remove(id),
            _ => self.poke(id, now_ms),
        }
    }

    /// Time has passed: what is due goes.
    pub(crate) fn tick(&mut self, now_ms: i64) {
        while let Some(id) = self.agenda.pop_due(now_ms) {
            let until = self.live_next.max(self.high_at_start);
            if let Some(entry) = self.entries.get_mut(&id) {
                if self.lane == Lane::Batch && entry.slot_at_ms.is_some_and(|at| at <= now_ms) {
                    entry.slot_at_ms = None;
                    entry.hook.begin_slot(until);
                }
                self.poke(id, now_ms);
            }
        }
    }

    /// When [`Partition::tick`] is to be called: Unix milliseconds.
    pub(crate) fn next_due(&self) -> Option<i64> {
        self.agenda.next_due()
    }

    /// The registry has changed: every webhook is looked up anew.
    pub(crate) fn refresh(&mut self, now_ms: i64) {
        let ids: Vec<WebhookId> = self.entries.keys().copied().collect();
        for id in ids {
            let Some(entry) = self.entries.get_mut(&id) else {
                continue;
            };
            let before = entry.hook.queued_bytes();
            let changed = entry.look_up(id, &self.directory, now_ms, self.live_next);
            self.queued_bytes = self.queued_bytes + entry.hook.queued_bytes() - before;
            if changed && !entry.hook.is_calling() {
                self.go_on(id, now_ms);
            } else if changed {
                self.schedule(id, now_ms);
            }
        }
    }

    /// What all queues hold, in bytes.
    #[cfg(any(test, feature = "simulation"))]
    pub(crate) fn queued_bytes(&self) -> usize {
        self.queued_bytes
    }

    /// Where it stands, for a person.
    #[cfg(any(test, feature = "simulation"))]
    pub(crate) fn waits(&self) -> String {
        let hooks = self.entries.values().map(|entry| format!("{:?}", entry.hook));
        format!(
            "place {}, live {}, {}",
            self.place,
            self.live_next,
            hooks.collect::<Vec<_>>().join("\n")
        )
    }

    /// Whether all below `end` is done and on record.
    #[cfg(any(test, feature = "simulation"))]
    pub(crate) fn is_at_rest(&self, end: i64) -> bool {
        self.place >= end
            && self
                .entries
                .values()
                .all(|entry| entry.hook.resume(self.live_next) >= end)
    }

    /// What is to be done now.
    pub(crate) fn take_effects(&mut self) -> Vec<Effect> {
        std::mem::take(&mut self.effects)
    }

    /// Sends what the webhook may send now, and sees to it that it is asked again in time.
    fn poke(&mut self, id: WebhookId, now_ms: i64) {
        let Some(entry) = self.entries.get_mut(&id) else {
            return;
        };
        if let Subscription::Active(target) = &entry.subscription {
            let before = entry.hook.queued_bytes();
            let events = entry.hook.drop_expired(now_ms);
            if !events.is_empty() {
                self.effects.push(Effect::Expired { webhook: id, events });
                self.changed.insert(id);
                self.live_has_moved = true;
            }
            if let Next::Send { group, attempt } = entry.hook.next(now_ms, self.rules.group) {
                let target = Arc::clone(target);
                self.effects.push(Effect::Call {
                    webhook: id,
                    target,
                    group,
                    attempt,
                });
            }
            self.queued_bytes = self.queued_bytes + entry.hook.queued_bytes() - before;
        }
        self.schedule(id, now_ms);
    }

    /// Takes the steps that wait for nobody, writes the cursor that is due, and notes when the webhook is due next.
    fn schedule(&mut self, id: WebhookId, now_ms: i64) {
        let Some(entry) = self.entries.get_mut(&id) else {
            return;
        };
        entry.hook.advance(self.live_next);
        if let Some(cursor) = entry.hook.due_cursor(self.live_next, now_ms) {
            self.effects.push(Effect::Append {
                webhook: id,
                cursor: Some(cursor),
            });
            self.changed.insert(id);
        }
        if entry.hook.is_detached() {
            self.behind.insert(id);
        } else if self.behind.remove(&id) {
            self.changed.insert(id);
        }
        if let Some(slot_at_ms) = entry.plan_slot(now_ms) {
            self.agenda.add(slot_at_ms, id);
        }
        if let Some(at_ms) = entry.hook.waits_until().filter(|at_ms| *at_ms > now_ms) {
            self.agenda.add(at_ms, id);
        }
    }

    /// Forgets a deleted webhook and all that waits for it, its cursor too.
    fn remove(&mut self, id: WebhookId) {
        let Some(entry) = self.entries.get(&id).filter(|entry| !entry.hook.is_calling()) else {
            return;
        };
        self.queued_bytes -= entry.hook.queued_bytes();
        if entry.hook.is_on_record() {
            self.effects.push(Effect::Append {
                webhook: id,
                cursor: None,
            });
        }
        self.entries.remove(&id);
        self.behind.remove(&id);
        self.changed.insert(id);
    }

    /// Keeps all queues together within their bound: the largest goes first, Kafka has it.
    fn relieve_memory(&mut self, now_ms: i64) {
        while self.queued_bytes > self.rules.max_queued_bytes {
            let largest = self
                .entries
                .iter_mut()
                .max_by_key(|(_, entry)| entry.hook.queued_bytes());
            let Some((id, entry)) = largest.filter(|(_, entry)| entry.hook.queued_bytes() > 0) else {
                return;
            };
            let id = *id;
            self.queued_bytes -= entry.hook.queued_bytes();
            entry.hook.detach(self.live_next);
            self.queued_bytes += entry.hook.queued_bytes();
            self.schedule(id, now_ms);
        }
    }
}

fn setback(verdict: Verdict) -> Setback {
    match verdict {
        Verdict::TooLarge => Setback::TooLarge,
        Verdict::Retry {
            class: ErrorClass::NoAnswer(Failure::AnswerTimeout),
            ..
        } => Setback::TimedOut,
        _ => Setback::Other,
    }
}

fn delay(backoff: Backoff, attempts: NonZeroU32, jitter: f64, verdict: Verdict) -> Duration {
    match verdict {
        Verdict::Retry {
            not_before: Some(not_before),
            ..
        } => backoff.delay_honouring(attempts, jitter, Some(not_before)),
        _ => backoff.delay(attempts, jitter),
    }
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests;
