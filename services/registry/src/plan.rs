//! What a write comes to, decided from the state alone.

use std::sync::Arc;

use angarium_model::{
    Account, AccountId, Authentication, Disabled, MaxWebhooks, Revision, Webhook, WebhookId,
};

use crate::patch::{AccountPatch, WebhookPatch};
use crate::record::{Entity, Key};
use crate::refusal::Refusal;
use crate::state::State;

/// A write whose fields have been checked.
#[derive(Debug)]
pub(crate) enum Write {
    CreateAccount(Account),
    UpdateAccount {
        id: AccountId,
        expected: Expected,
        patch: AccountPatch,
    },
    DeleteAccount {
        id: AccountId,
        expected: Expected,
    },
    CreateWebhook(Webhook),
    UpdateWebhook {
        account: AccountId,
        id: WebhookId,
        expected: Expected,
        patch: WebhookPatch,
    },
    DisableWebhook {
        account: AccountId,
        id: WebhookId,
        expected: Expected,
        disabled: Disabled,
    },
    DeleteWebhook {
        account: AccountId,
        id: WebhookId,
        expected: Expected,
    },
    /// Seals its secret anew, if that makes a difference.
    ResealWebhook {
        account: AccountId,
        id: WebhookId,
    },
    /// Writes nothing: says how the account, or a webhook of it, is once all writes that were answered are in.
    Read {
        account: AccountId,
        webhook: Option<WebhookId>,
    },
}

/// What the installation allows, where an account says nothing else.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rules {
    /// W3.
    pub(crate) webhooks_per_account: MaxWebhooks,
}

/// The revision that a caller believes to be current.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Expected(Option<i64>);

/// What a write comes to.
#[derive(Debug)]
pub(crate) enum Plan {
    Record {
        key: Key,
        /// What the key stands for then; `None` removes it.
        entity: Option<Entity>,
        /// Whether the answer shows the webhook's secret: this write set it.
        new_secret: bool,
    },
    /// Nothing is to be written: the state says so already.
    Unchanged(Entity),
}

impl Write {
    pub(crate) const fn account(&self) -> AccountId {
        match self {
            Self::CreateAccount(account) => account.id,
            Self::UpdateAccount { id, .. } | Self::DeleteAccount { id, .. } => *id,
            Self::CreateWebhook(webhook) => webhook.account,
            Self::UpdateWebhook { account, .. }
            | Self::DisableWebhook { account, .. }
            | Self::DeleteWebhook { account, .. }
            | Self::ResealWebhook { account, .. }
            | Self::Read { account, .. } => *account,
        }
    }

    /// Checks the write against the state, which must be all that there is of its account.
    pub(crate) fn plan(self, state: &State, rules: Rules) -> Result<Plan, Refusal> {
        match self {
            Self::CreateAccount(account) if state.account(account.id).is_some() => {
                Err(Refusal::AccountExists(account.id))
            }
            Self::CreateAccount(account) => Ok(Plan::account(account)),
            Self::UpdateAccount { id, expected, patch } => {
                let current = state.account(id).ok_or(Refusal::NoAccount(id))?;
                expected.check(Key::Account(id), current.revision)?;
                Ok(Plan::account(patch.apply(Account::clone(current))))
            }
            Self::DeleteAccount { id, expected } => {
                let current = state.account(id).ok_or(Refusal::NoAccount(id))?;
                expected.check(Key::Account(id), current.revision)?;
                match state.webhook_count(id) {
                    0 => Ok(Plan::removal(Key::Account(id))),
                    count => Err(Refusal::HasWebhooks { account: id, count }),
                }
            }
            Self::CreateWebhook(webhook) => {
                let id = webhook.account;
                let account = state.account(id).ok_or(Refusal::NoAccount(id))?;
                let most = account.max_webhooks.unwrap_or(rules.webhooks_per_account);
                if state.webhook_count(id) >= usize::try_from(most.get().get()).unwrap_or(usize::MAX) {
                    return Err(Refusal::TooManyWebhooks { account: id, most });
                }
                let new_secret = webhook.authentication != Authentication::None;
                Ok(Plan::webhook(webhook, new_secret))
            }
            Self::UpdateWebhook {
                account,
                id,
                expected,
                patch,
            } => {
                let current = current_webhook(state, account, id, expected)?;
                let (webhook, new_secret) = patch.apply(Webhook::clone(current))?;
                Ok(Plan::webhook(webhook, new_secret))
            }
            Self::DisableWebhook {
                account,
                id,
                expected,
                disabled,
            } => disable(state, account, id, expected, disabled),
            Self::DeleteWebhook {
                account,
                id,
                expected,
            } => {
                current_webhook(state, account, id, expected)?;
                Ok(Plan::removal(Key::Webhook(id)))
            }
            Self::ResealWebhook { account, id } => {
                let webhook = Webhook::clone(current_webhook(state, account, id, Expected::ANY)?);
                Ok(if state.has_outdated_seal(id) {
                    Plan::webhook(webhook, false)
                } else {
                    Plan::Unchanged(Entity::Webhook(Box::new(webhook)))
                })
            }
            Self::Read { account, webhook } => state.read(account, webhook).map(Plan::Unchanged),
        }
    }
}

fn current_webhook(
    state: &State,
    account: AccountId,
    id: WebhookId,
    expected: Expected,
) -> Result<&Arc<Webhook>, Refusal> {
    let current = state
        .webhook(account, id)
        .ok_or(Refusal::NoWebhook { account, id })?;
    expected.check(Key::Webhook(id), current.revision)?;
    Ok(current)
}

/// Switches a webhook off. The caller may ask again, since it has not heard the answer: then the revision that it
/// knows is that before its own write.
fn disable(
    state: &State,
    account: AccountId,
    id: WebhookId,
    expected: Expected,
    disabled: Disabled,
) -> Result<Plan, Refusal> {
    let current = current_webhook(state, account, id, Expected::ANY)?;
    let mut webhook = Webhook::clone(current);
    let known = current.disabled.as_ref().map(Disabled::reason);
    if known == Some(disabled.reason()) {
        return Ok(Plan::Unchanged(Entity::Webhook(Box::new(webhook))));
    }
    expected.check(Key::Webhook(id), current.revision)?;
    webhook.disable(disabled);
    Ok(Plan::webhook(webhook, false))
}

impl Plan {
    const fn removal(key: Key) -> Self {
        Self::Record {
            key,
            entity: None,
            new_secret: false,
        }
    }

    const fn account(account: Account) -> Self {
        Self::Record {
            key: Key::Account(account.id),
            entity: Some(Entity::Account(account)),
            new_secret: false,
        }
    }

    fn webhook(webhook: Webhook, new_secret: bool) -> Self {
        Self::Record {
            key: Key::Webhook(webhook.id),
            entity: Some(Entity::Webhook(Box::new(webhook))),
            new_secret,
        }
    }
}

impl Expected {
    const ANY: Self = Self(None);

    /// 0 stands for whatever is current. No account or webhook has revision 0: a writer begins with a barrier.
    pub(crate) const fn from_wire(revision: i64) -> Self {
        Self(if revision == 0 { None } else { Some(revision) })
    }

    fn check(self, key: Key, current: Revision) -> Result<(), Refusal> {
        match self.0 {
            Some(given) if given != current.offset() => Err(Refusal::Stale { key, current, given }),
            _ => Ok(()),
        }
    }
}
