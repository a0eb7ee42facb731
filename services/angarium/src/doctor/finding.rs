//! What the doctor says.

use serde_json::{Value, json};

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Finding {
    /// What was looked at.
    pub(super) of: String,
    pub(super) verdict: Verdict,
    pub(super) found: String,
    /// What to do about it, unless it is good.
    pub(super) todo: Option<&'static str>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Good,
    /// It works, and not as it should.
    Odd,
    /// Something does not work, or will lose something.
    Wrong,
}

impl Verdict {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Good => "ok",
            Self::Odd => "odd",
            Self::Wrong => "wrong",
        }
    }
}

impl Finding {
    pub(super) fn good(of: impl Into<String>, found: impl Into<String>) -> Self {
        Self {
            of: of.into(),
            verdict: Verdict::Good,
            found: found.into(),
            todo: None,
        }
    }

    pub(super) fn odd(of: impl Into<String>, found: impl Into<String>, todo: &'static str) -> Self {
        Self {
            verdict: Verdict::Odd,
            todo: Some(todo),
            ..Self::good(of, found)
        }
    }

    pub(super) fn wrong(of: impl Into<String>, found: impl Into<String>, todo: &'static str) -> Self {
        Self {
            verdict: Verdict::Wrong,
            todo: Some(todo),
            ..Self::good(of, found)
        }
    }

    pub(super) fn json(&self) -> Value {
        json!({ "of": self.of, "verdict": self.verdict.name(), "found": self.found, "todo": self.todo })
    }
}
