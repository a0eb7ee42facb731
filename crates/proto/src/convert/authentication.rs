//! How calls prove who sends them (W2).

use angarium_model::{Authentication, PreviousSecret, SecretText, Signing};

use super::{Secrets, check_length, header};
use crate::FieldError;
use crate::registry::v1::{self, authentication::Method};

/// Longest user name, in bytes.
const MAX_USERNAME: usize = 256;
/// Longest password, in bytes.
const MAX_PASSWORD: usize = 1_024;
/// Longest value of a header, in bytes.
const MAX_HEADER_VALUE: usize = 4_096;

pub(super) fn from_wire(
    wire: Option<v1::Authentication>,
    errors: &mut Vec<FieldError>,
) -> Option<Authentication> {
    match wire.and_then(|authentication| authentication.method) {
        Some(Method::None(_)) => Some(Authentication::None),
        Some(Method::Signature(signature)) => Some(Authentication::Signature(signing_from_wire(signature))),
        Some(Method::Basic(basic)) => {
            check_username(&basic.username, errors);
            check_password(&basic.password, errors);
            Some(Authentication::Basic {
                username: basic.username,
                password: text(basic.password),
            })
        }
        Some(Method::Header(mut given)) => {
            given.name.make_ascii_lowercase();
            header::check_name("authentication.header.name", &given.name, errors);
            check_header_value(&given.value, errors);
            Some(Authentication::Header {
                name: given.name,
                value: text(given.value),
            })
        }
        None => {
            errors.push(FieldError::new(
                "authentication",
                "is required: none, signature, basic or header",
            ));
            None
        }
    }
}

pub(super) fn to_wire(authentication: &Authentication, secrets: Secrets) -> v1::Authentication {
    // Who calls needs it, and nobody else: the caller that set it knows it.
    let credential = |secret: &Option<SecretText>| match secret {
        Some(secret) if secrets == Secrets::Include => secret.expose().to_owned(),
        _ => String::new(),
    };
    let method = match authentication {
        Authentication::None => Method::None(v1::NoAuthentication {}),
        Authentication::Signature(signing) => Method::Signature(signing_to_wire(signing, secrets)),
        Authentication::Basic { username, password } => Method::Basic(v1::BasicAuthentication {
            username: username.clone(),
            password: credential(password),
            sealed: None,
        }),
        Authentication::Header { name, value } => Method::Header(v1::HeaderAuthentication {
            name: name.clone(),
            value: credential(value),
            sealed: None,
        }),
    };
    v1::Authentication { method: Some(method) }
}

fn text(secret: String) -> Option<SecretText> {
    (!secret.is_empty()).then(|| SecretText::new(secret))
}

/// RFC 7617, section 2: a colon ends the user name.
fn check_username(name: &str, errors: &mut Vec<FieldError>) {
    const FIELD: &str = "authentication.basic.username";
    if name.is_empty() {
        errors.push(FieldError::new(FIELD, "must not be empty"));
    }
    check_length(FIELD, name, MAX_USERNAME, errors);
    if name.contains(':') {
        errors.push(FieldError::new(
            FIELD,
            "must not have a colon: receivers take what follows it for the password",
        ));
    }
    check_controls(FIELD, name, errors);
}

fn check_password(password: &str, errors: &mut Vec<FieldError>) {
    const FIELD: &str = "authentication.basic.password";
    check_length(FIELD, password, MAX_PASSWORD, errors);
    check_controls(FIELD, password, errors);
}

fn check_header_value(value: &str, errors: &mut Vec<FieldError>) {
    const FIELD: &str = "authentication.header.value";
    check_length(FIELD, value, MAX_HEADER_VALUE, errors);
    header::check_value(FIELD, value, errors);
}

fn check_controls(field: &str, text: &str, errors: &mut Vec<FieldError>) {
    if text.chars().any(char::is_control) {
        let message = "must not have control characters, such as a line break at its end";
        errors.push(FieldError::new(field, message));
    }
}

