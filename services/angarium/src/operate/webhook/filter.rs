//! `angarium webhook test-filter`: whether an event would reach a webhook with this filter, and why.

use std::process::ExitCode;

use angarium_proto::registry::v1::test_filter_request::Sample;
use angarium_proto::registry::v1::test_filter_response::Outcome;
use angarium_proto::registry::v1::{
    FilterFailure, FilterLookup, TestFilterRequest, TestFilterResponse, Webhook,
};
use serde_json::{Value, json};

use super::super::call::present;
use super::super::file;
use super::super::registry::{Registry, request};
use crate::cli::{Shape, TestFilter};
use crate::output::{Row, one, print};

/// Tries an expression and prints the answer; the code is success only if the event would be sent.
///
/// # Errors
/// When the sample cannot be read, and when the registry cannot be reached or refuses.
pub(super) async fn run(test: TestFilter) -> anyhow::Result<ExitCode> {
    let sample = match (test.event_type, test.event_file) {
        (Some(name), _) => Some(Sample::EventType(name)),
        (None, Some(file)) => Some(Sample::Event(file::read(&file, "--event-file")?)),
        (None, None) => None,
    };
    let mut registry = Registry::at(&test.at)?;
    let asked = TestFilterRequest {
        filter: test.expression,
        sample,
        account_id: registry.accounts.home(test.account.as_ref()).await?,
    };
    let sent = registry.calls.test_filter(request(asked)).await;
    let answer = registry.answer(sent)?;
    let matches = matches!(answer.outcome, Some(Outcome::Matches(true)));
    print(&told(test.at.reach.output, &answer)?)?;
    Ok(if matches {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn told(shape: Shape, answer: &TestFilterResponse) -> anyhow::Result<String> {
    let (verdict, json) = match present(answer.outcome.as_ref())? {
        Outcome::Matches(true) => ("yes".to_owned(), json!({ "matches": true })),
        Outcome::Matches(false) => ("no".to_owned(), json!({ "matches": false })),
        Outcome::Failure(failure) => (
            format!("no: {}", why(failure)),
            json!({ "matches": false, "failure": {
                "message": failure.message, "line": failure.line, "column": failure.column,
            } }),
        ),
    };
    let mut headers = vec!["matches"];
    let mut cells = vec![verdict];
    for lookup in &answer.lookups {
        headers.push(&lookup.path);
        cells.push(lookup.value.clone().unwrap_or_else(|| "not there".to_owned()));
    }
    let mut json = json;
    json["lookups"] = lookups_json(&answer.lookups);
    Ok(one(shape, &headers, Row { cells, json }))
}

/// What a filter looks up of an event, for programs.
pub(in crate::operate) fn lookups_json(lookups: &[FilterLookup]) -> Value {
    let lookup = |found: &FilterLookup| json!({ "path": found.path, "value": found.value });
    lookups.iter().map(lookup).collect()
}

fn why(failure: &FilterFailure) -> String {
    match (failure.line, failure.column) {
        (Some(line), Some(column)) => format!("line {line}, column {column}: {}", failure.message),
        _ => failure.message.clone(),
    }
}

/// What a webhook's filter is, for people.
pub(super) fn cell(webhook: &Webhook) -> String {
    match webhook.filter.as_str() {
        "" => "none: every event of these types".to_owned(),
        filter => filter.to_owned(),
    }
}

/// The types that a webhook takes, and whether it takes all events of them.
pub(super) fn types(webhook: &Webhook) -> String {
    let types = webhook.event_types.join(",");
    if webhook.filter.is_empty() {
        types
    } else {
        format!("{types} (filtered)")
    }
}

/// For programs; `null` is none.
pub(super) fn json(webhook: &Webhook) -> Value {
    json!({ "filter": Some(&webhook.filter).filter(|filter| !filter.is_empty()) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_told_with_what_was_looked_up_and_where_it_failed() {
        let lookup = |path: &str, value: Option<&str>| FilterLookup {
            path: path.into(),
            value: value.map(str::to_owned),
        };
        let mut answer = TestFilterResponse {
            outcome: Some(Outcome::Matches(false)),
            lookups: vec![lookup("data.loType", Some("\"course\"")), lookup("data.x", None)],
        };
        let expected = "matches      no\ndata.loType  \"course\"\ndata.x       not there\n";
        assert_eq!(told(Shape::Table, &answer).unwrap(), expected);
        answer.outcome = Some(Outcome::Failure(FilterFailure {
            message: "there is no field x".into(),
            line: Some(1),
            column: Some(9),
        }));
        let text = told(Shape::Table, &answer).unwrap();
        assert!(
            text.starts_with("matches      no: line 1, column 9: there is no field x\n"),
            "{text}"
        );
        let json: Value = serde_json::from_str(&told(Shape::Json, &answer).unwrap()).unwrap();
        assert_eq!(json["failure"]["column"], 9);
        assert_eq!(json["lookups"][1], json!({ "path": "data.x", "value": null }));
    }
}
