//! What a write comes to, decided from the state alone.

mod api_key;
mod caller;
mod deleting;
mod event_type;
mod external_id;
mod secret;

use std::sync::Arc;
use std::time::Duration;

use angarium_model::{
    Access, Account, AccountId, ApiKey, Authentication, Disabled, ExternalId, KeyId, MaxWebhooks, OwnType,
    Revision, Webhook, WebhookId,
};
use angarium_runtime::access::Token;
use angarium_runtime::millis;

use crate::home::Home;
use crate::patch::{AccountPatch, WebhookPatch};
use crate::record::{Entity, Key};
use crate::refusal::Refusal;
use crate::request::repeat;
use crate::state::State;
use caller::Caller;

pub(crate) use api_key::{ApiKeyWrite, MAX_KEYS, is_news};
pub(crate) use event_type::{EventTypeWrite, MAX_TYPES};
pub(crate) use external_id::{RELIED_ON, Reserve};
pub(crate) use secret::{SecretChange, SecretWrite};

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
    CreateWebhook {
        webhook: Webhook,
        /// Whether the same may have been asked for before.
        is_repeatable: bool,
    },
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
        now_ms: i64,
    },
    UndeleteWebhook {
        account: AccountId,
        id: WebhookId,
        now_ms: i64,
    },
    Secrets(SecretWrite),
    ReserveExternalId(Reserve),
    /// Seals its secrets anew, if that makes a difference.
    ResealWebhook {
        account: AccountId,
        id: WebhookId,
    },
    ApiKey(ApiKeyWrite),
    EventType(EventTypeWrite),
    /// Writes nothing: says how something is once all writes that were answered are in.
    Read(Subject),
}

/// What is asked for.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Subject {
    Account(AccountId),
    Webhook { account: AccountId, id: WebhookId },
    ApiKey { home: Home, id: KeyId },
}

/// What the installation allows, where an account says nothing else.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rules {
    /// W3.
    pub(crate) webhooks_per_account: MaxWebhooks,
    /// For how long a deleted webhook may be brought back.
    pub(crate) deleted_webhooks_kept: Duration,
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
        /// What the answer shows this once.
        shown: Shown,
        /// What is removed along with it, before it.
        along: Vec<Key>,
    },
    /// Nothing is to be written: the state says so already.
    Unchanged { entity: Entity, shown: Shown },
}

/// What an answer shows that no other will.
#[derive(Debug)]
pub(crate) enum Shown {
    Nothing,
    /// The webhook's secret: this write set it.
    Secret,
    /// What the bearer of an API key presents.
    Token(Token),
}

impl Subject {
    const fn home(self) -> Home {
        match self {
            Self::Account(account) | Self::Webhook { account, .. } => Home::Account(account),
            Self::ApiKey { home, .. } => home,
        }
    }
}

impl Write {
    /// Where what it is about belongs.
    pub(crate) fn home(&self) -> Home {
        match self {
            Self::CreateAccount(account) => Home::Account(account.id),
            Self::UpdateAccount { id, .. } | Self::DeleteAccount { id, .. } => Home::Account(*id),
            Self::CreateWebhook { webhook, .. } => Home::Account(webhook.account),
            Self::UpdateWebhook { account, .. }
            | Self::DisableWebhook { account, .. }
            | Self::DeleteWebhook { account, .. }
            | Self::UndeleteWebhook { account, .. }
            | Self::ResealWebhook { account, .. } => Home::Account(*account),
            Self::Secrets(write) => Home::Account(write.account),
            Self::ApiKey(write) => write.home(),
            Self::EventType(write) => write.home(),
            Self::ReserveExternalId(_) => Home::Platform,
            Self::Read(subject) => subject.home(),
        }
    }

    /// The external id that an account is to have by it.
    pub(crate) fn external_id(&self) -> Option<(AccountId, &ExternalId)> {
        match self {
            Self::CreateAccount(account) => Some((account.id, account.external_id.as_ref()?)),
            Self::UpdateAccount { id, patch, .. } => Some((*id, patch.external_id.as_ref()?)),
            _ => None,
        }
    }

