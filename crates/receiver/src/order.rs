//! G2–G4: which events come too late to count.
//!
//! What is ignored leaves no trace: it is neither first, nor seen, nor a completion. An event without `userId` or `loId`
//! has no learner and no learning object that the rules could speak of, and is never ignored (ADR 25).

use std::num::NonZeroUsize;

use angarium_model::Timestamp;
use serde::Deserialize;
use serde_json::value::RawValue;
use sha2::{Digest as _, Sha256};

use crate::Event;
use crate::bounded::Bounded;

/// How many pairs of learner and learning object are remembered unless said otherwise: some 20 MB.
const PAIRS: NonZeroUsize = NonZeroUsize::new(100_000).unwrap();

/// Why an event does not count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reason {
    /// G2: the learner's progress was here first, so the enrolment is old news.
    ProgressFirst,
    /// G3: the learner has completed it already.
    Completed,
    /// G4: something newer was seen.
    Stale,
}

/// Remembers of each learner and learning object what the rules ask for.
///
/// It is of one process, and bounded: the pair that was touched least recently is forgotten, and then is as if never seen.
#[derive(Debug)]
pub struct Order {
    pairs: Bounded<Pair, Seen>,
}

/// SHA-256 of account, user and learning object: as long as any other, however long the ids are.
type Pair = [u8; 32];

#[derive(Clone, Copy, Debug, Default)]
struct Seen {
    /// What came first, since the beginning or the last unenrolment.
    first: Option<First>,
    is_completed: bool,
    /// Unix milliseconds; it outlasts an unenrolment, for what is older stays stale.
    newest_ms: Option<u64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum First {
    Progress,
    Other,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Enrollment,
    Completed,
    Unenrollment,
    Progress,
    Other,
}

impl Kind {
    fn of(name: &str) -> Self {
        if name == "LEARNER_PROGRESS" {
            return Self::Progress;
        }
        let name = name.strip_suffix("_BATCH").unwrap_or(name);
        let stem = ["COURSE_", "LEARNING_PATH_", "CERTIFICATION_"]
            .into_iter()
            .find_map(|prefix| name.strip_prefix(prefix));
        match stem {
            Some("ENROLLMENT") => Self::Enrollment,
            Some("COMPLETED") => Self::Completed,
            Some("UNENROLLMENT") => Self::Unenrollment,
            _ => Self::Other,
        }
    }
}

impl Default for Order {
    fn default() -> Self {
        Self::new(PAIRS)
    }
}

impl Order {
    /// Remembers at most so many pairs of learner and learning object.
    #[must_use]
    pub fn new(pairs: NonZeroUsize) -> Self {
        Self {
            pairs: Bounded::new(pairs),
        }
    }

    /// Whether the event counts; from then on it is one that was seen.
    ///
    /// # Errors
    /// The rule by which it is ignored.
    pub fn judge(&mut self, event: &Event) -> Result<(), Reason> {
        let Some(pair) = pair(event) else {
            return Ok(());
        };
        let before = self.pairs.get(&pair).copied().unwrap_or_default();
        let after = before.then(Kind::of(event.name.as_str()), millis(event.timestamp))?;
        self.pairs.put(pair, after);
        Ok(())
    }
}

impl Seen {
    fn then(self, kind: Kind, at_ms: u64) -> Result<Self, Reason> {
        if kind == Kind::Progress {
            // Excepted from G4: its time neither is judged nor makes others stale.
            return if self.is_completed {
                Err(Reason::Completed)
            } else {
                Ok(Self {
                    first: self.first.or(Some(First::Progress)),
                    ..self
                })
            };
        }
        if kind == Kind::Enrollment && self.first == Some(First::Progress) {
            return Err(Reason::ProgressFirst);
        }
        if self.newest_ms.is_some_and(|newest| at_ms < newest) {
            return Err(Reason::Stale);
        }
        let newest_ms = Some(at_ms);
        Ok(match kind {
            Kind::Unenrollment => Self {
                newest_ms,
                ..Self::default()
            },
            Kind::Enrollment | Kind::Completed | Kind::Progress | Kind::Other => Self {
                first: self.first.or(Some(First::Other)),
                is_completed: self.is_completed || kind == Kind::Completed,
                newest_ms,
            },
        })
    }
}

/// Seconds and milliseconds are told apart by their size (E5, G4).
fn millis(timestamp: Timestamp) -> u64 {
    let published = timestamp.get();
    if published >= Timestamp::FIRST_MILLISECONDS {
        published
    } else {
        published * 1_000
    }
}

/// A number's text or a string's characters: `7` and `"7"` are one learner.
fn pair(event: &Event) -> Option<Pair> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Ids {
        user_id: Option<Box<RawValue>>,
        lo_id: Option<Box<RawValue>>,
    }
    let ids: Ids = serde_json::from_str(event.data.get()).ok()?;
    let (user, object) = (scalar(&ids.user_id?)?, scalar(&ids.lo_id?)?);
    let mut hash = Sha256::new();
    hash.update(event.account.get().to_be_bytes());
    // With its length, so that no end of one id is taken for the beginning of the other.
    hash.update(user.len().to_be_bytes());
    hash.update(user);
    hash.update(object);
    Some(hash.finalize().into())
}

fn scalar(value: &RawValue) -> Option<String> {
    match serde_json::from_str(value.get()).ok()? {
        serde_json::Value::String(text) => Some(text),
        serde_json::Value::Number(_) => Some(value.get().to_owned()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn e5_seconds_and_milliseconds_are_one_clock() {
        assert_eq!(millis(Timestamp::new(1_725_604_147)), 1_725_604_147_000);
        assert_eq!(millis(Timestamp::new(1_727_414_643_000)), 1_727_414_643_000);
        assert_eq!(millis(Timestamp::new(99_999_999_999)), 99_999_999_999_000);
        assert_eq!(millis(Timestamp::new(100_000_000_000)), 100_000_000_000);
    }

    #[test]
    fn g2_to_g4_of_names_only_the_three_families_have_rules() {
        for family in ["COURSE", "LEARNING_PATH", "CERTIFICATION"] {
            for form in ["", "_BATCH"] {
                let kind = |verb: &str| Kind::of(&format!("{family}_{verb}{form}"));
                assert_eq!(kind("ENROLLMENT"), Kind::Enrollment);
                assert_eq!(kind("COMPLETED"), Kind::Completed);
                assert_eq!(kind("UNENROLLMENT"), Kind::Unenrollment);
            }
        }
        for name in [
            "MY_COURSE_ENROLLMENT",
            "COURSE_ENROLLMENT_BATCH_BATCH",
            "LEARNER_PROGRESS_BATCH",
            "CI_STATS",
        ] {
            assert_eq!(Kind::of(name), Kind::Other, "{name}");
        }
    }
}
