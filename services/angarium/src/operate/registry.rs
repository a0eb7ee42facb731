//! Calls the registry.

use std::error::Error as _;
use std::time::Duration;

use angarium_proto::registry::v1::registry_service_client::RegistryServiceClient;
use angarium_runtime::grpc::{Client, MAX_MESSAGE_BYTES, client};
use anyhow::Context;
use tonic::{Code, Request, Response, Status};
use tonic_types::{FieldViolation, StatusExt as _};

use crate::cli::AtRegistry;
use crate::settings::Settings;

/// The longest that a call may take; the registry gives Kafka less.
const PATIENCE: Duration = Duration::from_secs(15);

/// The most entries of a page that the registry gives.
pub(super) const PAGE: u32 = 1_000;

/// A connection to the registry of the command line or the settings.
pub(super) struct Registry {
    pub(super) calls: RegistryServiceClient<Client>,
    endpoint: String,
}

impl Registry {
    /// Reads where it is; connects at the first call.
    pub(super) fn at(at: &AtRegistry) -> anyhow::Result<Self> {
        let overrides = [
            ("registry.endpoint", &at.registry),
            ("operator.key", &at.reach.key),
        ];
        let settings = Settings::read_with(&at.reach.given, &overrides, &["registry", "operator"])?;
        let client = client(&settings.registry_endpoint, &settings.key).context("registry.endpoint")?;
        let calls = RegistryServiceClient::new(client).max_decoding_message_size(MAX_MESSAGE_BYTES);
        Ok(Self {
            calls,
            endpoint: settings.registry_endpoint,
        })
    }

    /// The answer, or what to tell the person who asked.
    pub(super) fn answer<T>(&self, result: Result<Response<T>, Status>) -> anyhow::Result<T> {
        result
            .map(Response::into_inner)
            .map_err(|status| self.explain(&status))
    }

    fn explain(&self, status: &Status) -> anyhow::Error {
        let message = mistakes(status);
        // What the operating system said, where there was no answer at all.
        let causes = std::iter::successors(status.source(), |cause| (*cause).source());
        let cause = causes
            .last()
            .map_or_else(String::new, |cause| format!(": {cause}"));
        let hint = match status.code() {
            Code::Unavailable => "; is it running, and is this its address?",
            Code::DeadlineExceeded => "; it may yet come into force",
            _ => "",
        };
        anyhow::anyhow!(
            "the registry at {} answers {}: {message}{cause}{hint}",
            self.endpoint,
            name(status.code())
        )
    }
}

/// What is wrong, all of it: the message names the first mistake only.
fn mistakes(status: &Status) -> String {
    let violations = status
        .get_details_bad_request()
        .map_or_else(Vec::new, |details| details.field_violations);
    match violations.as_slice() {
        [] | [_] => status.message().to_owned(),
        several => {
            let line = |violation: &FieldViolation| match violation.field.as_str() {
                "" => format!("\n  {}", violation.description),
                field => format!("\n  {field}: {}", violation.description),
            };
            several.iter().map(line).collect()
        }
    }
}

/// A request with a deadline.
pub(super) fn request<T>(message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.set_timeout(PATIENCE);
    request
}

/// What the registry always sends.
pub(super) fn present<T>(field: Option<T>) -> anyhow::Result<T> {
    field.context("the registry sent an empty answer; are its version and this one apart?")
}

/// As the gRPC specification writes it.
const fn name(code: Code) -> &'static str {
    match code {
        Code::Ok => "OK",
        Code::Cancelled => "CANCELLED",
        Code::Unknown => "UNKNOWN",
        Code::InvalidArgument => "INVALID_ARGUMENT",
        Code::DeadlineExceeded => "DEADLINE_EXCEEDED",
        Code::NotFound => "NOT_FOUND",
        Code::AlreadyExists => "ALREADY_EXISTS",
        Code::PermissionDenied => "PERMISSION_DENIED",
        Code::ResourceExhausted => "RESOURCE_EXHAUSTED",
        Code::FailedPrecondition => "FAILED_PRECONDITION",
        Code::Aborted => "ABORTED",
        Code::OutOfRange => "OUT_OF_RANGE",
        Code::Unimplemented => "UNIMPLEMENTED",
        Code::Internal => "INTERNAL",
        Code::Unavailable => "UNAVAILABLE",
        Code::DataLoss => "DATA_LOSS",
        Code::Unauthenticated => "UNAUTHENTICATED",
    }
}

#[cfg(test)]
mod tests {
    use angarium_proto::{FieldError, invalid_argument};

    use super::*;

    #[test]
    fn every_mistake_is_told_a_line_each() {
        let wrong = |field: &str| FieldError::new(field, "is wrong");
        let one = invalid_argument(&[wrong("webhook.name")]);
        assert_eq!(mistakes(&one), "webhook.name: is wrong");
        let two = invalid_argument(&[wrong("webhook.name"), wrong("webhook.target_url")]);
        assert_eq!(
            mistakes(&two),
            "\n  webhook.name: is wrong\n  webhook.target_url: is wrong"
        );
        assert_eq!(mistakes(&Status::not_found("no such webhook")), "no such webhook");
    }
}
