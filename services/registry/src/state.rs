//! Everything that the topic says.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::num::NonZeroU32;
use std::ops::Bound;
use std::sync::Arc;

use angarium_kafka::Record;
use angarium_model::{
    Account, AccountId, ApiKey, EventName, KeyId, KnownTypes, OwnType, Revision, Webhook, WebhookId,
};

use crate::home::Home;
use crate::plan::Subject;
use crate::record::{Claim, Entity, Key, Said, UnreadableRecord, decode};
use crate::refusal::Refusal;
use crate::seal::SealKeys;

/// Accounts, webhooks, API keys and event types, and how far each partition has been read.
#[derive(Debug)]
pub(crate) struct State {
    homes: BTreeMap<Home, Arc<Holdings>>,
    /// A record that removes a webhook names no account.
    owners: HashMap<WebhookId, AccountId>,
    /// Nor does one that removes a key, or who presents it.
    key_homes: HashMap<KeyId, Home>,
    /// Webhooks whose record has a secret that would be sealed in another way today.
    outdated_seals: HashSet<WebhookId>,
    /// While the topic is loaded: webhooks whose secret does not open. A later record may take the place of such a one:
    /// compaction leaves both for a while.
    locked: Option<BTreeMap<WebhookId, UnreadableRecord>>,
    keys: SealKeys,
    /// By partition: the offset below which everything is known.
    next: Vec<i64>,
    /// By partition: who writes it.
    writers: Vec<Option<Claim>>,
}

/// An account with its webhooks, keys and event types, or the keys and event types of the platform. Shared with snapshots that are being sent: a change copies it if one is.
#[derive(Clone, Debug, Default)]
pub(crate) struct Holdings {
    /// Absent only while the topic is loaded: compaction may put an account behind its webhooks.
    account: Option<Arc<Account>>,
    webhooks: BTreeMap<WebhookId, Arc<Webhook>>,
    keys: BTreeMap<KeyId, Arc<ApiKey>>,
    types: BTreeMap<EventName, Arc<OwnType>>,
}

/// What a record changed.
#[derive(Clone, Debug)]
pub(crate) enum Delta {
    Account(Arc<Account>),
    Webhook(Arc<Webhook>),
    ApiKey(Arc<ApiKey>),
    EventType(Arc<OwnType>),
    AccountDeleted(AccountId),
    WebhookDeleted {
        account: AccountId,
        id: WebhookId,
        revision: Revision,
    },
    ApiKeyDeleted(KeyId),
    EventTypeDeleted(Home, EventName),
}

impl State {
    pub(crate) fn new(partitions: NonZeroU32, keys: SealKeys) -> Self {
        Self {
            homes: BTreeMap::new(),
            owners: HashMap::new(),
            key_homes: HashMap::new(),
            outdated_seals: HashSet::new(),
            locked: Some(BTreeMap::new()),
            keys,
            next: (0..partitions.get()).map(|_| 0).collect(),
            writers: (0..partitions.get()).map(|_| None).collect(),
        }
    }

    /// Takes in the next record of its partition; says what it changed.
    pub(crate) fn apply(&mut self, record: &Record) -> Result<Option<Delta>, UnreadableRecord> {
        let Said {
            key,
            entity,
            is_sealed_with_another_key,
            locked,
        } = decode(record, &self.keys)?;
        if let Key::Webhook(id) = key {
            self.note_lock(id, locked.map(|error| UnreadableRecord::locked(record, &error)))?;
            if is_sealed_with_another_key {
                self.outdated_seals.insert(id);
            } else {
                self.outdated_seals.remove(&id);
            }
        }
        let delta = match (key, entity) {
            (_, Some(Entity::Account(account))) => Some(self.put_account(account)),
            (_, Some(Entity::Webhook(webhook))) => Some(self.put_webhook(*webhook)),
            (_, Some(Entity::ApiKey(key))) => Some(self.put_key(key)),
            (_, Some(Entity::EventType(own))) => Some(self.put_type(own)),
            (Key::EventType(home, name), None) => self.drop_type(home, name),
            (Key::Account(id), None) => self.drop_account(id),
            (Key::Api(id), None) => self.drop_key(id),
            (Key::Webhook(id), None) => self.drop_webhook(id, Revision::from_offset(record.offset)),
            (_, Some(Entity::Writer(claim))) => self.put_writer(record, Some(claim)),
            (Key::Writer, None) => self.put_writer(record, None),
            (Key::Barrier, None) => None,
        };
        if let Some(next) = usize::try_from(record.partition)
            .ok()
            .and_then(|at| self.next.get_mut(at))
        {
            *next = record.offset + 1;
        }
        Ok(delta)
    }

