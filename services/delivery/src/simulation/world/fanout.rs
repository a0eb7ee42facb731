//! Fanout and the registry: events are accepted, matched and written, webhooks are changed, and the owner learns of it.

use angarium_model::{Lane, Revision};
use rand::RngExt as _;

use super::super::fanout::{Decided, Event};
use super::super::fixtures::{delivery, webhook};
use super::super::happened::What;
use super::super::owner::Stage;
use super::{MOST_WEBHOOKS, World, settings};

/// Fanouts that were followed and still write.
const MAX_FROZEN: usize = 2;

impl World {
    pub(super) fn publish(&mut self) {
        for _ in 0..self.scale.burst(&mut self.rng) {
            let size = self.scale.size(&mut self.rng);
            self.fanout.accept(Event {
                accepted_ms: self.now_ms,
                size,
            });
        }
    }

    /// Fanout goes on, or fails.
    pub(super) fn fan_out(&mut self) {
        match self.rng.random_range(0..100) {
            0..75 => self.fanout_goes_on(),
            75..85 => self.fanout.commit(),
            85..92 => {
                let view = self.newest();
                if self.fanout.renew(view) {
                    self.tell(|| format!("fanout goes over to {view}"));
                }
            }
            92..94 => {
                let view = self.view_of_a_follower();
                let repeats = self.fanout.restart(view);
                self.tell(|| format!("fanout starts again under {view}"));
                self.note_if(repeats, What::FanoutRepeats);
            }
            94..96 => {
                let repeats = self.fanout.start_over();
                self.tell(|| "a report of fanout's fails".to_owned());
                self.note_if(repeats, What::ReportFails);
            }
            96..98 if self.fanout.frozen() < MAX_FROZEN => {
                let view = self.view_of_a_follower();
                self.fanout.freeze(view);
                self.tell(|| format!("fanout is frozen, and followed by one under {view}"));
            }
            _ => self.fanout_thaws(),
        }
    }

    /// Mostly the newest: a follower's is never older than that of the one before.
    fn view_of_a_follower(&mut self) -> Revision {
        let (own, newest) = (self.fanout.view().offset(), self.newest().offset());
        let is_late = self.rng.random_bool(0.2);
        Revision::from_offset(if is_late {
            self.rng.random_range(own..=newest)
        } else {
            newest
        })
    }

    /// It matches what has come, and some of what it has written lands.
    fn fanout_goes_on(&mut self) {
        let owner = self.fanout.owner();
        for _ in 0..self.rng.random_range(1..6) * self.scale.stride() {
            self.fanout.decide(owner, &self.changes);
        }
        for _ in 0..self.rng.random_range(0..6) * self.scale.stride() {
            self.record_lands(owner);
        }
    }

    /// A frozen one thaws, and writes in order what it decides under its old view. It may stop anywhere.
    fn fanout_thaws(&mut self) {
        if self.fanout.frozen() == 0 {
            return;
        }
        let index = self.rng.random_range(0..self.fanout.frozen());
        for _ in 0..self.rng.random_range(1..8) {
            self.fanout.decide(index, &self.changes);
            self.record_lands(index);
        }
        if self.rng.random_bool(0.3) {
            self.fanout.bury(index);
        }
    }

    pub(super) fn record_lands(&mut self, index: usize) -> bool {
        let Some(decided) = self.fanout.land(index) else {
            return false;
        };
        let offset = self.end();
        let is_late = index != self.fanout.owner();
        self.fanout.wrote(index, offset, &decided);
        if is_late {
            let has_old_view = self.fanout.has_old_view(index);
            self.note_if(has_old_view, What::LateUnderOldView);
            self.note_if(!has_old_view, What::LateUnderSameView);
        } else {
            for id in &decided.webhooks {
                let is_new = !self.owed.contains_key(id) && self.lane == Lane::Batch;
                let is_created = self.created.contains(id);
                self.note_if(is_new && is_created, What::NewWebhookInBatch);
                self.owed.entry(*id).or_default().insert(decided.source);
            }
        }
        let Decided {
            source,
            webhooks,
            view,
        } = decided;
        let Some(event) = self.fanout.event(source) else {
            return false;
        };
        self.unordered.published(&webhooks, source);
        let late = if is_late { ", late" } else { "" };
        self.tell(|| format!("record {offset}: event {source} for {webhooks:?} under {view}{late}"));
        self.push(webhooks, delivery(source, event.accepted_ms, event.size, view));
        true
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

    pub(super) fn create_webhook(&mut self) {
        let number = self.webhooks.len() + 1;
        if number > MOST_WEBHOOKS {
            return;
        }
        let revision = i64::try_from(self.changes.len()).unwrap_or(i64::MAX) + 1;
        let created = webhook(u8::try_from(number).unwrap_or(u8::MAX), true, revision);
        let mut created = settings(created, &mut self.rng);
        self.unordered.change(&mut created);
        self.fanout.changed(None);
        self.created.insert(created.id);
        self.tell(|| format!("webhook {} is created, revision {revision}", created.id));
        self.changes.push(created.clone());
        self.webhooks.push(created);
    }

    pub(super) fn switch(&mut self, number: usize, active: bool) {
        let revision = i64::try_from(self.changes.len()).unwrap_or(i64::MAX) + 1;
        let wants_the_same = self.rng.random_bool(0.5);
        let webhook = &mut self.webhooks[number];
        self.fanout
            .changed(Some(webhook.revision).filter(|_| wants_the_same));
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
