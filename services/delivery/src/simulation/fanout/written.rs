//! What fanout has written, beside what it had to write.

use std::collections::{BTreeMap, BTreeSet};

use angarium_model::{EventName, Revision, Webhook, WebhookId};

use super::super::fixtures::Change;
use crate::partition::Incoming;

/// By event: the views that owners of the partition of `events` wrote it under.
type Views = BTreeMap<i64, BTreeSet<Revision>>;

/// What the deliveries topic was given.
#[derive(Debug, Default)]
pub(super) struct Written {
    /// To the partition that is simulated.
    here: Views,
    /// To the other one, of which a webhook wants everything.
    elsewhere: Views,
    /// The newest event that was written here.
    newest: i64,
    /// The newest that was written there.
    newest_elsewhere: i64,
}

impl Written {
    /// A record is written elsewhere. A webhook there wants everything, so nothing is skipped before it.
    pub(super) fn elsewhere(&mut self, record: &Incoming, is_late: bool) -> Result<(), String> {
        let source = record.delivery.source.offset;
        if source > self.newest_elsewhere + 1 {
            return Err(format!(
                "fanout writes event {source} behind {}",
                self.newest_elsewhere
            ));
        }
        self.newest_elsewhere = source.max(self.newest_elsewhere);
        if !is_late {
            add(&mut self.elsewhere, record);
        }
        Ok(())
    }

    /// The newest event that was written anywhere.
    pub(super) fn newest(&self) -> i64 {
        self.newest.max(self.newest_elsewhere)
    }

    /// A record is written to the partition that is simulated. It names who wants it under its view.
    pub(super) fn here(
        &mut self,
        record: &Incoming,
        wanting: &[WebhookId],
        is_late: bool,
    ) -> Result<(), String> {
        let view = record.delivery.revision;
        if record.webhooks != wanting {
            return Err(format!(
                "under {view} event {} goes to {:?}, and {wanting:?} want it",
                record.delivery.source.offset, record.webhooks
            ));
        }
        self.newest = record.delivery.source.offset.max(self.newest);
        if !is_late {
            add(&mut self.here, record);
        }
        Ok(())
    }

    /// An event is committed: under some view it was written for all that want it under that view.
    pub(super) fn check_committed(
        &self,
        source: i64,
        wanting: impl Fn(Revision) -> Vec<WebhookId>,
    ) -> Result<(), String> {
        let is_here = |view: &Revision| self.here.get(&source).is_some_and(|views| views.contains(view));
        let mut views = self.elsewhere.get(&source).into_iter().flatten();
        if views.any(|view| is_here(view) || wanting(*view).is_empty()) {
            return Ok(());
        }
        Err(format!("event {source} is committed, and was not written"))
    }
}

fn add(views: &mut Views, record: &Incoming) {
    let of = views.entry(record.delivery.source.offset).or_default();
    of.insert(record.delivery.revision);
}

/// The webhooks that want an event under a view: by their changes alone, which are ordered by revision, from 1.
pub(super) fn wanting(changes: &[Change], view: Revision, name: &EventName) -> Vec<WebhookId> {
    let known = usize::try_from(view.offset()).unwrap_or(0);
    let known = changes.iter().take(known);
    let newest: BTreeMap<WebhookId, &Change> = known.map(|change| (change.id(), change)).collect();
    let wants = |webhook: &&Webhook| {
        let mut types = webhook.event_types.iter();
        webhook.active && types.any(|pattern| pattern.matches(name))
    };
    newest
        .into_values()
        .filter_map(|change| match change {
            Change::Put(webhook) => Some(webhook.as_ref()),
            Change::Delete(..) => None,
        })
        .filter(wants)
        .map(|webhook| webhook.id)
        .collect()
}
