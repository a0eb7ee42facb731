//! Which webhooks of an account a caller wants listed.

use std::sync::Arc;

use angarium_model::{AccountId, EventName, KnownTypes, Webhook, WebhookId};
use angarium_proto::FieldError;
use angarium_proto::convert::{Secrets, check_tag, webhook_to_wire};
use angarium_proto::registry::v1::{self, ListWebhooksRequest};
use angarium_webhooks::known_type;

use crate::page::Page;
use crate::record::Deleted;
use crate::state::State;

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
    deleted: bool,
}

/// A webhook of a list.
#[derive(Debug)]
pub(crate) enum Listed {
    There(Arc<Webhook>),
    Deleted(Arc<Deleted>),
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
            deleted: wire.deleted,
        }
    }

    /// A page of an account's, and how to go on if there is more.
    pub(crate) fn page(
        &self,
        state: &State,
        account: AccountId,
        page: &Page<WebhookId>,
        list: &str,
    ) -> (Vec<Listed>, String) {
        if self.deleted {
            let all = state.deleted_after(account, page.after).cloned();
            page.cut(
                all.map(Listed::Deleted).filter(|it| self.takes(it.webhook())),
                list,
                Listed::id,
            )
        } else {
            let all = state.webhooks_after(account, page.after).cloned();
            page.cut(
                all.map(Listed::There).filter(|it| self.takes(it.webhook())),
                list,
                Listed::id,
            )
        }
    }

    fn takes(&self, webhook: &Webhook) -> bool {
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

impl Listed {
    fn webhook(&self) -> &Webhook {
        match self {
            Self::There(webhook) => webhook,
            Self::Deleted(deleted) => &deleted.webhook,
        }
    }

    fn id(&self) -> WebhookId {
        self.webhook().id
    }

    /// As callers see it.
    pub(crate) fn into_wire(self) -> v1::Webhook {
        let deleted_until_ms = match &self {
            Self::There(_) => None,
            Self::Deleted(deleted) => Some(deleted.until_ms),
        };
        v1::Webhook {
            deleted_until_ms,
            ..webhook_to_wire(self.webhook(), Secrets::Omit)
        }
    }
}