    fn note_lock(&mut self, id: WebhookId, locked: Option<UnreadableRecord>) -> Result<(), UnreadableRecord> {
        match (&mut self.locked, locked) {
            (Some(all), Some(locked)) => drop(all.insert(id, locked)),
            (Some(all), None) => drop(all.remove(&id)),
            (None, Some(locked)) => return Err(locked),
            (None, None) => {}
        }
        Ok(())
    }

    /// All there was is read: what is locked now would stay so.
    pub(crate) fn loaded(&mut self) -> Result<(), UnreadableRecord> {
        let locked = self.locked.take().unwrap_or_default();
        locked.into_values().next().map_or(Ok(()), Err)
    }

    fn put_account(&mut self, account: Account) -> Delta {
        let account = Arc::new(account);
        let holdings = self.homes.entry(Home::Account(account.id)).or_default();
        Arc::make_mut(holdings).account = Some(Arc::clone(&account));
        Delta::Account(account)
    }

    fn put_webhook(&mut self, webhook: Webhook) -> Delta {
        let webhook = Arc::new(webhook);
        self.owners.insert(webhook.id, webhook.account);
        let holdings = self.homes.entry(Home::Account(webhook.account)).or_default();
        Arc::make_mut(holdings)
            .webhooks
            .insert(webhook.id, Arc::clone(&webhook));
        Delta::Webhook(webhook)
    }

    fn put_key(&mut self, key: ApiKey) -> Delta {
        let (home, key) = (Home::of(key.account), Arc::new(key));
        self.key_homes.insert(key.id, home);
        let holdings = self.homes.entry(home).or_default();
        Arc::make_mut(holdings).keys.insert(key.id, Arc::clone(&key));
        Delta::ApiKey(key)
    }

    fn put_type(&mut self, own: OwnType) -> Delta {
        let own = Arc::new(own);
        let holdings = self.homes.entry(Home::of(own.account)).or_default();
        Arc::make_mut(holdings)
            .types
            .insert(own.name.clone(), Arc::clone(&own));
        Delta::EventType(own)
    }

    fn drop_account(&mut self, id: AccountId) -> Option<Delta> {
        self.take_out(Home::Account(id), |holdings| holdings.account = None)?;
        Some(Delta::AccountDeleted(id))
    }

    fn drop_key(&mut self, id: KeyId) -> Option<Delta> {
        let home = self.key_homes.remove(&id)?;
        self.take_out(home, |holdings| drop(holdings.keys.remove(&id)))?;
        Some(Delta::ApiKeyDeleted(id))
    }

    fn drop_type(&mut self, home: Home, name: EventName) -> Option<Delta> {
        self.own_type(home, &name)?;
        self.take_out(home, |holdings| drop(holdings.types.remove(&name)))?;
        Some(Delta::EventTypeDeleted(home, name))
    }

    /// Takes something out of a home, and forgets the home if that leaves nothing.
    fn take_out(&mut self, home: Home, take: impl FnOnce(&mut Holdings)) -> Option<()> {
        let holdings = Arc::make_mut(self.homes.get_mut(&home)?);
        take(holdings);
        if holdings.is_empty() {
            self.homes.remove(&home);
        }
        Some(())
    }

