//! A partition's webhooks, and what their queues hold together.

use std::collections::BTreeMap;

use angarium_model::WebhookId;

use super::entry::Entry;
use crate::hook::Class;

/// Webhooks by id. Ordered, so that the same things happening do the same again: a failing seed must fail again.
#[derive(Debug, Default)]
pub(super) struct Entries {
    entries: BTreeMap<WebhookId, Entry>,
    queued_bytes: usize,
    /// Of these, what was read back and waits for a call.
    read: Read,
}

/// What was read back and is in memory, in bytes.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Read {
    /// For new groups of webhooks that are behind.
    pub(super) stream: usize,
    /// For retries that wait for their turn.
    pub(super) retries: usize,
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

    /// What was read back, and is in memory.
    pub(super) fn read(&self) -> Read {
        self.read
    }

    /// The webhook whose queues hold most; `None` when all are empty. One for which something was read back and whose
    /// turn is next comes last: it would be read again at once.
    pub(super) fn fullest(&self) -> Option<WebhookId> {
        let held = self.iter().map(|(id, entry)| {
            let is_next = matches!(entry.in_line, Some(Class::CatchUp | Class::Retry));
            (!is_next, entry.hook.queued_bytes(), id)
        });
        let held = held.filter(|(_, bytes, _)| *bytes > 0);
        held.max_by_key(|(first, bytes, _)| (*first, *bytes))
            .map(|(_, _, id)| id)
    }

    /// Changes a webhook. The only way to do so: whatever happens to its queues is counted.
    pub(super) fn change<T>(&mut self, id: WebhookId, change: impl FnOnce(&mut Entry) -> T) -> Option<T> {
        let entry = self.entries.get_mut(&id)?;
        self.queued_bytes -= entry.hook.queued_bytes();
        self.read.leaves(entry);
        let changed = change(entry);
        self.queued_bytes += entry.hook.queued_bytes();
        self.read.comes(entry);
        Some(changed)
    }

    /// Adds a webhook, whose queues are empty, if it is not there.
    pub(super) fn ensure(&mut self, id: WebhookId, entry: impl FnOnce() -> Entry) {
        self.entries.entry(id).or_insert_with(entry);
    }

    pub(super) fn remove(&mut self, id: WebhookId) {
        if let Some(entry) = self.entries.remove(&id) {
            self.queued_bytes -= entry.hook.queued_bytes();
            self.read.leaves(&entry);
        }
    }
}

impl Read {
    fn comes(&mut self, entry: &Entry) {
        let (class, bytes) = entry.hook.read_bytes(entry.in_line);
        if let Some(read) = self.of(class) {
            *read += bytes;
        }
    }

    fn leaves(&mut self, entry: &Entry) {
        let (class, bytes) = entry.hook.read_bytes(entry.in_line);
        if let Some(read) = self.of(class) {
            *read -= bytes;
        }
    }

    fn of(&mut self, class: Class) -> Option<&mut usize> {
        match class {
            Class::Live => None,
            Class::CatchUp => Some(&mut self.stream),
            Class::Retry => Some(&mut self.retries),
        }
    }
}
