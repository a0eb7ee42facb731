//! Fanout and the registry: events are accepted, matched and written, webhooks are changed, and the owner learns of it.

use angarium_model::{Lane, Revision};
use rand::RngExt as _;

use super::super::fanout::{self, Step};
use super::super::fixtures::{Change, webhook};
use super::super::happened::What;
use super::super::owner::Stage;
use super::deleting::Fate;
use super::{Checked, World, settings};

/// Fanouts that were followed and still write.
const MAX_FROZEN: usize = 2;

impl World {
    pub(super) fn publish(&mut self) {
        for _ in 0..self.scale.burst(&mut self.rng) {
            let size = self.scale.size(&mut self.rng);
            self.fanout.accept(self.now_ms, size);
        }
    }

    /// Fanout goes on, or fails.
    pub(super) fn fan_out(&mut self) -> Checked {
        match self.rng.random_range(0..100) {
            0..64 => self.fanout_goes_on()?,
            64..69 => self.fanout.commit(),
            69..74 => self.fanout.commit_lands(&self.changes)?,
            74..84 => self.fanout_learns()?,
            84..88 => {
                let known = self.known_to_a_follower();
                let is_in_event = self.fanout.is_in_event();
                let repeats = self.fanout.restart(&self.changes[..known]);
                self.tell(|| format!("fanout starts again under {known}"));
                self.note_if(repeats, What::FanoutRepeats);
                self.note_if(is_in_event, What::FanoutDiesInEvent);
            }
            88..92 => {
                let repeats = self.fanout.producer_fails();
                self.tell(|| "a report of fanout's fails".to_owned());
                self.note_if(repeats, What::ReportFails);
            }
            92..95 if self.fanout.frozen() < MAX_FROZEN => {
                let known = self.known_to_a_follower();
                self.fanout.freeze(&self.changes[..known]);
                self.tell(|| format!("fanout is frozen, and followed by one under {known}"));
            }
            _ => self.fanout_thaws()?,
        }
        Ok(())
    }

    /// How many changes: mostly all. A follower's view is never older than that of the one before.
    fn known_to_a_follower(&mut self) -> usize {
        let own = usize::try_from(self.fanout.view().offset()).unwrap_or(0);
        let all = self.changes.len();
        if self.rng.random_bool(0.2) {
            self.rng.random_range(own..=all)
        } else {
            all
        }
    }

    /// Its owner learns what was changed, or goes over to what it has learnt.
    fn fanout_learns(&mut self) -> Checked {
        if self.rng.random_bool(0.5) {
            let known = self.known_to_a_follower();
            self.fanout.learn(&self.changes, known);
        } else if self.fanout.accept_awaited(&self.changes)? {
            let view = self.fanout.view();
            self.tell(|| format!("fanout goes over to {view}"));
        }
        Ok(())
    }

    /// It matches what has come, some of what it has written lands, and some of that is acknowledged.
    fn fanout_goes_on(&mut self) -> Checked {
        let owner = self.fanout.owner();
        for _ in 0..self.rng.random_range(1..12) * self.scale.stride() {
            let step = self.fanout.step(owner)?;
            self.note_if(step == Step::AwaitsView, What::NewViewWaits);
            if step != Step::Went {
                break;
            }
        }
        for _ in 0..self.rng.random_range(0..12) * self.scale.stride() {
            if self.rng.random_bool(0.5) {
                self.record_lands(owner)?;
            } else {
                self.fanout.land_elsewhere(owner)?;
            }
        }
        for _ in 0..self.rng.random_range(0..12) * self.scale.stride() {
            self.fanout.acknowledge(owner);
        }
        Ok(())
    }

    /// A frozen one thaws, and writes in order what it decides under its old view. It may stop anywhere.
    fn fanout_thaws(&mut self) -> Checked {
        if self.fanout.frozen() == 0 {
            return Ok(());
        }
        let index = self.rng.random_range(0..self.fanout.frozen());
        if self.rng.random_bool(0.1) {
            self.fanout.learn_late(index, &self.changes);
        }
        for _ in 0..self.rng.random_range(1..24) {
            self.fanout.step(index)?;
            self.fanout.acknowledge(index);
            self.fanout.land_elsewhere(index)?;
            self.record_lands(index)?;
        }
        if self.rng.random_bool(0.3) {
            self.fanout.bury(index);
        }
        Ok(())
    }

