//! All webhooks of one partition of a lane: the part of the partition actor that decides.
//!
//! It is told what happened (a record came, a call was answered, time passed, the registry changed) and leaves behind
//! what is to be done as [`Effect`]s; [`crate::actor`] does it. So it runs the same under a test's clock and hands.
//!
//! The one number that must never be wrong is [`Partition::lowest_undone`]: Kafka's committed offset follows it, and a
//! new owner starts reading there. It passes a record only when every webhook that the record names is done with it.

mod agenda;
mod entry;
mod read_back;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use angarium_directory::Directory;
use angarium_model::{Lane, WebhookId};
use angarium_policy::{Backoff, Verdict};
use angarium_proto::delivery::v1::RetryState;

use self::agenda::Agenda;
use self::entry::Entry;
use crate::group::{Group, GroupLimit};
use crate::hook::{Next, Offered};
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
    /// Call the receiver, and tell [`Partition::answered`].
    Call {
        webhook: WebhookId,
        target: Arc<Target>,
        group: Arc<Group>,
        attempt: u32,
    },
    /// Note that events were too old to be sent (D5).
    Expired {
        webhook: WebhookId,
        events: Vec<Arc<Delivery>>,
    },
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
    /// Ordered, so that the same things happening do the same again: a failing seed must fail again.
    entries: BTreeMap<WebhookId, Entry>,
    /// What Redis remembered of webhooks that no record has named yet.
    stored: HashMap<WebhookId, RetryState>,
    /// The next offset of the live stream: everything below has been offered.
    live_next: i64,
    agenda: Agenda,
    /// Webhooks that wait for events from Kafka.
    behind: BTreeSet<WebhookId>,
    queued_bytes: usize,
    changed: BTreeSet<WebhookId>,
    effects: Vec<Effect>,
}

impl Partition {
    /// A partition whose live stream begins at `start`, with what Redis remembered of it. A back-off that ends later
    /// than any can was written by a clock that was wrong: it is cut.
    pub(crate) fn new(
        lane: Lane,
        rules: Rules,
        directory: Directory,
        start: i64,
        mut stored: HashMap<WebhookId, RetryState>,
        now_ms: i64,
    ) -> Self {
        let latest_ms = now_ms.saturating_add(millis(rules.backoff.longest()));
        for failing in stored.values_mut().filter_map(|state| state.failing.as_mut()) {
            failing.next_at_ms = failing.next_at_ms.min(latest_ms);
        }
        Self {
            lane,
            rules,
            directory,
            entries: BTreeMap::new(),
            stored,
            live_next: start,
            agenda: Agenda::default(),
            behind: BTreeSet::new(),
            queued_bytes: 0,
            changed: BTreeSet::new(),
            effects: Vec::new(),
        }
    }

    /// A record of the live stream.
    pub(crate) fn live(&mut self, record: &Incoming, now_ms: i64) {
        for id in &record.webhooks {
            self.offer_live(*id, record, now_ms);
        }
        self.live_next = record.offset + 1;
    }

    /// A record of the live stream that is none of ours: it is passed.
    pub(crate) fn skip(&mut self, offset: i64) {
        self.live_next = offset + 1;
    }

    fn offer_live(&mut self, id: WebhookId, record: &Incoming, now_ms: i64) {
        let (lane, directory) = (self.lane, &self.directory);
        let stored = &mut self.stored;
        let entry = self.entries.entry(id).or_insert_with(|| {
            let stored = stored.remove(&id);
            Entry::new(id, lane, stored.as_ref(), &record.delivery, directory)
        });
        if record.delivery.revision > entry.hook.newest_view() {
            entry.learn(id, record.delivery.revision, directory, now_ms);
        }
        if matches!(entry.subscription, Subscription::Deleted) {
            self.remove(id);
            return;
        }
        let known = entry.known();
        let before = entry.hook.queued_bytes();
        let offered = entry.hook.offer_live(record.offset, &record.delivery, known);
        self.queued_bytes += entry.hook.queued_bytes() - before;
        match offered {
            Offered::Queued => self.poke(id, now_ms),
            Offered::Left | Offered::Full => self.schedule(id, now_ms),
            Offered::Repeated => {}
        }
        self.relieve_memory();
    }

    /// What was to be remembered of these webhooks was not: it is still to be.
    pub(crate) fn not_saved(&mut self, changed: impl IntoIterator<Item = WebhookId>) {
        self.changed.extend(changed);
    }