/// A secret that does not come along is left out, and one that was replaced with it.
fn signing_from_wire(wire: v1::Signature) -> Signing {
    let previous = wire.previous.into_iter().filter_map(|old| {
        Some(PreviousSecret {
            secret: text(old.secret)?,
            created_at_ms: old.created_at_ms,
            expires_at_ms: old.expires_at_ms,
        })
    });
    Signing {
        previous: previous.collect(),
        secret: text(wire.secret),
        created_at_ms: wire.created_at_ms,
    }
}

fn signing_to_wire(signing: &Signing, secrets: Secrets) -> v1::Signature {
    let shown = |secret: &SecretText, is_shown: bool| {
        if is_shown {
            secret.expose().to_owned()
        } else {
            String::new()
        }
    };
    let current = signing.secret.as_ref();
    let previous = signing.previous.iter().map(|old| v1::PreviousSecret {
        secret: shown(&old.secret, secrets == Secrets::Include),
        sealed: None,
        fingerprint: old.secret.fingerprint().to_string(),
        created_at_ms: old.created_at_ms,
        expires_at_ms: old.expires_at_ms,
    });
    v1::Signature {
        secret: current.map_or_else(String::new, |secret| shown(secret, secrets != Secrets::Omit)),
        sealed: None,
        fingerprint: current.map_or_else(String::new, |secret| secret.fingerprint().to_string()),
        created_at_ms: signing.created_at_ms,
        previous: previous.collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is wrong with it, and that no message tells any of it.
    fn wrong(method: Method, secret: &str) -> Vec<String> {
        let mut errors = Vec::new();
        let wire = v1::Authentication { method: Some(method) };
        from_wire(Some(wire), &mut errors);
        for error in &errors {
            assert!(
                secret.is_empty() || !error.message.contains(secret),
                "{}",
                error.message
            );
        }
        errors.into_iter().map(|error| error.field).collect()
    }

    fn basic(username: &str, password: &str) -> Vec<String> {
        let basic = v1::BasicAuthentication {
            username: username.into(),
            password: password.into(),
            sealed: None,
        };
        wrong(Method::Basic(basic), password)
    }

    fn header(name: &str, value: &str) -> Vec<String> {
        let header = v1::HeaderAuthentication {
            name: name.into(),
            value: value.into(),
            sealed: None,
        };
        wrong(Method::Header(header), value)
    }

    #[test]
    fn w2_a_user_name_and_a_password_are_what_rfc_7617_lets_through() {
        let (username, password) = ("authentication.basic.username", "authentication.basic.password");
        for (name, secret) in [("us", "sesame"), ("Jürgen", "пароль: с двоеточием"), ("a b", "")]
        {
            assert_eq!(basic(name, secret), [""; 0], "{name}");
        }
        for bad in ["", "a:b", "a\u{7f}", &"a".repeat(257)] {
            assert_eq!(basic(bad, "sesame"), [username], "{bad:?}");
        }
        for bad in ["sesame\n", "se\0same", &"s".repeat(1_025)] {
            assert_eq!(basic("us", bad), [password], "{bad:?}");
        }
    }

    #[test]
    fn w2_a_header_is_one_that_a_call_does_not_have_and_its_value_can_be_sent() {
        let (name, value) = ("authentication.header.name", "authentication.header.value");
        for good in ["authorization", "X-Api_Key", "cookie"] {
            assert_eq!(header(good, "Bearer sesame"), [""; 0], "{good}");
        }
        for bad in [
            "",
            "x key",
            "x:key",
            "Host",
            "content-length",
            "Webhook-Signature",
            "angarium-lane",
            "proxy-authorization",
            &"x".repeat(65),
        ] {
            assert_eq!(header(bad, "sesame"), [name], "{bad:?}");
        }
        for bad in [
            " sesame",
            "sesame ",
            "ses\tame",
            "sesame\r\nx: y",
            "sésame",
            &"s".repeat(4_097),
        ] {
            assert_eq!(header("x-key", bad), [value], "{bad:?}");
        }
    }
}
