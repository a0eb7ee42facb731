//! Creations that may be asked for again: a caller that has heard no answer gets no second webhook.
//!
//! Nothing is stored for it. What is random in the id of a webhook, a UUID of version 7, is a digest here: of the
//! `request_id`, and of the webhook that was asked for. So the webhook itself tells by which request it was created, and ids rise
//! with time as all do. By chance two of an account would agree once in 2^42 pairs.

use std::time::Duration;

use angarium_model::WebhookId;
use angarium_proto::FieldError;
use angarium_proto::registry::v1;
use prost::Message as _;
use sha2::{Digest as _, Sha256};
use uuid::Builder;

use crate::record::strip;

/// For how long the same request answers what it created.
pub(crate) const WITHIN: Duration = Duration::from_hours(24);

/// The longest `request_id`, in bytes.
const MAX_BYTES: usize = 128;

/// Where the digests are in an id: of the `request_id`, then of the webhook. Before them is the time, and in them are the bits
/// that every UUID has.
const OF_REQUEST: std::ops::Range<usize> = 6..12;
const OF_WEBHOOK: std::ops::Range<usize> = 12..16;

/// The id of a webhook that is asked for by this name at this time; `None` if it has none.
pub(super) fn id(
    request_id: &str,
    webhook: &v1::Webhook,
    now_ms: i64,
    errors: &mut Vec<FieldError>,
) -> Option<WebhookId> {
    if request_id.is_empty() {
        return None;
    }
    if request_id.len() > MAX_BYTES || !request_id.bytes().all(|byte| byte.is_ascii_graphic()) {
        let message = format!("must be 1 to {MAX_BYTES} visible ASCII characters without spaces");
        errors.push(FieldError::new("request_id", message));
        return None;
    }
    let digests = digest(request_id.as_bytes())
        .into_iter()
        .take(OF_REQUEST.len())
        .chain(digest(&plain(webhook)).into_iter().take(OF_WEBHOOK.len()));
    let mut random = [0; 10];
    for (byte, digest) in random.iter_mut().zip(digests) {
        *byte = digest;
    }
    let at_ms = u64::try_from(now_ms).unwrap_or_default();
    Some(
        Builder::from_unix_timestamp_millis(at_ms, &random)
            .into_uuid()
            .into(),
    )
}

/// Whether two webhooks were asked for by the same `request_id`.
pub(crate) fn is_of_same_id(one: WebhookId, other: WebhookId) -> bool {
    one.as_bytes()[OF_REQUEST] == other.as_bytes()[OF_REQUEST]
}

/// Whether the same was asked for.
pub(crate) fn is_same(one: WebhookId, other: WebhookId) -> bool {
    let digests = OF_REQUEST.start..OF_WEBHOOK.end;
    one.as_bytes()[digests.clone()] == other.as_bytes()[digests]
}

fn digest(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

/// What was asked for, the same bytes each time. Without secrets: an id is shown to everyone.
fn plain(webhook: &v1::Webhook) -> Vec<u8> {
    let mut webhook = webhook.clone();
    strip(&mut webhook);
    let mut tags: Vec<_> = std::mem::take(&mut webhook.tags).into_iter().collect();
    tags.sort();
    let mut bytes = webhook.encode_to_vec();
    for (key, value) in tags {
        for text in [key, value] {
            bytes.extend((text.len() as u64).to_be_bytes());
            bytes.extend(text.into_bytes());
        }
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(request_id: &str, webhook: &v1::Webhook, now_ms: i64) -> WebhookId {
        let mut errors = Vec::new();
        let id = id(request_id, webhook, now_ms, &mut errors);
        assert_eq!(errors.len(), 0, "{errors:?}");
        id.unwrap()
    }

    fn webhook(name: &str, tags: [(&str, &str); 2]) -> v1::Webhook {
        v1::Webhook {
            name: name.into(),
            tags: tags.map(|(key, value)| (key.into(), value.into())).into(),
            ..v1::Webhook::default()
        }
    }

    #[test]
    fn the_same_request_is_recognised_later_and_another_told_from_it() {
        let first = asked("a", &webhook("Acme", [("x", "1"), ("y", "2")]), 1_000);
        let again = asked("a", &webhook("Acme", [("y", "2"), ("x", "1")]), 2_000);
        assert!(first < again && is_of_same_id(first, again) && is_same(first, again));
        let other = asked("a", &webhook("Acme", [("x", "1"), ("y", "3")]), 2_000);
        assert!(is_of_same_id(first, other) && !is_same(first, other));
        let elsewhere = asked("b", &webhook("Acme", [("x", "1"), ("y", "2")]), 1_000);
        assert!(!is_of_same_id(first, elsewhere));
    }

    #[test]
    fn what_is_no_request_id_is_refused_and_none_is_none() {
        let mut errors = Vec::new();
        assert_eq!(id("", &v1::Webhook::default(), 1, &mut errors), None);
        assert_eq!(errors.len(), 0);
        for wrong in ["a b", "\u{e4}", "\n", &"x".repeat(MAX_BYTES + 1)] {
            assert_eq!(id(wrong, &v1::Webhook::default(), 1, &mut errors), None);
        }
        assert_eq!(errors.len(), 4, "{errors:?}");
    }
}
