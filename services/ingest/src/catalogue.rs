//! Events held against the catalogue, as strictly as their account wants it.

use std::fmt;

use angarium_catalogue::violations;
use angarium_model::{Catalogue, EventName, JsonObject, KnownTypes, Reaction};

use crate::config::Rules;
use crate::draft::shortened;
use crate::problem::{Field, Kind, Part, Problem, Problems};

/// The type of an event, if it may have it.
pub(crate) fn name(name: &str, event: usize, rules: &Rules, problems: &mut Problems) -> Option<EventName> {
    let part = Part::Field(event, Field::EventName);
    let checked = EventName::new(name).ok();
    let is_known = |name: &EventName| Catalogue.get(name.as_str()).is_some() || rules.types.has(name);
    if !checked.as_ref().is_some_and(is_known) {
        // What can be no type is none in any catalogue.
        let reaction = checked
            .as_ref()
            .map_or(Reaction::Refuse, |_| rules.strictness.unknown_types);
        react(reaction, problems, event, || {
            Problem::new(part, UnknownType(name, &rules.types.known()).to_string())
        });
        if reaction == Reaction::Refuse {
            return None;
        }
    }
    checked
}

/// Looks at the payload of an event, if its account wants that.
pub(crate) fn data(
    name: &EventName,
    data: &JsonObject,
    event: usize,
    rules: &Rules,
    problems: &mut Problems,
) {
    let reaction = rules.strictness.schema_violations;
    if reaction == Reaction::Accept {
        return;
    }
    let found = if Catalogue.get(name.as_str()).is_some() {
        violations(name, data.bytes())
    } else {
        rules.types.violations(name, data.bytes())
    };
    for violation in found {
        react(reaction, problems, event, || {
            let detail = format!("is not as the schema of {name} says: {}", violation.message);
            Problem::new(Part::Inside(event, violation.pointer), detail)
        });
    }
}

fn react(reaction: Reaction, problems: &mut Problems, event: usize, problem: impl FnOnce() -> Problem) {
    match reaction {
        Reaction::Accept => {}
        Reaction::Warn => problems.warn_with(problem),
        Reaction::Refuse => problems.add_with(Kind::Fields, Some(event), problem),
    }
}

/// A name that no type has. The nearest one is looked for only where it is told.
struct UnknownType<'a>(&'a str, &'a KnownTypes);

impl fmt::Display for UnknownType<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f
                .write_str("must not be empty: name a type of the catalogue, for example COURSE_ENROLLMENT");
        }
        let shown = shortened(self.0);
        write!(f, "{shown:?} is not a known event type; ")?;
        match self.1.nearest(&shown) {
            Some(nearest) => write!(f, "did you mean {nearest}?"),
            None => f.write_str("use one of the catalogue, for example COURSE_ENROLLMENT"),
        }
    }
}

#[cfg(test)]
mod tests {
    use angarium_model::Strictness;
    use bytes::Bytes;

    use super::*;
    use crate::config::Limits;
    use crate::own_types::tests::{own_type, own_types};
    use crate::problem::Shape;

    /// Whether the event goes on, and the paths and details of problems and of warnings.
    fn held(sent: &str, payload: &'static str, strictness: Strictness) -> (bool, Vec<String>, Vec<String>) {
        let mut problems = Problems::none(Shape::Array);
        let schema = r#"{"properties": {"cents": {"type": "integer"}}}"#;
        let rules = Rules {
            limits: Limits::default(),
            strictness,
            types: own_types(vec![own_type("ORDER_PLACED", schema, 1)]),
        };
        let object = JsonObject::parse(Bytes::from_static(payload.as_bytes())).unwrap();
        let taken = name(sent, 3, &rules, &mut problems);
        if let Some(name) = &taken {
            data(name, &object, 3, &rules, &mut problems);
        }
        let told = |listed: &[Problem]| -> Vec<String> {
            let one = |problem: &Problem| format!("{}: {}", Shape::Array.path(&problem.part), problem.detail);
            listed.iter().map(one).collect()
        };
        (
            taken.is_some() && problems.is_empty(),
            told(&problems.listed),
            told(&problems.warnings.listed),
        )
    }

