//! What the state is asked for.

use std::ops::Bound;
use std::sync::Arc;

use angarium_model::{
    Account, AccountId, ApiKey, EventName, ExternalId, KeyId, KnownTypes, OwnType, Webhook, WebhookId,
};

use super::{Holdings, State};
use crate::home::Home;
use crate::plan::Subject;
use crate::record::{Deleted, Entity, Key, Reservation};
use crate::refusal::Refusal;

impl Holdings {
    /// The account, if it is one.
    pub(crate) fn account(&self) -> Option<&Arc<Account>> {
        self.account.as_ref()
    }

    /// The webhooks of the account.
    pub(crate) fn webhooks(&self) -> impl Iterator<Item = &Arc<Webhook>> {
        self.webhooks.values()
    }
}

impl State {
    /// What each home has.
    pub(crate) fn holdings(&self) -> impl Iterator<Item = &Arc<Holdings>> {
        self.homes.values()
    }

    pub(crate) fn account(&self, id: AccountId) -> Option<&Arc<Account>> {
        self.homes.get(&Home::Account(id))?.account.as_ref()
    }

    /// The account that has an external id.
    pub(crate) fn account_of(&self, external_id: &ExternalId) -> Option<&Arc<Account>> {
        let first = (external_id.clone(), AccountId::LEAST);
        let mut from = self.external_ids.range(first..);
        let (of, account) = from.next()?;
        (of == external_id).then(|| self.account(*account)).flatten()
    }

    /// Which account may have an external id.
    pub(crate) fn reservation(&self, external_id: &ExternalId) -> Option<&Reservation> {
        self.reservations.get(external_id)
    }

    /// External ids that an account might have had, and has not: they are kept for nobody any more.
    pub(crate) fn lapsed(&self, now_ms: i64) -> impl Iterator<Item = &Reservation> {
        let all = self.reservations.values();
        all.filter(move |reservation| reservation.has_lapsed(self, now_ms))
    }

    pub(crate) fn webhook(&self, account: AccountId, id: WebhookId) -> Result<&Arc<Webhook>, Refusal> {
        let holdings = self.homes.get(&Home::Account(account));
        let found = holdings.and_then(|holdings| holdings.webhooks.get(&id));
        found.ok_or_else(|| match self.deleted(account, id) {
            Some(deleted) => Refusal::WebhookDeleted {
                account,
                id,
                until_ms: deleted.until_ms,
            },
            None => Refusal::NoWebhook { account, id },
        })
    }

    /// A webhook that was deleted and may be brought back.
    pub(crate) fn deleted(&self, account: AccountId, id: WebhookId) -> Option<&Arc<Deleted>> {
        self.homes.get(&Home::Account(account))?.deleted.get(&id)
    }

    /// Those of an account, in order of their ids.
    pub(crate) fn deleted_after(
        &self,
        account: AccountId,
        after: Option<WebhookId>,
    ) -> impl Iterator<Item = &Arc<Deleted>> {
        let holdings = self.homes.get(&Home::Account(account)).into_iter();
        holdings.flat_map(move |holdings| holdings.deleted.range(beyond(after)).map(|(_, deleted)| deleted))
    }

    /// Those of all accounts whose time is over.
    pub(crate) fn gone(&self, now_ms: i64) -> impl Iterator<Item = &Arc<Deleted>> {
        let deleted = self
            .deleted_of
            .iter()
            .filter_map(|(id, account)| self.deleted(*account, *id));
        deleted.filter(move |deleted| deleted.until_ms <= now_ms)
    }

    /// The API key of this id, wherever it is at home.
    pub(crate) fn key(&self, id: KeyId) -> Option<&Arc<ApiKey>> {
        self.homes.get(self.key_homes.get(&id)?)?.keys.get(&id)
    }

    /// The API key of this id, if it is at home there.
    pub(crate) fn key_of(&self, home: Home, id: KeyId) -> Result<&Arc<ApiKey>, Refusal> {
        let holdings = self.homes.get(&home);
        let found = holdings.and_then(|holdings| holdings.keys.get(&id));
        found.ok_or(Refusal::NoApiKey { home, id })
    }

