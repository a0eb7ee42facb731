//! The fields of one event: every mistake is found, not only the first.

use std::fmt::Display;

use angarium_model::{JsonObject, Timestamp};
use bytes::Bytes;
use serde_json::value::RawValue;

use super::entries::{Entries, JsonType, unknown_field};
use super::{ACCOUNT_ID, EVENTS, syntax};
use crate::catalogue;
use crate::config::Rules;
use crate::depth::{self, MAX_DEPTH};
use crate::draft::{self, Draft, shortened};
use crate::problem::{Field, Kind, Part, Problem, Problems};

/// Reads an event, `text` and its `entries`, which is a piece of `body`. Adds what is wrong to `problems`.
pub(super) fn event(
    text: &str,
    entries: &Entries<'_>,
    index: usize,
    body: &Bytes,
    rules: &Rules,
    problems: &mut Problems,
) -> Option<Draft> {
    let max = rules.limits.event_bytes;
    if text.len() > max {
        problems.add(
            Kind::TooLarge,
            Problem::new(Part::Event(index), draft::too_large(text.len(), max)),
        );
        return None;
    }
    let mut event = Event {
        index,
        values: [None; Field::ALL.len()],
        problems,
    };
    event.sort(entries);
    let name = event
        .text(Field::EventName)
        .and_then(|name| catalogue::name(&name, index, rules, event.problems));
    let id = event
        .text(Field::EventId)
        .and_then(|id| event.take(Field::EventId, draft::event_id(id)));
    let info = event
        .text(Field::EventInfo)
        .and_then(|info| event.take(Field::EventInfo, draft::event_info(info)));
    let timestamp = event
        .value(Field::Timestamp)
        .and_then(|raw| event.take(Field::Timestamp, timestamp(raw.get())));
    let data = event.value(Field::Data).and_then(|raw| event.data(raw, body));
    event.require(
        Field::EventName,
        "one of the catalogue's types, for example COURSE_ENROLLMENT",
    );
    event.require(Field::Data, "the payload, a JSON object; {} if there is none");
    if let (Some(name), Some(data)) = (&name, &data) {
        catalogue::data(name, data, index, rules, event.problems);
    }
    // A value that is wrong is missing here too, but then its problem has been added, and all are refused.
    Some(Draft {
        id,
        name: name?,
        timestamp,
        info,
        data: data?,
    })
}

struct Event<'a, 'p> {
    index: usize,
    /// In the order of [`Field::ALL`].
    values: [Option<&'a RawValue>; Field::ALL.len()],
    problems: &'p mut Problems,
}

impl<'a> Event<'a, '_> {
    fn sort(&mut self, entries: &Entries<'a>) {
        for (name, value) in &entries.0 {
            let known = Field::ALL
                .iter()
                .zip(&mut self.values)
                .find(|(field, _)| field.json() == name);
            match known {
                Some((field, slot)) => {
                    if slot.replace(value).is_some() {
                        self.wrong(*field, "is there twice: keep one");
                    }
                }
                None => {
                    let index = self.index;
                    self.problems
                        .add_with(Kind::Fields, Some(index), || unknown(index, name));
                }
            }
        }
    }

    fn value(&self, field: Field) -> Option<&'a RawValue> {
        Field::ALL
            .iter()
            .zip(self.values)
            .find(|(other, _)| **other == field)?
            .1
    }

    fn text(&mut self, field: Field) -> Option<String> {
        let raw = self.value(field)?.get();
        let text = match JsonType::of(raw) {
            JsonType::String => serde_json::from_str(raw).map_err(|_surrogate| {
                "holds half of a surrogate pair (\\ud800 to \\udfff), which is no character".to_owned()
            }),
            JsonType::Null if field != Field::EventName => {
                Err("must be a string, not null: leave it out".to_owned())
            }
            other => Err(format!("must be a string, not {other}")),
        };
        self.take(field, text)
    }

    /// The payload is a slice of the body: the producer's own bytes (E4).
    fn data(&mut self, raw: &'a RawValue, body: &Bytes) -> Option<JsonObject> {
        let raw = raw.get();
        let found = JsonType::of(raw);
        if found != JsonType::Object {
            self.wrong(Field::Data, format!("must be a JSON object, not {found}"));
            return None;
        }
        if let Some(at) = depth::beyond(raw.as_bytes()) {
            let start = raw.as_ptr().addr() - body.as_ptr().addr();
            let part = Part::Field(self.index, Field::Data);
            self.problems.add_with(Kind::Fields, part.event(), || Problem {
                part,
                place: Some(syntax::place(body, start + at)),
                detail: format!(
                    "data is nested more than {MAX_DEPTH} levels deep here: make it flatter, or send it as a text"
                ),
            });
            return None;
        }
        Some(JsonObject::trusted(body.slice_ref(raw.as_bytes())))
    }

    fn require(&mut self, field: Field, what: &str) {
        if self.value(field).is_none() {
            self.wrong(field, format!("is required: {what}"));
        }
    }

    fn take<T>(&mut self, field: Field, result: Result<T, impl Display>) -> Option<T> {
        result.map_err(|detail| self.wrong(field, detail)).ok()
    }

    fn wrong(&mut self, field: Field, detail: impl Display) {
        let part = Part::Field(self.index, field);
        self.problems.add_with(Kind::Fields, Some(self.index), || {
            Problem::new(part, detail.to_string())
        });
    }
}

fn unknown(event: usize, name: &str) -> Problem {
    let detail = match name {
        ACCOUNT_ID => "belongs to the envelope, and the path names the account: leave it out".to_owned(),
        EVENTS => "belongs to the envelope: one event holds no others".to_owned(),
        other => unknown_field(other, Field::ALL.map(Field::json)),
    };
    Problem::new(Part::Unknown(event, shortened(name)), detail)
}

/// Seconds and milliseconds both pass, as they are (E5); only digits do, so that what goes out is what came in.
fn timestamp(raw: &str) -> Result<Timestamp, String> {
    let digits = raw.bytes().all(|byte| byte.is_ascii_digit());
    match (JsonType::of(raw), raw.parse()) {
        (JsonType::Number, Ok(number)) if digits => Ok(Timestamp::new(number)),
        (JsonType::Null, _) => {
            Err("must be an integer, not null: leave it out to have the time of receipt".to_owned())
        }
        (JsonType::Number | JsonType::String, _) => Err(format!(
            "must be an integer, Unix time in seconds or milliseconds, from 0, without quotes, fraction or exponent, not {}",
            shortened(raw)
        )),
        (other, _) => Err(format!(
            "must be an integer, Unix time in seconds or milliseconds, not {other}"
        )),
    }
}
