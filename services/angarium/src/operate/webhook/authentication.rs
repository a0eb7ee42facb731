//! How calls prove who sends them: from flags to the webhook, and from the webhook to plain words.

use std::path::{Path, PathBuf};

use angarium_proto::registry::v1::authentication::Method as Proof;
use angarium_proto::registry::v1::{
    Authentication, BasicAuthentication, HeaderAuthentication, NoAuthentication, Signature, Webhook,
};
use serde_json::{Value, json};

use super::super::file;
use crate::cli::Method;
use crate::output::time;

/// What was asked for, if anything was.
///
/// # Errors
/// When a file cannot be read.
pub(super) fn asked(method: Method) -> anyhow::Result<Option<Authentication>> {
    let proof = if let Some(username) = method.basic {
        Proof::Basic(BasicAuthentication {
            username,
            password: kept_or_read(method.password_file, "--password-file")?,
            sealed: None,
        })
    } else if let Some(name) = method.header {
        Proof::Header(HeaderAuthentication {
            name,
            value: kept_or_read(method.header_file, "--header-file")?,
            sealed: None,
        })
    } else if method.no_auth {
        Proof::None(NoAuthentication {})
    } else if method.signature || method.secret.is_some() {
        // Without a secret the registry generates one, or keeps the one there is.
        Proof::Signature(Signature {
            secret: method.secret.unwrap_or_default(),
            ..Signature::default()
        })
    } else {
        return Ok(None);
    };
    Ok(Some(Authentication { method: Some(proof) }))
}

/// What a file holds; empty, which keeps what there is, without a file.
fn kept_or_read(file: Option<PathBuf>, flag: &str) -> anyhow::Result<String> {
    file.map_or_else(|| Ok(String::new()), |file| read_line(&file, flag))
}

/// What a file holds but for the line break at its end.
///
/// # Errors
/// When it cannot be read, or is empty.
pub(in crate::operate) fn read_line(file: &Path, flag: &str) -> anyhow::Result<String> {
    let text = file::read(file, flag)?;
    let line = text.strip_suffix('\n').unwrap_or(&text);
    let line = line.strip_suffix('\r').unwrap_or(line);
    anyhow::ensure!(!line.is_empty(), "{flag}: {} is empty", file.display());
    Ok(line.to_owned())
}

/// How calls prove who sends them.
pub(super) fn proof(webhook: &Webhook) -> &'static str {
    match method(webhook) {
        Some(Proof::Signature(_)) => "signature",
        Some(Proof::Basic(_)) => "basic",
        Some(Proof::Header(_)) => "header",
        Some(Proof::None(_)) => "none",
        None => "unknown",
    }
}

/// The same with what it is done by and may be shown.
pub(super) fn proof_in_full(webhook: &Webhook) -> String {
    match method(webhook) {
        Some(Proof::Basic(basic)) => format!("basic, as {}", basic.username),
        Some(Proof::Header(header)) => format!("header {}", header.name),
        _ => proof(webhook).to_owned(),
    }
}

/// The secret that signs, in the answer that shows it.
pub(super) fn secret(webhook: &Webhook) -> Option<&str> {
    let Some(Proof::Signature(signature)) = method(webhook) else {
        return None;
    };
    Some(signature.secret.as_str()).filter(|secret| !secret.is_empty())
}

/// Which secrets sign and until when, for a person.
pub(super) fn valid(webhook: &Webhook) -> String {
    let Some(Proof::Signature(signature)) = method(webhook) else {
        return "none".to_owned();
    };
    let since = |created_at_ms: Option<i64>| {
        created_at_ms.map_or_else(String::new, |at| format!(" since {}", time(at)))
    };
    let current = format!("{}{}", signature.fingerprint, since(signature.created_at_ms));
    let previous = signature
        .previous
        .iter()
        .map(|old| format!("{} until {}", old.fingerprint, time(old.expires_at_ms)));
    std::iter::once(current)
        .chain(previous)
        .collect::<Vec<_>>()
        .join(", ")
}

/// All of it for programs; of secrets that sign, the current one first.
pub(super) fn json(webhook: &Webhook) -> Value {
    let (username, header) = match method(webhook) {
        Some(Proof::Basic(basic)) => (Some(&basic.username), None),
        Some(Proof::Header(header)) => (None, Some(&header.name)),
        _ => (None, None),
    };
    json!({
        "authentication": proof(webhook),
        "username": username,
        "header": header,
        "secret": secret(webhook),
        "secrets": secrets(webhook),
    })
}

fn secrets(webhook: &Webhook) -> Value {
    let Some(Proof::Signature(signature)) = method(webhook) else {
        return json!([]);
    };
    let Signature {
        fingerprint,
        created_at_ms,
        previous,
        ..
    } = signature;
    let current = json!({ "fingerprint": fingerprint, "createdAtMs": created_at_ms, "expiresAtMs": null });
    let previous = previous.iter().map(|old| {
        json!({
            "fingerprint": old.fingerprint,
            "createdAtMs": old.created_at_ms,
            "expiresAtMs": old.expires_at_ms,
        })
    });
    Value::Array(std::iter::once(current).chain(previous).collect())
}

fn method(webhook: &Webhook) -> Option<&Proof> {
    webhook.authentication.as_ref()?.method.as_ref()
}

#[cfg(test)]
mod tests {
    use angarium_proto::registry::v1::PreviousSecret;

    use super::*;

    fn signing() -> Webhook {
        let signature = Signature {
            secret: "whsec_new".into(),
            fingerprint: "96ad2ccd".into(),
            created_at_ms: Some(1_725_604_147_000),
            previous: vec![PreviousSecret {
                fingerprint: "0a0b0c0d".into(),
                expires_at_ms: 1_725_690_547_000,
                ..PreviousSecret::default()
            }],
            sealed: None,
        };
        Webhook {
            authentication: Some(Authentication {
                method: Some(Proof::Signature(signature)),
            }),
            ..Webhook::default()
        }
    }

    #[test]
    fn w2_which_secrets_sign_and_until_when_is_shown_to_people_and_programs() {
        assert_eq!(
            valid(&signing()),
            "96ad2ccd since 2024-09-06T06:29:07Z, 0a0b0c0d until 2024-09-07T06:29:07Z"
        );
        let json = json(&signing());
        assert_eq!(json["secrets"][0]["expiresAtMs"], Value::Null);
        assert_eq!(json["secrets"][1]["expiresAtMs"], 1_725_690_547_000_i64);
        assert_eq!(valid(&Webhook::default()), "none");
    }

    #[test]
    fn w2_a_password_is_read_from_a_file_without_the_line_break_at_its_end() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("password");
        let read = |text: &str| {
            std::fs::write(&path, text).unwrap();
            kept_or_read(Some(path.clone()), "--password-file")
        };
        for text in ["open sesame", "open sesame\n", "open sesame\r\n"] {
            assert_eq!(read(text).unwrap(), "open sesame");
        }
        assert_eq!(
            read("two\nlines\n").unwrap(),
            "two\nlines",
            "the registry refuses it"
        );
        assert!(read("\n").is_err());
        assert_eq!(kept_or_read(None, "--password-file").unwrap(), "");
        let told = kept_or_read(Some(dir.path().join("none")), "--password-file");
        assert!(told.unwrap_err().to_string().contains("--password-file"));
    }
}
