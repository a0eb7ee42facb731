//! Everything that the topic says.

mod lookups;

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::num::NonZeroU32;
use std::sync::Arc;

use angarium_kafka::{Record, partition_of};
use angarium_model::{
    Account, AccountId, ApiKey, EventName, ExternalId, KeyId, OwnType, Revision, Webhook, WebhookId,
};

use angarium_runtime::chain;

use crate::home::Home;
use crate::record::{Claim, Deleted, Entity, Key, KeyUse, Reservation, Said, UnreadableRecord, decode};
use crate::seal::SealKeys;

/// Accounts, webhooks, API keys and event types, and how far each partition has been read.
#[derive(Debug)]
pub(crate) struct State {
    homes: BTreeMap<Home, Arc<Holdings>>,
    /// A record that removes a webhook names no account.
    owners: HashMap<WebhookId, AccountId>,
    /// Nor does one that removes a key, or who presents it.
    key_homes: HashMap<KeyId, Home>,
    /// Nor one that removes what was deleted.
    deleted_of: HashMap<WebhookId, AccountId>,
    /// Which account has an external id. Partitions are read each at its own pace: the one that had it before may be met, or its
    /// end, after the one that has it.
    external_ids: BTreeSet<(ExternalId, AccountId)>,
    /// Which account may have one.
    reservations: BTreeMap<ExternalId, Reservation>,
    /// When API keys were used. Compaction may put it before the key.
    key_uses: HashMap<KeyId, i64>,
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
    /// Webhooks that may be brought back.
    deleted: BTreeMap<WebhookId, Arc<Deleted>>,
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
            deleted_of: HashMap::new(),
            external_ids: BTreeSet::new(),
            reservations: BTreeMap::new(),
            key_uses: HashMap::new(),
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
        if let (Key::Deleted(id), Some(error)) = (&key, &locked) {
            // Nothing needs it: nobody is kept from anything but from bringing it back.
            tracing::warn!(webhook = %id, error = chain(error), "a deleted webhook cannot be brought back: its secret does not open");
        }
        let entity = entity.filter(|_| !(locked.is_some() && matches!(key, Key::Deleted(_))));
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
            // A follower is not told: it has the external ids of the accounts.
            (_, Some(Entity::Reservation(kept))) => {
                self.reservations.insert(kept.external_id.clone(), kept);
                None
            }
            (Key::ExternalId(external_id), None) => {
                self.reservations.remove(&external_id);
                None
            }
            (_, Some(Entity::KeyUse(used))) => self.put_key_use(used),
            (Key::Used(id), None) => {
                self.key_uses.remove(&id);
                None
            }
            (Key::EventType(home, name), None) => self.drop_type(home, name),
            (_, Some(Entity::Deleted(deleted))) => self.put_deleted(*deleted),
            (Key::Deleted(id), None) => self.drop_deleted(id),
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
        let before = Arc::make_mut(holdings).account.replace(Arc::clone(&account));
        self.forget_external_id(before);
        if let Some(external_id) = account.external_id.clone() {
            self.external_ids.insert((external_id, account.id));
        }
        Delta::Account(account)
    }

    fn forget_external_id(&mut self, account: Option<Arc<Account>>) {
        if let Some(account) = account
            && let Some(external_id) = account.external_id.clone()
        {
            self.external_ids.remove(&(external_id, account.id));
        }
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

    fn put_key(&mut self, mut key: ApiKey) -> Delta {
        key.last_used_at_ms = self.key_uses.get(&key.id).copied();
        let (home, key) = (Home::of(key.account), Arc::new(key));
        self.key_homes.insert(key.id, home);
        let holdings = self.homes.entry(home).or_default();
        Arc::make_mut(holdings).keys.insert(key.id, Arc::clone(&key));
        Delta::ApiKey(key)
    }

    /// A follower is not told of it: it is for people who look at the key.
    fn put_key_use(&mut self, used: KeyUse) -> Option<Delta> {
        self.key_uses.insert(used.key, used.at_ms);
        let home = self.key_homes.get(&used.key)?;
        let key = Arc::make_mut(self.homes.get_mut(home)?).keys.get_mut(&used.key)?;
        Arc::make_mut(key).last_used_at_ms = Some(used.at_ms);
        None
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
        let mut account = None;
        self.take_out(Home::Account(id), |holdings| account = holdings.account.take())?;
        self.forget_external_id(account);
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

    /// A follower is not told of what may come back: the webhook has gone.
    fn put_deleted(&mut self, deleted: Deleted) -> Option<Delta> {
        let (id, account) = (deleted.webhook.id, deleted.webhook.account);
        self.deleted_of.insert(id, account);
        let holdings = self.homes.entry(Home::Account(account)).or_default();
        Arc::make_mut(holdings).deleted.insert(id, Arc::new(deleted));
        None
    }

    fn drop_deleted(&mut self, id: WebhookId) -> Option<Delta> {
        let account = self.deleted_of.remove(&id)?;
        self.take_out(Home::Account(account), |holdings| {
            drop(holdings.deleted.remove(&id))
        })?;
        None
    }

    /// A follower is not told of writers.
    fn put_writer(&mut self, record: &Record, claim: Option<Claim>) -> Option<Delta> {
        let writer = usize::try_from(record.partition).ok();
        if let Some(writer) = writer.and_then(|at| self.writers.get_mut(at)) {
            *writer = claim;
        }
        None
    }

    /// The partition that holds what belongs there.
    pub(crate) fn partition_of(&self, home: Home) -> i32 {
        let count = u32::try_from(self.next.len()).ok().and_then(NonZeroU32::new);
        partition_of(home.partition_key().as_bytes(), count.unwrap_or(NonZeroU32::MIN))
    }

    /// Who writes a partition.
    pub(crate) fn writer(&self, partition: i32) -> Option<&Claim> {
        self.writers.get(usize::try_from(partition).ok()?)?.as_ref()
    }

    /// By partition: the offset below which everything is known.
    pub(crate) fn next(&self) -> &[i64] {
        &self.next
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
        let has_things = !(self.webhooks.is_empty()
            && self.keys.is_empty()
            && self.types.is_empty()
            && self.deleted.is_empty());
        self.account.is_none() && !has_things
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::tests::{account, api_key, record};

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

    #[test]
    fn when_a_key_was_used_is_known_whichever_record_compaction_leaves_first() {
        let id = KeyId::from_bytes([7; 16]);
        let key = Entity::ApiKey(api_key(id));
        let used = |at_ms| Entity::KeyUse(KeyUse { key: id, at_ms });
        let last_used = |state: &State| state.key(id).map(|key| key.last_used_at_ms);
        let mut state = State::new(NonZeroU32::new(1).unwrap(), SealKeys::none());
        let mut at = 0;
        let mut apply = |state: &mut State, key: Key, entity: Option<&Entity>| {
            at += 1;
            state.apply(&record(0, at, &key, entity)).unwrap()
        };
        assert!(apply(&mut state, Key::Used(id), Some(&used(5))).is_none());
        assert_eq!(last_used(&state), None);
        apply(&mut state, Key::Api(id), Some(&key));
        assert_eq!(last_used(&state), Some(Some(5)));
        let revision = state.key(id).unwrap().revision;
        let told = apply(&mut state, Key::Used(id), Some(&used(9)));
        assert!(told.is_none(), "followers need not know");
        assert_eq!(last_used(&state), Some(Some(9)));
        assert_eq!(state.key(id).unwrap().revision, revision);
        apply(&mut state, Key::Used(id), None);
        apply(&mut state, Key::Api(id), None);
        apply(&mut state, Key::Api(id), Some(&key));
        assert_eq!(last_used(&state), Some(None), "nothing of the one before is left");
    }
}
