//! `angarium event`: an event that was accepted, with what it carries.

use angarium_proto::convert::{position_from_wire, position_to_wire};
use angarium_proto::explain::v1::{GetEventRequest, GetEventResponse};
use anyhow::Context as _;
use serde::Serialize;
use serde_json::value::RawValue;

use super::fanout::Fanout;
use super::registry::request;
use crate::cli::{Event, Shape};
use crate::output::{print, time};

/// As receivers get it, in an envelope's `events`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Element<'a> {
    event_id: &'a str,
    event_name: &'a str,
    timestamp: u64,
    event_info: &'a str,
    data: &'a RawValue,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Shown<'a> {
    position: String,
    accepted_at: String,
    event: Element<'a>,
}

/// Asks and prints the answer.
///
/// # Errors
/// When fanout cannot be reached or refuses.
pub(crate) async fn run(asked: Event) -> anyhow::Result<()> {
    let mut fanout = Fanout::at(&asked.at)?;
    let asked_for = request(GetEventRequest {
        account_id: fanout.accounts.id(asked.account.as_ref()).await?,
        position: Some(position_to_wire(asked.position)),
    });
    let answer = fanout.calls.get_event(asked_for).await;
    print(&told(asked.at.reach.output, &fanout.answer(answer)?)?)
}

/// The payload is printed as it was published, to the byte (E4).
fn told(shape: Shape, answer: &GetEventResponse) -> anyhow::Result<String> {
    let event = answer.event.clone().unwrap_or_default();
    let position = event
        .position
        .map(|position| position_from_wire(position).to_string());
    let shown = Shown {
        position: position.unwrap_or_default(),
        accepted_at: time(answer.accepted_at_ms),
        event: Element {
            event_id: &event.event_id,
            event_name: &event.event_name,
            timestamp: answer.timestamp,
            event_info: &answer.event_info,
            data: serde_json::from_str(&answer.data).context("fanout answered no JSON")?,
        },
    };
    Ok(match shape {
        Shape::Json => serde_json::to_string_pretty(&shown)? + "\n",
        Shape::Table => format!(
            "{} {}, accepted {} at {}\neventInfo {}, timestamp {}\n\n{}\n",
            plain(&event.event_name),
            plain(&event.event_id),
            shown.accepted_at,
            shown.position,
            plain(&answer.event_info),
            answer.timestamp,
            answer.data
        ),
    })
}

/// Without what a terminal takes for a command: whoever publishes chooses it.
fn plain(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { '\u{fffd}' } else { c })
        .collect()
}

#[cfg(test)]
mod tests {
    use angarium_proto::event::v1::Position;
    use angarium_proto::journal::v1::EventReference;

    use super::*;

    #[test]
    fn e4_the_payload_is_shown_as_it_was_published() {
        let answer = GetEventResponse {
            event: Some(EventReference {
                position: Some(Position {
                    partition: 7,
                    offset: 10_488,
                }),
                event_id: "1".into(),
                event_name: "CI_STATS".into(),
            }),
            accepted_at_ms: 1_725_524_713_000,
            timestamp: 1_725_604_147,
            event_info: "x".into(),
            data: r#"{ "b":1.0e2, "a" :1,"a":2 }"#.into(),
        };
        let json = told(Shape::Json, &answer).unwrap();
        assert!(
            json.contains(&answer.data) && json.contains(r#""position": "7-10488""#),
            "{json}"
        );
        let text = told(Shape::Table, &answer).unwrap();
        assert!(text.ends_with(&format!("\n\n{}\n", answer.data)), "{text}");
        assert_eq!(plain("a\u{1b}[2Jb"), "a\u{fffd}[2Jb");
    }
}
