//! `data` held against the schema of its type.

use std::collections::HashMap;
use std::sync::LazyLock;

use angarium_model::{Catalogue, EventName};
use jsonschema::{PatternOptions, Validator};
use serde_json::Value;

use crate::described::described;
use crate::finding::Finding;

/// The most that are told of one event; an event that is of another shape altogether breaks as many rules as it has fields.
pub const MAX_VIOLATIONS: usize = 10;

/// Compiled when the first account wants to be told.
static VALIDATORS: LazyLock<HashMap<&'static str, Validator>> = LazyLock::new(|| {
    let compiled = |known| {
        let schema = described(known)?.schema();
        // Patterns are searched in linear time.
        let options = jsonschema::draft202012::options().with_pattern_options(PatternOptions::regex());
        Some((known.name, options.build(&schema).ok()?))
    };
    Catalogue.types().filter_map(compiled).collect()
});

/// What in `data`, a JSON object, is not as the schema of its type says; nothing of a type that the catalogue lacks.
#[must_use]
pub fn violations(name: &EventName, data: &[u8]) -> Vec<Finding> {
    let validator = VALIDATORS.get(name.as_str());
    validator.map_or_else(Vec::new, |validator| violations_of(validator, data))
}

pub(crate) fn violations_of(validator: &Validator, data: &[u8]) -> Vec<Finding> {
    let value: Value = match serde_json::from_slice(data) {
        Ok(value) => value,
        Err(_) => {
            let message = "is nested deeper than 127 levels, or has a number that is too large";
            return vec![Finding::at("", message)];
        }
    };
    validator
        .iter_errors(&value)
        .take(MAX_VIOLATIONS)
        // None of the values is quoted.
        .map(|error| {
            let message = error.masked_with("this value").to_string();
            Finding::at(&bounded(error.instance_path().to_string()), message)
        })
        .collect()
}

/// The place, or one around it: names of fields may be as long as data is.
fn bounded(mut pointer: String) -> String {
    const MAX_POINTER: usize = 512;
    if let Some(beginning) = pointer.as_bytes().get(..MAX_POINTER) {
        let end = beginning.iter().rposition(|byte| *byte == b'/').unwrap_or(0);
        pointer.truncate(end);
    }
    pointer
}

#[cfg(test)]
mod tests {
    use angarium_model::samples::AS_PUBLISHED;

    use super::*;

    fn told(name: &str, data: &str) -> Vec<String> {
        violations(&EventName::new(name).unwrap(), data.as_bytes())
            .into_iter()
            .map(|violation| format!("{}: {}", violation.pointer, violation.message))
            .collect()
    }

    #[test]
    fn e6_every_schema_compiles() {
        assert_eq!(VALIDATORS.len(), Catalogue.types().count());
    }

    #[test]
    fn e6_the_published_samples_and_the_examples_are_as_their_schemas_say() {
        let published = AS_PUBLISHED.iter().map(|sample| sample.text);
        let examples = Catalogue.types().map(|known| known.example);
        let mut held = 0;
        for text in published.chain(examples) {
            // Two of the published ones are no JSON (E7).
            let Ok(envelope) = serde_json::from_str::<Value>(text) else {
                continue;
            };
            let event = &envelope["events"][0];
            let name = event["eventName"].as_str().unwrap();
            assert_eq!(told(name, &event["data"].to_string()), [""; 0], "{name}");
            held += 1;
        }
        assert_eq!(held, 25 + 27);
    }

    #[test]
    fn e6_what_differs_in_the_samples_is_taken_either_way_and_more_fields_are() {
        let event = |kind: &str, date: u64| {
            format!(
                r#"{{"userId": 1, "loId": "{kind}:12", "loInstanceId": "{kind}:12_3", "loType": "{kind}",
                "enrollmentSource": "MANAGER_ENROLL", "dateEnrolled": {date}, "own": [1]}}"#
            )
        };
        for (kind, date) in [
            ("learningProgram", 1_725_604_147),
            ("learning_program", 1_727_414_643_000),
        ] {
            assert_eq!(told("LEARNING_PATH_ENROLLMENT", &event(kind, date)), [""; 0]);
        }
        assert_eq!(told("COURSE_ENROLLMENT", &event("certification", 1)).len(), 3);
    }

    #[test]
    fn e6_every_violation_is_told_with_its_place_and_without_the_value() {
        let data = r#"{"userId": "ada@example.com", "loId": "course:ada", "loInstanceId": "course:1_2", "loType": "ada",
            "enrollmentSource": "SELF_ENROLL"}"#;
        let told = told("COURSE_ENROLLMENT", data);
        let places: Vec<_> = told.iter().map(|told| told.split(": ").next().unwrap()).collect();
        assert_eq!(places, ["", "/loId", "/loType", "/userId"], "{told:?}");
        assert!(told.iter().all(|told| !told.contains("ada")), "{told:?}");
        assert!(told[0].contains("dateEnrolled"), "{told:?}");
    }

    #[test]
    fn a_long_name_is_told_by_the_place_around_it() {
        let long = "x".repeat(10_000);
        assert_eq!(bounded(format!("/a/{long}")), "/a");
        assert_eq!(bounded(long), "");
        assert_eq!(bounded("/a/b".to_owned()), "/a/b");
    }

    #[test]
    fn hostile_data_is_held_in_bounds() {
        let deep = format!(r#"{{"a": {}{}}}"#, "[".repeat(500), "]".repeat(500));
        assert_eq!(told("CI_STATS", &deep).len(), 1);
        let mut many = String::from(r#"{"userId": 1"#);
        for number in 0..10_000 {
            many.push_str(&format!(r#", "f{number}": 1"#));
        }
        many.push('}');
        assert!(told("COURSE_ENROLLMENT", &many).len() <= MAX_VIOLATIONS);
        assert_eq!(told("INVOICE_PAID", "{}"), [""; 0]);
    }
}
