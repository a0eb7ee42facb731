//! `angarium explain`: why an event reaches a webhook, or does not.

use angarium_proto::convert::position_to_wire;
use angarium_proto::explain::v1::explain_request::Event;
use angarium_proto::explain::v1::{ExplainRequest, ExplainResponse, Explanation, Outcome, Verdict};
use serde_json::json;

use super::fanout::Fanout;
use super::file;
use super::journal::{as_json, line};
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
        with_calls: true,
    });
    let answer = fanout.calls.explain(asked_for).await;
    print(&told(asked.at.reach.output, &fanout.answer(answer)?))
}

fn told(shape: Shape, answer: &ExplainResponse) -> String {
    match shape {
        Shape::Json => {
            let row = |explanation| row(explanation, answer.calls_incomplete);
            list(Shape::Json, &[], answer.explanations.iter().map(row).collect())
        }
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
        text += &paragraph(answer, explanation);
    }
    if answer.truncated {
        text += "\nthe account has more webhooks: name one to have it explained\n";
    }
    if answer.calls_incomplete {
        text += "\nthe journal was looked through in part, for it took too long: `angarium journal --event` lists what became of an event\n";
    }
    text
}

fn paragraph(answer: &ExplainResponse, explanation: &Explanation) -> String {
    let mut text = format!("\n{} {}\n", explanation.webhook_id, explanation.webhook_name);
    match &explanation.now {
        Some(now) => text += &format!("  now   {}\n", verdict(now)),
        None => text += "  now   deleted\n",
    }
    if let Some(then) = &explanation.then {
        let since = if explanation.changed_since && explanation.now.is_some() {
            "; created or changed since"
        } else {
            ""
        };
        text += &format!("  then  {}{since}\n", verdict(then));
    }
    let went = explanation.then.as_ref().map(Verdict::outcome) == Some(Outcome::Matches);
    let searched = !answer.calls_incomplete;
    match &explanation.of_event {
        Some(entry) => text += &format!("  event {}", line(entry).unwrap_or_default()),
        None if went && searched => {
            text += "  event no call with it is on record, where those that went well are kept for a day\n";
        }
        None => {}
    }
    match &explanation.last_call {
        Some(entry) => text += &format!("  call  {}", line(entry).unwrap_or_default()),
        None if explanation.now.is_some() && searched => text += "  call  none in the last 10 minutes\n",
        None => {}
    }
    text
}

fn row(explanation: &Explanation, calls_incomplete: bool) -> Row {
    let shown = |verdict: &Verdict| {
        json!({
            "outcome": word(verdict.outcome()),
            "reason": verdict.reason,
            "lookups": lookups_json(&verdict.lookups),
        })
    };
    Row {
        json: json!({
            "webhook": explanation.webhook_id,
            "name": explanation.webhook_name,
            "now": explanation.now.as_ref().map(shown),
            "then": explanation.then.as_ref().map(shown),
            "changedSince": explanation.changed_since,
            "ofEvent": explanation.of_event.as_ref().and_then(as_json),
            "lastCall": explanation.last_call.as_ref().and_then(as_json),
            "callsIncomplete": calls_incomplete,
        }),
        cells: Vec::new(),
    }
}

fn verdict(verdict: &Verdict) -> String {
    format!("{}: {}", word(verdict.outcome()), why(verdict))
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
        Outcome::NotThere => "not there",
    }
}

#[cfg(test)]
mod tests {
    use angarium_proto::explain::v1::Recorded;
    use angarium_proto::journal::v1::journal_record::Entry;
    use angarium_proto::journal::v1::{Attempt, JournalRecord};
    use angarium_proto::registry::v1::FilterLookup;
    use serde_json::Value;

    use super::*;

    fn of(outcome: Outcome, reason: &str) -> Verdict {
        Verdict {
            outcome: outcome.into(),
            reason: reason.to_owned(),
            lookups: Vec::new(),
        }
    }

    fn call(at_ms: i64, status: u32) -> JournalRecord {
        let attempt = Attempt {
            webhook_id: "wh_1".into(),
            status,
            error_class: if status < 300 {
                String::new()
            } else {
                "http_status".into()
            },
            attempt: 3,
            ..Attempt::default()
        };
        JournalRecord {
            at_ms,
            entry: Some(Entry::Attempt(attempt)),
            ..JournalRecord::default()
        }
    }

    fn answer(explanation: Explanation) -> ExplainResponse {
        ExplainResponse {
            accepted_at_ms: Some(1_725_604_147_000),
            recorded: Some(Recorded {
                at_ms: 1_725_604_148_000,
                registry_revision: 5,
            }),
            explanations: vec![explanation],
            ..ExplainResponse::default()
        }
    }

    fn says(answer: &ExplainResponse, parts: &[&str]) {
        let text = told(Shape::Table, answer);
        for part in parts {
            assert!(text.contains(part), "{part} is not in\n{text}");
        }
    }

    #[test]
    fn an_explanation_says_what_was_looked_at_what_was_decided_then_and_how_calls_go() {
        let mut now = of(Outcome::Filtered, "its filter is not true of this event");
        now.lookups = vec![FilterLookup {
            path: "data.loType".into(),
            value: None,
        }];
        let answer = answer(Explanation {
            webhook_id: "wh_1".into(),
            webhook_name: "HR".into(),
            now: Some(now),
            then: Some(of(Outcome::Matches, "it took *")),
            changed_since: true,
            of_event: Some(call(1_725_604_149_000, 500)),
            last_call: Some(call(1_725_604_209_000, 200)),
        });
        says(
            &answer,
            &[
                "accepted 2024-09-06T06:29:07Z, matched 2024-09-06T06:29:08Z\n\nwh_1 HR\n",
                "  now   filtered out: its filter is not true of this event (data.loType is not there)\n",
                "  then  gets it: it took *; created or changed since\n",
                "  event 2024-09-06T06:29:09Z  attempt 3 at wh_1: failed with 500: http_status",
                "  call  2024-09-06T06:30:09Z  attempt 3 at wh_1: delivered with 200",
            ],
        );
        let json: Value = serde_json::from_str(&told(Shape::Json, &answer)).unwrap();
        assert_eq!(json[0]["now"]["outcome"], "filtered out");
        assert_eq!(json[0]["then"]["reason"], "it took *");
        assert_eq!(
            (&json[0]["ofEvent"]["status"], &json[0]["lastCall"]["status"]),
            (&500.into(), &200.into())
        );
    }

    #[test]
    fn what_is_not_found_is_said_and_what_was_not_looked_for_is_not() {
        let deleted = Explanation {
            webhook_id: "wh_1".into(),
            then: Some(of(Outcome::Matches, "it took *")),
            changed_since: true,
            ..Explanation::default()
        };
        says(
            &answer(deleted.clone()),
            &[
                "  now   deleted\n",
                "  then  gets it: it took *\n",
                "  event no call with it is on record, ",
            ],
        );
        let at_rest = Explanation {
            now: Some(of(Outcome::Matches, "it takes *")),
            ..deleted
        };
        let mut answer = answer(at_rest);
        says(&answer, &["  call  none in the last 10 minutes\n"]);
        answer.calls_incomplete = true;
        let text = told(Shape::Table, &answer);
        assert!(!text.contains("10 minutes") && text.contains("in part"), "{text}");
    }
}
