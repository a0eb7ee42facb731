//! Groups that failed, as a new owner finds them: it sends each as it was.

use std::collections::BTreeMap;

use angarium_model::WebhookId;

use super::owner::Post;
use crate::checkpoint::Memories;
use crate::cursor::{Found, Head, Parked, Standing};

/// What has not been sent again yet.
#[derive(Debug, Default)]
pub(super) struct Heads {
    /// Of a webhook that waits for this group alone.
    heads: BTreeMap<WebhookId, Head>,
    /// Those that wait beside others.
    parked: BTreeMap<WebhookId, Vec<Parked>>,
}

impl Heads {
    /// By the cursors that are found, but for the heads that Redis says were answered.
    pub(super) fn new(found: Option<&Found>, memories: &Memories) -> Self {
        let mut heads = Self::default();
        for (id, cursor) in found.into_iter().flat_map(|found| &found.cursors) {
            let Standing::Behind { head, parked, .. } = &cursor.standing else {
                continue;
            };
            let is_further = |entry: &crate::hook::Remembered| entry.resume > cursor.resume;
            if !head.is_empty() && !memories.webhooks.get(id).is_some_and(is_further) {
                heads.heads.insert(*id, head.clone());
            }
            heads.parked.insert(*id, parked.clone());
        }
        heads
    }

    /// Those that a POST has an event of.
    pub(super) fn of(&self, post: &Post) -> impl Iterator<Item = &Head> {
        let offsets = post.offsets();
        let head = self.heads.get(&post.webhook).into_iter();
        let parked = self.parked.get(&post.webhook).into_iter().flatten();
        let parked = parked.filter(|parked| parked.generation == post.generation);
        let mut all: Vec<&Head> = head.chain(parked.map(|parked| &parked.head)).collect();
        all.retain(|head| offsets.iter().any(|offset| head.contains(*offset)));
        all.into_iter()
    }

    /// A POST begins: what it has an event of is sent, and no webhook waits for its head behind it.
    pub(super) fn begin(&mut self, post: &Post) {
        self.heads.remove(&post.webhook);
        if let Some(parked) = self.parked.get_mut(&post.webhook) {
            parked.retain(|parked| !post.offsets().iter().any(|offset| parked.head.contains(*offset)));
        }
    }

    /// The webhook was deleted: what it waited for is forgotten.
    pub(super) fn deleted(&mut self, webhook: WebhookId) {
        self.heads.remove(&webhook);
        self.parked.remove(&webhook);
    }

    /// A replay was ordered, or cancelled: what fails is another group.
    pub(super) fn ordered(&mut self, webhook: WebhookId) {
        self.heads.remove(&webhook);
        if let Some(parked) = self.parked.get_mut(&webhook) {
            parked.retain(|parked| !parked.is_replay);
        }
    }
}
