//! Filters that are tried before they are stored.

use angarium_filter::{Failure, Subject};
use angarium_model::{AccountId, Event, FilterText, KnownTypes};
use angarium_proto::registry::v1::test_filter_request::Sample;
use angarium_proto::registry::v1::test_filter_response::Outcome;
use angarium_proto::registry::v1::{FilterFailure, TestFilterRequest, TestFilterResponse};
use angarium_proto::{FieldError, InvalidWire};
use angarium_webhooks::{FILTER, given_sample, known_sample, lookups, parse_filter};

use crate::refusal::Refusal;

/// Tries an expression on a sample, which may be of one of these types; `errors` are those that are known. Expressions do not see the account: any will do.
pub(crate) fn test_filter(
    request: TestFilterRequest,
    types: &KnownTypes,
    mut errors: Vec<FieldError>,
) -> Result<TestFilterResponse, Refusal> {
    let filter = FilterText::new(&request.filter)
        .map_err(|error| vec![FieldError::new(FILTER, error.to_string())])
        .and_then(|text| parse_filter(text.as_str(), FILTER))
        .map_err(|wrong| errors.extend(wrong));
    let event = AccountId::new(0)
        .map_err(|error| FieldError::new("sample", error.to_string()))
        .and_then(|account| event(request.sample, account, types))
        .map_err(|wrong| errors.push(wrong));
    let (Ok(filter), Ok(event), []) = (filter, event, errors.as_slice()) else {
        return Err(InvalidWire(errors).into());
    };
    let info = event.info.as_ref().map_or("", |info| info.as_str());
    let subject = Subject::new(&event, info);
    let outcome = match filter.matches(&subject) {
        Ok(matches) => Outcome::Matches(matches),
        Err(failure) => Outcome::Failure(failure_to_wire(&failure)),
    };
    Ok(TestFilterResponse {
        outcome: Some(outcome),
        lookups: lookups(&filter, &subject),
    })
}

fn event(given: Option<Sample>, account: AccountId, types: &KnownTypes) -> Result<Event, FieldError> {
    match given {
        Some(Sample::EventType(name)) => {
            known_sample(&name, account, types).map_err(|problem| FieldError::new("event_type", problem))
        }
        Some(Sample::Event(json)) => {
            given_sample(&json, account).map_err(|problem| FieldError::new("event", problem))
        }
        None => Err(FieldError::new("sample", "is required: event_type or event")),
    }
}

fn failure_to_wire(failure: &Failure) -> FilterFailure {
    let problem = failure.problem();
    FilterFailure {
        message: problem.message.clone(),
        line: problem.place.map(|place| place.line),
        column: problem.place.map(|place| place.column),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(filter: &str, sample: Sample) -> TestFilterRequest {
        TestFilterRequest {
            filter: filter.into(),
            sample: Some(sample),
            account_id: None,
        }
    }

    fn tried(request: TestFilterRequest) -> Result<TestFilterResponse, Refusal> {
        test_filter(request, &KnownTypes::default(), Vec::new())
    }

    fn mistakes(request: TestFilterRequest) -> Vec<String> {
        match tried(request) {
            Err(Refusal::Invalid(InvalidWire(errors))) => {
                errors.into_iter().map(|error| error.field).collect()
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_filter_is_tried_on_an_example_and_tells_what_it_looked_up() {
        let answer = tried(asked(
            "data.loType == 'course' && has(data.nothing)",
            Sample::EventType("COURSE_ENROLLMENT".into()),
        ))
        .unwrap();
        assert_eq!(answer.outcome, Some(Outcome::Matches(false)));
        let lookups: Vec<_> = answer
            .lookups
            .iter()
            .map(|lookup| (lookup.path.as_str(), lookup.value.as_deref()))
            .collect();
        assert_eq!(
            lookups,
            [("data.loType", Some("\"course\"")), ("data.nothing", None)]
        );
    }

    #[test]
    fn a_filter_without_an_answer_for_a_sample_says_why_and_where() {
        let event = Sample::Event(r#"{"data": {"a": "x"}}"#.into());
        let answer = tried(asked("data.a == 'x' &&\n data.b > 1", event)).unwrap();
        let Some(Outcome::Failure(failure)) = answer.outcome else {
            panic!("{answer:?}")
        };
        assert_eq!((failure.line, failure.column), (Some(2), Some(6)));
        assert!(failure.message.contains("there is no field b"), "{failure:?}");
    }

    #[test]
    fn what_is_wrong_with_the_expression_and_with_the_sample_is_told_at_once() {
        assert_eq!(mistakes(TestFilterRequest::default()), ["filter", "sample"]);
        assert_eq!(
            mistakes(asked("data.a ==", Sample::EventType("CI_STAT".into()))),
            ["filter", "event_type"]
        );
        let long = format!("{{\"data\": {{\"a\": \"{}\"}}}}", "a".repeat(1 << 20));
        assert_eq!(mistakes(asked("data.a == 1", Sample::Event(long))), ["event"]);
        assert_eq!(
            mistakes(asked("data.a == 1", Sample::Event("5".into()))),
            ["event"]
        );
    }
}
