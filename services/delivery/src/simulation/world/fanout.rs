//! Fanout and the registry: events are matched and written, webhooks are changed, and the owner learns of it.

use std::collections::BTreeMap;

use angarium_model::{Revision, WebhookId};
use rand::RngExt as _;

use super::super::fixtures::delivery;
use super::super::owner::Stage;
use super::World;

impl World {
    pub(super) fn publish(&mut self) {
        let revision = self.newest();
        if self.rng.random_bool(0.1) && !self.log.is_empty() {
            // Fanout has restarted: what it wrote last comes again, in order, under the newest view.
            let from = self.source - self.rng.random_range(0..8);
            let mut again: BTreeMap<i64, Vec<WebhookId>> = BTreeMap::new();
            for record in &self.log {
                let source = record.delivery.source.offset;
                if source >= from && !record.webhooks.is_empty() && !record.delivery.resent {
                    again.insert(source, record.webhooks.clone());
                }
            }
            for (source, webhooks) in again {
                self.append(source, webhooks, revision);
            }
            return;
        }
        self.source += 1;
        let active: Vec<WebhookId> = self.webhooks.iter().filter(|w| w.active).map(|w| w.id).collect();
        let webhooks: Vec<WebhookId> = active.into_iter().filter(|_| self.rng.random_bool(0.6)).collect();
        if !webhooks.is_empty() {
            self.append(self.source, webhooks, revision);
        }
    }

    pub(super) fn append(&mut self, source: i64, webhooks: Vec<WebhookId>, revision: Revision) {
        for id in &webhooks {
            self.owed.entry(*id).or_default().insert(source);
        }
        self.unordered.published(&webhooks, source);
        let size = [2, 2, 2, 400][self.rng.random_range(0..4)];
        let accepted_ms = *self.accepted.entry(source).or_insert(self.now_ms);
        let delivery = delivery(source, accepted_ms, size, revision);
        let offset = self.end();
        self.tell(|| format!("record {offset}: event {source} for {webhooks:?} under {revision}"));
        self.push(webhooks, delivery);
    }

    /// The newest view.
    pub(super) fn newest(&self) -> Revision {
        let revisions = self.changes.iter().map(|webhook| webhook.revision);
        revisions.max().unwrap_or_default()
    }

    pub(super) fn change_webhook(&mut self) {
        let number = self.rng.random_range(0..self.webhooks.len());
        let on = self.rng.random_bool(0.6);
        self.switch(number, on);
    }

    pub(super) fn switch(&mut self, number: usize, active: bool) {
        let revision = i64::try_from(self.changes.len()).unwrap_or(i64::MAX) + 1;
        let webhook = &mut self.webhooks[number];
        webhook.active = active;
        webhook.revision = Revision::from_offset(revision);
        self.unordered.change(webhook);
        self.changes.push(webhook.clone());
        self.tell(|| format!("webhook {number} active: {active}, revision {revision}"));
    }

    pub(super) fn learn(&mut self) {
        let true_ms = self.now_ms;
        let now_ms = self.owner().clock(true_ms);
        let known = self.changes.len();
        let changes = self.changes.clone();
        let owner = self.owner();
        for webhook in &changes[owner.learnt..known] {
            owner.directory.put(webhook.clone());
        }
        if owner.learnt < known {
            owner.learnt = known;
            if owner.stage == Stage::Acting {
                owner.partition.refresh(now_ms);
            }
            self.tell(|| format!("the owner learns of {known} changes"));
        }
    }
}
