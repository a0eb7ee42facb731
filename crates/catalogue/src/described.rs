//! What each type is sent for (E8), and what its `data` looks like (E6).

use angarium_model::EventType;
use serde_json::Value;

use crate::schema::{self, Shape, Subject};

/// A type of the catalogue, and what is said of it.
#[derive(Clone, Copy, Debug)]
pub struct Described {
    /// The type.
    pub event_type: EventType,
    /// What it is sent for, in one sentence.
    pub description: &'static str,
    shape: Shape,
}

impl Described {
    /// The JSON Schema (draft 2020-12) of its `data`.
    #[must_use]
    pub fn schema(&self) -> Value {
        schema::of(self.shape, self.event_type.name, self.description)
    }
}

/// What is said of a type; `None` of one that the catalogue lacks.
#[must_use]
pub fn described(event_type: EventType) -> Option<Described> {
    let row = TYPES.iter().find(|(name, _, _)| *name == event_type.name);
    row.map(|(_, shape, description)| Described {
        event_type,
        description,
        shape: *shape,
    })
}

type Row = (&'static str, Shape, &'static str);

const COURSE: Subject = Subject::Course;
const PATH: Subject = Subject::LearningPath;
const CERTIFICATION: Subject = Subject::Certification;

const TYPES: [Row; 27] = [
    (
        "CI_STATS",
        Shape::Seats,
        "The seats or the waiting list of a course instance changed.",
    ),
    (
        "COURSE_ENROLLMENT",
        Shape::Enrolled(COURSE),
        "A learner enrolled in a course.",
    ),
    (
        "COURSE_COMPLETED",
        Shape::Completed(COURSE),
        "A learner completed a course.",
    ),
    (
        "LEARNING_PATH_ENROLLMENT",
        Shape::Enrolled(PATH),
        "A learner enrolled in a learning path.",
    ),
    (
        "LEARNING_PATH_COMPLETED",
        Shape::Completed(PATH),
        "A learner completed a learning path.",
    ),
    (
        "CERTIFICATION_ENROLLMENT",
        Shape::Enrolled(CERTIFICATION),
        "A learner enrolled in a certification.",
    ),
    (
        "CERTIFICATION_COMPLETED",
        Shape::Completed(CERTIFICATION),
        "A learner completed a certification.",
    ),
    (
        "COURSE_UNENROLLMENT",
        Shape::Unenrolled(COURSE),
        "A learner left a course.",
    ),
    (
        "LEARNING_PATH_UNENROLLMENT",
        Shape::Unenrolled(PATH),
        "A learner left a learning path.",
    ),
    (
        "CERTIFICATION_UNENROLLMENT",
        Shape::Unenrolled(CERTIFICATION),
        "A learner left a certification.",
    ),
    (
        "LEARNING_OBJECT_DRAFT",
        Shape::Object,
        "A learning object was created as a draft.",
    ),
    (
        "LEARNING_OBJECT_DELETION",
        Shape::Object,
        "A learning object was deleted.",
    ),
    (
        "LEARNING_OBJECT_MODIFICATION",
        Shape::Object,
        "A learning object was changed.",
    ),
    (
        "LEARNING_OBJECT_INSTANCE_MODIFICATION",
        Shape::Instance,
        "An instance of a learning object was created or changed; use instances only once the course is published.",
    ),
    (
        "LEARNING_OBJECT_INSTANCE_DELETION",
        Shape::Instance,
        "An instance of a learning object was deleted.",
    ),
    (
        "COURSE_ENROLLMENT_BATCH",
        Shape::Enrolled(COURSE),
        "An administrator, a manager or the platform enrolled a learner in a course.",
    ),
    (
        "COURSE_COMPLETED_BATCH",
        Shape::Completed(COURSE),
        "An administrator, a manager or the platform marked a course as completed by a learner.",
    ),
    (
        "LEARNING_PATH_ENROLLMENT_BATCH",
        Shape::Enrolled(PATH),
        "An administrator, a manager or the platform enrolled a learner in a learning path.",
    ),
    (
        "LEARNING_PATH_COMPLETED_BATCH",
        Shape::Completed(PATH),
        "An administrator or a manager marked a learning path as completed by a learner.",
    ),
    (
        "CERTIFICATION_ENROLLMENT_BATCH",
        Shape::Enrolled(CERTIFICATION),
        "An administrator, a manager or the platform enrolled a learner in a certification.",
    ),
    (
        "CERTIFICATION_COMPLETED_BATCH",
        Shape::Completed(CERTIFICATION),
        "An administrator, a manager or the platform marked a certification as completed by a learner.",
    ),
    (
        "LEARNER_PROGRESS",
        Shape::Progress,
        "A learner got further in a learning object, after completing a module of it.",
    ),
    (
        "COURSE_UNENROLLMENT_BATCH",
        Shape::Unenrolled(COURSE),
        "An administrator, a manager or the platform took a learner out of a course.",
    ),
    (
        "LEARNING_PATH_UNENROLLMENT_BATCH",
        Shape::Unenrolled(PATH),
        "An administrator, a manager or the platform took a learner out of a learning path.",
    ),
    (
        "CERTIFICATION_UNENROLLMENT_BATCH",
        Shape::Unenrolled(CERTIFICATION),
        "An administrator, a manager or the platform took a learner out of a certification.",
    ),
    (
        "LEARNING_OBJECT_MODIFICATION_BATCH",
        Shape::Object,
        "A learning object was changed through the migration workflow.",
    ),
    (
        "LEARNING_OBJECT_INSTANCE_MODIFICATION_BATCH",
        Shape::Instance,
        "An instance of a learning object was created or changed through the migration workflow.",
    ),
];

#[cfg(test)]
mod tests {
    use angarium_model::Catalogue;

    use super::*;

    #[test]
    fn e8_every_type_is_described_and_nothing_else() {
        let described: Vec<_> = Catalogue.types().filter_map(described).collect();
        assert_eq!(described.len(), TYPES.len());
        assert_eq!(Catalogue.types().count(), TYPES.len());
        let mut sentences: Vec<_> = described.iter().map(|known| known.description).collect();
        sentences.sort_unstable();
        sentences.dedup();
        assert_eq!(sentences.len(), TYPES.len(), "two types read alike");
    }
}
