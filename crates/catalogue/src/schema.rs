//! JSON Schemas of `data` (E6), put together of the fields that the types share.

use serde_json::{Map, Value, json};

/// The dialect.
pub(crate) const DIALECT: &str = "https://json-schema.org/draft/2020-12/schema";

/// Which fields `data` has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    /// The seats of a course instance.
    Seats,
    /// A learner came to something.
    Enrolled(Subject),
    /// A learner completed something.
    Completed(Subject),
    /// A learner left something.
    Unenrolled(Subject),
    /// How far a learner is.
    Progress,
    /// A learning object.
    Object,
    /// An instance of a learning object.
    Instance,
}

/// What a learner comes to, completes or leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Subject {
    Course,
    LearningPath,
    Certification,
    Any,
}

impl Subject {
    /// How `loType`, and ids in front of their `:`, spell it.
    const fn spellings(self) -> &'static [&'static str] {
        match self {
            Self::Course => &["course"],
            Self::LearningPath => &["learningProgram", "learning_program"],
            Self::Certification => &["certification"],
            Self::Any => &["course", "learningProgram", "learning_program", "certification"],
        }
    }
}

/// A field: its name, its schema, and whether it must be there.
type Field = (&'static str, Value, bool);

pub(crate) fn of(shape: Shape, title: &str, description: &str) -> Value {
    let fields = fields(shape);
    let required: Vec<&str> = fields
        .iter()
        .filter(|field| field.2)
        .map(|field| field.0)
        .collect();
    let properties: Map<String, Value> = fields
        .iter()
        .map(|(name, schema, _)| ((*name).to_owned(), schema.clone()))
        .collect();
    json!({
        "$schema": DIALECT,
        "title": title,
        "description": description,
        "type": "object",
        "properties": properties,
        "required": required,
    })
}

fn fields(shape: Shape) -> Vec<Field> {
    match shape {
        Shape::Seats => vec![
            instance(Subject::Course),
            ("waitlistCount", count("How many wait for a seat."), true),
            ("enrollmentCount", count("How many are enrolled."), true),
            ("seatLimit", count("How many seats there are."), true),
        ],
        Shape::Enrolled(subject) => learner(subject, [time("dateEnrolled", "When the learner enrolled")]),
        Shape::Completed(subject) => {
            let passed = json!({ "type": "boolean", "description": "Whether the learner passed." });
            // Certifications are published without it.
            let passed = ("hasPassed", passed, subject != Subject::Certification);
            learner(subject, [time("dateCompleted", "When it was completed"), passed])
        }
        Shape::Unenrolled(subject) => learner(subject, []),
        Shape::Progress => {
            let percent = json!({
                "type": "number", "minimum": 0, "maximum": 100, "description": "How much is done, in percent.",
            });
            let mut fields = vec![
                user(),
                object(Subject::Any),
                instance(Subject::Any),
                kind(Subject::Any),
            ];
            fields.push(time("dateStarted", "When the learner began"));
            fields.push(("progressPercent", percent, true));
            fields
        }
        Shape::Object => vec![object(Subject::Any), kind(Subject::Any)],
        Shape::Instance => vec![object(Subject::Any), instance(Subject::Any), kind(Subject::Any)],
    }
}

fn learner(subject: Subject, more: impl IntoIterator<Item = Field>) -> Vec<Field> {
    let source = json!({
        "type": "string", "pattern": "^[A-Z][A-Z_]*$", "maxLength": 64,
        "description": "Who enrolled the learner; more words may come.",
        "examples": ["SELF_ENROLL", "ADMIN_ENROLL"],
    });
    let mut fields = vec![user(), object(subject), instance(subject), kind(subject)];
    fields.push(("enrollmentSource", source, true));
    fields.extend(more);
    fields
}

fn user() -> Field {
    let schema = json!({ "type": "integer", "minimum": 0, "description": "The learner." });
    ("userId", schema, true)
}

fn object(subject: Subject) -> Field {
    let pattern = format!("^({}):[0-9]+$", subject.spellings().join("|"));
    let schema = json!({ "type": "string", "pattern": pattern, "description": "The learning object." });
    ("loId", schema, true)
}

fn instance(subject: Subject) -> Field {
    let pattern = format!("^({}):[0-9]+_[0-9]+$", subject.spellings().join("|"));
    let schema = json!({ "type": "string", "pattern": pattern, "description": "The instance of the learning object." });
    ("loInstanceId", schema, true)
}

fn kind(subject: Subject) -> Field {
    let schema = json!({
        "type": "string", "enum": subject.spellings(), "description": "What kind of learning object it is.",
    });
    ("loType", schema, true)
}

fn count(description: &str) -> Value {
    json!({ "type": "integer", "minimum": 0, "description": description })
}

/// In either unit (E5).
fn time(name: &'static str, what: &str) -> Field {
    let description = format!("{what}: Unix time in seconds, or in milliseconds from 100000000000 on.");
    (
        name,
        json!({ "type": "integer", "minimum": 0, "description": description }),
        true,
    )
}
