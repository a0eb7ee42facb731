//! Reads a request body: one event, an array, the envelope of E4, or a line for each event.
//!
//! Three steps: the body is UTF-8; it is JSON; each event has the right fields. The first two stop at the first
//! mistake (of each line), because nothing after it can be read; the third finds every mistake of every event.
//! `data` is never read, only delimited: it stays a slice of the body (E4).

mod entries;
mod fields;
mod syntax;

use angarium_model::AccountId;
use bytes::Bytes;
use serde_json::value::RawValue;

use crate::config::Rules;
use crate::draft::{Draft, shortened};
use crate::problem::{Kind, Part, Problem, Problems, Shape, Warnings};
use entries::{Entries, JsonType};

/// How a body is laid out, as its content type says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    /// One JSON text.
    Json,
    /// One JSON text a line.
    Lines,
}

/// The events of a request, each with the right fields.
#[derive(Debug)]
pub(crate) struct Submission {
    pub(crate) events: Vec<Draft>,
    pub(crate) warnings: Warnings,
    pub(crate) shape: Shape,
}

/// The names that an envelope may have (E4).
const ACCOUNT_ID: &str = "accountId";
const EVENTS: &str = "events";

/// Reads a request body.
///
/// # Errors
/// Every problem that can be told.
pub(crate) fn parse(
    body: &Bytes,
    format: Format,
    account: AccountId,
    rules: &Rules,
) -> Result<Submission, Problems> {
    let whole = |kind, problem| Problems::one(kind, Shape::Single, problem);
    let text = syntax::utf8(body).map_err(|problem| whole(Kind::Syntax, problem))?;
    if text.trim_ascii().is_empty() {
        let detail = "the body is empty: send one event, an array of events, or an envelope";
        return Err(whole(Kind::Syntax, Problem::new(Part::Whole, detail)));
    }
    let reader = Reader { body, text, rules };
    match format {
        Format::Lines => reader.lines(),
        Format::Json => reader.json(account),
    }
}

struct Reader<'a> {
    body: &'a Bytes,
    text: &'a str,
    rules: &'a Rules,
}

impl<'a> Reader<'a> {
    fn json(&self, account: AccountId) -> Result<Submission, Problems> {
        match JsonType::of(self.text) {
            JsonType::Array => {
                let events: Vec<&RawValue> = self.parsed(self.text)?;
                self.all(&events, Problems::none(Shape::Array))
            }
            JsonType::Object => {
                let entries: Entries<'a> = self.parsed(self.text)?;
                if is_envelope(&entries) {
                    return self.envelope(&entries, account);
                }
                let mut problems = Problems::none(Shape::Single);
                let text = self.text.trim_ascii();
                let event = fields::event(text, &entries, 0, self.body, self.rules, &mut problems);
                finish(event.into_iter().collect(), problems)
            }
            other => {
                // What is no JSON at all looks like any type by its first character: that error goes first.
                let _valid: &RawValue = self.parsed(self.text)?;
                let detail = format!("must be one event, an array of events, or an envelope, not {other}");
                let problem = Problem::new(Part::Whole, detail);
                Err(Problems::one(Kind::Fields, Shape::Single, problem))
            }
        }
    }

    fn envelope(&self, entries: &Entries<'a>, account: AccountId) -> Result<Submission, Problems> {
        let mut problems = Problems::none(Shape::Envelope);
        let mut wrong = |name: &str, detail: &dyn Fn() -> String| {
            problems.add_with(Kind::Fields, None, || {
                Problem::new(Part::Outer(shortened(name)), detail())
            });
        };
        let (mut account_id, mut events) = (None, None);
        for (name, value) in &entries.0 {
            let slot = match name.as_str() {
                ACCOUNT_ID => &mut account_id,
                EVENTS => &mut events,
                unknown => {
                    wrong(unknown, &|| entries::unknown_field(unknown, [ACCOUNT_ID, EVENTS]));
                    continue;
                }
            };
            if slot.replace(*value).is_some() {
                wrong(name, &|| "is there twice: keep one".to_owned());
            }
        }
        if let Some(sent) = account_id.map(RawValue::get)
            && sent.parse() != Ok(account.get())
        {
            let sent = shortened(sent);
            wrong(ACCOUNT_ID, &|| {
                format!("is {sent}, but the path says account {account}: make them agree, or leave it out")
            });
        }
        match events {
            Some(events) if JsonType::of(events.get()) == JsonType::Array => {
                let events: Vec<&RawValue> = self.parsed(events.get())?;
                self.all(&events, problems)
            }
            Some(other) => {
                wrong(EVENTS, &|| {
                    format!("must be an array of events, not {}", JsonType::of(other.get()))
                });
                Err(problems)
            }
            None => {
                wrong(EVENTS, &|| "is required: an array of events".to_owned());
                Err(problems)
            }
        }
    }

