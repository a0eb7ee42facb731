//! The fields of events that came as messages: the same rules as for JSON, every mistake reported.

use std::fmt::Display;

use angarium_model::{JsonObject, NotAnObject, Timestamp};
use angarium_proto::event::v1;
use bytes::Bytes;
use prost::Message as _;

use crate::catalogue;
use crate::config::Rules;
use crate::depth::{self, MAX_DEPTH};
use crate::draft::{self, Draft};
use crate::problem::{Field, Kind, Part, Problem, Problems, Shape, Warnings};

/// The events of one request.
///
/// # Errors
/// Every problem.
pub(super) fn all(events: Vec<v1::Event>, rules: &Rules) -> Result<(Vec<Draft>, Warnings), Problems> {
    let limits = &rules.limits;
    let mut problems = Problems::none(Shape::Message);
    let mut refuse = |kind, detail: String| {
        problems.add(kind, Problem::new(Part::Outer("events".to_owned()), detail));
        Err(problems.clone())
    };
    match events.len() {
        0 => return refuse(Kind::Fields, "must hold at least one event".to_owned()),
        many if many > limits.events => {
            return refuse(
                Kind::TooLarge,
                format!("holds {many} events; at most {} are allowed", limits.events),
            );
        }
        _ => {}
    }
    let check = |(index, sent)| event(sent, index, rules, &mut problems);
    let drafts: Vec<Draft> = events.into_iter().enumerate().filter_map(check).collect();
    if problems.is_empty() {
        Ok((drafts, problems.warnings))
    } else {
        Err(problems)
    }
}

/// The event of one request of a stream.
///
/// # Errors
/// Every problem.
pub(super) fn one(sent: Option<v1::Event>, rules: &Rules) -> Result<(Draft, Warnings), Problems> {
    let mut problems = Problems::none(Shape::StreamMessage);
    let Some(sent) = sent else {
        problems.add(Kind::Fields, Problem::new(Part::Event(0), "is required"));
        return Err(problems);
    };
    match event(sent, 0, rules, &mut problems) {
        Some(draft) if problems.is_empty() => Ok((draft, problems.warnings)),
        _ => Err(problems),
    }
}

fn event(sent: v1::Event, index: usize, rules: &Rules, problems: &mut Problems) -> Option<Draft> {
    let bytes = sent.encoded_len();
    let max = rules.limits.event_bytes;
    if bytes > max {
        let detail = draft::too_large(bytes, max);
        problems.add(Kind::TooLarge, Problem::new(Part::Event(index), detail));
        return None;
    }
    let name = catalogue::name(&sent.event_name, index, rules, problems);
    let mut wrong = |field, detail: &dyn Display| {
        problems.add_with(Kind::Fields, Some(index), || {
            Problem::new(Part::Field(index, field), detail.to_string())
        });
    };
    // An empty text is how proto3 says that there is none.
    let given = |text: String| (!text.is_empty()).then_some(text);
    let id = given(sent.event_id).map(draft::event_id).transpose();
    let id = id.map_err(|detail| wrong(Field::EventId, &detail)).ok();
    let info = given(sent.event_info).map(draft::event_info).transpose();
    let info = info.map_err(|detail| wrong(Field::EventInfo, &detail)).ok();
    let data = payload(sent.data)
        .map_err(|detail| wrong(Field::Data, &detail))
        .ok();
    if let (Some(name), Some(data)) = (&name, &data) {
        catalogue::data(name, data, index, rules, problems);
    }
    Some(Draft {
        id: id?,
        name: name?,
        timestamp: sent.timestamp.map(Timestamp::new),
        info: info?,
        data: data?,
    })
}

/// The payload as it was sent (E4).
fn payload(bytes: Bytes) -> Result<JsonObject, String> {
    let data = JsonObject::parse(bytes).map_err(|error| not_an_object(&error))?;
    match depth::beyond(data.bytes()) {
        None => Ok(data),
        Some(at) => Err(format!(
            "is nested more than {MAX_DEPTH} levels deep at byte {at}: make it flatter, or send it as a text"
        )),
    }
}

