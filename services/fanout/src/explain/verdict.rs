//! What becomes of an event, in words.

use angarium_directory::{Interest, Matched, View};
use angarium_filter::{Filter, Subject};
use angarium_model::{DisabledReason, Event};
use angarium_proto::explain::v1::{Explanation, Outcome, Recorded, Verdict};
use angarium_proto::journal::v1 as journal;
use angarium_proto::registry::v1::FilterLookup;
use angarium_webhooks::lookups;

/// The longest reason, in bytes.
const MAX_REASON: usize = 512;

/// What a view makes of an event.
#[derive(Debug)]
pub(super) struct Now<'e> {
    event: &'e Event,
    matched: Matched,
}

/// What fanout recorded of it.
#[derive(Debug)]
pub(super) struct Then {
    matched: journal::Matched,
    at_ms: i64,
}

impl<'e> Now<'e> {
    pub(super) fn of(view: &View, event: &'e Event, subject: &Subject<'_>) -> Self {
        let matched = view.webhooks_for(event.account, &event.name, |filter| filter.matches(subject));
        Self { event, matched }
    }

    fn verdict(&self, webhook: &Interest, subject: &Subject<'_>) -> Verdict {
        let matched = &self.matched;
        let failure = matched.undecided.iter().find(|(id, _)| *id == webhook.id);
        let (outcome, reason) = if matched.active.contains(&webhook.id) {
            (Outcome::Matches, self.takes(webhook))
        } else if matched.inactive.contains(&webhook.id) {
            (Outcome::Inactive, inactive(webhook))
        } else if matched.filtered.contains(&webhook.id) {
            let reason = "its filter is not true of this event".to_owned();
            (Outcome::Filtered, reason)
        } else if let Some((_, failure)) = failure {
            (
                Outcome::Undecided,
                format!("its filter has no answer for this event: {failure}"),
            )
        } else {
            (Outcome::OtherType, self.takes_others(webhook))
        };
        let is_asked = matches!(outcome, Outcome::Matches | Outcome::Filtered | Outcome::Undecided);
        Verdict {
            outcome: outcome.into(),
            reason: bounded(reason),
            lookups: if is_asked {
                looked_up(webhook, subject)
            } else {
                Vec::new()
            },
        }
    }

    fn takes(&self, webhook: &Interest) -> String {
        let taking = webhook
            .event_types
            .iter()
            .find(|pattern| pattern.matches(&self.event.name));
        let taking = taking.map_or_else(String::new, ToString::to_string);
        let filter = if webhook.filter.is_some() {
            ", and its filter is true"
        } else {
            ""
        };
        format!("it takes {taking}{filter}")
    }

    fn takes_others(&self, webhook: &Interest) -> String {
        let types: Vec<_> = webhook.event_types.iter().map(ToString::to_string).collect();
        format!("it takes {}, and this is a {}", types.join(", "), self.event.name)
    }
}

impl Then {
    pub(super) const fn new(matched: journal::Matched, at_ms: i64) -> Self {
        Self { matched, at_ms }
    }

    pub(super) const fn recorded(&self) -> Recorded {
        Recorded {
            at_ms: self.at_ms,
            registry_revision: self.matched.registry_revision,
        }
    }

    /// A webhook that is not named was not there, or did not take the type: which of them, the audit log tells.
    fn outcome(&self, webhook: &Interest) -> Outcome {
        let id = webhook.id.to_string();
        let matched = &self.matched;
        if matched.webhook_ids.contains(&id) {
            Outcome::Matches
        } else if matched.inactive_webhook_ids.contains(&id) {
            Outcome::Inactive
        } else if matched.filtered_webhook_ids.contains(&id) {
            Outcome::Filtered
        } else if matched
            .undecided
            .iter()
            .any(|undecided| undecided.webhook_id == id)
        {
            Outcome::Undecided
        } else {
            Outcome::OtherType
        }
    }
}

pub(super) fn explanation(
    webhook: &Interest,
    now: &Now<'_>,
    then: Option<&Then>,
    subject: &Subject<'_>,
) -> Explanation {
    Explanation {
        webhook_id: webhook.id.to_string(),
        webhook_name: webhook.name.to_string(),
        now: Some(now.verdict(webhook, subject)),
        then: then
            .map_or(Outcome::Unspecified, |then| then.outcome(webhook))
            .into(),
        changed_since: then.is_some_and(|then| webhook.revision.offset() > then.matched.registry_revision),
    }
}

fn inactive(webhook: &Interest) -> String {
    match webhook.disabled.as_ref().map(|disabled| disabled.reason()) {
        None => "it is switched off".to_owned(),
        Some(DisabledReason::FailedForRetention) => {
            "it was switched off, for it failed for as long as events are kept (D3)".to_owned()
        }
        Some(DisabledReason::Gone) => {
            "it was switched off, for its receiver answered 410 Gone (D2)".to_owned()
        }
    }
}

fn looked_up(webhook: &Interest, subject: &Subject<'_>) -> Vec<FilterLookup> {
    let filter = webhook
        .filter
        .as_ref()
        .and_then(|text| Filter::parse(text.as_str()).ok());
    filter.map(|filter| lookups(&filter, subject)).unwrap_or_default()
}

/// A webhook may take 128 types.
fn bounded(mut reason: String) -> String {
    if reason.len() > MAX_REASON {
        let mut end = MAX_REASON - '…'.len_utf8();
        while !reason.is_char_boundary(end) {
            end -= 1;
        }
        reason.truncate(end);
        reason.push('…');
    }
    reason
}