    /// A call has ended.
    pub(crate) fn answered(
        &mut self,
        id: WebhookId,
        verdict: Verdict,
        jitter: f64,
        now_ms: i64,
    ) -> Option<Settled> {
        let entry = self.entries.get_mut(&id)?;
        let before = entry.hook.queued_bytes();
        let settled = match verdict {
            Verdict::Delivered => Settled {
                group: entry.hook.succeeded()?,
                next_attempt_at_ms: None,
            },
            failed => {
                let mut due = now_ms;
                let backoff = self.rules.backoff;
                let group = entry.hook.failed(now_ms, |attempts| {
                    due = now_ms.saturating_add(millis(delay(backoff, attempts, jitter, failed)));
                    due
                })?;
                Settled {
                    group,
                    next_attempt_at_ms: Some(due),
                }
            }
        };
        self.queued_bytes = self.queued_bytes + entry.hook.queued_bytes() - before;
        self.changed.insert(id);
        if matches!(entry.subscription, Subscription::Deleted) {
            self.remove(id);
        } else {
            self.poke(id, now_ms);
        }
        self.relieve_memory();
        Some(settled)
    }

    /// Time has passed: what is due goes.
    pub(crate) fn tick(&mut self, now_ms: i64) {
        while let Some(id) = self.agenda.pop_due(now_ms) {
            let live_next = self.live_next;
            if let Some(entry) = self.entries.get_mut(&id) {
                if self.lane == Lane::Batch && entry.slot_at_ms.is_some_and(|at| at <= now_ms) {
                    entry.slot_at_ms = None;
                    entry.hook.begin_slot(live_next);
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
            let changed = entry.look_up(id, &self.directory, now_ms);
            self.queued_bytes = self.queued_bytes + entry.hook.queued_bytes() - before;
            if !changed {
                continue;
            }
            match entry.subscription {
                Subscription::Deleted if !entry.hook.is_calling() => self.remove(id),
                _ => self.poke(id, now_ms),
            }
        }
    }

    /// The place that a new owner must read from: no record at or above it may be passed.
    pub(crate) fn lowest_undone(&self) -> i64 {
        let undone = self
            .entries
            .values()
            .filter_map(|entry| entry.hook.lowest_undone());
        undone.min().unwrap_or(self.live_next).min(self.live_next)
    }

    /// What is to be done now.
    pub(crate) fn take_effects(&mut self) -> Vec<Effect> {
        std::mem::take(&mut self.effects)
    }

    /// The state of every webhook that has changed since the last call, for Redis; `None`: forget it.
    pub(crate) fn take_changed(&mut self) -> Vec<(WebhookId, Option<RetryState>)> {
        let state = |id| (id, self.entries.get(&id).and_then(|entry| entry.hook.stored()));
        std::mem::take(&mut self.changed).into_iter().map(state).collect()
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
                self.changed.insert(id);
                self.effects.push(Effect::Expired { webhook: id, events });
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

    /// Notes when the webhook is due next, and whether it waits for events from Kafka.
    fn schedule(&mut self, id: WebhookId, now_ms: i64) {
        let Some(entry) = self.entries.get_mut(&id) else {
            return;
        };
        if entry.hook.is_detached() {
            self.behind.insert(id);
        } else {
            self.behind.remove(&id);
        }
        if let Some(slot_at_ms) = entry.plan_slot(now_ms) {
            self.agenda.add(slot_at_ms, id);
        }
        let retry_at_ms = entry
            .hook
            .failing()
            .filter(|_| !entry.hook.is_calling())
            .map(|f| f.next_at_ms);
        if let Some(at_ms) = retry_at_ms.filter(|at_ms| *at_ms > now_ms) {
            self.agenda.add(at_ms, id);
        }
    }

    /// Forgets a deleted webhook and all that waits for it.
    fn remove(&mut self, id: WebhookId) {
        if let Some(entry) = self.entries.get(&id)
            && !entry.hook.is_calling()
        {
            self.queued_bytes -= entry.hook.queued_bytes();
            self.entries.remove(&id);
            self.behind.remove(&id);
            self.changed.insert(id);
        }
    }

    /// Keeps all queues together within their bound: the largest goes first, Kafka has it.
    fn relieve_memory(&mut self) {
        while self.queued_bytes > self.rules.max_queued_bytes {
            let largest = self
                .entries
                .iter_mut()
                .max_by_key(|(_, entry)| entry.hook.queued_bytes());
            let Some((id, entry)) = largest.filter(|(_, entry)| entry.hook.queued_bytes() > 0) else {
                return;
            };
            self.queued_bytes -= entry.hook.queued_bytes();
            entry.hook.detach();
            self.behind.insert(*id);
        }
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
