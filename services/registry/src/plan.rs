//! What a write comes to, decided from the state alone.

use std::sync::Arc;

use angarium_model::{Account, AccountId, Authentication, Revision, SecretText, TargetUrl, TimetableSpec};
use angarium_model::{TypePattern, Webhook, WebhookId};

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
        name: Option<String>,
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
    DeleteWebhook {
        account: AccountId,
        id: WebhookId,
        expected: Expected,
    },
}

/// The revision that a caller believes to be current.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Expected(Option<i64>);

/// The fields of a webhook that change.
#[derive(Debug, Default)]
pub(crate) struct WebhookPatch {
    pub(crate) name: Option<String>,
    pub(crate) description: Option<String>,
    pub(crate) target_url: Option<TargetUrl>,
    pub(crate) authentication: Option<NewAuthentication>,
    pub(crate) event_types: Option<Vec<TypePattern>>,
    pub(crate) active: Option<bool>,
    pub(crate) timetable: Option<Option<TimetableSpec>>,
}

/// What a webhook's authentication becomes.
#[derive(Debug)]
pub(crate) enum NewAuthentication {
    None,
    /// Signed with a secret that the caller brought along.
    Signed(SecretText),
    /// Signed with the secret there is, or with this new one.
    KeepOr(SecretText),
}

/// What is to be written.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) key: Key,
    /// What the key stands for then; `None` removes it.
    pub(crate) entity: Option<Entity>,
    /// Whether the answer shows the webhook's secret: this write set it.
    pub(crate) new_secret: bool,
}

impl Write {
    pub(crate) const fn account(&self) -> AccountId {
        match self {
            Self::CreateAccount(account) => account.id,
            Self::UpdateAccount { id, .. } | Self::DeleteAccount { id, .. } => *id,
            Self::CreateWebhook(webhook) => webhook.account,
            Self::UpdateWebhook { account, .. } | Self::DeleteWebhook { account, .. } => *account,
        }
    }

    /// Checks the write against the state, which must be all that there is of its account.
    pub(crate) fn plan(self, state: &State) -> Result<Plan, Refusal> {
        match self {
            Self::CreateAccount(account) if state.account(account.id).is_some() => {
                Err(Refusal::AccountExists(account.id))
            }
            Self::CreateAccount(account) => Ok(Plan::account(account)),
            Self::UpdateAccount { id, expected, name } => {
                let current = state.account(id).ok_or(Refusal::NoAccount(id))?;
                expected.check(Key::Account(id), current.revision)?;
                let mut account = Account::clone(current);
                account.name = name.unwrap_or(account.name);
                Ok(Plan::account(account))
            }
            Self::DeleteAccount { id, expected } => {
                let current = state.account(id).ok_or(Refusal::NoAccount(id))?;
                expected.check(Key::Account(id), current.revision)?;
                match state.webhook_count(id) {
                    0 => Ok(Plan {
                        key: Key::Account(id),
                        entity: None,
                        new_secret: false,
                    }),
                    count => Err(Refusal::HasWebhooks { account: id, count }),
                }
            }
            Self::CreateWebhook(webhook) => {
                let account = webhook.account;
                state.account(account).ok_or(Refusal::NoAccount(account))?;
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
                let (webhook, new_secret) = patch.apply(Webhook::clone(current));
                Ok(Plan::webhook(webhook, new_secret))
            }
            Self::DeleteWebhook {
                account,
                id,
                expected,
            } => {
                current_webhook(state, account, id, expected)?;
                Ok(Plan {
                    key: Key::Webhook(id),
                    entity: None,
                    new_secret: false,
                })
            }
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

impl Plan {
    const fn account(account: Account) -> Self {
        Self {
            key: Key::Account(account.id),
            entity: Some(Entity::Account(account)),
            new_secret: false,
        }
    }

    fn webhook(webhook: Webhook, new_secret: bool) -> Self {
        Self {
            key: Key::Webhook(webhook.id),
            entity: Some(Entity::Webhook(Box::new(webhook))),
            new_secret,
        }
    }
}

impl Expected {
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

impl WebhookPatch {
    /// The webhook as it will be, and whether it has a new secret.
    fn apply(self, mut webhook: Webhook) -> (Webhook, bool) {
        let mut new_secret = false;
        webhook.name = self.name.unwrap_or(webhook.name);
        webhook.description = self.description.unwrap_or(webhook.description);
        webhook.target_url = self.target_url.unwrap_or(webhook.target_url);
        webhook.event_types = self.event_types.unwrap_or(webhook.event_types);
        webhook.active = self.active.unwrap_or(webhook.active);
        webhook.timetable = self.timetable.unwrap_or(webhook.timetable);
        webhook.authentication = match (self.authentication, webhook.authentication) {
            (None, unchanged) => unchanged,
            (Some(NewAuthentication::None), _) => Authentication::None,
            (Some(NewAuthentication::KeepOr(_)), kept @ Authentication::Signature(Some(_))) => kept,
            (Some(NewAuthentication::Signed(secret) | NewAuthentication::KeepOr(secret)), _) => {
                new_secret = true;
                Authentication::Signature(Some(secret))
            }
        };
        (webhook, new_secret)
    }
}
