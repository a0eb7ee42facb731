//! Changes of webhooks: only the fields that the mask names are looked at.

use angarium_model::{Authentication, Ordering, Signing, Webhook};
use angarium_proto::FieldError;
use angarium_proto::registry::v1::{self, authentication::Method};

use super::webhook::{checked, new_secret, vet};
use super::{Grounds, check_mask, required};
use crate::patch::{NewAuthentication, NewSecret, WebhookPatch};
use crate::plan::{Expected, Write};
use crate::refusal::Refusal;

const NAME: &str = "name";
const DESCRIPTION: &str = "description";
const TARGET_URL: &str = "target_url";
const AUTHENTICATION: &str = "authentication";
const HEADERS: &str = "headers";
const CONTACTS: &str = "contacts";
const TAGS: &str = "tags";
const EVENT_TYPES: &str = "event_types";
const FILTER: &str = "filter";
const ACTIVE: &str = "active";
const TIMETABLE: &str = "timetable";
const ORDERING: &str = "ordering";
const PAYLOAD_FORMAT: &str = "payload_format";
const LIMITS: &str = "limits";
const MAX_GROUP_EVENTS: &str = "limits.max_group_events";
const MAX_GROUP_BYTES: &str = "limits.max_group_bytes";
const MAX_REQUESTS_PER_SECOND: &str = "limits.max_requests_per_second";
const MAX_IN_FLIGHT: &str = "limits.max_in_flight";
const DEAD_LETTER: &str = "dead_letter";
const ALL: [&str; 19] = [
    NAME,
    DESCRIPTION,
    TARGET_URL,
    AUTHENTICATION,
    HEADERS,
    CONTACTS,
    TAGS,
    EVENT_TYPES,
    FILTER,
    ACTIVE,
    TIMETABLE,
    ORDERING,
    PAYLOAD_FORMAT,
    LIMITS,
    MAX_GROUP_EVENTS,
    MAX_GROUP_BYTES,
    MAX_REQUESTS_PER_SECOND,
    MAX_IN_FLIGHT,
    DEAD_LETTER,
];

/// Which fields change.
struct Mask(Vec<String>);

impl Mask {
    /// Whether the mask names the field or the message that it is in; an empty mask names all.
    fn names(&self, field: &str) -> bool {
        let within = |path: &String| {
            field
                .strip_prefix(path.as_str())
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        };
        self.0.is_empty() || self.0.iter().any(within)
    }
}

/// Checks a change of a webhook (W4).
pub(crate) fn update_webhook(request: v1::UpdateWebhookRequest, on: Grounds<'_>) -> Result<Write, Refusal> {
    let wire = request.webhook.ok_or_else(|| required("webhook"))?;
    let expected = Expected::from_wire(wire.revision);
    let mask = Mask(request.update_mask.map(|mask| mask.paths).unwrap_or_default());
    let mut errors = Vec::new();
    check_mask(&mask.0, &ALL, &mut errors);
    if mask.names(ACTIVE) && wire.active.is_none() {
        let message = "must be set to be changed, true or false; to leave it as it is, name the other fields in update_mask";
        errors.push(FieldError::new("webhook.active", message));
    }
    if mask.names(TARGET_URL) {
        vet(&wire.target_url, on.egress, &mut errors);
    }

    let types = on.types(wire.account_id);
    let check = |wire| angarium_webhooks::check(wire, &types);
    let webhook = checked(without_the_rest(wire, &mask), errors, check)?;
    Ok(Write::UpdateWebhook {
        account: webhook.account,
        id: webhook.id,
        expected,
        patch: patch(webhook, &mask, on.now_ms)?,
    })
}

