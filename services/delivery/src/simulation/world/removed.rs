//! What leaves Kafka before it was sent is told of (D5): to the webhook that waited for it, or, where nobody had read it
//! yet, in the log of whoever begins behind it.

use std::collections::BTreeMap;
use std::ops::Range;

use angarium_model::WebhookId;

use super::{Checked, World};

/// Places that were told of.
#[derive(Debug, Default)]
pub(super) struct Told {
    webhooks: BTreeMap<WebhookId, Vec<Range<i64>>>,
    unread: Vec<Range<i64>>,
}

impl Told {
    /// Nobody had read these.
    pub(super) fn unread(&mut self, places: Range<i64>) {
        if !places.is_empty() {
            self.unread.push(places);
        }
    }

    fn has(&self, webhook: WebhookId, place: i64) -> bool {
        let of_webhook = self.webhooks.get(&webhook).into_iter().flatten();
        of_webhook.chain(&self.unread).any(|told| told.contains(&place))
    }
}

impl World {
    /// What owners tell is gone must be.
    pub(super) fn look_at_removed(&mut self) -> Checked {
        let low = self.low();
        let owners = self.owners.iter_mut();
        let removed: Vec<_> = owners.flat_map(|owner| owner.removed.drain(..)).collect();
        for (webhook, what) in removed {
            if what.to > low {
                return Err(format!(
                    "{webhook} is told of {what:?}, and the log starts at {low}"
                ));
            }
            self.tell(|| format!("{webhook} is told of {what:?}"));
            let told = self.told.webhooks.entry(webhook).or_default();
            told.push(what.from..what.to);
        }
        Ok(())
    }

    /// What was not received, nor given up otherwise, was told of.
    pub(super) fn check_removed_is_told(&self) -> Checked {
        if self.cut.has_been() {
            // Its places were of another log.
            return Ok(());
        }
        let low = self.low();
        for (webhook, owed) in &self.owed {
            for source in self.receivers.lacks(*webhook, owed) {
                let given_up = self.given_up.get(webhook);
                let is_of_it = |offset: &i64| {
                    let record = usize::try_from(*offset)
                        .ok()
                        .and_then(|index| self.log.get(index));
                    record.is_some_and(|record| {
                        record.delivery.source.offset == source && record.webhooks.contains(webhook)
                    })
                };
                let mut places = (0..self.end()).filter(is_of_it);
                let is_told = |place| place >= low || self.told.has(*webhook, place);
                if !given_up.is_some_and(|given_up| given_up.contains(&source))
                    && !self.is_forgotten(*webhook, source)
                    && !places.any(is_told)
                {
                    return Err(format!(
                        "event {source} has left Kafka, and {webhook} is told nothing"
                    ));
                }
            }
        }
        Ok(())
    }
}
