//! When which webhook is due.

use std::collections::BTreeSet;

use angarium_model::WebhookId;

/// Webhooks by the time they are due, in Unix milliseconds. A webhook may stand here more than once and may no longer
/// be due when its time comes: whoever pops it asks it.
#[derive(Debug, Default)]
pub(super) struct Agenda {
    due: BTreeSet<(i64, WebhookId)>,
}

impl Agenda {
    pub(super) fn add(&mut self, at_ms: i64, id: WebhookId) {
        self.due.insert((at_ms, id));
    }

    pub(super) fn next_due(&self) -> Option<i64> {
        self.due.first().map(|(at_ms, _)| *at_ms)
    }

    /// Forgets all times.
    pub(super) fn clear(&mut self) {
        self.due.clear();
    }

    /// Takes the webhook that has been due for longest.
    pub(super) fn pop_due(&mut self, now_ms: i64) -> Option<WebhookId> {
        let due = self.due.first().filter(|(at_ms, _)| *at_ms <= now_ms).copied()?;
        self.due.remove(&due);
        Some(due.1)
    }
}