    /// What no other write of the same transaction may be about, beside its home: external ids are of the platform all, and know
    /// nothing of one another.
    pub(crate) fn turn(&self) -> (Home, Option<ExternalId>) {
        let external_id = match self {
            Self::ReserveExternalId(reserve) => Some(reserve.external_id.clone()),
            _ => None,
        };
        (self.home(), external_id)
    }

    /// Whether it has its turn before others of its home: who takes a key away is not kept waiting by who has it.
    pub(crate) const fn goes_ahead(&self) -> bool {
        matches!(self, Self::ApiKey(ApiKeyWrite::Delete { .. }))
    }

    /// The method that was called; empty if nothing is to be written.
    pub(crate) const fn method(&self) -> &'static str {
        match self {
            Self::CreateAccount(_) => "CreateAccount",
            Self::UpdateAccount { .. } => "UpdateAccount",
            Self::DeleteAccount { .. } => "DeleteAccount",
            Self::CreateWebhook { .. } => "CreateWebhook",
            Self::UpdateWebhook { .. } => "UpdateWebhook",
            Self::DisableWebhook { .. } => "DisableWebhook",
            Self::DeleteWebhook { .. } => "DeleteWebhook",
            Self::UndeleteWebhook { .. } => "UndeleteWebhook",
            Self::ResealWebhook { .. } => "ResealWebhook",
            Self::ReserveExternalId(_) => "ReserveExternalId",
            Self::Secrets(write) => write.method(),
            Self::ApiKey(write) => write.method(),
            Self::EventType(write) => write.method(),
            Self::Read(_) => "",
        }
    }

    /// Checks the write against the state, which must be all that there is of its home.
    pub(crate) fn plan(self, state: &State, rules: Rules, by: Access) -> Result<Plan, Refusal> {
        let by = Caller::now(by, self.method(), state)?;
        match self {
            Self::CreateAccount(account) if state.account(account.id).is_some() => {
                Err(Refusal::AccountExists(account.id))
            }
            Self::CreateAccount(account) => Ok(Plan::account(account)),
            Self::UpdateAccount { id, expected, patch } => {
                let current = state.account(id).ok_or(Refusal::NoAccount(id))?;
                expected.check(Key::Account(id), current.revision)?;
                Ok(Plan::account(patch.apply(Account::clone(current))?))
            }
            Self::DeleteAccount { id, expected } => deleting::delete_account(state, id, expected),
            Self::CreateWebhook {
                webhook,
                is_repeatable,
            } => match repeated(state, &webhook, is_repeatable)? {
                Some(created) => Ok(created),
                None => create_webhook(state, webhook, rules),
            },
            Self::UpdateWebhook {
                account,
                id,
                expected,
                patch,
            } => {
                let current = current_webhook(state, account, id, expected)?;
                let (webhook, new_secret) =
                    patch.apply(Webhook::clone(current), &state.known_types(Some(account)))?;
                Ok(Plan::webhook(webhook, shown(new_secret)))
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
                now_ms,
            } => deleting::delete(
                state,
                (account, id),
                expected,
                (rules.deleted_webhooks_kept, now_ms),
            ),
            Self::UndeleteWebhook { account, id, now_ms } => {
                deleting::undelete(state, (account, id), now_ms, rules)
            }
            Self::ResealWebhook { account, id } => {
                let webhook = Webhook::clone(current_webhook(state, account, id, Expected::ANY)?);
                Ok(if state.has_outdated_seal(id) {
                    Plan::webhook(webhook, Shown::Nothing)
                } else {
                    Plan::unchanged(webhook, Shown::Nothing)
                })
            }
            Self::ReserveExternalId(reserve) => reserve.plan(state),
            Self::Secrets(write) => write.plan(state),
            Self::ApiKey(write) => write.plan(state, by),
            Self::EventType(write) => write.plan(state, by.access),
            Self::Read(subject) => Ok(Plan::Unchanged {
                entity: state.read(subject)?,
                shown: Shown::Nothing,
            }),
        }
    }
}

