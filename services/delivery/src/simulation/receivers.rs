//! Receivers, and what they were owed.

use std::collections::{BTreeMap, BTreeSet};

use angarium_model::WebhookId;

use crate::group::{Group, Item};

/// What receivers got.
#[derive(Debug, Default)]
pub(super) struct Receivers {
    seen: BTreeMap<WebhookId, BTreeSet<i64>>,
    /// The newest generation that each event came in.
    newest: BTreeMap<(WebhookId, i64), i64>,
    /// What each `webhook-id` stood for.
    groups: BTreeMap<String, Vec<i64>>,
    pub(super) receipts: usize,
}

impl Receivers {
    /// A group arrives. `lacks` tells which earlier event is missing that had to be received before this one.
    pub(super) fn receive(
        &mut self,
        webhook: WebhookId,
        group: &Group,
        generation: i64,
        lacks: impl Fn(&Item, &BTreeSet<i64>) -> Option<i64>,
    ) -> Result<(), String> {
        let sources: Vec<i64> = group
            .items
            .iter()
            .map(|item| item.delivery.source.offset)
            .collect();
        self.receipts += sources.len();
        let known = self
            .groups
            .entry(group.id.clone())
            .or_insert_with(|| sources.clone());
        if *known != sources {
            return Err(format!("{} stands for {known:?} and for {sources:?}", group.id));
        }
        let seen = self.seen.entry(webhook).or_default();
        for (source, item) in sources.into_iter().zip(&group.items) {
            let newest = self.newest.entry((webhook, source)).or_default();
            *newest = generation.max(*newest);
            if seen.insert(source)
                && let Some(missing) = lacks(item, seen)
            {
                return Err(format!("{webhook} got {source} before {missing}"));
            }
        }
        Ok(())
    }

    /// Whether an event came in this generation or a later one.
    pub(super) fn has_since(&self, webhook: WebhookId, generation: i64, source: i64) -> bool {
        self.newest
            .get(&(webhook, source))
            .is_some_and(|newest| *newest >= generation)
    }

    /// What of `owed` the webhook never got.
    pub(super) fn lacks(&self, webhook: WebhookId, owed: &BTreeSet<i64>) -> Vec<i64> {
        let none = BTreeSet::new();
        let seen = self.seen.get(&webhook).unwrap_or(&none);
        owed.difference(seen).copied().collect()
    }
}
