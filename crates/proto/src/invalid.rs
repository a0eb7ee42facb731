//! What is wrong with a message, told so that its sender can mend it.

use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt};

/// The most bytes of details that a status carries. A status travels in headers, its details in base64, and clients
/// take 8 KiB of headers (Java) or 16 KiB (Rust); beyond that they lose all of it, the code too.
const MAX_DETAILS: usize = 4_000;
/// What the line that counts the rest may take of them.
const COUNT: usize = 64;
/// What a violation takes beside its texts.
const FRAME: usize = 8;
/// The most bytes of a field's path, of a violation, and of the message for people. The message travels twice, once
/// with three bytes for each that is not ASCII.
const MAX_FIELD: usize = 128;
const MAX_VIOLATION: usize = 1_024;
const MAX_MESSAGE: usize = 512;

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

/// A message that breaks the rules of its type; every mistake of it. As text it is the first, and how many more.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", summary(.0.first(), .0.len()))]
pub struct InvalidWire(pub Vec<FieldError>);

/// Makes paths relative to a message into paths relative to the request that holds it.
#[must_use]
pub fn under(message: &str, mut errors: Vec<FieldError>) -> Vec<FieldError> {
    for error in &mut errors {
        error.field = format!("{message}.{}", error.field);
    }
    errors
}

/// The answer to a request with these mistakes: INVALID_ARGUMENT with `google.rpc.BadRequest`, a violation a field.
#[must_use]
pub fn invalid_argument(errors: &[FieldError]) -> Status {
    with_violations(
        Code::InvalidArgument,
        errors.iter().cloned(),
        errors.len(),
        ErrorDetails::new(),
    )
}

/// A status that names wrong fields, as `google.rpc.BadRequest` beside other `details`: as many of the `errors` as
/// clients take, and how many of the `total` there are beside them. Its message is the first.
#[must_use]
pub fn with_violations(
    code: Code,
    errors: impl IntoIterator<Item = FieldError>,
    total: usize,
    mut details: ErrorDetails,
) -> Status {
    let taken = Status::with_error_details(code, "", details.clone())
        .details()
        .len();
    let mut room = MAX_DETAILS.saturating_sub(taken + COUNT);
    let mut told = 0;
    let mut first = None;
    for FieldError { field, message } in errors {
        let error = FieldError::new(shortened(&field, MAX_FIELD), shortened(&message, MAX_VIOLATION));
        let Some(rest) = room.checked_sub(error.field.len() + error.message.len() + FRAME) else {
            break;
        };
        room = rest;
        told += 1;
        details.add_bad_request_violation(&error.field, &error.message);
        first.get_or_insert(error);
    }
    if told > 0 && told < total {
        details.add_bad_request_violation("", format!("and {} more", total - told));
    }
    Status::with_error_details(code, summary(first.as_ref(), total), details)
}

fn summary(first: Option<&FieldError>, total: usize) -> String {
    let Some(FieldError { field, message }) = first else {
        return String::new();
    };
    let mut summary = shortened(&format!("{field}: {message}"), MAX_MESSAGE);
    match total {
        0 | 1 => {}
        2 => summary.push_str(" (and 1 more problem)"),
        more => summary.push_str(&format!(" (and {} more problems)", more - 1)),
    }
    summary
}

/// The text, cut to so many bytes, of which it may hold a caller's own.
fn shortened(text: &str, bytes: usize) -> String {
    if text.len() <= bytes {
        return text.to_owned();
    }
    let end = text.floor_char_boundary(bytes - '…'.len_utf8());
    format!("{}…", &text[..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_fits_into_the_headers_that_clients_take_whatever_the_mistakes() {
        for (field, message) in [("a", "is wrong"), ("ä", "ä"), ("webhook.name", "\u{1f600}")] {
            for times in [1, 100, 10_000] {
                let error = FieldError::new(field.repeat(times), message.repeat(times));
                let status = invalid_argument(&vec![error; 1_000]);
                let mut headers = tonic::codegen::http::HeaderMap::new();
                status.add_header(&mut headers).unwrap();
                let bytes: usize = headers
                    .iter()
                    .map(|(name, value)| name.as_str().len() + value.len() + 32)
                    .sum();
                assert!(bytes < 8_000, "{bytes}");
                let violations = status.get_details_bad_request().unwrap().field_violations;
                let told = violations.len() - 1;
                assert_eq!(violations[told].description, format!("and {} more", 1_000 - told));
                assert!(status.message().ends_with("(and 999 more problems)"));
            }
        }
    }

    #[test]
    fn few_mistakes_are_told_whole_and_the_message_is_the_first() {
        let errors = [FieldError::new("a", "is wrong"), FieldError::new("b", "is too")];
        let status = invalid_argument(&errors);
        assert_eq!(status.message(), "a: is wrong (and 1 more problem)");
        let violations = status.get_details_bad_request().unwrap().field_violations;
        assert_eq!((violations.len(), violations[1].field.as_str()), (2, "b"));
        assert_eq!(invalid_argument(&errors[..1]).message(), "a: is wrong");
    }
}
