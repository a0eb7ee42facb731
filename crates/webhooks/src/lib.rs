//! Webhooks as callers send them: the rules of their fields, and what the fields mean.
//!
//! The registry stores nothing that breaks them, and delivery tests nothing that the registry would not store (W1, W5).
//! `angarium-proto` knows the shape of a field; here timetables, secrets and event types are looked at as those do who
//! use them.

mod filter;
mod sample;
mod secret_json;

use angarium_model::{Authentication, EventName, FilterText, KnownTypes, SecretText, TypePattern, Webhook};
use angarium_policy::{DEFAULT_CRON, Timetable, TimetableError};
use angarium_proto::FieldError;
use angarium_proto::convert::{MAX_EVENT_TYPES, webhook_from_wire};
use angarium_proto::registry::v1::{self, authentication::Method};
use angarium_runtime::chain;
use angarium_signing::{Secret, SecretError};

pub use filter::{FILTER, lookups, parse_filter, try_filter};
pub use sample::{example, given_sample, known_sample, own_example};
pub use secret_json::secret_json;

const PASSWORD: &str = "authentication.basic.password";
const HEADER_VALUE: &str = "authentication.header.value";

/// Checks all of a webhook of an account that knows these types; field paths are relative to it.
///
/// # Errors
/// Every mistake.
pub fn check(mut wire: v1::Webhook, types: &KnownTypes) -> Result<Webhook, Vec<FieldError>> {
    let mut meaning = Vec::new();
    check_secret(&mut wire, &mut meaning);
    check_timetable(wire.timetable.as_ref(), &mut meaning);
    check_types_are_known(&wire.event_types, types, &mut meaning);
    check_filter(&wire.filter, &mut meaning);
    check_headers(&wire, &mut meaning);
    match webhook_from_wire(wire) {
        Ok(webhook) if meaning.is_empty() => Ok(webhook),
        Ok(_) => Err(meaning),
        Err(mut errors) => {
            errors.extend(meaning);
            Err(errors)
        }
    }
}

/// The same of a webhook that is new: what calls carry must come along, for there is none to keep.
///
/// # Errors
/// Every mistake.
pub fn check_new(wire: v1::Webhook, types: &KnownTypes) -> Result<Webhook, Vec<FieldError>> {
    let missing = match method(&wire) {
        Some(Method::Basic(basic)) if basic.password.is_empty() => Some(PASSWORD),
        Some(Method::Header(header)) if header.value.is_empty() => Some(HEADER_VALUE),
        _ => None,
    };
    let missing = missing.map(|field| FieldError::new(field, "is required"));
    match (check(wire, types), missing) {
        (checked, None) => checked,
        (checked, Some(missing)) => {
            let mut errors = checked.err().unwrap_or_default();
            errors.push(missing);
            Err(errors)
        }
    }
}

/// The path of what calls carry as it is.
#[must_use]
pub const fn credential_field(authentication: &Authentication) -> &'static str {
    match authentication {
        Authentication::None | Authentication::Signature(_) => "authentication",
        Authentication::Basic { .. } => PASSWORD,
        Authentication::Header { .. } => HEADER_VALUE,
    }
}

fn method(wire: &v1::Webhook) -> Option<&Method> {
    wire.authentication.as_ref()?.method.as_ref()
}

/// Makes the secret of a webhook that signs and brought none (W2).
///
/// # Errors
/// When the operating system gives no random bytes.
pub fn new_secret() -> Result<SecretText, SecretError> {
    Ok(SecretText::new(Secret::generate()?.expose().to_string()))
}

/// A secret that was brought along, in its usual spelling.
///
/// # Errors
/// When it is none.
pub fn checked_secret(text: &str) -> Result<SecretText, SecretError> {
    Ok(SecretText::new(text.parse::<Secret>()?.expose().to_string()))
}

/// The type that a caller names, if it is one of these.
///
/// # Errors
/// What is wrong with the name, and which one may have been meant.
pub fn known_type(text: &str, types: &KnownTypes) -> Result<EventName, String> {
    // The length first: to look for the nearest name takes time.
    let name = EventName::new(text).map_err(|error| error.to_string())?;
    if types.has(name.as_str()) {
        return Ok(name);
    }
    let near = types.nearest(name.as_str()).map(str::to_owned);
    Err(with_hint(&format!("there is no event type {name}"), near))
}

/// Puts a secret that was brought along into its usual spelling. What else there is of secrets, only the registry sets.
fn check_secret(wire: &mut v1::Webhook, errors: &mut Vec<FieldError>) {
    let method = wire
        .authentication
        .as_mut()
        .and_then(|authentication| authentication.method.as_mut());
    let Some(Method::Signature(signature)) = method else {
        return;
    };
    let mut given = v1::Signature::default();
    if !signature.secret.is_empty() {
        match checked_secret(&signature.secret) {
            Ok(secret) => secret.expose().clone_into(&mut given.secret),
            Err(error) => errors.push(FieldError::new(
                "authentication.signature.secret",
                error.to_string(),
            )),
        }
    }
    *signature = given;
}

