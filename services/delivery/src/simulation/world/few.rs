//! Receivers that manage few events at once, for long: they answer 413 to more.

use std::collections::BTreeMap;

use angarium_model::{Webhook, WebhookId};
use rand::RngExt as _;
use rand::rngs::SmallRng;

use super::super::happened::What;
use super::super::owner::{Owner, Post};
use super::{Checked, World};

/// What receivers manage.
#[derive(Debug)]
pub(super) struct Few {
    most: BTreeMap<WebhookId, usize>,
    /// The last group that was too large, of this owner: it must not come as it was. By its places too: what fanout has
    /// repeated may be another group of the same events, and has the same id.
    too_large: BTreeMap<WebhookId, (i64, String, Vec<i64>)>,
}

impl Few {
    pub(super) fn new(webhooks: &[Webhook], rng: &mut SmallRng) -> Self {
        let is_here = rng.random_bool(0.25);
        let chosen = webhooks.iter().filter(|_| is_here && rng.random_bool(0.6));
        let chosen: Vec<WebhookId> = chosen.map(|webhook| webhook.id).collect();
        Self {
            most: chosen
                .into_iter()
                .map(|id| (id, rng.random_range(1..4)))
                .collect(),
            too_large: BTreeMap::new(),
        }
    }

    /// Whether a group has more events than its receiver manages.
    pub(super) fn refuses(&self, post: &Post) -> bool {
        let most = self.most.get(&post.webhook);
        most.is_some_and(|most| post.group.items.len() > *most)
    }

    /// Its webhook was deleted: what was too large may come as it was, if it is brought back.
    pub(super) fn deleted(&mut self, webhook: WebhookId) {
        self.too_large.remove(&webhook);
    }

    /// A group was too large.
    pub(super) fn refused(&mut self, epoch: i64, post: &Post) {
        if post.group.items.len() > 1 {
            let group = (epoch, post.group.id.clone(), post.offsets());
            self.too_large.insert(post.webhook, group);
        }
    }
}

impl World {
    /// What was too large comes in halves, under new ids.
    pub(super) fn check_halved(&mut self, index: usize, post: &Post) -> Checked {
        let owner: &Owner = &self.owners[index];
        let most = Self::most_at_once(owner, post.webhook);
        let Some(too_large) = self.few.too_large.remove(&post.webhook) else {
            return Ok(());
        };
        if too_large == (owner.epoch, post.group.id.clone(), post.offsets()) && most == 1 {
            return Err(format!(
                "{} gets {:?} again, which was too large",
                post.webhook,
                post.offsets()
            ));
        }
        self.note(What::Halved);
        Ok(())
    }
}
