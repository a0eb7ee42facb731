//! Accounts, webhooks, API keys and event types of their own in memory, as the registry last told them.
//!
//! A [`Directory`] follows one registry over its `Watch` call: a snapshot first, then every change as it comes into
//! force. It confirms what it knows, and has a lease for as long as the registry waits for its confirmations
//! ([`Directory::in_force`]). While the registry is away the last view stays in use, and [`Directory::age`] says how old
//! it is.
//!
//! A view is never seen half-way. A snapshot comes in parts and is swapped in when it is complete; what belongs to
//! one response of the registry is applied under one lock, which is never held across an await.

mod filters;
mod follower;
mod index;
mod known;
pub mod lookup;
mod metrics;
mod standing;
mod telling;
mod view;
mod watching;

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};
use std::time::Duration;

use angarium_filter::Failure;
use angarium_model::{
    Account, AccountId, ApiKey, ExternalId, KeyId, KnownTypes, OwnType, Revision, Webhook, WebhookId,
};
use angarium_runtime::access::{Keys, Used, Uses};
use angarium_runtime::{Clock, Tasks, grpc};
use futures::future::{BoxFuture, FutureExt as _};
use tokio::sync::{mpsc, watch};

use crate::follower::Follower;
pub use crate::known::{Interest, Keep};
pub use crate::metrics::METRICS;
pub use crate::standing::Standing;
pub use crate::view::View;
use crate::view::{Edit, Revisions};
pub use crate::watching::{Lost, Next, SILENCE, Watching};

/// The webhooks that want an event, in order of their creation.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Matched {
    /// Those that it goes to.
    pub active: Vec<WebhookId>,
    /// Those that are switched off (W7).
    pub inactive: Vec<WebhookId>,
    /// Those whose filter does not want it.
    pub filtered: Vec<WebhookId>,
    /// Those whose filter has no answer for it, and why: it does not go to them.
    pub undecided: Vec<(WebhookId, Failure)>,
    /// Everything up to this revision of the account's registry partition was known when this was matched, and
    /// nothing above it: a webhook with a higher revision was changed later.
    pub revision: Revision,
}

/// A cheap handle to the view of one registry.
#[derive(Clone, Debug)]
pub struct Directory {
    shared: Arc<Shared>,
}

/// When the registry was last heard from, as long as it never was.
const NEVER: i64 = i64::MIN;
/// When the registry was last heard from, for a directory that has none.
const ALWAYS: i64 = i64::MAX;

#[derive(Debug)]
struct Shared {
    view: RwLock<View>,
    /// Unix milliseconds by the follower's clock, [`NEVER`] or [`ALWAYS`].
    heard_at_ms: AtomicI64,
    /// 0 until the first snapshot is complete; moves with every change of the view.
    changes: watch::Sender<u64>,
    standing: Standing,
    uses: Uses,
}

impl Directory {
    /// Follows the registry at this address, or one of several behind it, until the shutdown of `tasks` begins.
    ///
    /// The view is empty until [`Directory::ready`]. A lost connection is made again with a growing pause (0.1 s to
    /// 0.5 s) and goes on where it was.
    #[must_use]
    pub fn follow(registry: grpc::Address, keep: Keep, clock: Clock, tasks: &Tasks) -> Self {
        let (shared, used) = Shared::new(View::default(), NEVER, 0, Standing::new());
        let shared = Arc::new(shared);
        metrics::observe(&shared, keep, &clock);
        let follower = Follower::new(Arc::clone(&shared), keep, clock);
        let telling = telling::run(
            Arc::clone(&shared),
            registry.clone(),
            used,
            tasks.shutdown().clone(),
        );
        tasks.spawn("directory key uses", telling);
        tasks.spawn("directory", follower.run(registry, tasks.shutdown().clone()));
        Self { shared }
    }

    /// A directory without a registry, for tests: always ready, changed by nobody but the test. Its revision is the
    /// highest that is given.
    #[must_use]
    pub fn fixed(
        accounts: impl IntoIterator<Item = Account>,
        webhooks: impl IntoIterator<Item = Webhook>,
    ) -> Self {
        let accounts = accounts.into_iter().map(Edit::Account);
        let edits: Vec<_> = accounts.chain(webhooks.into_iter().map(Edit::webhook)).collect();
        let highest = edits.iter().map(Edit::revision).max().unwrap_or_default();
        let mut view = View::default();
        view.apply(edits, Revisions::single(highest));
        // Nobody is told which keys are used.
        let (shared, _used) = Shared::new(view, ALWAYS, 1, Standing::alone());
        Self {
            shared: Arc::new(shared),
        }
    }

    /// Adds or changes a webhook of a [`Directory::fixed`], for tests; everything up to its revision is known then.
    pub fn put(&self, webhook: Webhook) {
        let revision = webhook.revision;
        self.shared
            .advance(vec![Edit::webhook(webhook)], Revisions::single(revision));
    }