    fn strict(unknown_types: Reaction, schema_violations: Reaction) -> Strictness {
        Strictness {
            unknown_types,
            schema_violations,
        }
    }

    #[test]
    fn an_unknown_type_names_the_nearest_known_one() {
        let told = |name: &str| held(name, "{}", Strictness::default()).1.remove(0);
        assert!(told("COURSE_ENROLMENT").contains("did you mean COURSE_ENROLLMENT?"));
        assert!(told("course_completed").contains("did you mean COURSE_COMPLETED?"));
        assert!(told("INVOICE").contains("catalogue"));
        assert!(told(&"X".repeat(1_000_000)).len() < 200);
    }

    #[test]
    fn a_type_of_the_accounts_own_is_known_meant_and_held_against_its_schema() {
        use Reaction::{Accept, Refuse};
        let strictest = strict(Refuse, Refuse);
        assert_eq!(
            held("ORDER_PLACED", r#"{"cents": 5}"#, strictest),
            (true, vec![], vec![])
        );
        let (goes_on, problems, _) = held("ORDER_PLACED", r#"{"cents": "5"}"#, strictest);
        assert!(
            !goes_on && problems[0].starts_with("/3/data/cents: is not as the schema of ORDER_PLACED"),
            "{problems:?}"
        );
        assert!(held("ORDER_PLACED", r#"{"cents": "5"}"#, strict(Refuse, Accept)).0);
        let (_, problems, _) = held("ORDER_PLACD", "{}", strictest);
        assert!(problems[0].contains("did you mean ORDER_PLACED?"), "{problems:?}");
    }

    #[test]
    fn an_unknown_type_is_refused_told_or_taken_as_the_account_says_and_what_is_no_name_refused() {
        use Reaction::{Accept, Refuse, Warn};
        assert_eq!(
            held("INVOICE_PAID", "{}", strict(Accept, Refuse)),
            (true, vec![], vec![])
        );
        let (goes_on, problems, warnings) = held("INVOICE_PAID", "{}", strict(Warn, Accept));
        assert_eq!((goes_on, problems.len()), (true, 0));
        assert!(
            warnings[0].starts_with("/3/eventName: \"INVOICE_PAID\" is not a known"),
            "{warnings:?}"
        );
        assert!(!held("INVOICE_PAID", "{}", strict(Refuse, Accept)).0);
        for name in ["", "course enrolled", &"X".repeat(129)] {
            assert!(!held(name, "{}", strict(Accept, Accept)).0, "{name:?}");
        }
    }

    #[test]
    fn e6_data_that_is_not_as_its_schema_says_is_refused_told_or_taken_as_the_account_says() {
        use Reaction::{Accept, Refuse, Warn};
        let wrong =
            r#"{"loInstanceId": "course:1_2", "waitlistCount": -1, "enrollmentCount": 0, "seatLimit": "9"}"#;
        assert_eq!(
            held("CI_STATS", wrong, strict(Refuse, Accept)),
            (true, vec![], vec![])
        );
        let (goes_on, problems, told) = held("CI_STATS", wrong, strict(Refuse, Warn));
        assert_eq!((goes_on, problems.len(), told.len()), (true, 0, 2));
        let (goes_on, refused, warnings) = held("CI_STATS", wrong, strict(Refuse, Refuse));
        assert_eq!((goes_on, &refused, warnings.len()), (false, &told, 0));
        assert!(
            told[0].starts_with("/3/data/seatLimit: is not as the schema of CI_STATS says: "),
            "{told:?}"
        );
        let right =
            r#"{"loInstanceId": "course:1_2", "waitlistCount": 1, "enrollmentCount": 0, "seatLimit": 9}"#;
        assert_eq!(
            held("CI_STATS", right, strict(Refuse, Refuse)),
            (true, vec![], vec![])
        );
    }
}
