//! What is known of the registry at one moment.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::sync::Arc;

use angarium_filter::{Failure, Filter};
use angarium_kafka::partition_of;
use angarium_model::{
    Account, AccountId, ApiKey, EventName, ExternalId, KeyId, KnownTypes, OwnType, Revision, Webhook,
    WebhookId,
};
use immutable_chunkmap::map::MapM;

use crate::Matched;
use crate::filters::Filters;
use crate::index::Index;
use crate::known::{Interest, Keep, Known};

/// Accounts, webhooks, API keys and event types that the catalogue lacks, and how far they are known.
///
/// A copy costs nothing and does not change: what is the same in both is shared, so that keeping an old view costs
/// what has changed since.
#[derive(Clone, Debug, Default)]
pub struct View {
    accounts: MapM<AccountId, Arc<Account>>,
    /// Which account has an external id. Changes come from several partitions: that which had it before may go after another has it.
    external_ids: MapM<(ExternalId, AccountId), ()>,
    webhooks: MapM<WebhookId, Known>,
    keep: Keep,
    keys: MapM<KeyId, Arc<ApiKey>>,
    /// Event types that the catalogue lacks, by whose they are; without an account those of the platform.
    types: MapM<Option<AccountId>, Arc<BTreeMap<EventName, Arc<OwnType>>>>,
    index: Index,
    filters: Filters,
    revisions: Revisions,
}

/// One change.
#[derive(Debug)]
pub(crate) enum Edit {
    Account(Account),
    Webhook(Box<Webhook>),
    Key(ApiKey),
    Type(OwnType),
    DropAccount(AccountId),
    DropWebhook(WebhookId),
    DropKey(KeyId),
    DropType(Option<AccountId>, EventName),
}

/// By partition of the registry topic: the offset below which everything is known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Revisions(Vec<i64>);

impl View {
    /// One that keeps this of webhooks.
    pub(crate) fn keeping(keep: Keep) -> Self {
        Self {
            keep,
            ..Self::default()
        }
    }

    /// Applies changes in order; says whether anything moved.
    pub(crate) fn apply(&mut self, edits: Vec<Edit>, revisions: Revisions) -> bool {
        let changed = !edits.is_empty() || self.revisions != revisions;
        self.apply_part(edits);
        self.revisions = revisions;
        changed
    }

    /// Applies a part of a snapshot: what it leads to is not known yet.
    pub(crate) fn apply_part(&mut self, edits: Vec<Edit>) {
        for edit in edits {
            match edit {
                Edit::Account(account) => {
                    let (id, external_id) = (account.id, account.external_id.clone());
                    let before = self.accounts.insert_cow(id, Arc::new(account));
                    self.forget_external_id(before);
                    if let Some(external_id) = external_id {
                        self.external_ids.insert_cow((external_id, id), ());
                    }
                }
                Edit::Webhook(webhook) => {
                    self.remove_webhook(webhook.id);
                    if let Some(known) = Known::of(*webhook, self.keep) {
                        self.index.insert(&known);
                        self.filters.insert(&known);
                        self.webhooks.insert_cow(known.id(), known);
                    }
                }
                Edit::DropAccount(id) => {
                    let before = self.accounts.remove_cow(&id);
                    self.forget_external_id(before);
                }
                Edit::Key(key) => {
                    self.keys.insert_cow(key.id, Arc::new(key));
                }
                Edit::DropWebhook(id) => self.remove_webhook(id),
                Edit::DropKey(id) => {
                    self.keys.remove_cow(&id);
                }
                Edit::Type(own) => {
                    let all = self.types.get_or_insert_cow(own.account, Arc::default);
                    Arc::make_mut(all).insert(own.name.clone(), Arc::new(own));
                }
                Edit::DropType(account, name) => self.remove_type(account, &name),
            }
        }
    }

    fn forget_external_id(&mut self, account: Option<Arc<Account>>) {
        if let Some(account) = account
            && let Some(external_id) = account.external_id.clone()
        {
            self.external_ids.remove_cow(&(external_id, account.id));
        }
    }