    fn drop_webhook(&mut self, id: WebhookId, revision: Revision) -> Option<Delta> {
        let account = self.owners.remove(&id)?;
        self.take_out(Home::Account(account), |holdings| {
            drop(holdings.webhooks.remove(&id))
        })?;
        Some(Delta::WebhookDeleted {
            account,
            id,
            revision,
        })
    }

    /// A follower is not told of writers.
    fn put_writer(&mut self, record: &Record, claim: Option<Claim>) -> Option<Delta> {
        let writer = usize::try_from(record.partition).ok();
        if let Some(writer) = writer.and_then(|at| self.writers.get_mut(at)) {
            *writer = claim;
        }
        None
    }

    /// Who writes a partition.
    pub(crate) fn writer(&self, partition: i32) -> Option<&Claim> {
        self.writers.get(usize::try_from(partition).ok()?)?.as_ref()
    }

    /// By partition: the offset below which everything is known.
    pub(crate) fn next(&self) -> &[i64] {
        &self.next
    }

    pub(crate) fn account(&self, id: AccountId) -> Option<&Arc<Account>> {
        self.homes.get(&Home::Account(id))?.account.as_ref()
    }

    pub(crate) fn webhook(&self, account: AccountId, id: WebhookId) -> Option<&Arc<Webhook>> {
        self.homes.get(&Home::Account(account))?.webhooks.get(&id)
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
                let webhook = self.webhook(*self.owners.get(id)?, *id)?;
                Some(Entity::Webhook(Box::new(Webhook::clone(webhook))))
            }
            Key::Api(id) => Some(Entity::ApiKey(ApiKey::clone(self.key(*id)?))),
            Key::EventType(home, name) => {
                Some(Entity::EventType(OwnType::clone(self.own_type(*home, name)?)))
            }
            Key::Writer | Key::Barrier => None,
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
                let found = self.webhook(account, id);
                let found = found.ok_or(Refusal::NoWebhook { account, id })?;
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

    /// Everything, as it is now: costs a pointer per account.
    pub(crate) fn snapshot(&self) -> Vec<Arc<Holdings>> {
        self.homes.values().cloned().collect()
    }
}

impl Holdings {
    /// The account, then its webhooks, its keys and its event types.
    pub(crate) fn deltas(&self) -> Vec<Delta> {
        let account = self.account.iter().cloned().map(Delta::Account);
        account
            .chain(self.webhooks.values().cloned().map(Delta::Webhook))
            .chain(self.keys.values().cloned().map(Delta::ApiKey))
            .chain(self.types.values().cloned().map(Delta::EventType))
            .collect()
    }

    fn is_empty(&self) -> bool {
        let has_things = !(self.webhooks.is_empty() && self.keys.is_empty() && self.types.is_empty());
        self.account.is_none() && !has_things
    }
}

const fn beyond<T: Copy>(after: Option<T>) -> (Bound<T>, Bound<T>) {
    match after {
        Some(last) => (Bound::Excluded(last), Bound::Unbounded),
        None => (Bound::Unbounded, Bound::Unbounded),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::tests::{account, record};

    #[test]
    fn a_tombstone_removes_and_every_record_moves_the_place_of_its_partition() {
        let mut state = State::new(NonZeroU32::new(2).unwrap(), SealKeys::none());
        let id = AccountId::new(7).unwrap();
        assert!(state.apply(&record(1, 0, &Key::Barrier, None)).unwrap().is_none());
        state
            .apply(&record(1, 4, &Key::Account(id), Some(&account(7, "Acme"))))
            .unwrap();
        assert_eq!(state.account(id).unwrap().revision.offset(), 4);
        let before = state.snapshot();
        let gone = state.apply(&record(1, 5, &Key::Account(id), None)).unwrap();
        assert!(matches!(gone, Some(Delta::AccountDeleted(deleted)) if deleted == id));
        assert!(state.account(id).is_none());
        assert_eq!(state.next(), [0, 6]);
        assert_eq!(
            before[0].deltas().len(),
            1,
            "a snapshot that was taken does not move"
        );
    }
}