    /// What a key of the topic stands for now.
    pub(crate) fn entity(&self, key: &Key) -> Option<Entity> {
        match key {
            Key::Account(id) => Some(Entity::Account(Account::clone(self.account(*id)?))),
            Key::Webhook(id) => {
                let webhook = self.webhook(*self.owners.get(id)?, *id).ok()?;
                Some(Entity::Webhook(Box::new(Webhook::clone(webhook))))
            }
            Key::Api(id) => Some(Entity::ApiKey(ApiKey::clone(self.key(*id)?))),
            Key::EventType(home, name) => {
                Some(Entity::EventType(OwnType::clone(self.own_type(*home, name)?)))
            }
            Key::ExternalId(external_id) => Some(Entity::Reservation(self.reservation(external_id)?.clone())),
            Key::Deleted(_) | Key::Used(_) | Key::Writer | Key::Barrier => None,
        }
    }

    /// What is asked for.
    pub(crate) fn read(&self, subject: Subject) -> Result<Entity, Refusal> {
        match subject {
            Subject::Account(id) => {
                let found = self.account(id).ok_or(Refusal::NoAccount(id))?;
                Ok(Entity::Account(Account::clone(found)))
            }
            Subject::Webhook { account, id } => {
                let found = self.webhook(account, id)?;
                Ok(Entity::Webhook(Box::new(Webhook::clone(found))))
            }
            Subject::ApiKey { home, id } => Ok(Entity::ApiKey(ApiKey::clone(self.key_of(home, id)?))),
        }
    }

    /// Whether the secret of a webhook would be sealed in another way today.
    pub(crate) fn has_outdated_seal(&self, webhook: WebhookId) -> bool {
        self.outdated_seals.contains(&webhook)
    }

    /// How many webhooks an account has.
    pub(crate) fn webhook_count(&self, account: AccountId) -> usize {
        self.homes
            .get(&Home::Account(account))
            .map_or(0, |holdings| holdings.webhooks.len())
    }

    /// How many API keys are at home there.
    pub(crate) fn key_count(&self, home: Home) -> usize {
        self.homes.get(&home).map_or(0, |holdings| holdings.keys.len())
    }

    /// The event type of this name, if it is at home there.
    pub(crate) fn own_type(&self, home: Home, name: &EventName) -> Option<&Arc<OwnType>> {
        self.homes.get(&home)?.types.get(name)
    }

    /// Event types that are at home there, by their names.
    pub(crate) fn types_of(&self, home: Home) -> impl Iterator<Item = &Arc<OwnType>> {
        let holdings = self.homes.get(&home).into_iter();
        holdings.flat_map(|holdings| holdings.types.values())
    }

    /// The types that events may have: of an account, or those that the events of all accounts may.
    pub(crate) fn known_types(&self, account: Option<AccountId>) -> KnownTypes {
        let own = account
            .into_iter()
            .flat_map(|id| self.types_of(Home::Account(id)));
        KnownTypes::with(own.chain(self.types_of(Home::Platform)).cloned().collect())
    }

    /// All webhooks whose events may have a type that is at home there.
    pub(crate) fn webhooks_under(&self, home: Home) -> impl Iterator<Item = &Arc<Webhook>> {
        let homes = match home {
            Home::Platform => (Bound::Unbounded, Bound::Unbounded),
            account @ Home::Account(_) => (Bound::Included(account), Bound::Included(account)),
        };
        let homes = self.homes.range(homes);
        homes.flat_map(|(_, holdings)| holdings.webhooks.values())
    }

    /// Accounts in order of their ids.
    pub(crate) fn accounts_after(&self, after: Option<AccountId>) -> impl Iterator<Item = &Arc<Account>> {
        self.homes
            .range(beyond(Some(after.map_or(Home::Platform, Home::Account))))
            .filter_map(|(_, holdings)| holdings.account.as_ref())
    }

    /// Webhooks of an account in order of their ids, which is that of their creation.
    pub(crate) fn webhooks_after(
        &self,
        account: AccountId,
        after: Option<WebhookId>,
    ) -> impl Iterator<Item = &Arc<Webhook>> {
        let holdings = self.homes.get(&Home::Account(account)).into_iter();
        holdings.flat_map(move |holdings| holdings.webhooks.range(beyond(after)).map(|(_, webhook)| webhook))
    }

    /// API keys that are at home there, in order of their ids, which is that of their creation.
    pub(crate) fn keys_after(&self, home: Home, after: Option<KeyId>) -> impl Iterator<Item = &Arc<ApiKey>> {
        let holdings = self.homes.get(&home).into_iter();
        holdings.flat_map(move |holdings| holdings.keys.range(beyond(after)).map(|(_, key)| key))
    }
}

const fn beyond<T: Copy>(after: Option<T>) -> (Bound<T>, Bound<T>) {
    match after {
        Some(last) => (Bound::Excluded(last), Bound::Unbounded),
        None => (Bound::Unbounded, Bound::Unbounded),
    }
}