const fn shown(new_secret: bool) -> Shown {
    if new_secret { Shown::Secret } else { Shown::Nothing }
}

/// Whether an account may have one more webhook (W3).
fn room_for_one_more(state: &State, id: AccountId, rules: Rules) -> Result<(), Refusal> {
    let account = state.account(id).ok_or(Refusal::NoAccount(id))?;
    let most = account.max_webhooks.unwrap_or(rules.webhooks_per_account);
    if state.webhook_count(id) >= usize::try_from(most.get().get()).unwrap_or(usize::MAX) {
        return Err(Refusal::TooManyWebhooks { account: id, most });
    }
    Ok(())
}

fn create_webhook(state: &State, webhook: Webhook, rules: Rules) -> Result<Plan, Refusal> {
    room_for_one_more(state, webhook.account, rules)?;
    let shown = shown_of_new(&webhook);
    Ok(Plan::webhook(webhook, shown))
}

/// What the creation of a webhook shows.
const fn shown_of_new(webhook: &Webhook) -> Shown {
    shown(matches!(webhook.authentication, Authentication::Signature(_)))
}

/// What was created by the same request before, if it was.
fn repeated(state: &State, asked: &Webhook, is_repeatable: bool) -> Result<Option<Plan>, Refusal> {
    if !is_repeatable {
        return Ok(None);
    }
    let there = state
        .webhooks_after(asked.account, None)
        .map(|webhook| webhook.id);
    let deleted = state.deleted_after(asked.account, None);
    let mut all = there.chain(deleted.map(|deleted| deleted.webhook.id));
    let Some(first) = all.find(|id| repeat::is_of_same_id(*id, asked.id)) else {
        return Ok(None);
    };
    match state.webhook(asked.account, first) {
        Ok(created)
            if repeat::is_same(first, asked.id)
                && asked.created_at_ms < created.created_at_ms.saturating_add(millis(repeat::WITHIN)) =>
        {
            let shown = shown_of_new(created);
            Ok(Some(Plan::unchanged(Webhook::clone(created), shown)))
        }
        _ => Err(Refusal::RequestIdUsed(first)),
    }
}

fn current_webhook(
    state: &State,
    account: AccountId,
    id: WebhookId,
    expected: Expected,
) -> Result<&Arc<Webhook>, Refusal> {
    let current = state.webhook(account, id)?;
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
        return Ok(Plan::unchanged(webhook, Shown::Nothing));
    }
    expected.check(Key::Webhook(id), current.revision)?;
    webhook.disable(disabled);
    Ok(Plan::webhook(webhook, Shown::Nothing))
}

impl Plan {
    const fn removal(key: Key, along: Vec<Key>) -> Self {
        Self::Record {
            key,
            entity: None,
            shown: Shown::Nothing,
            along,
        }
    }

    fn account(account: Account) -> Self {
        Self::entity(Entity::Account(account), Shown::Nothing)
    }

    fn webhook(webhook: Webhook, shown: Shown) -> Self {
        Self::entity(Entity::Webhook(Box::new(webhook)), shown)
    }

    /// A webhook is so already.
    fn unchanged(webhook: Webhook, shown: Shown) -> Self {
        Self::Unchanged {
            entity: Entity::Webhook(Box::new(webhook)),
            shown,
        }
    }

    fn api_key(key: ApiKey, shown: Shown) -> Self {
        Self::entity(Entity::ApiKey(key), shown)
    }

    fn event_type(own: OwnType) -> Self {
        Self::entity(Entity::EventType(own), Shown::Nothing)
    }

    fn entity(entity: Entity, shown: Shown) -> Self {
        Self::Record {
            key: entity.key(),
            entity: Some(entity),
            shown,
            along: Vec::new(),
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
