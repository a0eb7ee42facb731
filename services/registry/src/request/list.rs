//! Which webhooks of an account a caller wants listed.

use angarium_model::{EventName, KnownTypes, Webhook};
use angarium_proto::FieldError;
use angarium_proto::convert::check_tag;
use angarium_proto::registry::v1::ListWebhooksRequest;
use angarium_webhooks::known_type;

/// The longest text that is looked for, in bytes.
const MAX_TEXT: usize = 256;

/// What a webhook must be to be listed: all of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Wanted {
    active: Option<bool>,
    event_type: Option<EventName>,
    /// Sorted.
    tags: Vec<(String, String)>,
    /// In small letters.
    text: String,
}

impl Wanted {
    pub(crate) fn from_wire(
        wire: &ListWebhooksRequest,
        types: &KnownTypes,
        errors: &mut Vec<FieldError>,
    ) -> Self {
        let event_type = match wire.event_type.as_str() {
            "" => None,
            name => known_type(name, types)
                .map_err(|problem| errors.push(FieldError::new("event_type", problem)))
                .ok(),
        };
        let mut tags: Vec<_> = wire.tags.clone().into_iter().collect();
        tags.sort();
        for (key, value) in &tags {
            check_tag(key, value, "tags", errors);
        }
        if wire.text.len() > MAX_TEXT {
            let message = format!("has {} bytes; at most {MAX_TEXT} are allowed", wire.text.len());
            errors.push(FieldError::new("text", message));
        }
        Self {
            active: wire.active,
            event_type,
            tags,
            text: wire.text.to_lowercase(),
        }
    }

    pub(crate) fn takes(&self, webhook: &Webhook) -> bool {
        let has = |text: &str| text.to_lowercase().contains(&self.text);
        self.active.is_none_or(|active| active == webhook.active)
            && self.event_type.as_ref().is_none_or(|name| webhook.takes(name))
            && self
                .tags
                .iter()
                .all(|(key, value)| webhook.tags.get(key) == Some(value))
            && (self.text.is_empty()
                || has(&webhook.name)
                || has(&webhook.description)
                || has(webhook.target_url.url().as_str()))
    }

    /// Tells lists apart, so that a page of one does not go on with another.
    pub(crate) fn list(&self, account_id: u64) -> String {
        format!("webhooks of {account_id} {self:?}")
    }
}
