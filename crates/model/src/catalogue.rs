//! The event catalogue: which types there are, their class, and an example of each.

use std::sync::Arc;

use crate::samples::{AS_PUBLISHED, Sample};
use crate::{AccountId, EventName, Lane, Revision};

/// A type of the catalogue.
#[derive(Clone, Copy, Debug)]
pub struct EventType {
    /// Its name.
    pub name: &'static str,
    /// Its class (E1), which alone decides the lane (E8).
    pub lane: Lane,
    /// An envelope (E4) with one event, valid JSON that carries this name.
    pub example: &'static str,
}

/// The event types that ingest accepts: 15 real-time (E2) and 12 batch (E3).
#[derive(Clone, Copy, Debug, Default)]
pub struct Catalogue;

/// The first 15 are real-time (E2), the other 12 batch (E3).
const REALTIME: usize = 15;

macro_rules! corrected {
    ($($name:literal),* $(,)?) => {
        [$(($name, include_str!(concat!("../samples/corrected/", $name, ".json")))),*]
    };
}

/// Corrected copies of the samples that are no JSON or carry another type's name (E7).
const CORRECTED: [(&str, &str); 6] = corrected![
    "COURSE_UNENROLLMENT",
    "LEARNING_PATH_UNENROLLMENT",
    "LEARNING_OBJECT_MODIFICATION",
    "LEARNING_PATH_ENROLLMENT_BATCH",
    "LEARNING_PATH_COMPLETED_BATCH",
    "LEARNING_PATH_UNENROLLMENT_BATCH",
];

impl Catalogue {
    /// All types, in the order of E2 and E3.
    pub fn types(self) -> impl Iterator<Item = EventType> {
        AS_PUBLISHED.iter().enumerate().map(|(index, sample)| EventType {
            name: sample.title,
            lane: if index < REALTIME {
                Lane::Realtime
            } else {
                Lane::Batch
            },
            example: example(sample),
        })
    }

    /// The type of this name.
    #[must_use]
    pub fn get(self, name: &str) -> Option<EventType> {
        self.types().find(|known| known.name == name)
    }
}

/// A type that the catalogue lacks: of one account, or of the platform, and then for all accounts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnType {
    /// Whose it is; `None`: the platform's.
    pub account: Option<AccountId>,
    /// Its name; no type of the catalogue has it.
    pub name: EventName,
    /// Its class, which never changes: between the classes there is no order (D7).
    pub lane: Lane,
    /// What it is sent for; may be empty.
    pub description: String,
    /// The JSON Schema of its `data`; `None`: any object will do.
    pub schema: Option<String>,
    /// An event of it as JSON, alone or alone in its envelope.
    pub example: Option<String>,
    /// Rises with every change of the schema, from 1.
    pub version: u32,
    /// The version of all of it.
    pub revision: Revision,
    /// Unix milliseconds.
    pub created_at_ms: i64,
}

/// The types that events of an account may have: those of the catalogue, its own and the platform's.
#[derive(Clone, Debug, Default)]
pub struct KnownTypes(Vec<Arc<OwnType>>);

impl KnownTypes {
    /// With these beside the catalogue; of two of a name the first counts.
    #[must_use]
    pub const fn with(own: Vec<Arc<OwnType>>) -> Self {
        Self(own)
    }

    /// Those beside the catalogue.
    pub fn own(&self) -> impl Iterator<Item = &Arc<OwnType>> {
        self.0.iter()
    }

    /// The type of this name, if it is one beside the catalogue.
    #[must_use]
    pub fn get_own(&self, name: &str) -> Option<&Arc<OwnType>> {
        self.own().find(|known| known.name.as_str() == name)
    }

    /// Whether there is a type of this name.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.names().any(|known| known == name)
    }

    /// The known type that is written most like `name`, if one is near enough to be what was meant.
    #[must_use]
    pub fn nearest(&self, name: &str) -> Option<&str> {
        nearest(name, self.names())
    }

    /// Whether any type begins so.
    #[must_use]
    pub fn has_prefix(&self, prefix: &str) -> bool {
        self.names().any(|known| known.starts_with(prefix))
    }

    /// The beginning of known types, up to a `_`, that is written most like `prefix`, if one is near enough to be
    /// what was meant.
    #[must_use]
    pub fn nearest_prefix(&self, prefix: &str) -> Option<&str> {
        let beginnings = |name| str::match_indices(name, '_').map(move |(at, _)| &name[..=at]);
        nearest(prefix, self.names().flat_map(beginnings))
    }

    fn names(&self) -> impl Iterator<Item = &str> {
        let own = self.0.iter().map(|known| known.name.as_str());
        Catalogue.types().map(|known| known.name).chain(own)
    }
}

fn nearest<'k>(name: &str, known: impl Iterator<Item = &'k str>) -> Option<&'k str> {
    /// How alike two names must be, of 1.0, to be called near: one typing mistake in a short name.
    const NEAR: f64 = 0.7;
    let name = name.to_ascii_uppercase();
    // They are at least as unlike as their lengths: most names need no more than that looked at.
    let is_as_long = |known: &&str| {
        let (length, other) = (name.chars().count(), known.chars().count());
        let (shorter, longer) = (length.min(other), length.max(other));
        shorter * 10 >= longer * 7
    };
    known
        .filter(is_as_long)
        .map(|known| (strsim::normalized_damerau_levenshtein(&name, known), known))
        .filter(|(likeness, _)| *likeness >= NEAR)
        .max_by(|(a, _), (b, _)| a.total_cmp(b))
        .map(|(_, known)| known)
}

fn example(sample: &Sample) -> &'static str {
    CORRECTED
        .iter()
        .find(|(name, _)| *name == sample.title)
        .map_or(sample.text, |(_, text)| *text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn e2_e3_there_are_15_realtime_and_12_batch_types() {
        let count = |lane| Catalogue.types().filter(|t| t.lane == lane).count();
        assert_eq!((count(Lane::Realtime), count(Lane::Batch)), (15, 12));
        let batch_by_name = |t: &EventType| t.name.ends_with("_BATCH") || t.name == "LEARNER_PROGRESS";
        assert!(
            Catalogue
                .types()
                .all(|t| batch_by_name(&t) == (t.lane == Lane::Batch))
        );
    }

    #[test]
    fn e7_every_example_is_valid_and_carries_its_own_name() {
        for known in Catalogue.types() {
            let envelope: serde_json::Value = serde_json::from_str(known.example).unwrap();
            assert_eq!(envelope["events"][0]["eventName"], known.name);
        }
    }

    #[test]
    fn the_nearest_type_is_found_and_nonsense_has_none() {
        let known = KnownTypes::default();
        assert_eq!(known.nearest("COURSE_ENROLMENT"), Some("COURSE_ENROLLMENT"));
        assert_eq!(known.nearest("course_completed"), Some("COURSE_COMPLETED"));
        assert_eq!(known.nearest("INVOICE_PAID"), None);
        assert!(known.has_prefix("COURSE_ENROLLMENT_") && !known.has_prefix("COURS_"));
        assert_eq!(known.nearest_prefix("COURS_"), Some("COURSE_"));
        assert_eq!(known.nearest_prefix("LEARNINGPATH_"), Some("LEARNING_PATH_"));
        assert_eq!(known.nearest_prefix("INVOICE_"), None);
    }
}
