//! What is kept of webhooks.

use std::sync::Arc;

use angarium_model::{AccountId, Disabled, FilterText, Revision, TypePattern, Webhook, WebhookId};

/// What a follower needs of webhooks: a hundred thousand of them are kept in memory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Keep {
    /// All of each, its secrets too: who calls them.
    #[default]
    Everything,
    /// What matching asks, an [`Interest`] of each.
    Interests,
    /// Nothing: who needs accounts, keys and types alone.
    Nothing,
}

impl Keep {
    /// As metrics call it.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Everything => "everything",
            Self::Interests => "interests",
            Self::Nothing => "nothing",
        }
    }
}

/// Which events a webhook gets, as far as it can be told without calling it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interest {
    /// The webhook.
    pub id: WebhookId,
    /// Whose events it gets.
    pub account: AccountId,
    /// For people.
    pub name: Box<str>,
    /// Which types it wants.
    pub event_types: Box<[TypePattern]>,
    /// Which events of these types it wants; `None` for all.
    pub filter: Option<FilterText>,
    /// Whether events are matched (W4, W7).
    pub active: bool,
    /// Why it was switched off, if not by hand (D3).
    pub disabled: Option<Box<Disabled>>,
    /// The version of the webhook.
    pub revision: Revision,
}

/// A webhook, as much of it as is kept.
#[derive(Clone, Debug)]
pub(crate) enum Known {
    Whole(Arc<Webhook>),
    Interest(Arc<Interest>),
}

impl Interest {
    /// Of a webhook.
    #[must_use]
    pub fn of(webhook: &Webhook) -> Self {
        Self {
            id: webhook.id,
            account: webhook.account,
            name: webhook.name.as_str().into(),
            event_types: webhook.event_types.clone().into(),
            filter: webhook.filter.clone(),
            active: webhook.active,
            disabled: webhook.disabled.clone().map(Box::new),
            revision: webhook.revision,
        }
    }
}

impl Known {
    /// As much of it as is to be kept, if anything.
    pub(crate) fn of(webhook: Webhook, keep: Keep) -> Option<Self> {
        match keep {
            Keep::Everything => Some(Self::Whole(Arc::new(webhook))),
            Keep::Interests => Some(Self::Interest(Arc::new(Interest::of(&webhook)))),
            Keep::Nothing => None,
        }
    }

    pub(crate) fn whole(&self) -> Option<Arc<Webhook>> {
        match self {
            Self::Whole(webhook) => Some(Arc::clone(webhook)),
            Self::Interest(_) => None,
        }
    }

    pub(crate) fn interest(&self) -> Arc<Interest> {
        match self {
            Self::Whole(webhook) => Arc::new(Interest::of(webhook)),
            Self::Interest(interest) => Arc::clone(interest),
        }
    }

    pub(crate) fn id(&self) -> WebhookId {
        match self {
            Self::Whole(webhook) => webhook.id,
            Self::Interest(interest) => interest.id,
        }
    }

    pub(crate) fn account(&self) -> AccountId {
        match self {
            Self::Whole(webhook) => webhook.account,
            Self::Interest(interest) => interest.account,
        }
    }

    pub(crate) fn event_types(&self) -> &[TypePattern] {
        match self {
            Self::Whole(webhook) => &webhook.event_types,
            Self::Interest(interest) => &interest.event_types,
        }
    }

    pub(crate) fn filter(&self) -> Option<&FilterText> {
        match self {
            Self::Whole(webhook) => webhook.filter.as_ref(),
            Self::Interest(interest) => interest.filter.as_ref(),
        }
    }

    pub(crate) fn is_active(&self) -> bool {
        match self {
            Self::Whole(webhook) => webhook.active,
            Self::Interest(interest) => interest.active,
        }
    }
}
