//! Filters of webhooks, ready to be evaluated.

use std::fmt;
use std::sync::{Arc, OnceLock};

use angarium_filter::{Failure, Filter};
use angarium_model::{FilterText, WebhookId};
use immutable_chunkmap::map::MapM;

use crate::known::Known;

/// The filters of the webhooks that have one. A copy costs nothing: what is the same in both is shared.
///
/// A filter is parsed when the first event meets it, once: so who follows the registry and matches nothing parses none.
#[derive(Clone, Debug, Default)]
pub(crate) struct Filters(MapM<WebhookId, Arc<Parsed>>);

#[derive(Default)]
struct Parsed(OnceLock<Result<Filter, Failure>>);

impl fmt::Debug for Parsed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.get().is_some() {
            "parsed"
        } else {
            "not met"
        })
    }
}

impl Filters {
    /// A webhook that is new: what was there of it is removed before.
    pub(crate) fn insert(&mut self, webhook: &Known) {
        if webhook.filter().is_some() {
            self.0.insert_cow(webhook.id(), Arc::default());
        }
    }

    pub(crate) fn remove(&mut self, webhook: &Known) {
        if webhook.filter().is_some() {
            self.0.remove_cow(&webhook.id());
        }
    }

    #[cfg(test)]
    pub(crate) fn is_empty(&self) -> bool {
        self.0.len() == 0
    }

    /// Whether the webhook wants the event; one without a filter does.
    pub(crate) fn ask(
        &self,
        webhook: &Known,
        wants: impl Fn(&Filter) -> Result<bool, Failure>,
    ) -> Result<bool, Failure> {
        let (Some(text), Some(parsed)) = (webhook.filter(), self.0.get(&webhook.id())) else {
            return Ok(true);
        };
        let filter = parsed.0.get_or_init(|| parse(text));
        wants(filter.as_ref().map_err(Clone::clone)?)
    }
}

/// The registry refuses what is none; a newer one may take more than this.
fn parse(text: &FilterText) -> Result<Filter, Failure> {
    Filter::parse(text.as_str()).map_err(|problems| Failure::unreadable(problems.first()))
}
