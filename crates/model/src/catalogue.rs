//! The event catalogue: which types there are, their class, and an example of each.

use crate::Lane;
use crate::samples::{AS_PUBLISHED, Sample};

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

    /// The known type that is written most like `name`, if one is near enough to be what was meant.
    #[must_use]
    pub fn nearest(self, name: &str) -> Option<&'static str> {
        nearest(name, self.types().map(|known| known.name))
    }

    /// Whether any type begins so.
    #[must_use]
    pub fn has_prefix(self, prefix: &str) -> bool {
        self.types().any(|known| known.name.starts_with(prefix))
    }

    /// The beginning of known types, up to a `_`, that is written most like `prefix`, if one is near enough to be
    /// what was meant.
    #[must_use]
    pub fn nearest_prefix(self, prefix: &str) -> Option<&'static str> {
        let beginnings = |name: &'static str| name.match_indices('_').map(|(at, _)| &name[..=at]);
        nearest(prefix, self.types().flat_map(|known| beginnings(known.name)))
    }
}

fn nearest(name: &str, known: impl Iterator<Item = &'static str>) -> Option<&'static str> {
    /// How alike two names must be, of 1.0, to be called near: one typing mistake in a short name.
    const NEAR: f64 = 0.7;
    let name = name.to_ascii_uppercase();
    known
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
        assert_eq!(Catalogue.nearest("COURSE_ENROLMENT"), Some("COURSE_ENROLLMENT"));
        assert_eq!(Catalogue.nearest("course_completed"), Some("COURSE_COMPLETED"));
        assert_eq!(Catalogue.nearest("INVOICE_PAID"), None);
        assert!(Catalogue.has_prefix("COURSE_ENROLLMENT_") && !Catalogue.has_prefix("COURS_"));
        assert_eq!(Catalogue.nearest_prefix("COURS_"), Some("COURSE_"));
        assert_eq!(Catalogue.nearest_prefix("LEARNINGPATH_"), Some("LEARNING_PATH_"));
        assert_eq!(Catalogue.nearest_prefix("INVOICE_"), None);
    }
}
