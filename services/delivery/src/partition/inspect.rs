//! What the simulation looks at.

use angarium_model::WebhookId;

use super::Partition;

impl Partition {
    /// What all queues hold, in bytes.
    pub(crate) fn queued_bytes(&self) -> usize {
        self.entries.queued_bytes()
    }

    /// The last replay order that a webhook has taken.
    pub(crate) fn generation(&self, id: WebhookId) -> i64 {
        self.entries.get(id).map_or(0, |entry| entry.hook.generation())
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
        let is_done = |(_, entry): (_, &super::Entry)| entry.hook.resume(self.live_next) >= end;
        self.place >= end && self.entries.iter().all(is_done)
    }
}