    fn remove_webhook(&mut self, id: WebhookId) {
        if let Some(old) = self.webhooks.remove_cow(&id) {
            self.index.remove(&old);
            self.filters.remove(&old);
        }
    }

    fn remove_type(&mut self, account: Option<AccountId>, name: &EventName) {
        let Some(all) = self.types.get_mut_cow(&account) else {
            return;
        };
        let all = Arc::make_mut(all);
        all.remove(name);
        if all.is_empty() {
            self.types.remove_cow(&account);
        }
    }

    pub(crate) fn account(&self, id: AccountId) -> Option<Arc<Account>> {
        self.accounts.get(&id).cloned()
    }

    pub(crate) fn account_of(&self, external_id: &ExternalId) -> Option<AccountId> {
        let first = (external_id.clone(), AccountId::LEAST);
        let ((of, account), ()) = self.external_ids.range(first..).next()?;
        (of == external_id).then_some(*account)
    }

    pub(crate) fn webhook(&self, id: WebhookId) -> Option<Arc<Webhook>> {
        self.webhooks.get(&id)?.whole()
    }

    pub(crate) fn interest(&self, id: WebhookId) -> Option<Arc<Interest>> {
        Some(self.webhooks.get(&id)?.interest())
    }

    pub(crate) fn key(&self, id: KeyId) -> Option<Arc<ApiKey>> {
        self.keys.get(&id).cloned()
    }

    /// The type of this name that an account's events may have, if it is one beside the catalogue: its own, or the
    /// platform's.
    #[must_use]
    pub fn own_type(&self, account: AccountId, name: &EventName) -> Option<Arc<OwnType>> {
        let of = |home: Option<AccountId>| self.types.get(&home)?.get(name);
        of(Some(account)).or_else(|| of(None)).cloned()
    }

    /// The types that an account's events may have.
    #[must_use]
    pub fn known_types(&self, account: AccountId) -> KnownTypes {
        let homes = [Some(account), None];
        let all = homes.iter().filter_map(|home| self.types.get(home));
        KnownTypes::with(all.flat_map(|all| all.values()).cloned().collect())
    }

    /// The webhooks of an account that want an event of this type. The cost follows what matches, not what exists.
    /// `wants` is asked for the event with the filter of each of them that has one.
    #[must_use]
    pub fn webhooks_for(
        &self,
        account: AccountId,
        name: &EventName,
        wants: impl Fn(&Filter) -> Result<bool, Failure>,
    ) -> Matched {
        let mut matched = Matched {
            revision: self.revision(account),
            ..Matched::default()
        };
        for id in self.index.find(account, name) {
            let Some(webhook) = self.webhooks.get(&id) else {
                continue;
            };
            if !webhook.is_active() {
                matched.inactive.push(id);
                continue;
            }
            match self.filters.ask(webhook, &wants) {
                Ok(true) => matched.active.push(id),
                Ok(false) => matched.filtered.push(id),
                Err(failure) => matched.undecided.push((id, failure)),
            }
        }
        matched
    }

    /// The webhooks of an account in order of their creation, the first so many.
    #[must_use]
    pub fn webhooks_of(&self, account: AccountId, most: usize) -> Vec<WebhookId> {
        self.index.of(account, most)
    }

    /// How far the registry is known for this account: every change up to this revision is in the view.
    #[must_use]
    pub fn revision(&self, account: AccountId) -> Revision {
        self.revisions.of(account)
    }

    pub(crate) const fn revisions(&self) -> &Revisions {
        &self.revisions
    }
}

impl Edit {
    pub(crate) fn webhook(webhook: Webhook) -> Self {
        Self::Webhook(Box::new(webhook))
    }

    /// The revision that it brings, if it brings one.
    pub(crate) fn revision(&self) -> Revision {
        match self {
            Self::Account(account) => account.revision,
            Self::Webhook(webhook) => webhook.revision,
            Self::Key(key) => key.revision,
            Self::Type(own) => own.revision,
            Self::DropAccount(_) | Self::DropWebhook(_) | Self::DropKey(_) | Self::DropType(..) => {
                Revision::default()
            }
        }
    }
}