/// Both parts are looked at apart, so that both can be told to be wrong.
fn check_timetable(wire: Option<&v1::Timetable>, errors: &mut Vec<FieldError>) {
    let Some(timetable) = wire else { return };
    let mut check = |field: &str, parsed: Result<Timetable, TimetableError>| {
        if let Err(error) = parsed {
            errors.push(FieldError::new(field, chain(&error)));
        }
    };
    check("timetable.cron", Timetable::parse(&timetable.cron, ""));
    check(
        "timetable.time_zone",
        Timetable::parse(DEFAULT_CRON, &timetable.time_zone),
    );
}

/// A type that is not known, or a prefix that none has, would never come: most likely it is misspelt.
/// Too many are refused for their number and not looked at: to look for the nearest name takes time.
fn check_types_are_known(named: &[String], types: &KnownTypes, errors: &mut Vec<FieldError>) {
    if named.len() > MAX_EVENT_TYPES {
        return;
    }
    for (index, text) in named.iter().enumerate() {
        let problem = match TypePattern::parse(text) {
            Ok(TypePattern::Exact(name)) => known_type(name.as_str(), types).err(),
            Ok(TypePattern::Prefix(prefix)) if !types.has_prefix(&prefix) => {
                let near = types.nearest_prefix(&prefix).map(|near| format!("{near}*"));
                Some(with_hint(&format!("no event type begins with {prefix}"), near))
            }
            _ => None,
        };
        errors.extend(problem.map(|problem| FieldError::new(format!("event_types[{index}]"), problem)));
    }
}

/// One that is too long, or blank, is told as such and not looked at.
fn check_filter(text: &str, errors: &mut Vec<FieldError>) {
    if FilterText::new(text).is_ok() {
        errors.extend(parse_filter(text, FILTER).err().unwrap_or_default());
    }
}

/// What proves who calls would be sent twice.
fn check_headers(wire: &v1::Webhook, errors: &mut Vec<FieldError>) {
    let Some(Method::Header(proof)) = method(wire) else {
        return;
    };
    let names = wire.headers.iter().map(|header| header.name.as_str());
    errors.extend(sent_twice(&proof.name, names));
}

/// The mistake that one of these headers is that of authentication too, for headers and authentication may change apart.
#[must_use]
pub fn sent_twice<'h>(proof: &str, headers: impl IntoIterator<Item = &'h str>) -> Option<FieldError> {
    let mut headers = headers.into_iter();
    let index = headers.position(|name| name.eq_ignore_ascii_case(proof))?;
    let message = "is the header of authentication already; take another name";
    Some(FieldError::new(format!("headers[{index}].name"), message))
}

fn with_hint(problem: &str, near: Option<String>) -> String {
    match near {
        Some(near) => format!("{problem}; did you mean {near}?"),
        None => format!("{problem}; ListEventTypes shows those there are"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn w1_mistakes_of_shape_and_of_meaning_are_told_together() {
        let wrong = v1::Webhook {
            id: format!("wh_{}", "0".repeat(32)),
            name: "HR".into(),
            target_url: "ftp://example.com".into(),
            authentication: Some(v1::Authentication {
                method: Some(Method::Signature(v1::Signature {
                    secret: "s".into(),
                    ..v1::Signature::default()
                })),
            }),
            event_types: vec!["CI_STATS".into(), "CI_STAT".into(), "CI_STATS_*".into()],
            filter: "data.x =".into(),
            timetable: Some(v1::Timetable {
                cron: "never".into(),
                time_zone: "Mars".into(),
            }),
            ..v1::Webhook::default()
        };
        let fields = |wire| -> Vec<String> {
            let errors = check(wire, &KnownTypes::default()).unwrap_err();
            errors.into_iter().map(|error| error.field).collect()
        };
        let meaning = [
            "authentication.signature.secret",
            "timetable.cron",
            "timetable.time_zone",
            "event_types[1]",
            "event_types[2]",
            "filter",
        ];
        let both = [&["target_url"], &meaning[..]].concat();
        assert_eq!(fields(wrong.clone()), both);
        let shaped = v1::Webhook {
            target_url: "https://example.com/".into(),
            ..wrong
        };
        assert_eq!(fields(shaped), meaning);
    }

    #[test]
    fn a_type_that_is_not_known_is_told_with_the_one_that_may_be_meant() {
        let asked = |name: &str| known_type(name, &KnownTypes::default());
        assert_eq!(asked("CI_STATS").unwrap().as_str(), "CI_STATS");
        assert!(asked("CI_STAT").unwrap_err().ends_with("did you mean CI_STATS?"));
        assert!(asked(&"X".repeat(129)).unwrap_err().contains("at most 128"));
    }
}
