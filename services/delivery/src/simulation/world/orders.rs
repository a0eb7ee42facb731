//! Someone orders a replay, cancels it, or has one event resent.

use std::collections::BTreeSet;

use angarium_model::WebhookId;
use angarium_policy::expired;
use rand::RngExt as _;
use rand::seq::IndexedRandom as _;

use super::super::fixtures::{delivery, resent};
use super::{Checked, World};
use crate::hook::{Order, Ordered};
use crate::partition::Incoming;

impl World {
    pub(super) fn order(&mut self) {
        let webhook = self.webhooks[self.rng.random_range(0..self.webhooks.len())].id;
        let at = self.end();
        let what = if self.rng.random_bool(0.2) {
            let mut orders = self.orders_of(webhook);
            orders.retain(|order| matches!(order.what, Ordered::Replay { .. }));
            let of = self.rng.random_bool(0.6).then(|| orders.choose(&mut self.rng));
            Ordered::Cancel {
                of: of.flatten().map(|order| order.at),
            }
        } else {
            let from = self.rng.random_range(0..=at);
            let after = self.rng.random_range(0..=self.fanout.last());
            Ordered::Replay {
                from,
                until: self.rng.random_range(from..=at),
                after: Some(after).filter(|_| self.rng.random_bool(0.3)),
            }
        };
        if self.deleting.is_gone(webhook) {
            // Nobody can ask for it.
            return;
        }
        let order = Order { at, what };
        self.tell(|| format!("record {at}: {order:?} for {webhook}"));
        self.orders.insert(at, (webhook, order));
        // No event: the log has something at this place.
        self.push(Vec::new(), delivery(0, self.now_ms, 0, self.newest()));
    }

    /// One event is sent again, out of turn.
    pub(super) fn resend(&mut self) {
        if self.log.is_empty() {
            return;
        }
        let record = &self.log[self.rng.random_range(0..self.log.len())];
        let Some(webhook) = record.webhooks.first().copied() else {
            return;
        };
        if self.deleting.is_gone(webhook) {
            return;
        }
        let again = resent(&record.delivery, self.newest());
        let at = self.end();
        self.tell(|| {
            format!(
                "record {at}: event {} is resent to {webhook}",
                again.source.offset
            )
        });
        self.push(vec![webhook], again);
    }

    pub(super) fn end(&self) -> i64 {
        i64::try_from(self.log.len()).unwrap_or(i64::MAX)
    }

    pub(super) fn push(&mut self, webhooks: Vec<WebhookId>, delivery: crate::record::Delivery) {
        self.append(Incoming {
            offset: self.end(),
            delivery: delivery.into(),
            webhooks,
        });
    }

    pub(super) fn append(&mut self, record: Incoming) {
        self.appended.push(self.now_ms);
        self.log.push(record);
    }

    fn orders_of(&self, webhook: WebhookId) -> Vec<Order> {
        let orders = self.orders.values().filter(|(id, _)| *id == webhook);
        orders.map(|(_, order)| *order).collect()
    }

    /// What the last order for a webhook asked for was received since it was taken.
    pub(super) fn check_replays(&self) -> Checked {
        if self.cut.has_been() {
            // Where a webhook is in another log is not known before it has caught up there: a replay ends below.
            return Ok(());
        }
        for webhook in self.webhooks.iter().map(|webhook| webhook.id) {
            let Some(order) = last_that_counts(&self.orders_of(webhook)) else {
                continue;
            };
            let index = usize::try_from(order.at).unwrap_or(usize::MAX);
            let given_under = self.log.get(index).map(|record| record.delivery.revision);
            if self.deleting.forgets(webhook, given_under) {
                continue;
            }
            let Ordered::Replay { from, until, after } = order.what else {
                continue;
            };
            let mut known = BTreeSet::new();
            for record in &self.log {
                let source = record.delivery.source.offset;
                let is_first = record.webhooks.contains(&webhook) && known.insert(source);
                let is_asked = (from..until).contains(&record.offset)
                    && after.is_none_or(|after| source > after)
                    && !self.fanout.is_late(record.offset);
                if is_first
                    && is_asked
                    // What a replay finds too old was done in its time: nobody is told of it.
                    && !expired(record.delivery.accepted_at, self.now_ms)
                    && !self.receivers.has_since(webhook, order.at, source)
                    && !self.may_lack(webhook, source)
                {
                    return Err(format!(
                        "{webhook} did not get event {source} again, by {order:?}"
                    ));
                }
            }
        }
        Ok(())
    }
}

/// A cancellation that names another replay than the last one does nothing.
fn last_that_counts(orders: &[Order]) -> Option<Order> {
    orders.iter().copied().reduce(|last, order| match order.what {
        Ordered::Cancel { of: Some(of) } if of != last.at => last,
        Ordered::Cancel { .. } | Ordered::Replay { .. } => order,
    })
}