    /// Deletes a webhook of a [`Directory::fixed`], for tests, at a revision.
    pub fn drop_webhook(&self, id: WebhookId, revision: Revision) {
        self.shared
            .advance(vec![Edit::DropWebhook(id)], Revisions::single(revision));
    }

    /// Adds or changes an account of a [`Directory::fixed`], for tests.
    pub fn put_account(&self, account: Account) {
        let revision = account.revision;
        self.shared
            .advance(vec![Edit::Account(account)], Revisions::single(revision));
    }

    /// Adds or changes an event type of a [`Directory::fixed`], for tests.
    pub fn put_type(&self, own: OwnType) {
        let revision = own.revision;
        self.shared
            .advance(vec![Edit::Type(own)], Revisions::single(revision));
    }

    /// Adds or changes an API key of a [`Directory::fixed`], for tests.
    pub fn put_key(&self, key: ApiKey) {
        let revision = key.revision;
        self.shared
            .advance(vec![Edit::Key(key)], Revisions::single(revision));
    }

    /// Revokes an API key of a [`Directory::fixed`], for tests, at a revision.
    pub fn drop_key(&self, id: KeyId, revision: Revision) {
        self.shared
            .advance(vec![Edit::DropKey(id)], Revisions::single(revision));
    }

    /// Takes the lease of a [`Directory::fixed`], for tests: as of a follower that the registry does not wait for.
    pub fn lose_lease(&self) {
        self.shared.standing.is_followed_again();
    }

    /// Gives it a lease without end, for tests.
    pub fn regain_lease(&self) {
        self.shared.standing.lasts_until(Duration::MAX);
    }

    /// Resolves once the first snapshot is complete.
    pub async fn ready(&self) {
        let mut changes = self.shared.changes.subscribe();
        // The sender lives as long as `self`, so this cannot end early.
        if changes.wait_for(|count| *count > 0).await.is_err() {
            std::future::pending().await
        }
    }

    /// Whether the first snapshot is complete.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.shared.is_ready()
    }

    /// Whether this process may act by the view: the registry answers no write that is not in it, or cannot be reached.
    /// Who acts on what it receives asks behind receiving it: then every write that was answered before it was sent is
    /// in the view.
    #[must_use]
    pub fn is_in_force(&self) -> bool {
        self.shared.standing.is_in_force()
    }

    /// Resolves when [`Directory::is_in_force`]: within a second as a rule, and within 4 s of the registry's end.
    pub async fn in_force(&self) {
        self.shared.standing.in_force().await;
    }

    /// How long ago the registry was last heard from; it speaks ten times a second. [`Duration::MAX`] if it never was.
    #[must_use]
    pub fn age(&self, now_ms: i64) -> Duration {
        match self.shared.heard_at_ms.load(Ordering::Acquire) {
            NEVER => Duration::MAX,
            ALWAYS => Duration::ZERO,
            heard => Duration::from_millis(u64::try_from(now_ms.saturating_sub(heard)).unwrap_or(0)),
        }
    }

    /// The account, if the registry has it.
    #[must_use]
    pub fn account(&self, id: AccountId) -> Option<Arc<Account>> {
        self.shared.view().account(id)
    }

    /// The account that has this external id, if the registry has one.
    #[must_use]
    pub fn account_of(&self, external_id: &ExternalId) -> Option<AccountId> {
        self.shared.view().account_of(external_id)
    }

    /// The webhook, if the registry has it, and all of each is kept ([`Keep::Everything`]).
    #[must_use]
    pub fn webhook(&self, id: WebhookId) -> Option<Arc<Webhook>> {
        self.shared.view().webhook(id)
    }

    /// What a webhook wants, if the registry has it, and anything of each is kept.
    #[must_use]
    pub fn interest(&self, id: WebhookId) -> Option<Arc<Interest>> {
        self.shared.view().interest(id)
    }

    /// The types that an account's events may have.
    #[must_use]
    pub fn known_types(&self, account: AccountId) -> KnownTypes {
        self.shared.view().known_types(account)
    }

    /// The view of this moment, to keep: it does not change.
    #[must_use]
    pub fn view(&self) -> View {
        self.shared.view().clone()
    }

    /// How far the registry is known for this account: every change up to this revision is in the view.
    #[must_use]
    pub fn revision(&self, account: AccountId) -> Revision {
        self.shared.view().revision(account)
    }

    /// A counter that moves after each change of the view: 0 until the first snapshot is complete.
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.shared.changes.subscribe()
    }
}

impl Keys for Directory {
    fn key(&self, id: KeyId) -> Option<Arc<ApiKey>> {
        self.shared.view().key(id)
    }

    fn is_in_force(&self) -> bool {
        self.is_ready() && Self::is_in_force(self)
    }

