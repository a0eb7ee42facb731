//! What commands have in common that call a service.

use std::error::Error as _;

use angarium_runtime::grpc;
use anyhow::Context;
use tonic::{Code, Status};
use tonic_types::{FieldViolation, StatusExt as _};

use crate::failed::Failed;

/// What to tell the person who asked. `late` is what may be after the time was up.
pub(super) fn explain(service: &str, endpoint: &str, late: &str, status: &Status) -> anyhow::Error {
    let message = mistakes(status);
    // What the operating system said, where there was no answer at all.
    let causes = std::iter::successors(status.source(), |cause| (*cause).source());
    let cause = causes
        .last()
        .map_or_else(String::new, |cause| format!(": {cause}"));
    let hint = match status.code() {
        Code::Unavailable => "; is it running, and is this its address?".to_owned(),
        // A client says CANCELLED of its own deadline.
        Code::DeadlineExceeded | Code::Cancelled => format!("; {late}"),
        _ => String::new(),
    };
    let said = format!(
        "{service} at {endpoint} answers {}: {message}{cause}{hint}",
        grpc::code_name(status.code())
    );
    Failed::new(status.into(), said).into()
}

/// What a service always sends.
pub(super) fn present<T>(field: Option<T>) -> anyhow::Result<T> {
    field.context(
        "the answer lacks what is always there; are the versions of the service and of this command apart?",
    )
}

/// All entries of a list that comes in pages. `page` takes the token of a page, which is empty for the first, and gives its
/// entries and the token of the next.
pub(super) async fn all_pages<T, E>(
    mut page: impl AsyncFnMut(String) -> Result<(Vec<T>, String), E>,
) -> Result<Vec<T>, E> {
    let mut all = Vec::new();
    let mut token = String::new();
    loop {
        let (entries, next) = page(token).await?;
        all.extend(entries);
        if next.is_empty() {
            return Ok(all);
        }
        token = next;
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

#[cfg(test)]
mod tests {
    use std::collections::HashMap;
    use std::time::Duration;

    use angarium_proto::{FieldError, invalid_argument};
    use tonic_types::{ErrorDetails, QuotaViolation};

    use super::*;

    #[test]
    fn scripts_learn_whether_to_ask_again() {
        let code = |status: &Status| {
            let error = explain("registry", "http://x", "look", status);
            error.downcast_ref::<Failed>().unwrap().exit_code()
        };
        let with = |code, details| Status::with_error_details(code, "no", details);
        let retry = ErrorDetails::with_retry_info(Some(Duration::from_secs(1)));
        assert_eq!(code(&with(Code::Unavailable, retry.clone())), 4);
        assert_eq!(code(&with(Code::ResourceExhausted, retry)), 4);
        let unknown = ErrorDetails::with_error_info("OUTCOME_UNKNOWN", "angarium", HashMap::new());
        assert_eq!(code(&with(Code::Unavailable, unknown)), 6);
        assert_eq!(code(&Status::cancelled("the deadline of the client")), 6);
        assert_eq!(code(&Status::unknown("the connection broke")), 6);
        assert_eq!(code(&Status::not_found("no such webhook")), 5);
        assert_eq!(code(&Status::permission_denied("no")), 1);
        let quota = ErrorDetails::with_quota_failure(vec![QuotaViolation::new("account/1", "5 webhooks")]);
        assert_eq!(
            code(&with(Code::ResourceExhausted, quota)),
            1,
            "waiting helps nobody"
        );
    }

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
