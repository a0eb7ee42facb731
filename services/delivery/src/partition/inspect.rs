//! What the simulation looks at.

use std::sync::Arc;

use angarium_model::WebhookId;

use super::Partition;
use crate::group::Group;

impl Partition {
    /// The replay order that a group under way was sent by.
    pub(crate) fn generation(&self, id: WebhookId, group: &Arc<Group>) -> i64 {
        self.entries
            .get(id)
            .map_or(0, |entry| entry.hook.generation_of(group))
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
