//! All that verdicts are made of, and the verdicts.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use angarium_directory::{Interest, View};
use angarium_filter::Subject;
use angarium_model::WebhookId;
use angarium_proto::explain::v1;

use super::Explained;
use super::past::Was;
use super::verdict::{self, About, Now, Then};

/// What was found out about an event.
#[derive(Debug)]
pub(super) struct Looked {
    pub(super) explained: Explained,
    /// What fanout recorded of it.
    pub(super) then: Option<Then>,
    /// Webhooks as they are.
    pub(super) webhooks: Vec<Arc<Interest>>,
    /// Those that wanted its type and are gone.
    pub(super) deleted: Vec<WebhookId>,
    /// What those were like that are not the same now, as far as it was found.
    pub(super) was: HashMap<WebhookId, Was>,
    /// Whether there are more webhooks.
    pub(super) truncated: bool,
}

impl Looked {
    /// The answer, without how calls go, and where the event went; or goes, if that is not on record.
    pub(super) fn told(&self, view: &View) -> (v1::ExplainResponse, HashSet<WebhookId>) {
        let info = self.explained.info();
        let event = &self.explained.event;
        let about = About {
            event,
            subject: Subject::new(event, &info),
        };
        let now = Now::of(view, &about);
        let then = self.then.as_ref();
        let there = self.webhooks.iter().map(|webhook| {
            let then = then.map(|then| (then, self.was.get(&webhook.id)));
            verdict::explanation(webhook, (&now, &about), then)
        });
        let gone = then.into_iter().flat_map(|then| {
            let of = |id: &WebhookId| verdict::of_deleted(*id, &about, (then, self.was.get(id)));
            self.deleted.iter().map(of)
        });
        let accepted = self.explained.accepted;
        let answer = v1::ExplainResponse {
            explanations: there.chain(gone).collect(),
            event: Some(self.explained.reference()),
            accepted_at_ms: accepted.map(|(_, accepted_at)| accepted_at.unix_ms()),
            recorded: then.map(Then::recorded),
            truncated: self.truncated,
            calls_incomplete: false,
        };
        let went_to = match then {
            Some(then) => then.went_to().collect(),
            None => now.goes_to().collect(),
        };
        (answer, went_to)
    }
}
