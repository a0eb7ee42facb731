//! The 27 payloads that the reference platform publishes, byte for byte, mistakes included (E7).
//!
//! `angarium dev` sends them, and the tests do. The catalogue's examples are these, or corrected copies where a
//! sample is no JSON or carries another type's name.

/// A published sample.
#[derive(Clone, Copy, Debug)]
pub struct Sample {
    /// The title it is published under; its `eventName` may differ (E7).
    pub title: &'static str,
    /// Its text exactly as published.
    pub text: &'static str,
}

/// The introduction's example; the only one of account 1010.
pub const INTRODUCTION: Sample = Sample {
    title: "INTRODUCTION",
    text: include_str!("../samples/as-published/INTRODUCTION.txt"),
};

macro_rules! published {
    ($($title:literal),* $(,)?) => {
        [$(Sample { title: $title, text: include_str!(concat!("../samples/as-published/", $title, ".txt")) }),*]
    };
}

/// One sample for each type, in the order of E2 and E3. All carry account 1234.
pub const AS_PUBLISHED: [Sample; 27] = published![
    "CI_STATS",
    "COURSE_ENROLLMENT",
    "COURSE_COMPLETED",
    "LEARNING_PATH_ENROLLMENT",
    "LEARNING_PATH_COMPLETED",
    "CERTIFICATION_ENROLLMENT",
    "CERTIFICATION_COMPLETED",
    "COURSE_UNENROLLMENT",
    "LEARNING_PATH_UNENROLLMENT",
    "CERTIFICATION_UNENROLLMENT",
    "LEARNING_OBJECT_DRAFT",
    "LEARNING_OBJECT_DELETION",
    "LEARNING_OBJECT_MODIFICATION",
    "LEARNING_OBJECT_INSTANCE_MODIFICATION",
    "LEARNING_OBJECT_INSTANCE_DELETION",
    "COURSE_ENROLLMENT_BATCH",
    "COURSE_COMPLETED_BATCH",
    "LEARNING_PATH_ENROLLMENT_BATCH",
    "LEARNING_PATH_COMPLETED_BATCH",
    "CERTIFICATION_ENROLLMENT_BATCH",
    "CERTIFICATION_COMPLETED_BATCH",
    "LEARNER_PROGRESS",
    "COURSE_UNENROLLMENT_BATCH",
    "LEARNING_PATH_UNENROLLMENT_BATCH",
    "CERTIFICATION_UNENROLLMENT_BATCH",
    "LEARNING_OBJECT_MODIFICATION_BATCH",
    "LEARNING_OBJECT_INSTANCE_MODIFICATION_BATCH",
];

/// The titles of the samples that are not valid JSON: each has a trailing comma (E7).
pub const INVALID: [&str; 2] = ["COURSE_UNENROLLMENT", "LEARNING_PATH_UNENROLLMENT"];

#[cfg(test)]
mod tests {
    use super::*;

    fn event_name(sample: Sample) -> Option<String> {
        let envelope: serde_json::Value = serde_json::from_str(sample.text).ok()?;
        Some(envelope["events"][0]["eventName"].as_str()?.to_owned())
    }

    #[test]
    fn e7_two_samples_are_no_json_and_four_carry_another_name() {
        let invalid: Vec<_> = AS_PUBLISHED
            .iter()
            .filter(|s| event_name(**s).is_none())
            .map(|s| s.title)
            .collect();
        assert_eq!(invalid, INVALID);
        let renamed: Vec<_> = AS_PUBLISHED
            .iter()
            .filter(|s| event_name(**s).is_some_and(|name| name != s.title))
            .map(|s| s.title)
            .collect();
        assert_eq!(
            renamed,
            [
                "LEARNING_OBJECT_MODIFICATION",
                "LEARNING_PATH_ENROLLMENT_BATCH",
                "LEARNING_PATH_COMPLETED_BATCH",
                "LEARNING_PATH_UNENROLLMENT_BATCH",
            ]
        );
    }

    #[test]
    fn e7_all_samples_carry_account_1234_and_the_introduction_1010() {
        for sample in AS_PUBLISHED {
            assert!(sample.text.contains("\"accountId\": 1234,"), "{}", sample.title);
        }
        assert!(INTRODUCTION.text.contains("\"accountId\": 1010,"));
    }
}