/// What changes, of a webhook in which only that was looked at.
fn patch(webhook: Webhook, mask: &Mask, now_ms: i64) -> Result<WebhookPatch, Refusal> {
    let authentication = match webhook.authentication {
        Authentication::None => NewAuthentication::None,
        given @ (Authentication::Basic { .. } | Authentication::Header { .. }) => {
            NewAuthentication::Carried(given)
        }
        Authentication::Signature(Signing {
            secret: Some(secret), ..
        }) => NewAuthentication::Signed(NewSecret {
            secret,
            at_ms: now_ms,
        }),
        Authentication::Signature(Signing { secret: None, .. }) => NewAuthentication::KeepOr(NewSecret {
            secret: new_secret()?,
            at_ms: now_ms,
        }),
    };
    let max_in_flight = match webhook.ordering {
        Ordering::Ordered => None,
        Ordering::Unordered { max_in_flight } => max_in_flight,
    };
    let limits = webhook.limits;
    Ok(WebhookPatch {
        name: mask.names(NAME).then_some(webhook.name),
        description: mask.names(DESCRIPTION).then_some(webhook.description),
        target_url: mask.names(TARGET_URL).then_some(webhook.target_url),
        authentication: mask.names(AUTHENTICATION).then_some(authentication),
        headers: mask.names(HEADERS).then_some(webhook.headers),
        contacts: mask.names(CONTACTS).then_some(webhook.contacts),
        tags: mask.names(TAGS).then_some(webhook.tags),
        event_types: mask.names(EVENT_TYPES).then_some(webhook.event_types),
        filter: mask.names(FILTER).then_some(webhook.filter),
        active: mask.names(ACTIVE).then_some(webhook.active),
        timetable: mask.names(TIMETABLE).then_some(webhook.timetable),
        ordering: mask.names(ORDERING).then_some(webhook.ordering),
        payload_format: mask.names(PAYLOAD_FORMAT).then_some(webhook.payload_format),
        max_group_events: mask.names(MAX_GROUP_EVENTS).then_some(limits.max_group_events),
        max_group_bytes: mask.names(MAX_GROUP_BYTES).then_some(limits.max_group_bytes),
        max_requests_per_second: mask
            .names(MAX_REQUESTS_PER_SECOND)
            .then_some(limits.max_requests_per_second),
        max_in_flight: mask.names(MAX_IN_FLIGHT).then_some(max_in_flight),
        dead_letter: mask.names(DEAD_LETTER).then_some(webhook.dead_letter),
    })
}

/// Puts something valid into each field that does not change, so that what a caller left in it is no mistake.
fn without_the_rest(mut wire: v1::Webhook, mask: &Mask) -> v1::Webhook {
    if !mask.names(NAME) {
        wire.name = "unchanged".to_owned();
    }
    if !mask.names(DESCRIPTION) {
        wire.description = String::new();
    }
    if !mask.names(TARGET_URL) {
        wire.target_url = "https://example.com/".to_owned();
    }
    if !mask.names(AUTHENTICATION) {
        wire.authentication = Some(v1::Authentication {
            method: Some(Method::None(v1::NoAuthentication {})),
        });
    }
    if !mask.names(HEADERS) {
        wire.headers.clear();
    }
    if !mask.names(CONTACTS) {
        wire.contacts.clear();
    }
    if !mask.names(TAGS) {
        wire.tags.clear();
    }
    if !mask.names(EVENT_TYPES) {
        wire.event_types = vec!["*".to_owned()];
    }
    if !mask.names(FILTER) {
        wire.filter = String::new();
    }
    if !mask.names(TIMETABLE) {
        wire.timetable = None;
    }
    if !mask.names(ORDERING) {
        // The one that goes with any limit: which it is in truth, and so whether they do, is known when it is written.
        wire.ordering = v1::Ordering::Unordered.into();
    }
    if !mask.names(PAYLOAD_FORMAT) {
        wire.payload_format = v1::PayloadFormat::Unspecified.into();
    }
    if !mask.names(DEAD_LETTER) {
        wire.dead_letter = None;
    }
    if let Some(limits) = &mut wire.limits {
        let drop_unnamed =
            |field: &str, limit: &mut Option<u32>| *limit = limit.filter(|_| mask.names(field));
        drop_unnamed(MAX_GROUP_EVENTS, &mut limits.max_group_events);
        drop_unnamed(MAX_GROUP_BYTES, &mut limits.max_group_bytes);
        drop_unnamed(MAX_REQUESTS_PER_SECOND, &mut limits.max_requests_per_second);
        drop_unnamed(MAX_IN_FLIGHT, &mut limits.max_in_flight);
    }
    wire
}
