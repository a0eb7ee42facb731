//! Webhooks are deleted, and brought back as they were: what waited for one is forgotten, or sent by an owner that learns it
//! late; what is matched once it is back must arrive. What is chosen here has dice of its own: other worlds are the same.

use std::collections::{BTreeMap, BTreeSet};

use angarium_model::{Revision, WebhookId};
use rand::rngs::SmallRng;
use rand::{RngExt as _, SeedableRng as _};

use super::super::fixtures::Change;
use super::super::happened::What;
use super::World;

/// What is deleted.
#[derive(Debug)]
pub(super) struct Deleting {
    rng: SmallRng,
    is_here: bool,
    gone: BTreeSet<WebhookId>,
    /// When each was deleted last, whether it is back or not.
    last: BTreeMap<WebhookId, Revision>,
}

/// What becomes of a webhook that is to be changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    Deleted,
    BroughtBack,
    StaysDeleted,
}

impl Deleting {
    pub(super) fn new(seed: u64) -> Self {
        let mut rng = SmallRng::seed_from_u64(seed.rotate_left(43));
        let is_here = rng.random_bool(0.25);
        Self {
            rng,
            is_here,
            gone: BTreeSet::new(),
            last: BTreeMap::new(),
        }
    }

    pub(super) fn happens_to(&mut self, webhook: WebhookId) -> Option<Fate> {
        if !self.is_here {
            None
        } else if self.gone.contains(&webhook) {
            let is_back = self.rng.random_bool(0.6) && self.gone.remove(&webhook);
            Some(if is_back {
                Fate::BroughtBack
            } else {
                Fate::StaysDeleted
            })
        } else {
            self.rng.random_bool(0.3).then_some(Fate::Deleted)
        }
    }

    pub(super) fn is_gone(&self, webhook: WebhookId) -> bool {
        self.gone.contains(&webhook)
    }

    /// Whether what was matched under this view, and nothing newer, may have been forgotten with the webhook.
    pub(super) fn forgets(&self, webhook: WebhookId, view: Option<Revision>) -> bool {
        let last = self.last.get(&webhook).copied();
        self.is_gone(webhook) || last.is_some_and(|last| view < Some(last))
    }

    /// The faults stop: some come back for good.
    pub(super) fn settle(&mut self) {
        let rng = &mut self.rng;
        self.gone.retain(|_| rng.random_bool(0.5));
    }
}

impl World {
    pub(super) fn delete(&mut self, number: usize) {
        let revision = Revision::from_offset(self.next_revision());
        let id = self.webhooks[number].id;
        self.changes.push(Change::Delete(id, revision));
        self.deleting.gone.insert(id);
        self.deleting.last.insert(id, revision);
        self.tell(|| format!("webhook {id} is deleted, revision {revision}"));
    }

    /// The owner learns these changes, and has not looked its webhooks up again yet.
    pub(super) fn deletions_reach_owner(&mut self, changes: &[Change]) {
        for change in changes {
            let id = change.id();
            let Change::Delete(..) = change else {
                let was_deleted = self.deleting.last.contains_key(&id);
                let is_unknown = self.owner().partition.look(id).is_none();
                self.note_if(was_deleted && is_unknown, What::IsBroughtBack);
                continue;
            };
            self.owner_forgets(id);
            let Some(look) = self.owner().partition.look(id) else {
                continue;
            };
            self.note(What::IsDeleted);
            self.note_if(look.is_calling, What::DeletedDuringCall);
            self.note_if(look.is_detached, What::DeletedWhileBehind);
        }
    }

    /// A new owner knows these webhooks not to be there.
    pub(super) fn owner_misses_deleted(&mut self) {
        let directory = self.owner().directory.clone();
        let deleted: Vec<WebhookId> = self.deleting.last.keys().copied().collect();
        for id in deleted.into_iter().filter(|id| directory.webhook(*id).is_none()) {
            self.owner_forgets(id);
        }
    }

    fn owner_forgets(&mut self, webhook: WebhookId) {
        self.few.deleted(webhook);
        self.owner().heads.deleted(webhook);
        self.topic.forget(webhook);
    }

    /// Whether an event need not come any more, its webhook having been deleted since it was matched for it last.
    pub(super) fn is_forgotten(&self, webhook: WebhookId, source: i64) -> bool {
        if !self.deleting.is_here {
            return false;
        }
        let names = self.log.iter().filter(|record| {
            let delivery = &record.delivery;
            delivery.source.offset == source && !delivery.resent && record.webhooks.contains(&webhook)
        });
        let newest = names.map(|record| record.delivery.revision).max();
        self.deleting.forgets(webhook, newest)
    }
}
