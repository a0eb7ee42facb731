//! Webhooks that take several groups at once, and events that their receivers refuse, or hang on, for long. What is
//! chosen here has dice of its own: a world without such a webhook is the same whatever is chosen for others.

use std::collections::BTreeSet;

use angarium_model::{MaxInFlight, Ordering, Webhook, WebhookId};
use rand::rngs::SmallRng;
use rand::{RngExt as _, SeedableRng as _};

use super::super::owner::Post;
use super::World;

/// What a world has of it.
pub(super) struct Unordered {
    rng: SmallRng,
    is_here: bool,
    /// Webhooks that are, or were.
    pub(super) webhooks: BTreeSet<WebhookId>,
    refused: BTreeSet<(WebhookId, i64)>,
    hung_on: BTreeSet<(WebhookId, i64)>,
}

impl Unordered {
    pub(super) fn new(seed: u64, webhooks: &mut [Webhook]) -> Self {
        let mut rng = SmallRng::seed_from_u64(!seed);
        let is_here = rng.random_bool(0.4);
        let mut here = Self {
            rng,
            is_here,
            webhooks: BTreeSet::new(),
            refused: BTreeSet::new(),
            hung_on: BTreeSet::new(),
        };
        for webhook in webhooks.iter_mut().filter(|_| is_here) {
            here.choose(webhook, 0.7);
        }
        here
    }

    fn choose(&mut self, webhook: &mut Webhook, chance: f64) {
        webhook.ordering = if self.rng.random_bool(chance) {
            self.webhooks.insert(webhook.id);
            Ordering::Unordered {
                max_in_flight: MaxInFlight::new(self.rng.random_range(1..5)).ok(),
            }
        } else {
            Ordering::Ordered
        };
    }

    /// The webhook is changed, perhaps in this too.
    pub(super) fn change(&mut self, webhook: &mut Webhook) {
        if self.is_here && self.rng.random_bool(0.2) {
            self.choose(webhook, 0.5);
        }
    }

    /// An event was published.
    pub(super) fn published(&mut self, webhooks: &[WebhookId], source: i64) {
        for webhook in webhooks.iter().filter(|id| self.webhooks.contains(*id)) {
            match self.rng.random_range(0..60) {
                0 => self.refused.insert((*webhook, source)),
                1 => self.hung_on.insert((*webhook, source)),
                _ => false,
            };
        }
    }

    /// Which of the POSTs that may go on does.
    pub(super) fn pick(&mut self, posts: &[Post], may: impl Fn(&Post) -> bool) -> Option<usize> {
        let mut may = (0..).zip(posts).filter(|(_, post)| may(post));
        if !self.is_here {
            return may.next().map(|(index, _)| index);
        }
        let may: Vec<(usize, &Post)> = may.collect();
        let (index, post) = *may.get(self.rng.random_range(0..may.len().max(1)))?;
        let hangs = has_any(&self.hung_on, post) && self.rng.random_bool(0.95);
        (!hangs).then_some(index)
    }

    pub(super) fn refuses(&self, post: &Post) -> bool {
        has_any(&self.refused, post)
    }

    /// Whether it is not sent, through no fault of its receiver.
    pub(super) fn is_held_back(&mut self) -> bool {
        self.rng.random_bool(0.05)
    }

    /// The faults stop.
    pub(super) fn settle(&mut self) {
        self.refused.clear();
        self.hung_on.clear();
    }
}

fn has_any(of: &BTreeSet<(WebhookId, i64)>, post: &Post) -> bool {
    let mut items = post.group.items.iter();
    items.any(|item| of.contains(&(post.webhook, item.delivery.source.offset)))
}

impl World {
    /// The most POSTs that an owner may have under way, as far as it knows.
    pub(super) fn most_at_once(owner: &super::Owner, webhook: WebhookId) -> usize {
        let most = owner
            .directory
            .webhook(webhook)
            .map(|webhook| webhook.ordering.max_in_flight());
        most.map_or(1, |most| usize::try_from(most.get()).unwrap_or(1))
    }
}
