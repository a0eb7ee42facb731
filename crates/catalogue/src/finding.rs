//! What is told of a place in JSON.

use std::fmt;

/// The longest message, in characters: it may quote what was sent, or a schema.
const MAX_MESSAGE: usize = 300;

/// A place in a schema or in `data`, and what is wrong there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// A JSON pointer (RFC 6901); empty for all of it.
    pub pointer: String,
    /// What is wrong.
    pub message: String,
}

impl Finding {
    pub(crate) fn at(pointer: &str, message: impl AsRef<str>) -> Self {
        Self {
            pointer: pointer.to_owned(),
            message: message.as_ref().chars().take(MAX_MESSAGE).collect(),
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.pointer.as_str() {
            "" => f.write_str(&self.message),
            pointer => write!(f, "at {pointer}: {}", self.message),
        }
    }
}