fn not_an_object(error: &NotAnObject) -> String {
    match error {
        NotAnObject::Syntax(syntax) => format!("must be one JSON object as UTF-8 text: {syntax}"),
        NotAnObject::OtherType => "must be a JSON object, {} if there is nothing to say".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use angarium_model::Strictness;

    use super::*;
    use crate::config::Limits;

    const LIMITS: Limits = Limits {
        event_bytes: 1_024,
        request_bytes: 4_096,
        events: 3,
    };

    fn rules(limits: Limits) -> Rules {
        Rules {
            limits,
            strictness: Strictness::default(),
            types: crate::own_types::tests::own_types(vec![]),
        }
    }

    fn event() -> v1::Event {
        v1::Event {
            event_name: "CI_STATS".to_owned(),
            data: Bytes::from_static(b"{ \"a\": 1.0 }"),
            ..v1::Event::default()
        }
    }

    #[test]
    fn e4_e5_data_and_timestamp_stay_as_sent_and_empty_texts_are_none() {
        let (drafts, _) = all(
            vec![v1::Event {
                timestamp: Some(0),
                ..event()
            }],
            &rules(LIMITS),
        )
        .unwrap();
        assert_eq!(drafts[0].data.bytes(), &event().data);
        assert_eq!(drafts[0].timestamp, Some(Timestamp::new(0)));
        assert_eq!((&drafts[0].id, &drafts[0].info), (&None, &None));
    }

    #[test]
    fn every_problem_of_every_event_names_its_field() {
        let wrong = v1::Event {
            event_id: "x".repeat(257),
            event_name: "CI_STAT".to_owned(),
            event_info: "x".repeat(257),
            data: Bytes::from_static(b"[]"),
            ..v1::Event::default()
        };
        let problems = all(vec![event(), wrong], &rules(LIMITS)).unwrap_err();
        let paths: Vec<String> = problems
            .listed
            .iter()
            .map(|p| problems.shape.path(&p.part))
            .collect();
        assert_eq!(
            paths,
            [
                "events[1].event_name",
                "events[1].event_id",
                "events[1].event_info",
                "events[1].data"
            ]
        );
        assert!(problems.listed[0].detail.contains("did you mean CI_STATS?"));
    }

    #[test]
    fn data_that_nests_too_deeply_is_refused_and_told_where() {
        const LEVELS: usize = 100_000;
        let limits = Limits {
            event_bytes: 1 << 20,
            ..LIMITS
        };
        let deep = v1::Event {
            data: Bytes::from(format!("{{\"a\":{}{}}}", "[".repeat(LEVELS), "]".repeat(LEVELS))),
            ..event()
        };
        let problems = one(Some(deep), &rules(limits)).unwrap_err();
        assert_eq!(problems.kind, Kind::Fields);
        assert_eq!(problems.shape.path(&problems.listed[0].part), "event.data");
        assert!(
            problems.listed[0].detail.contains("at byte 132"),
            "{}",
            problems.listed[0].detail
        );
    }

    #[test]
    fn limits_are_on_the_size_of_an_event_and_the_number_of_events() {
        let large = v1::Event {
            data: Bytes::from(format!("{{\"a\":\"{}\"}}", "x".repeat(1_024))),
            ..event()
        };
        for (events, kind) in [
            (vec![], Kind::Fields),
            (vec![event(); 4], Kind::TooLarge),
            (vec![large.clone()], Kind::TooLarge),
        ] {
            assert_eq!(all(events, &rules(LIMITS)).unwrap_err().kind, kind);
        }
        assert_eq!(one(Some(large), &rules(LIMITS)).unwrap_err().kind, Kind::TooLarge);
        assert_eq!(one(None, &rules(LIMITS)).unwrap_err().kind, Kind::Fields);
    }
}
