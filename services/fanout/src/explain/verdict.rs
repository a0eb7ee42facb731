//! What becomes of an event, in words.

use std::sync::Arc;

use angarium_directory::{Interest, Matched, View};
use angarium_filter::{Filter, Subject};
use angarium_model::{DisabledReason, Event, WebhookId};
use angarium_proto::explain::v1::{Explanation, Outcome, Recorded, Verdict};
use angarium_proto::journal::v1 as journal;
use angarium_proto::registry::v1::FilterLookup;
use angarium_webhooks::lookups;

use super::past::Was;

/// The longest reason, in bytes.
const MAX_REASON: usize = 512;

/// What a view makes of an event.
#[derive(Debug)]
pub(super) struct Now {
    matched: Matched,
}

/// What fanout recorded of it.
#[derive(Debug)]
pub(super) struct Then {
    matched: journal::Matched,
    at_ms: i64,
}

/// The event, as filters see it.
#[derive(Debug)]
pub(super) struct About<'e> {
    pub(super) event: &'e Event,
    pub(super) subject: Subject<'e>,
}

/// When a verdict was made.
#[derive(Clone, Copy, Debug)]
enum Tense {
    Now,
    Then,
}

impl Now {
    pub(super) fn of(view: &View, about: &About<'_>) -> Self {
        let event = about.event;
        let matched = view.webhooks_for(event.account, &event.name, |filter| {
            filter.matches(&about.subject)
        });
        Self { matched }
    }

    /// Where the event goes.
    pub(super) fn goes_to(&self) -> impl Iterator<Item = WebhookId> + '_ {
        self.matched.active.iter().copied()
    }

    fn verdict(&self, webhook: &Interest, about: &About<'_>) -> Verdict {
        let matched = &self.matched;
        let failure = matched.undecided.iter().find(|(id, _)| *id == webhook.id);
        let outcome = if matched.active.contains(&webhook.id) {
            Outcome::Matches
        } else if matched.inactive.contains(&webhook.id) {
            Outcome::Inactive
        } else if matched.filtered.contains(&webhook.id) {
            Outcome::Filtered
        } else if failure.is_some() {
            Outcome::Undecided
        } else {
            Outcome::OtherType
        };
        let failure = failure.map(|(_, failure)| failure.to_string());
        about.verdict(
            outcome,
            webhook,
            failure.as_deref().unwrap_or_default(),
            Tense::Now,
        )
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

    /// The offset up to which the registry was known.
    pub(super) const fn revision(&self) -> i64 {
        self.matched.registry_revision
    }

    /// All that are named: they wanted the type of the event.
    pub(super) fn named(&self) -> impl Iterator<Item = WebhookId> + '_ {
        let matched = &self.matched;
        let undecided = matched.undecided.iter().map(|undecided| &undecided.webhook_id);
        let ids = matched.webhook_ids.iter().chain(&matched.inactive_webhook_ids);
        ids.chain(&matched.filtered_webhook_ids)
            .chain(undecided)
            .filter_map(|id| id.parse().ok())
    }

    /// When it was recorded: Unix milliseconds.
    pub(super) const fn at_ms(&self) -> i64 {
        self.at_ms
    }

    /// Where the event went.
    pub(super) fn went_to(&self) -> impl Iterator<Item = WebhookId> + '_ {
        self.matched.webhook_ids.iter().filter_map(|id| id.parse().ok())
    }

    /// By its name in the record; `None`: it is not named.
    fn outcome(&self, webhook: WebhookId) -> Option<(Outcome, &str)> {
        let id = webhook.to_string();
        let matched = &self.matched;
        let undecided = || {
            matched
                .undecided
                .iter()
                .find(|undecided| undecided.webhook_id == id)
        };
        if matched.webhook_ids.contains(&id) {
            Some((Outcome::Matches, ""))
        } else if matched.inactive_webhook_ids.contains(&id) {
            Some((Outcome::Inactive, ""))
        } else if matched.filtered_webhook_ids.contains(&id) {
            Some((Outcome::Filtered, ""))
        } else {
            undecided().map(|undecided| (Outcome::Undecided, undecided.reason.as_str()))
        }
    }

    /// What was decided is on record; why, follows from what the webhook was like.
    fn verdict(&self, webhook: WebhookId, was: Option<&Was>, about: &About<'_>) -> Verdict {
        let plain = |outcome: Outcome, reason: String| Verdict {
            outcome: outcome.into(),
            reason,
            lookups: Vec::new(),
        };
        let not_there = || plain(Outcome::NotThere, "there was no such webhook then".to_owned());
        match (self.outcome(webhook), was) {
            (Some((outcome, failure)), Some(Was::Like(was))) => {
                about.verdict(outcome, was, failure, Tense::Then)
            }
            (Some((outcome, "")), Some(Was::NotThere) | None) => plain(outcome, unknown(webhook)),
            (Some((outcome, failure)), Some(Was::NotThere) | None) => plain(
                outcome,
                format!("its filter had no answer for this event: {failure}"),
            ),
            // Who takes the type is named: this one had been deleted for a while.
            (None, Some(Was::Like(was))) if about.is_taken_by(was) => not_there(),
            (None, Some(Was::Like(was))) => about.verdict(Outcome::OtherType, was, "", Tense::Then),
            (None, Some(Was::NotThere)) => not_there(),
            (None, None) => plain(
                Outcome::Unspecified,
                format!(
                    "it did not take this type, or was not there: {}",
                    unknown(webhook)
                ),
            ),
        }
    }
}

