//! Filters of webhooks, as those write them who do not run them: what can be told of one before an event comes.

use angarium_filter::{Failure, Filter, Lookup, Problem, Subject};
use angarium_model::{Catalogue, Event, EventName, EventType, KnownTypes, Webhook};
use angarium_proto::FieldError;
use angarium_proto::registry::v1::FilterLookup;

use crate::sample::{example, own_example};

/// The field.
pub const FILTER: &str = "filter";

/// The most types that a refusal names: what is wrong with one is wrong with the others as a rule.
const MAX_NAMED: usize = 3;

/// Parses an expression; each mistake is one of the field.
///
/// # Errors
/// Every mistake.
pub fn parse_filter(text: &str, field: &str) -> Result<Filter, Vec<FieldError>> {
    let errors = |problems: Vec<Problem>| {
        let error = |problem: &Problem| FieldError::new(field, problem.to_string());
        problems.iter().map(error).collect()
    };
    Filter::parse(text).map_err(errors)
}

/// Tries a webhook's filter on the example of each type that it takes. It is refused when it has no answer for
/// any of them, for then it is misspelt, most likely. When it has one for some, it may be meant for those: what is left
/// out of an example, or comes in some events only, is asked for with `has(…)`. Nor is it refused when a type has no example.
///
/// # Errors
/// The mistake, of the field `filter`.
pub fn try_filter(webhook: &Webhook, types: &KnownTypes) -> Result<(), FieldError> {
    let Some(text) = &webhook.filter else {
        return Ok(());
    };
    let filter = Filter::parse(text.as_str()).map_err(|problems| {
        let first = problems.first().map(ToString::to_string);
        FieldError::new(FILTER, first.unwrap_or_default())
    })?;
    let mut failures = Vec::new();
    let own = types.own().filter(|own| webhook.takes(&own.name));
    for own in own {
        match own_example(own, webhook.account).ok().flatten() {
            None => return Ok(()),
            Some(event) => match on(&filter, &event) {
                Ok(_) => return Ok(()),
                Err(failure) => failures.push((own.name.as_str(), failure)),
            },
        }
    }
    for known in taken(webhook) {
        match on(&filter, &example(known, webhook.account)) {
            Ok(_) => return Ok(()),
            Err(failure) => failures.push((known.name, failure)),
        }
    }
    let Some((first, why)) = failures.first() else {
        return Ok(());
    };
    let same: Vec<_> = failures
        .iter()
        .filter(|(_, other)| other == why)
        .map(|(name, _)| *name)
        .collect();
    let examples = match same.as_slice() {
        [_] => (*first).to_owned(),
        some if some.len() <= MAX_NAMED => some.join(", "),
        many => format!("{first} and {} more types", many.len() - 1),
    };
    let problem = why.problem();
    let place = problem
        .place
        .map(|place| format!("{place}: "))
        .unwrap_or_default();
    let message = format!(
        "{place}on the example of {examples}: {}; no type that the webhook takes has an answer",
        problem.message
    );
    Err(FieldError::new(FILTER, message))
}

/// What an expression looks up of an event, as services tell it.
#[must_use]
pub fn lookups(filter: &Filter, subject: &Subject<'_>) -> Vec<FilterLookup> {
    let wire = |Lookup { path, value }| FilterLookup { path, value };
    filter.lookups(subject).into_iter().map(wire).collect()
}

fn on(filter: &Filter, event: &Event) -> Result<bool, Failure> {
    let info = event.info.as_ref().map_or("", |info| info.as_str());
    filter.matches(&Subject::new(event, info))
}

fn taken(webhook: &Webhook) -> impl Iterator<Item = EventType> + '_ {
    Catalogue
        .types()
        .filter(|known| EventName::new(known.name).is_ok_and(|name| webhook.takes(&name)))
}