impl Revisions {
    /// From the next offset of each partition, which must be all there are.
    pub(crate) fn new(mut places: Vec<(i32, i64)>) -> Option<Self> {
        places.sort_unstable();
        let complete = (0_i32..)
            .zip(&places)
            .all(|(wanted, (partition, _))| wanted == *partition);
        complete.then(|| Self(places.into_iter().map(|(_, next)| next).collect()))
    }

    /// Of a registry with one partition that is known up to and with `highest`.
    pub(crate) fn single(highest: Revision) -> Self {
        Self(vec![highest.offset().saturating_add(1)])
    }

    /// The next offset of each partition.
    pub(crate) fn places(&self) -> impl Iterator<Item = (i32, i64)> + '_ {
        (0_i32..).zip(self.0.iter().copied())
    }

    /// The last offset that is known in the account's partition; -1 when there is none.
    fn of(&self, account: AccountId) -> Revision {
        let partitions = u32::try_from(self.0.len()).ok().and_then(NonZeroU32::new);
        let partition = partitions.map(|count| partition_of(account.to_string().as_bytes(), count));
        let next = partition
            .and_then(|partition| usize::try_from(partition).ok())
            .and_then(|partition| self.0.get(partition));
        Revision::from_offset(next.map_or(-1, |next| next - 1))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use angarium_filter::Subject;
    use angarium_model::{Event, EventId, FilterText, JsonObject, TargetUrl, Timestamp, TypePattern};
    use proptest::prelude::*;

    use super::*;

    const NAMES: [&str; 6] = [
        "COURSE",
        "COURSE_",
        "COURSE_ENROLLMENT",
        "COURSE_ENROLLMENT_BATCH",
        "CI_STATS",
        "LEARNER_PROGRESS",
    ];
    const PATTERNS: [&str; 8] = [
        "*",
        "COURSE_*",
        "COURSE_ENROLLMENT_*",
        "COURSE_",
        "COURSE_ENROLLMENT",
        "COURSE_ENROLLMENT_BATCH",
        "CI_STATS",
        "LEARNER_PROGRESS",
    ];

    fn webhook(number: u8, account: u64, patterns: &[usize], active: bool) -> Webhook {
        Webhook {
            event_types: patterns
                .iter()
                .map(|at| TypePattern::parse(PATTERNS[*at]).unwrap())
                .collect(),
            active,
            ..Webhook::new(
                WebhookId::from_bytes([number; 16]),
                AccountId::new(account).unwrap(),
                "HR",
                TargetUrl::parse("https://example.com/").unwrap(),
            )
        }
    }

    /// Filters that are, for any event, none, true, false, and without an answer.
    const FILTERS: [Option<&str>; 4] = [None, Some("true"), Some("1 == 2"), Some("1 / 0 == 1")];

    /// A webhook created or changed, or (with no patterns) deleted.
    fn edit() -> impl Strategy<Value = (u8, Vec<usize>, bool, usize)> {
        (
            0_u8..12,
            prop::collection::vec(0..PATTERNS.len(), 0..5),
            any::<bool>(),
            0..FILTERS.len(),
        )
    }

    /// Asks a filter for an event without anything in it.
    fn ask(filter: &Filter) -> Result<bool, Failure> {
        let event = Event {
            account: AccountId::new(1).unwrap(),
            id: EventId::new("1").unwrap(),
            name: EventName::new("CI_STATS").unwrap(),
            timestamp: Timestamp::new(1),
            info: None,
            data: JsonObject::parse("{}".into()).unwrap(),
        };
        filter.matches(&Subject::new(&event, ""))
    }

    proptest! {
        #[test]
        fn w1_the_index_finds_what_a_scan_of_all_webhooks_finds(
            edits in prop::collection::vec(edit(), 0..80),
            keep in prop::sample::select(vec![Keep::Everything, Keep::Interests]),
        ) {
            let mut view = View::keeping(keep);
            let mut plain: HashMap<u8, Webhook> = HashMap::new();
            for (number, patterns, active, filter) in edits {
                let filter = FILTERS[filter].map(|text| FilterText::new(text).unwrap());
                let webhook = Webhook { filter, ..webhook(number, u64::from(number % 3), &patterns, active) };
                if patterns.is_empty() {
                    plain.remove(&number);
                    view.apply_part(vec![Edit::DropWebhook(webhook.id)]);
                } else {
                    plain.insert(number, webhook.clone());
                    view.apply_part(vec![Edit::webhook(webhook)]);
                }
            }
            for (account, name) in (0..4).flat_map(|account| NAMES.map(|name| (account, name))) {
                let account = AccountId::new(account).unwrap();
                let name = EventName::new(name).unwrap();
                let scan = |active, filters: &[Option<&str>]| {
                    let wanted = plain.values().filter(|webhook| {
                        webhook.account == account
                            && webhook.active == active
                            && filters.contains(&webhook.filter.as_ref().map(FilterText::as_str))
                            && webhook.event_types.iter().any(|pattern| pattern.matches(&name))
                    });
                    let mut ids: Vec<_> = wanted.map(|webhook| webhook.id).collect();
                    ids.sort();
                    ids
                };
                let found = view.webhooks_for(account, &name, ask);
                prop_assert_eq!(&found.active, &scan(true, &FILTERS[..2]));
                prop_assert_eq!(&found.inactive, &scan(false, &FILTERS));
                prop_assert_eq!(&found.filtered, &scan(true, &FILTERS[2..3]));
                let undecided: Vec<_> = found.undecided.iter().map(|(id, _)| *id).collect();
                prop_assert_eq!(undecided, scan(true, &FILTERS[3..]));
            }
            let all = plain.values().map(|webhook| Edit::DropWebhook(webhook.id)).collect();
            view.apply_part(all);
            prop_assert!(view.filters.is_empty());
            prop_assert!(view.index.is_empty(), "deleted webhooks left something behind: {:?}", view.index);
        }
    }

    #[test]
    fn an_external_id_leads_to_the_account_that_has_it_whatever_order_changes_come_in() {
        let named = |id: u64, external_id: Option<&str>| Account {
            external_id: external_id.map(|text| ExternalId::new(text).unwrap()),
            ..Account::new(AccountId::new(id).unwrap())
        };
        let acme = ExternalId::new("acme").unwrap();
        let mut view = View::default();
        view.apply_part(vec![
            Edit::Account(named(5, None)),
            Edit::Account(named(5, Some("acme"))),
            Edit::Account(named(7, Some("acme-eu"))),
        ]);
        assert_eq!(view.account_of(&acme).unwrap().get(), 5);
        assert_eq!(view.account_of(&ExternalId::new("acm").unwrap()), None);
        // The end of the one that had it comes from another partition than the one that has it now.
        view.apply_part(vec![
            Edit::Account(named(6, Some("acme"))),
            Edit::DropAccount(AccountId::new(5).unwrap()),
        ]);
        assert_eq!(view.account_of(&acme).unwrap().get(), 6);
        view.apply_part(vec![Edit::DropAccount(AccountId::new(6).unwrap())]);
        assert_eq!(view.account_of(&acme), None);
    }

    #[test]
    fn the_revision_is_the_last_known_offset_of_the_accounts_own_partition() {
        let revisions = Revisions::new(vec![(1, 200), (0, 100), (3, 400), (2, 300)]).unwrap();
        for id in [0, 7, 1234, 1010] {
            let account = AccountId::new(id).unwrap();
            let partition = partition_of(id.to_string().as_bytes(), NonZeroU32::new(4).unwrap());
            assert_eq!(revisions.of(account).offset(), i64::from(partition + 1) * 100 - 1);
        }
        assert_eq!(Revisions::default().of(AccountId::new(1).unwrap()).offset(), -1);
    }

    #[test]
    fn places_with_a_partition_missing_are_refused() {
        assert!(Revisions::new(vec![(0, 1), (2, 1)]).is_none());
        assert!(Revisions::new(vec![(1, 1)]).is_none());
    }
}
