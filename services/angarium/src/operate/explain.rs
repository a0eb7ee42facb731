//! `angarium explain`: why an event reaches a webhook, or does not.

use angarium_proto::convert::position_to_wire;
use angarium_proto::explain::v1::explain_request::Event;
use angarium_proto::explain::v1::{ExplainRequest, ExplainResponse, Explanation, Outcome, Verdict};
use serde_json::json;

use super::fanout::Fanout;
use super::file;
use super::registry::request;
use super::webhook::lookups_json;
use crate::cli::{Explain, Shape};
use crate::output::{Row, list, print, time};

/// Asks and prints the answer.
///
/// # Errors
/// When fanout cannot be reached or refuses.
pub(crate) async fn run(asked: Explain) -> anyhow::Result<()> {
    let mut fanout = Fanout::at(&asked.at)?;
    let event = match (asked.position, asked.event_type, asked.event_file) {
        (Some(position), ..) => Some(Event::Position(position_to_wire(position))),
        (_, Some(name), _) => Some(Event::EventType(name)),
        (.., Some(file)) => Some(Event::Sample(file::read(&file, "--event-file")?)),
        (None, None, None) => None,
    };
    let asked_for = request(ExplainRequest {
        account_id: fanout.accounts.id(asked.account.as_ref()).await?,
        webhook_id: asked.webhook,
        event,
    });
    let answer = fanout.calls.explain(asked_for).await;
    print(&told(asked.at.reach.output, &fanout.answer(answer)?))
}

fn told(shape: Shape, answer: &ExplainResponse) -> String {
    match shape {
        Shape::Json => list(Shape::Json, &[], answer.explanations.iter().map(row).collect()),
        Shape::Table => for_people(answer),
    }
}

/// A paragraph for each webhook: reasons are sentences, and no column is wide enough for them.
fn for_people(answer: &ExplainResponse) -> String {
    let event = answer.event.clone().unwrap_or_default();
    let mut text = format!("{} {}", event.event_name, event.event_id);
    if let Some(at_ms) = answer.accepted_at_ms {
        text += &format!(", accepted {}", time(at_ms));
    }
    match &answer.recorded {
        Some(recorded) => text += &format!(", matched {}", time(recorded.at_ms)),
        None if answer.accepted_at_ms.is_some() => {
            text += "; the journal has no record of when it was matched"
        }
        None => {}
    }
    text.push('\n');
    for explanation in &answer.explanations {
        let now = explanation.now.clone().unwrap_or_default();
        text += &format!("\n{} {}\n", explanation.webhook_id, explanation.webhook_name);
        text += &format!("  now   {}: {}\n", word(now.outcome()), why(&now));
        if answer.recorded.is_some() {
            let since = if explanation.changed_since {
                "; created or changed since"
            } else {
                ""
            };
            text += &format!("  then  {}{since}\n", word(explanation.then()));
        }
    }
    if answer.truncated {
        text += "\nthe account has more webhooks: name one to have it explained\n";
    }
    text
}

fn row(explanation: &Explanation) -> Row {
    let now = explanation.now.clone().unwrap_or_default();
    Row {
        json: json!({
            "webhook": explanation.webhook_id,
            "name": explanation.webhook_name,
            "now": { "outcome": word(now.outcome()), "reason": now.reason, "lookups": lookups_json(&now.lookups) },
            "then": word(explanation.then()),
            "changedSince": explanation.changed_since,
        }),
        cells: Vec::new(),
    }
}

fn why(now: &Verdict) -> String {
    let found = now.lookups.iter().map(|lookup| {
        let value = lookup.value.as_deref().unwrap_or("not there");
        format!("{} is {value}", lookup.path)
    });
    let found: Vec<_> = found.collect();
    if found.is_empty() {
        now.reason.clone()
    } else {
        format!("{} ({})", now.reason, found.join(", "))
    }
}

const fn word(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Unspecified => "not known",
        Outcome::Matches => "gets it",
        Outcome::OtherType => "takes other types",
        Outcome::Inactive => "switched off",
        Outcome::Filtered => "filtered out",
        Outcome::Undecided => "filter has no answer",
    }
}

#[cfg(test)]
mod tests {
    use angarium_proto::explain::v1::Recorded;
    use angarium_proto::registry::v1::FilterLookup;
    use serde_json::Value;

    use super::*;

    #[test]
    fn an_explanation_says_what_was_looked_at_and_what_was_decided_then() {
        let answer = ExplainResponse {
            accepted_at_ms: Some(1_725_604_147_000),
            recorded: Some(Recorded {
                at_ms: 1_725_604_148_000,
                registry_revision: 5,
            }),
            explanations: vec![Explanation {
                webhook_id: "wh_1".into(),
                webhook_name: "HR".into(),
                now: Some(Verdict {
                    outcome: Outcome::Filtered.into(),
                    reason: "its filter is not true of this event".into(),
                    lookups: vec![FilterLookup {
                        path: "data.loType".into(),
                        value: None,
                    }],
                }),
                then: Outcome::Matches.into(),
                changed_since: true,
            }],
            ..ExplainResponse::default()
        };
        let text = told(Shape::Table, &answer);
        for part in [
            "accepted 2024-09-06T06:29:07Z, matched 2024-09-06T06:29:08Z\n\nwh_1 HR\n",
            "  now   filtered out: its filter is not true of this event (data.loType is not there)\n",
            "  then  gets it; created or changed since\n",
        ] {
            assert!(text.contains(part), "{part} is not in\n{text}");
        }
        let json: Value = serde_json::from_str(&told(Shape::Json, &answer)).unwrap();
        assert_eq!(json[0]["now"]["outcome"], "filtered out");
    }
}
