//! Why nothing is sent again, and how the caller learns of it.

use std::collections::HashMap;

use angarium_kafka::{ProduceError, ReadError, SendError};
use angarium_model::Position;
use angarium_proto::{InvalidWire, invalid_argument};
use angarium_runtime::{Full, grpc};
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt as _};

use super::trail::NotTold;
use crate::cursors::TakeoverError;
use angarium_directory::lookup::{NotFound, RETRY_AFTER};

/// Who gives reasons.
const DOMAIN: &str = "angarium";

#[derive(Debug, thiserror::Error)]
pub(super) enum Refusal {
    #[error(transparent)]
    Invalid(#[from] InvalidWire),
    #[error(transparent)]
    NotFound(#[from] NotFound),
    #[error(
        "account has no event at {0}: no event of it ever was there, or its 7 days are over and Kafka has it no longer (D5)"
    )]
    NoEvent(Position),
    #[error("no replay of this webhook and lane was ordered as {0}, or its 7 days are over")]
    NoReplay(i64),
    #[error(transparent)]
    TooMany(#[from] Full),
    #[error("the audit log cannot be written now, so nothing was done; try again in a moment")]
    NotTold(#[from] NotTold),
    #[error("the queue to Kafka is full; try again in a moment")]
    Busy,
    #[error(
        "Kafka does not answer: what was asked for may yet be done. Asked again, it may be done twice, under other ids"
    )]
    Unknown,
    #[error("Kafka does not answer in time; nothing was changed, try again in a moment")]
    Slow,
    #[error("Kafka cannot be read now; try again in a moment")]
    NotRead(#[from] ReadError),
    #[error("Kafka does not tell its topics; try again in a moment")]
    Topics(#[source] Box<angarium_kafka::Error>),
    #[error("the webhook's cursors cannot be read now")]
    Cursors(#[from] TakeoverError),
    #[error("Kafka did not take the order; try again in a moment")]
    NotSent(#[source] SendError),
    #[error("Kafka did not take the order; try again in a moment")]
    NotWritten(#[from] ProduceError),
}

impl Refusal {
    fn code(&self) -> Code {
        match self {
            Self::Invalid(_) => Code::InvalidArgument,
            Self::NotFound(refusal) => refusal.code(),
            Self::NoEvent(_) | Self::NoReplay(_) => Code::NotFound,
            Self::TooMany(_) => Code::ResourceExhausted,
            Self::NotTold(_)
            | Self::Busy
            | Self::Unknown
            | Self::Slow
            | Self::NotRead(_)
            | Self::Topics(_)
            | Self::Cursors(_)
            | Self::NotSent(_)
            | Self::NotWritten(_) => Code::Unavailable,
        }
    }

    fn details(&self) -> ErrorDetails {
        let resource =
            |kind: &str, name: String| ErrorDetails::with_resource_info(kind, name, "", self.to_string());
        match self {
            Self::Invalid(_) => ErrorDetails::new(),
            Self::NotFound(refusal) => refusal.details(),
            Self::NoEvent(position) => resource("event", position.to_string()),
            Self::NoReplay(id) => resource("replay", id.to_string()),
            Self::Unknown => ErrorDetails::with_error_info(grpc::OUTCOME_UNKNOWN, DOMAIN, HashMap::new()),
            _ => ErrorDetails::with_retry_info(Some(RETRY_AFTER)),
        }
    }
}

impl From<Refusal> for Status {
    fn from(refusal: Refusal) -> Self {
        if let Refusal::Invalid(InvalidWire(errors)) = &refusal {
            return invalid_argument(errors);
        }
        if refusal.code() == Code::Unavailable {
            tracing::warn!(
                error = angarium_runtime::chain(&refusal),
                "nothing can be sent again now"
            );
        }
        Self::with_error_details(refusal.code(), refusal.to_string(), refusal.details())
    }
}
