//! What the partition puts on record: its place, and how far its webhooks are.

use std::collections::BTreeSet;

use angarium_model::WebhookId;
use angarium_proto::delivery::v1::{LiveProgress, live_progress};

use super::{Effect, Entry, Partition};
use crate::checkpoint::{Checkpoint, First};
use crate::hook::State;
use crate::metrics::{Standing, earlier};

impl Partition {
    /// The place that a new owner must read from, which is to be appended when it has moved. It counts once
    /// acknowledged, by [`Partition::place_is`].
    pub(crate) fn place(&self) -> i64 {
        let hooks = self.entries.iter().map(|(_, entry)| &entry.hook);
        let lowest = hooks.filter_map(|hook| hook.holds_place(self.live_next)).min();
        lowest.map_or(self.live_next, |held| held.min(self.live_next))
    }

    /// This place is acknowledged.
    pub(crate) fn place_is(&mut self, place: i64) {
        self.place = self.place.max(place);
        let place = self.place;
        // What they say is below it: the marks with it, which costs a repetition by fanout at most.
        self.remembered.retain(|_, remembered| remembered.resume > place);
    }

    /// The oldest cursor of the webhook that was appended is acknowledged.
    pub(crate) fn appended(&mut self, id: WebhookId, now_ms: i64) {
        let is_live = self.entries.change(id, |entry| {
            let known = entry.known();
            entry.hook.acknowledged(known);
            entry.hook.is_live()
        });
        self.live_has_moved |= is_live == Some(true);
        self.poke(id, now_ms);
    }

    /// Has the progress of webhooks that are behind appended.
    pub(crate) fn record_progress(&mut self) {
        for id in self.behind.iter() {
            let due = |entry: &mut Entry| entry.hook.due_progress(self.live_next);
            let cursor = self.entries.change(*id, due).flatten();
            if cursor.is_some() {
                self.effects.push(Effect::Append { webhook: *id, cursor });
            }
        }
    }

    pub(super) fn note_progress(&mut self, id: WebhookId) {
        match self.entries.get(id) {
            Some(entry) if !entry.hook.is_detached() => self.live_has_moved = true,
            _ => {
                self.changed.insert(id);
            }
        }
    }

    /// What Redis is to be told. A webhook whose cursor is not acknowledged waits: Redis says only what stands on one
    /// (DESIGN §7).
    pub(crate) fn take_checkpoint(&mut self) -> Checkpoint {
        let mut lag = Vec::new();
        let mut waiting = BTreeSet::new();
        for id in std::mem::take(&mut self.changed) {
            match self.entries.get(id) {
                Some(entry) if !entry.hook.is_settled() => {
                    waiting.insert(id);
                }
                Some(entry) => lag.push((id, entry.hook.retry_state(self.epoch, self.live_next))),
                None => lag.push((id, None)),
            }
        }
        self.changed = waiting;
        let live = std::mem::take(&mut self.live_has_moved).then(|| self.live_progress());
        Checkpoint {
            first: std::mem::take(&mut self.first_checkpoint),
            live,
            lag,
        }
    }

    /// Redis did not take it: it is still to be told.
    pub(crate) fn not_saved(&mut self, checkpoint: Checkpoint) {
        if checkpoint.first != First::No {
            self.first_checkpoint = checkpoint.first;
        }
        self.live_has_moved |= checkpoint.live.is_some();
        self.changed.extend(checkpoint.lag.into_iter().map(|(id, _)| id));
    }

    /// How the webhooks stand, for metrics.
    pub(crate) fn standing(&self) -> Standing {
        let mut standing = Standing::default();
        for (_, entry) in self.entries.iter() {
            let state = entry.hook.state();
            let place = State::ALL.iter().position(|other| *other == state);
            if let Some(count) = place.and_then(|place| standing.in_state.get_mut(place)) {
                *count += 1;
            }
            standing.oldest_ms = earlier(standing.oldest_ms, entry.hook.oldest_undone_ms());
            if state == State::Failing && !entry.hook.is_calling() {
                let due_ms = entry.hook.failing().map(|failing| failing.next_at_ms);
                standing.due_ms = earlier(standing.due_ms, due_ms);
            }
        }
        standing
    }

    /// All live webhooks that are further than the place.
    fn live_progress(&self) -> LiveProgress {
        let (place, live_next) = (self.place, self.live_next);
        let active = self
            .entries
            .iter()
            .filter_map(|(id, entry)| entry.hook.live_progress(id, place, live_next));
        let remembered = self
            .remembered
            .iter()
            .map(|(id, remembered)| live_progress::Webhook {
                id: id.as_bytes().to_vec().into(),
                generation: remembered.generation,
                resume: remembered.resume,
                done: remembered.done.map(Into::into),
            });
        let mut webhooks: Vec<_> = active.collect();
        webhooks.extend(remembered);
        LiveProgress {
            epoch: self.epoch,
            webhooks,
        }
    }
}
