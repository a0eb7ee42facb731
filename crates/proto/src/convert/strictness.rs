//! How strict an account is with its producers.

use angarium_model::{Reaction, Strictness};

use crate::FieldError;
use crate::registry::v1;

/// What was read counts only if there were no mistakes.
pub(super) fn from_wire(wire: &v1::Account, errors: &mut Vec<FieldError>) -> Strictness {
    let usual = Strictness::default();
    let mut read = |given: i32, usual: Reaction, field: &str| match v1::Reaction::try_from(given) {
        Ok(v1::Reaction::Unspecified) => usual,
        Ok(v1::Reaction::Accept) => Reaction::Accept,
        Ok(v1::Reaction::Warn) => Reaction::Warn,
        Ok(v1::Reaction::Refuse) => Reaction::Refuse,
        Err(unknown) => {
            let message = format!("{} is neither ACCEPT (1) nor WARN (2) nor REFUSE (3)", unknown.0);
            errors.push(FieldError::new(field, message));
            usual
        }
    };
    Strictness {
        unknown_types: read(wire.unknown_types, usual.unknown_types, "unknown_types"),
        schema_violations: read(
            wire.schema_violations,
            usual.schema_violations,
            "schema_violations",
        ),
    }
}

pub(super) const fn to_wire(reaction: Reaction) -> v1::Reaction {
    match reaction {
        Reaction::Accept => v1::Reaction::Accept,
        Reaction::Warn => v1::Reaction::Warn,
        Reaction::Refuse => v1::Reaction::Refuse,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_unset_is_as_it_was_before_there_was_a_choice_and_what_is_set_reads_back() {
        let mut errors = Vec::new();
        let usual = from_wire(&v1::Account::default(), &mut errors);
        assert_eq!(
            (usual.unknown_types, usual.schema_violations),
            (Reaction::Refuse, Reaction::Accept)
        );
        for reaction in [Reaction::Accept, Reaction::Warn, Reaction::Refuse] {
            let set = v1::Account {
                unknown_types: to_wire(reaction).into(),
                schema_violations: to_wire(reaction).into(),
                ..v1::Account::default()
            };
            let read = from_wire(&set, &mut errors);
            assert_eq!((read.unknown_types, read.schema_violations), (reaction, reaction));
        }
        assert_eq!(errors, []);
        let unknown = v1::Account {
            schema_violations: 9,
            ..v1::Account::default()
        };
        from_wire(&unknown, &mut errors);
        assert_eq!(errors[0].field, "schema_violations");
    }
}
