//! Headers that a webhook adds to its calls.

use angarium_model::Header;

use super::check_length;
use crate::FieldError;
use crate::registry::v1;

/// Longest name of a header, in bytes.
const MAX_NAME: usize = 64;
/// Most headers of a webhook, beside that which proves who calls.
const MAX_HEADERS: usize = 16;
/// Longest value of one of them, in bytes.
const MAX_VALUE: usize = 1_024;

/// Headers that a call has anyway, or that mean something to those who pass it on.
const TAKEN: [&str; 15] = [
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "expect",
    "host",
    "keep-alive",
    "te",
    "traceparent",
    "tracestate",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "user-agent",
    "via",
];
/// What such headers begin with.
const TAKEN_PREFIXES: [&str; 3] = ["angarium-", "proxy-", "webhook-"];
/// Headers that prove who calls: those are kept secret, and only authentication does that.
const PROVING: [&str; 2] = ["authorization", "cookie"];

/// Checks those that are no secret. What is wrong is left out: what was read counts only if nothing was.
pub(super) fn all_from_wire(wire: Vec<v1::Header>, errors: &mut Vec<FieldError>) -> Vec<Header> {
    if wire.len() > MAX_HEADERS {
        let message = format!("has {} entries; at most {MAX_HEADERS} are allowed", wire.len());
        errors.push(FieldError::new("headers", message));
        return Vec::new();
    }
    let mut headers: Vec<Header> = Vec::with_capacity(wire.len());
    for (index, mut header) in wire.into_iter().enumerate() {
        let field = format!("headers[{index}].name");
        header.name.make_ascii_lowercase();
        check_name(&field, &header.name, errors);
        if PROVING.contains(&header.name.as_str()) {
            let message = format!(
                "must not be {}: what proves who calls is kept secret as authentication.header",
                header.name
            );
            errors.push(FieldError::new(&*field, message));
        }
        if headers.iter().any(|other| other.name == header.name) {
            errors.push(FieldError::new(&*field, "is there twice: keep one"));
        }
        let field = format!("headers[{index}].value");
        check_length(&field, &header.value, MAX_VALUE, errors);
        check_value(&field, &header.value, errors);
        headers.push(Header {
            name: header.name,
            value: header.value,
        });
    }
    headers
}

pub(super) fn all_to_wire(headers: &[Header]) -> Vec<v1::Header> {
    let header = |header: &Header| v1::Header {
        name: header.name.clone(),
        value: header.value.clone(),
    };
    headers.iter().map(header).collect()
}

/// A name in small letters.
pub(super) fn check_name(field: &str, name: &str, errors: &mut Vec<FieldError>) {
    let is_fine = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    if name.is_empty() || name.len() > MAX_NAME || !name.bytes().all(is_fine) {
        let message = format!("must be 1 to {MAX_NAME} letters, digits, `-` and `_`");
        errors.push(FieldError::new(field, message));
    } else if TAKEN.contains(&name) || TAKEN_PREFIXES.iter().any(|taken| name.starts_with(taken)) {
        let message =
            format!("must not be {name}, which a call has anyway or proxies look at; take another one");
        errors.push(FieldError::new(field, message));
    }
}

pub(super) fn check_value(field: &str, value: &str, errors: &mut Vec<FieldError>) {
    let is_fine = |byte: u8| byte.is_ascii_graphic() || byte == b' ';
    if !value.bytes().all(is_fine) {
        let message = "must be visible characters of ASCII, with spaces between them";
        errors.push(FieldError::new(field, message));
    } else if value.trim() != value {
        errors.push(FieldError::new(field, "must not begin or end with a space"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(name: &str, value: &str) -> v1::Header {
        v1::Header {
            name: name.into(),
            value: value.into(),
        }
    }

    #[test]
    fn w1_headers_are_taken_once_each_and_none_that_a_call_or_authentication_has() {
        let mut errors = Vec::new();
        let taken = all_from_wire(
            vec![header("X-Team", "payroll"), header("x-env", "")],
            &mut errors,
        );
        assert_eq!(errors, []);
        assert_eq!(taken[0].name, "x-team");
        assert_eq!(all_to_wire(&taken)[0], header("x-team", "payroll"));
        let wrong = [
            header("Host", "a"),
            header("webhook-id", "a"),
            header("Authorization", "Bearer a"),
            header("cookie", "a"),
            header("x y", "a"),
            header("x-twice", "a"),
            header("X-Twice", "a"),
            header("x-line", "a\r\nb: c"),
            header("x-long", &"a".repeat(MAX_VALUE + 1)),
        ];
        all_from_wire(wrong.to_vec(), &mut errors);
        let fields: Vec<_> = errors.iter().map(|error| error.field.as_str()).collect();
        let expected = [
            "headers[0].name",
            "headers[1].name",
            "headers[2].name",
            "headers[3].name",
            "headers[4].name",
            "headers[6].name",
            "headers[7].value",
            "headers[8].value",
        ];
        assert_eq!(fields, expected);
        errors.clear();
        all_from_wire(vec![header("x", "y"); MAX_HEADERS + 1], &mut errors);
        assert_eq!(errors.len(), 1, "too many are not looked at one by one");
    }
}
