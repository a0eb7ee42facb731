//! A partition's webhooks, and what their queues hold together.

use std::collections::BTreeMap;

use angarium_model::WebhookId;

use super::entry::Entry;
use crate::hook::{Class, ReadBytes};

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
    /// For calls that begin when there is room.
    pub(super) next: usize,
    /// For those that have to wait: for an answer, or for their time.
    pub(super) ahead: usize,
    /// For retries whose turn it is.
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

    /// The webhook whose queues hold most of what may be dropped; `None` when there is nothing.
    pub(super) fn fullest(&self) -> Option<WebhookId> {
        let held = self.iter().map(|(id, entry)| (entry.droppable_bytes(), id));
        let fullest = held.max_by_key(|(bytes, _)| *bytes);
        fullest.filter(|(bytes, _)| *bytes > 0).map(|(_, id)| id)
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
        if let Some((read, bytes)) = self.of(entry) {
            *read += bytes;
        }
    }

    fn leaves(&mut self, entry: &Entry) {
        if let Some((read, bytes)) = self.of(entry) {
            *read -= bytes;
        }
    }

    fn of(&mut self, entry: &Entry) -> Option<(&mut usize, usize)> {
        match entry.hook.read_bytes(entry.in_lines.has(Class::Retry)) {
            ReadBytes::None => None,
            ReadBytes::Retry(bytes) => Some((&mut self.retries, bytes)),
            ReadBytes::Next(bytes) => Some((&mut self.next, bytes)),
            ReadBytes::Ahead(bytes) => Some((&mut self.ahead, bytes)),
        }
    }
}
