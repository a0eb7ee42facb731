//! The secret of a webhook as a JSON document, for whoever runs its receiver (W2).

use angarium_model::{Authentication, Webhook};
use angarium_signing::{WEBHOOK_ID_HEADER, WEBHOOK_SIGNATURE_HEADER, WEBHOOK_TIMESTAMP_HEADER};
use chrono::{DateTime, SecondsFormat};
use serde::Serialize;

/// What the README of `angarium-signing` documents, in its order.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Document<'a> {
    webhook_id: String,
    account_id: u64,
    url: &'a str,
    scheme: &'static str,
    algorithm: &'static str,
    secret: &'a str,
    fingerprint: String,
    created_at: Option<String>,
    headers: Headers,
    signed_content: String,
    signature_prefix: &'static str,
}

/// Where a receiver finds what it verifies.
#[derive(Serialize)]
struct Headers {
    id: &'static str,
    timestamp: &'static str,
    signature: &'static str,
}

/// The current secret of a webhook with what a receiver needs beside it; empty if the webhook does not sign. Shown once, as
/// the secret is.
#[must_use]
pub fn secret_json(webhook: &Webhook) -> String {
    let Authentication::Signature(signing) = &webhook.authentication else {
        return String::new();
    };
    let Some(secret) = &signing.secret else {
        return String::new();
    };
    let created_at = signing.created_at_ms.and_then(DateTime::from_timestamp_millis);
    let document = Document {
        webhook_id: webhook.id.to_string(),
        account_id: webhook.account.get(),
        url: webhook.target_url.url().as_str(),
        scheme: "Standard Webhooks v1",
        algorithm: "HMAC-SHA256",
        secret: secret.expose(),
        fingerprint: secret.fingerprint().to_string(),
        created_at: created_at.map(|time| time.to_rfc3339_opts(SecondsFormat::Secs, true)),
        headers: Headers {
            id: WEBHOOK_ID_HEADER,
            timestamp: WEBHOOK_TIMESTAMP_HEADER,
            signature: WEBHOOK_SIGNATURE_HEADER,
        },
        signed_content: format!("{{{WEBHOOK_ID_HEADER}}}.{{{WEBHOOK_TIMESTAMP_HEADER}}}.{{body}}"),
        signature_prefix: "v1,",
    };
    // Texts and numbers always become JSON.
    serde_json::to_string_pretty(&document).unwrap_or_default()
}