    fn all(&self, events: &[&'a RawValue], mut problems: Problems) -> Result<Submission, Problems> {
        self.check_number(events.len(), &mut problems)?;
        let mut drafts = Vec::with_capacity(events.len());
        for (index, event) in events.iter().enumerate() {
            let text = event.get();
            match JsonType::of(text) {
                JsonType::Object => match serde_json::from_str::<Entries<'a>>(text) {
                    Ok(entries) => {
                        drafts.extend(fields::event(
                            text,
                            &entries,
                            index,
                            self.body,
                            self.rules,
                            &mut problems,
                        ));
                    }
                    // Valid JSON can still hold a name that is no text: half of a surrogate pair.
                    Err(error) => {
                        problems.add_with(Kind::Syntax, Some(index), || {
                            syntax::problem(self.text, text, Part::Event(index), &error)
                        });
                    }
                },
                other => problems.add(Kind::Fields, not_an_event(index, other)),
            }
        }
        finish(drafts, problems)
    }

    /// A line that is no JSON does not keep the others from being read.
    fn lines(&self) -> Result<Submission, Problems> {
        let numbered = self
            .text
            .split('\n')
            .zip(1..)
            .map(|(line, number)| (line.trim_ascii(), number));
        let lines: Vec<(&str, usize)> = numbered.filter(|(line, _)| !line.is_empty()).collect();
        let mut problems = Problems::none(Shape::Lines(lines.iter().map(|(_, number)| *number).collect()));
        self.check_number(lines.len(), &mut problems)?;
        let mut drafts = Vec::with_capacity(lines.len());
        for (index, (line, _)) in lines.into_iter().enumerate() {
            let parsed = match JsonType::of(line) {
                JsonType::Object => serde_json::from_str::<Entries<'a>>(line).map(Ok),
                other => serde_json::from_str::<&RawValue>(line).map(|_valid| Err(other)),
            };
            match parsed {
                Ok(Ok(entries)) => {
                    drafts.extend(fields::event(
                        line,
                        &entries,
                        index,
                        self.body,
                        self.rules,
                        &mut problems,
                    ));
                }
                Ok(Err(other)) => problems.add(Kind::Fields, not_an_event(index, other)),
                Err(error) => problems.add_with(Kind::Syntax, Some(index), || {
                    syntax::problem(self.text, line, Part::Event(index), &error)
                }),
            }
        }
        finish(drafts, problems)
    }

    /// Too many events are not looked at one by one.
    fn check_number(&self, events: usize, problems: &mut Problems) -> Result<(), Problems> {
        let max = self.rules.limits.events;
        let (kind, detail) = match events {
            0 => (Kind::Fields, "holds no events: send at least one".to_owned()),
            many if many > max => (
                Kind::TooLarge,
                format!("holds {many} events; at most {max} are allowed: send several requests"),
            ),
            _ => return Ok(()),
        };
        let part = match problems.shape {
            Shape::Envelope => Part::Outer(EVENTS.to_owned()),
            _ => Part::Whole,
        };
        problems.add(kind, Problem::new(part, detail));
        Err(problems.clone())
    }

    /// Parses a piece of the body, of which serde reads syntax alone.
    fn parsed<T: serde::Deserialize<'a>>(&self, piece: &'a str) -> Result<T, Problems> {
        serde_json::from_str(piece).map_err(|error| {
            let problem = syntax::problem(self.text, piece, Part::Whole, &error);
            Problems::one(Kind::Syntax, Shape::Single, problem)
        })
    }
}

fn not_an_event(index: usize, found: JsonType) -> Problem {
    Problem::new(
        Part::Event(index),
        format!("must be an event, a JSON object, not {found}"),
    )
}

/// Whether an object was meant as an envelope: it holds `events`, or an account and nothing of an event.
fn is_envelope(entries: &Entries<'_>) -> bool {
    let has = |name: &str| entries.0.iter().any(|(other, _)| other == name);
    let of_event = || crate::problem::Field::ALL.iter().any(|field| has(field.json()));
    has(EVENTS) || (has(ACCOUNT_ID) && !of_event())
}

fn finish(events: Vec<Draft>, problems: Problems) -> Result<Submission, Problems> {
    if problems.is_empty() {
        Ok(Submission {
            events,
            warnings: problems.warnings,
            shape: problems.shape,
        })
    } else {
        Err(problems)
    }
}

#[cfg(test)]
mod tests;
