//! Why a webhook is not tested, and how the caller learns of it.

use std::collections::HashMap;

use angarium_proto::{InvalidWire, invalid_argument};
use angarium_runtime::Full;
use angarium_signing::SecretError;
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt};

use angarium_directory::lookup::{NotFound, RETRY_AFTER};

/// Whose error reasons these are, as `google.rpc.ErrorInfo` wants it.
const DOMAIN: &str = "delivery.angarium";

/// Why a webhook is not tested.
#[derive(Debug, thiserror::Error)]
pub(super) enum Refusal {
    #[error(transparent)]
    Invalid(#[from] InvalidWire),
    #[error(transparent)]
    NotFound(#[from] NotFound),
    #[error(transparent)]
    TooMany(#[from] Full),
    #[error("the webhook cannot be called as it is stored: {0}; change it with the registry's UpdateWebhook")]
    Unusable(String),
    #[error("no secret could be made; give one along, or try again")]
    NoSecret(#[source] SecretError),
}

impl Refusal {
    fn code(&self) -> Code {
        match self {
            Self::Invalid(_) => Code::InvalidArgument,
            Self::NotFound(refusal) => refusal.code(),
            Self::TooMany(_) => Code::ResourceExhausted,
            Self::Unusable(_) => Code::FailedPrecondition,
            Self::NoSecret(_) => Code::Internal,
        }
    }

    fn details(&self) -> ErrorDetails {
        let reason = |reason| ErrorDetails::with_error_info(reason, DOMAIN, HashMap::new());
        match self {
            Self::Invalid(_) => ErrorDetails::new(),
            Self::NotFound(refusal) => refusal.details(),
            Self::TooMany(_) => ErrorDetails::with_retry_info(Some(RETRY_AFTER)),
            Self::Unusable(_) => reason("WEBHOOK_UNUSABLE"),
            Self::NoSecret(_) => reason("NO_SECRET"),
        }
    }
}

impl From<Refusal> for Status {
    fn from(refusal: Refusal) -> Self {
        if let Refusal::Invalid(InvalidWire(errors)) = &refusal {
            return invalid_argument(errors);
        }
        if matches!(refusal, Refusal::NoSecret(_)) {
            tracing::error!(
                error = angarium_runtime::chain(&refusal),
                "a signing secret could not be made"
            );
        }
        Self::with_error_details(refusal.code(), refusal.to_string(), refusal.details())
    }
}
