//! What Redis keeps of a webhook.

use angarium_model::WebhookId;
use angarium_proto::delivery::v1::{RetryState, live_progress};

use super::Hook;
use crate::cursor::Parked;

impl Hook {
    /// What Redis keeps of it when it is behind.
    pub(crate) fn retry_state(&self, epoch: i64, live_next: i64) -> Option<RetryState> {
        if !self.is_detached() {
            return None;
        }
        let failing = self.failing();
        Some(RetryState {
            epoch,
            generation: self.generation,
            resume: self.resume(live_next),
            done: self.done.map(Into::into),
            attempts: failing.map_or(0, |failing| failing.attempts.get()),
            next_at_ms: failing.map_or(0, |failing| failing.next_at_ms),
            parked: Parked::digest(self.parked.iter().map(|retry| &retry.what)),
        })
    }

    /// What Redis keeps of it when it is live and further than the place.
    pub(crate) fn live_progress(
        &self,
        id: WebhookId,
        place: i64,
        live_next: i64,
    ) -> Option<live_progress::Webhook> {
        let moved = self.is_live() && self.is_settled() && self.done_at >= place;
        moved.then(|| live_progress::Webhook {
            id: id.as_bytes().to_vec().into(),
            generation: self.generation,
            resume: self.resume(live_next),
            done: self.done.map(Into::into),
        })
    }
}
