//! Why nothing is explained, and how the caller learns of it.

use angarium_directory::lookup::{NotFound, RETRY_AFTER};
use angarium_kafka::ReadError;
use angarium_model::{AccountId, Position};
use angarium_proto::{InvalidWire, invalid_argument};
use angarium_runtime::Full;
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt as _};

#[derive(Debug, thiserror::Error)]
pub(super) enum Refusal {
    #[error(transparent)]
    Invalid(#[from] InvalidWire),
    #[error(transparent)]
    NotFound(#[from] NotFound),
    #[error(
        "account {account} has no event at {position}: no event of it ever was there, or its 7 days are over and Kafka has it no longer (D5)"
    )]
    NoEvent { account: AccountId, position: Position },
    #[error(transparent)]
    TooMany(#[from] Full),
    #[error("Kafka cannot be read now; try again in a moment")]
    NotRead(#[from] ReadError),
    #[error("Kafka does not tell its topics; try again in a moment")]
    Topics(#[source] Box<angarium_kafka::Error>),
}

impl From<Refusal> for Status {
    fn from(refusal: Refusal) -> Self {
        let message = refusal.to_string();
        let (code, details) = match &refusal {
            Refusal::Invalid(InvalidWire(errors)) => return invalid_argument(errors),
            Refusal::NotFound(refusal) => (refusal.code(), refusal.details()),
            Refusal::NoEvent { position, .. } => (
                Code::NotFound,
                ErrorDetails::with_resource_info("event", position.to_string(), "", &*message),
            ),
            Refusal::TooMany(_) => (
                Code::ResourceExhausted,
                ErrorDetails::with_retry_info(Some(RETRY_AFTER)),
            ),
            Refusal::NotRead(_) | Refusal::Topics(_) => {
                tracing::warn!(
                    error = angarium_runtime::chain(&refusal),
                    "nothing can be explained now"
                );
                (
                    Code::Unavailable,
                    ErrorDetails::with_retry_info(Some(RETRY_AFTER)),
                )
            }
        };
        Self::with_error_details(code, message, details)
    }
}