    fn in_force(&self) -> BoxFuture<'_, ()> {
        async {
            self.ready().await;
            Self::in_force(self).await;
        }
        .boxed()
    }

    fn used(&self, id: KeyId, at_ms: i64) {
        self.shared.uses.note(id, at_ms);
    }
}

impl Shared {
    /// And the keys that are used of it.
    fn new(view: View, heard_at_ms: i64, changes: u64, standing: Standing) -> (Self, mpsc::Receiver<Used>) {
        let (uses, used) = Uses::new();
        let shared = Self {
            view: RwLock::new(view),
            heard_at_ms: AtomicI64::new(heard_at_ms),
            changes: watch::Sender::new(changes),
            standing,
            uses,
        };
        (shared, used)
    }

    fn is_ready(&self) -> bool {
        *self.changes.borrow() > 0
    }

    fn view(&self) -> RwLockReadGuard<'_, View> {
        // Nothing panics while the lock is held for writing, so a poisoned view is still whole.
        self.view.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn heard(&self, now_ms: i64) {
        self.heard_at_ms.store(now_ms, Ordering::Release);
    }

    /// Puts a complete snapshot in the place of the view.
    fn replace(&self, snapshot: View) {
        let mut view = self.view.write().unwrap_or_else(PoisonError::into_inner);
        let old = std::mem::replace(&mut *view, snapshot);
        drop(view);
        // Freeing a large view takes its time: not under the lock.
        drop(old);
        self.changes.send_modify(|count| *count += 1);
    }

    /// Brings the view forward.
    fn advance(&self, edits: Vec<Edit>, revisions: Revisions) {
        let mut view = self.view.write().unwrap_or_else(PoisonError::into_inner);
        let changed = view.apply(edits, revisions);
        drop(view);
        if changed {
            self.changes.send_modify(|count| *count += 1);
        }
    }
}

#[cfg(test)]
mod tests {
    use angarium_model::{EventName, TargetUrl, TypePattern};

    use super::*;

    const ACCOUNT: u64 = 1234;

    fn account() -> AccountId {
        AccountId::new(ACCOUNT).unwrap()
    }

    fn webhook(number: u8, types: &[&str], active: bool) -> Webhook {
        Webhook {
            event_types: types
                .iter()
                .map(|text| TypePattern::parse(text).unwrap())
                .collect(),
            active,
            revision: Revision::from_offset(i64::from(number)),
            ..Webhook::new(
                WebhookId::from_bytes([number; 16]),
                account(),
                "HR",
                TargetUrl::parse("https://example.com/").unwrap(),
            )
        }
    }

    fn numbers(ids: &[WebhookId]) -> Vec<u8> {
        ids.iter().map(|id| id.as_bytes()[0]).collect()
    }

    #[tokio::test]
    async fn w7_a_fixed_directory_tells_active_and_inactive_webhooks_apart() {
        let directory = Directory::fixed(
            [],
            [
                webhook(1, &["*"], true),
                webhook(2, &["CI_STATS"], false),
                webhook(3, &["COURSE_*"], true),
            ],
        );
        directory.ready().await;
        let matched = directory
            .view()
            .webhooks_for(account(), &EventName::new("CI_STATS").unwrap(), |_| Ok(true));
        assert_eq!(numbers(&matched.active), [1]);
        assert_eq!(numbers(&matched.inactive), [2]);
        assert_eq!(matched.revision, Revision::from_offset(3));
        assert_eq!(directory.age(i64::MAX), Duration::ZERO);
        let stranger = AccountId::new(ACCOUNT + 1).unwrap();
        assert_eq!(
            directory
                .view()
                .webhooks_for(stranger, &EventName::new("CI_STATS").unwrap(), |_| Ok(true))
                .active,
            []
        );
    }

    #[test]
    fn a_view_that_is_kept_does_not_change() {
        let directory = Directory::fixed([], [webhook(1, &["*"], true)]);
        let kept = directory.view();
        directory.put(webhook(2, &["*"], true));
        let name = EventName::new("CI_STATS").unwrap();
        let of = |view: &View| {
            let matched = view.webhooks_for(account(), &name, |_| Ok(true));
            (numbers(&matched.active), matched.revision.offset())
        };
        assert_eq!(of(&kept), (vec![1], 1));
        assert_eq!(of(&directory.view()), (vec![1, 2], 2));
    }

    #[test]
    fn the_age_counts_from_the_last_word_of_the_registry() {
        let (shared, _used) = Shared::new(View::default(), NEVER, 0, Standing::new());
        let directory = Directory {
            shared: Arc::new(shared),
        };
        assert_eq!(directory.age(5_000), Duration::MAX);
        directory.shared.heard(5_000);
        assert_eq!(directory.age(7_000), Duration::from_secs(2));
        assert_eq!(directory.age(4_000), Duration::ZERO);
    }
}
