//! What a call of a service came to, for scripts: each kind has an exit code of its own.

use std::fmt;

use tonic::Code;

/// A service did not do what was asked.
#[derive(Debug)]
pub(crate) struct Failed {
    /// For a person.
    said: String,
    why: Why,
}

/// What to do about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Why {
    /// Something else: the service refuses.
    Refused,
    /// Ask again: the service cannot be reached, or cannot do it now.
    NotNow,
    /// There is no such thing, or the key does not see it.
    NotThere,
}

impl Failed {
    pub(crate) const fn new(why: Why, said: String) -> Self {
        Self { said, why }
    }

    /// What the process ends with.
    pub(crate) const fn exit_code(&self) -> u8 {
        match self.why {
            Why::Refused => 1,
            Why::NotNow => 4,
            Why::NotThere => 5,
        }
    }
}

impl From<Code> for Why {
    fn from(code: Code) -> Self {
        match code {
            Code::Unavailable | Code::DeadlineExceeded | Code::ResourceExhausted => Self::NotNow,
            Code::NotFound => Self::NotThere,
            _ => Self::Refused,
        }
    }
}

impl From<http::StatusCode> for Why {
    fn from(status: http::StatusCode) -> Self {
        match status.as_u16() {
            408 | 429 | 502..=504 => Self::NotNow,
            404 => Self::NotThere,
            _ => Self::Refused,
        }
    }
}

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.said)
    }
}

impl std::error::Error for Failed {}
