//! What is wrong with a message, told so that its sender can mend it.

use tonic_types::{ErrorDetails, StatusExt};

/// One mistake in a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldError {
    /// Path of the field as the .proto files name it, for example `webhook.target_url` or `events[3].data`.
    pub field: String,
    /// What is wrong and what is allowed.
    pub message: String,
}

impl FieldError {
    /// A mistake at a field.
    pub fn new(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            field: field.into(),
            message: message.into(),
        }
    }
}

/// A message that breaks the rules of its type; every mistake of it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", summary(.0))]
pub struct InvalidWire(pub Vec<FieldError>);

fn summary(errors: &[FieldError]) -> String {
    let lines: Vec<_> = errors
        .iter()
        .map(|error| format!("{}: {}", error.field, error.message))
        .collect();
    lines.join("; ")
}

/// The answer to a request with these mistakes: INVALID_ARGUMENT with `google.rpc.BadRequest`, a violation a field.
#[must_use]
pub fn invalid_argument(errors: &[FieldError]) -> tonic::Status {
    let mut details = ErrorDetails::new();
    for error in errors {
        details.add_bad_request_violation(&error.field, &error.message);
    }
    tonic::Status::with_error_details(tonic::Code::InvalidArgument, summary(errors), details)
}
