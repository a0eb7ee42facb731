//! A partition's webhooks, and what their queues hold together.

use std::collections::BTreeMap;

use angarium_model::WebhookId;

use super::entry::Entry;

/// Webhooks by id. Ordered, so that the same things happening do the same again: a failing seed must fail again.
#[derive(Debug, Default)]
pub(super) struct Entries {
    entries: BTreeMap<WebhookId, Entry>,
    queued_bytes: usize,
}

impl Entries {
    pub(super) fn get(&self, id: WebhookId) -> Option<&Entry> {
        self.entries.get(&id)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (WebhookId, &Entry)> {
        self.entries.iter().map(|(id, entry)| (*id, entry))
    }

    pub(super) fn ids(&self) -> Vec<WebhookId> {
        self.entries.keys().copied().collect()
    }

    /// What all queues hold, in bytes.
    pub(super) fn queued_bytes(&self) -> usize {
        self.queued_bytes
    }

    /// The webhook whose queues hold most; `None` when all are empty.
    pub(super) fn fullest(&self) -> Option<WebhookId> {
        let held = self.iter().map(|(id, entry)| (entry.hook.queued_bytes(), id));
        let fullest = held.max_by_key(|(bytes, _)| *bytes);
        fullest.filter(|(bytes, _)| *bytes > 0).map(|(_, id)| id)
    }

    /// Changes a webhook. The only way to do so: whatever happens to its queues is counted.
    pub(super) fn change<T>(&mut self, id: WebhookId, change: impl FnOnce(&mut Entry) -> T) -> Option<T> {
        let entry = self.entries.get_mut(&id)?;
        let before = entry.hook.queued_bytes();
        let changed = change(entry);
        self.queued_bytes = self.queued_bytes + entry.hook.queued_bytes() - before;
        Some(changed)
    }

    /// Adds a webhook, whose queues are empty, if it is not there.
    pub(super) fn ensure(&mut self, id: WebhookId, entry: impl FnOnce() -> Entry) {
        self.entries.entry(id).or_insert_with(entry);
    }

    pub(super) fn remove(&mut self, id: WebhookId) {
        if let Some(entry) = self.entries.remove(&id) {
            self.queued_bytes -= entry.hook.queued_bytes();
        }
    }
}
