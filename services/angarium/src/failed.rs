//! What a call of a service came to, for scripts: each kind has an exit code of its own.

use std::fmt;

use angarium_runtime::grpc;
use tonic::{Code, Status};
use tonic_types::StatusExt as _;

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
    /// Nothing was done: the service cannot be reached, or cannot do it now. Ask again.
    NotNow,
    /// Nobody knows whether it was done.
    Unknown,
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
            Why::Unknown => 6,
        }
    }
}

impl From<&Status> for Why {
    fn from(status: &Status) -> Self {
        let reason = status.get_details_error_info().map(|info| info.reason);
        match status.code() {
            _ if reason.as_deref() == Some(grpc::OUTCOME_UNKNOWN) => Self::Unknown,
            // What an account may have at most does not change by waiting.
            Code::ResourceExhausted if status.get_details_quota_failure().is_none() => Self::NotNow,
            Code::Unavailable if !status.details().is_empty() || grpc::was_not_sent(status) => Self::NotNow,
            Code::NotFound => Self::NotThere,
            // The time is up, or the connection broke. A client says CANCELLED of its own deadline.
            Code::Unavailable | Code::DeadlineExceeded | Code::Cancelled | Code::Unknown => Self::Unknown,
            _ => Self::Refused,
        }
    }
}

impl From<http::StatusCode> for Why {
    fn from(status: http::StatusCode) -> Self {
        match status.as_u16() {
            408 | 429 | 503 => Self::NotNow,
            502 | 504 => Self::Unknown,
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
