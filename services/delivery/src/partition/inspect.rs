//! What the simulation looks at.

use std::sync::Arc;

use angarium_model::WebhookId;

use super::Partition;
use crate::group::Group;
use crate::hook::{Full, Look};
use crate::record::Delivery;

impl Partition {
    /// The replay order that a group under way was sent by.
    pub(crate) fn generation(&self, id: WebhookId, group: &Arc<Group>) -> i64 {
        self.entries
            .get(id)
            .map_or(0, |entry| entry.hook.generation_of(group))
    }

    /// Where its webhooks are.
    pub(crate) fn looks(&self) -> impl Iterator<Item = (WebhookId, Look)> {
        self.entries.iter().map(|(id, entry)| (id, entry.hook.look()))
    }

    pub(crate) fn look(&self, id: WebhookId) -> Option<Look> {
        self.entries.get(id).map(|entry| entry.hook.look())
    }

    /// The queue of a webhook that has no room for what comes from the live stream.
    pub(crate) fn full_for(&self, id: WebhookId, delivery: &Delivery) -> Option<Full> {
        self.entries.get(id)?.hook.full_for(delivery)
    }

    /// Whether a slot of some webhook was missed.
    pub(crate) fn has_missed_slot(&self, now_ms: i64) -> bool {
        let mut entries = self.entries.iter();
        entries.any(|(_, entry)| entry.slot_at_ms.is_some_and(|at_ms| at_ms <= now_ms))
    }

    /// A group under way.
    #[cfg(test)]
    pub(crate) fn called(&self, id: WebhookId) -> Option<Arc<Group>> {
        self.entries.get(id)?.hook.called().cloned()
    }

    /// Where it stands, for a person.
    pub(crate) fn waits(&self) -> String {
        let hooks = self.entries.iter().map(|(_, entry)| format!("{:?}", entry.hook));
        format!(
            "place {}, live {}, {}",
            self.place,
            self.live_next,
            hooks.collect::<Vec<_>>().join("\n")
        )
    }

    /// Whether all below `end` is done and on record.
    pub(crate) fn is_at_rest(&self, end: i64) -> bool {
        let is_done = |(_, entry): (_, &super::Entry)| {
            entry.hook.resume(self.live_next) >= end && !entry.hook.is_parking()
        };
        self.place >= end && self.entries.iter().all(is_done)
    }
}