fn unknown(webhook: WebhookId) -> String {
    format!("what it was like then was not found; the audit log tells it, of webhook/{webhook}")
}

impl About<'_> {
    fn is_taken_by(&self, webhook: &Interest) -> bool {
        webhook
            .event_types
            .iter()
            .any(|pattern| pattern.matches(&self.event.name))
    }

    fn verdict(&self, outcome: Outcome, webhook: &Interest, failure: &str, tense: Tense) -> Verdict {
        let (takes, is, has) = match tense {
            Tense::Now => ("takes", "is", "has"),
            Tense::Then => ("took", "was", "had"),
        };
        let reason = match outcome {
            Outcome::Matches if webhook.filter.is_some() => {
                format!("it {takes} {}, and its filter {is} true", self.taking(webhook))
            }
            Outcome::Matches => format!("it {takes} {}", self.taking(webhook)),
            Outcome::Inactive => inactive(webhook, is),
            Outcome::Filtered => format!("its filter {is} not true of this event"),
            Outcome::Undecided => format!("its filter {has} no answer for this event: {failure}"),
            Outcome::OtherType => {
                let types: Vec<_> = webhook.event_types.iter().map(ToString::to_string).collect();
                format!(
                    "it {takes} {}, and this is a {}",
                    types.join(", "),
                    self.event.name
                )
            }
            Outcome::NotThere | Outcome::Unspecified => String::new(),
        };
        let is_asked = matches!(outcome, Outcome::Matches | Outcome::Filtered | Outcome::Undecided);
        Verdict {
            outcome: outcome.into(),
            reason: bounded(reason),
            lookups: if is_asked {
                self.looked_up(webhook)
            } else {
                Vec::new()
            },
        }
    }

    fn taking(&self, webhook: &Interest) -> String {
        let mut patterns = webhook.event_types.iter();
        let taking = patterns.find(|pattern| pattern.matches(&self.event.name));
        taking.map_or_else(String::new, ToString::to_string)
    }

    fn looked_up(&self, webhook: &Interest) -> Vec<FilterLookup> {
        let filter = webhook
            .filter
            .as_ref()
            .and_then(|text| Filter::parse(text.as_str()).ok());
        filter
            .map(|filter| lookups(&filter, &self.subject))
            .unwrap_or_default()
    }
}

/// Of a webhook that is there.
pub(super) fn explanation(
    webhook: &Arc<Interest>,
    (now, about): (&Now, &About<'_>),
    then: Option<(&Then, Option<&Was>)>,
) -> Explanation {
    let is_changed = |then: &Then| webhook.revision.offset() > then.revision();
    Explanation {
        webhook_id: webhook.id.to_string(),
        webhook_name: webhook.name.to_string(),
        now: Some(now.verdict(webhook, about)),
        changed_since: then.is_some_and(|(then, _)| is_changed(then)),
        then: then.map(|(then, was)| {
            let same = Was::Like(Arc::clone(webhook));
            let was = if is_changed(then) { was } else { Some(&same) };
            then.verdict(webhook.id, was, about)
        }),
        ..Explanation::default()
    }
}

/// Of one that was deleted since the event was matched.
pub(super) fn of_deleted(
    id: WebhookId,
    about: &About<'_>,
    (then, was): (&Then, Option<&Was>),
) -> Explanation {
    let name = match was {
        Some(Was::Like(was)) => was.name.to_string(),
        Some(Was::NotThere) | None => String::new(),
    };
    Explanation {
        webhook_id: id.to_string(),
        webhook_name: name,
        changed_since: true,
        then: Some(then.verdict(id, was, about)),
        ..Explanation::default()
    }
}

fn inactive(webhook: &Interest, is: &str) -> String {
    match webhook.disabled.as_ref().map(|disabled| disabled.reason()) {
        None => format!("it {is} switched off"),
        Some(DisabledReason::FailedForRetention) => {
            "it was switched off, for it failed for as long as events are kept (D3)".to_owned()
        }
        Some(DisabledReason::Gone) => {
            "it was switched off, for its receiver answered 410 Gone (D2)".to_owned()
        }
    }
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