    /// The next record of a fanout is written; whether there was one.
    pub(super) fn record_lands(&mut self, index: usize) -> Result<bool, String> {
        let Some(record) = self.fanout.land(index, self.end(), &self.changes)? else {
            return Ok(false);
        };
        let (source, view) = (record.delivery.source.offset, record.delivery.revision);
        let is_late = index != self.fanout.owner();
        if is_late {
            let has_old_view = self.fanout.has_old_view(index);
            self.note_if(has_old_view, What::LateUnderOldView);
            self.note_if(!has_old_view, What::LateUnderSameView);
        } else {
            for id in &record.webhooks {
                let is_new = !self.owed.contains_key(id) && self.lane == Lane::Batch;
                let is_created = self.created.contains(id);
                self.note_if(is_new && is_created, What::NewWebhookInBatch);
                self.owed.entry(*id).or_default().insert(source);
            }
        }
        self.unordered.published(&record.webhooks, source);
        let late = if is_late { ", late" } else { "" };
        self.tell(|| {
            let (offset, webhooks) = (record.offset, &record.webhooks);
            format!("record {offset}: event {source} for {webhooks:?} under {view}{late}")
        });
        self.append(record);
        Ok(true)
    }

    /// The newest view.
    pub(super) fn newest(&self) -> Revision {
        self.changes.last().map(Change::revision).unwrap_or_default()
    }

    pub(super) fn next_revision(&self) -> i64 {
        i64::try_from(self.changes.len()).unwrap_or(i64::MAX) + 1
    }

    pub(super) fn change_webhook(&mut self) {
        let number = self.rng.random_range(0..self.webhooks.len());
        let on = self.rng.random_bool(0.6);
        match self.deleting.happens_to(self.webhooks[number].id) {
            Some(Fate::Deleted) => self.delete(number),
            Some(Fate::StaysDeleted) => {}
            // It is as it is stored, but for what is changed along with it.
            Some(Fate::BroughtBack) | None => self.switch(number, on),
        }
    }

    pub(super) fn create_webhook(&mut self) {
        let Some(number) = fanout::number(self.webhooks.len()) else {
            return;
        };
        let revision = self.next_revision();
        let mut created = settings(webhook(number, true, revision), &mut self.rng);
        self.unordered.change(&mut created);
        created.event_types = self.fanout.taste();
        self.created.insert(created.id);
        self.tell(|| format!("webhook {} is created, revision {revision}", created.id));
        self.changes.push(Change::put(&created));
        self.webhooks.push(created);
    }

    pub(super) fn switch(&mut self, number: usize, active: bool) {
        let revision = self.next_revision();
        let wants_the_same = self.rng.random_bool(0.5);
        let webhook = &mut self.webhooks[number];
        if !wants_the_same {
            webhook.event_types = self.fanout.taste();
        }
        webhook.active = active;
        webhook.revision = Revision::from_offset(revision);
        self.unordered.change(webhook);
        self.changes.push(Change::put(webhook));
        self.tell(|| format!("webhook {number} active: {active}, revision {revision}"));
    }

    pub(super) fn learn(&mut self) {
        let true_ms = self.now_ms;
        let now_ms = self.owner().clock(true_ms);
        let known = self.changes.len();
        let changes = self.changes.clone();
        let owner = self.owner();
        let before = owner.learnt.min(known);
        for change in &changes[before..] {
            change.reach(&owner.directory);
        }
        if before < known {
            owner.learnt = known;
            self.deletions_reach_owner(&changes[before..]);
            let owner = self.owner();
            if owner.stage == Stage::Acting {
                owner.partition.refresh(now_ms);
            }
            self.tell(|| format!("the owner learns of {known} changes"));
        }
    }
}
