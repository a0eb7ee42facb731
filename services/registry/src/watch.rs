//! What a follower is sent: a snapshot unless it can go on from where it stands, then every change, and a sign of
//! life every 2 s.
//!
//! A watcher is pulled by its follower's connection and reads from the shared window of recent changes, so nobody
//! waits for a slow one. One that falls out of the window is sent a new snapshot.

use std::collections::VecDeque;
use std::iter::Peekable;
use std::sync::Arc;
use std::time::Duration;

use angarium_model::AccountId;
use angarium_proto::convert::{
    Secrets, account_to_wire, api_key_to_wire, event_type_to_wire, webhook_to_wire,
};
use angarium_proto::registry::v1::{
    Change, DeletedEventType, DeletedWebhook, PartitionRevision, WatchRequest, WatchResponse, change,
};
use angarium_runtime::Shutdown;
use prost::Message;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use crate::feed::Entry;
use crate::state::{Delta, Holdings};
use crate::store::{Start, Store};

/// Beside the answers to confirmations, so that a follower that sends none knows how old its view is.
const HEARTBEAT: Duration = Duration::from_secs(2);
/// The most changes in one response.
const MAX_CHANGES: usize = 500;
/// A response is closed when its changes have this many bytes: far below what followers take.
const MAX_BYTES: usize = 1 << 20;

/// One follower's place.
#[derive(Debug)]
pub(crate) struct Watcher {
    store: Arc<Store>,
    applied: watch::Receiver<u64>,
    secrets: Secrets,
    shutdown: Shutdown,
    snapshot: Option<Snapshot>,
    /// What was taken from the feed and is not sent yet.
    pending: VecDeque<Entry>,
    /// The number of the entry to take next.
    cursor: u64,
    /// The next offset of each partition, once everything sent is applied.
    places: Vec<i64>,
    last_sent: Instant,
}

/// A snapshot that is being sent.
struct Snapshot {
    rest: Peekable<Box<dyn Iterator<Item = Delta> + Send>>,
    begun: bool,
}

impl std::fmt::Debug for Snapshot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Snapshot")
            .field("begun", &self.begun)
            .finish_non_exhaustive()
    }
}

impl Snapshot {
    fn new(holdings: Vec<Arc<Holdings>>) -> Self {
        let rest: Box<dyn Iterator<Item = Delta> + Send> =
            Box::new(holdings.into_iter().flat_map(|holdings| holdings.deltas()));
        Self {
            rest: rest.peekable(),
            begun: false,
        }
    }
}

impl Watcher {
    pub(crate) fn new(store: Arc<Store>, request: WatchRequest, shutdown: Shutdown) -> Self {
        let secrets = if request.include_secrets {
            Secrets::Include
        } else {
            Secrets::Omit
        };
        let applied = store.applied();
        let Start {
            snapshot,
            places,
            cursor,
        } = store.start(places(request.resume_from));
        let snapshot = snapshot.map(Snapshot::new);
        let last_sent = Instant::now();
        let pending = VecDeque::new();
        Self {
            store,
            applied,
            secrets,
            shutdown,
            snapshot,
            pending,
            cursor,
            places,
            last_sent,
        }
    }

    /// The next response; `None` once the shutdown has begun. Safe in `select!`.
    pub(crate) async fn next(&mut self) -> Option<WatchResponse> {
        while !self.shutdown.has_begun() {
            // Marked as seen before the feed is read: a change in between then ends the wait below.
            self.applied.borrow_and_update();
            if let Some(response) = self.part().or_else(|| self.deltas()) {
                self.last_sent = Instant::now();
                return Some(response);
            }
            tokio::select! {
                () = self.shutdown.begun() => {}
                // The sender lives as long as the store, so this never fails.
                _ = self.applied.changed() => {}
                () = sleep_until(self.last_sent + HEARTBEAT) => {
                    self.last_sent = Instant::now();
                    return Some(self.leading_here(Vec::new()));
                }
            }
        }
        None
    }

    /// The next part of the snapshot, if one is being sent.
    fn part(&mut self) -> Option<WatchResponse> {
        let mut snapshot = self.snapshot.take()?;
        let mut changes = Changes::new(self.secrets);
        while let Some(delta) = snapshot.rest.next_if(|_| changes.has_room()) {
            changes.push(&delta);
        }
        let mut response = if snapshot.rest.peek().is_none() {
            self.leading_here(changes.list)
        } else {
            WatchResponse {
                changes: changes.list,
                ..WatchResponse::default()
            }
        };
        response.reset = !snapshot.begun;
        if response.revisions.is_empty() {
            self.snapshot = Some(Snapshot {
                begun: true,
                ..snapshot
            });
        }
        Some(response)
    }

    /// The changes that have come since; a snapshot if some were missed.
    fn deltas(&mut self) -> Option<WatchResponse> {
        loop {
            if self.pending.is_empty() {
                match self.store.entries(self.cursor, MAX_CHANGES) {
                    Some(none) if none.is_empty() => return None,
                    Some(entries) => self.pending = entries.into(),
                    None => {
                        self.start_over();
                        return self.part();
                    }
                }
            }
            let mut changes = Changes::new(self.secrets);
            let mut moved = false;
            while changes.has_room()
                && let Some(entry) = self.pending.pop_front()
            {
                self.cursor += 1;
                if self.advance(&entry) {
                    moved = true;
                    entry.delta.iter().for_each(|delta| changes.push(delta));
                }
            }
            // Where nothing moved, the follower knew all of these when it came.
            if moved {
                return Some(self.leading_here(changes.list));
            }
        }
    }

    /// Moves the place of the entry's partition; false if the follower knows the entry already.
    fn advance(&mut self, entry: &Entry) -> bool {
        let place = usize::try_from(entry.partition)
            .ok()
            .and_then(|at| self.places.get_mut(at));
        let Some(place) = place.filter(|place| **place <= entry.offset) else {
            return false;
        };
        *place = entry.offset + 1;
        true
    }

    fn start_over(&mut self) {
        tracing::info!(
            cursor = self.cursor,
            "a follower was too slow for the recent changes: it gets a new snapshot"
        );
        let Start {
            snapshot,
            places,
            cursor,
        } = self.store.start(Vec::new());
        self.snapshot = snapshot.map(Snapshot::new);
        self.places = places;
        self.cursor = cursor;
    }

    fn leading_here(&self, changes: Vec<Change>) -> WatchResponse {
        WatchResponse {
            reset: false,
            changes,
            revisions: revisions(&self.places),
            lease: None,
        }
    }
}

/// The changes of a response.
struct Changes {
    list: Vec<Change>,
    bytes: usize,
    secrets: Secrets,
}

impl Changes {
    const fn new(secrets: Secrets) -> Self {
        Self {
            list: Vec::new(),
            bytes: 0,
            secrets,
        }
    }

    fn has_room(&self) -> bool {
        self.list.len() < MAX_CHANGES && self.bytes < MAX_BYTES
    }

    fn push(&mut self, delta: &Delta) {
        let change = match delta {
            Delta::Account(account) => change::Change::Account(account_to_wire(account)),
            Delta::Webhook(webhook) => change::Change::Webhook(webhook_to_wire(webhook, self.secrets)),
            Delta::ApiKey(key) => change::Change::ApiKey(api_key_to_wire(key, Secrets::Include)),
            Delta::EventType(own) => change::Change::EventType(event_type_to_wire(own)),
            Delta::EventTypeDeleted(home, name) => change::Change::DeletedEventType(DeletedEventType {
                account_id: home.account().map(AccountId::get),
                name: name.as_str().to_owned(),
            }),
            Delta::ApiKeyDeleted(id) => change::Change::DeletedApiKeyId(id.to_string()),
            Delta::AccountDeleted(id) => change::Change::DeletedAccountId(id.get()),
            Delta::WebhookDeleted {
                account,
                id,
                revision,
            } => change::Change::DeletedWebhook(DeletedWebhook {
                account_id: account.get(),
                id: id.to_string(),
                revision: revision.offset(),
            }),
        };
        let change = Change { change: Some(change) };
        self.bytes += change.encoded_len();
        self.list.push(change);
    }
}

/// As it is sent: the next offset of each partition.
pub(crate) fn revisions(places: &[i64]) -> Vec<PartitionRevision> {
    let revision = |(partition, next): (i32, &i64)| PartitionRevision {
        partition,
        revision: *next,
    };
    (0_i32..).zip(places).map(revision).collect()
}

/// By partition, in order; what is not a complete list stands for nothing known.
pub(crate) fn places(mut wire: Vec<PartitionRevision>) -> Vec<i64> {
    wire.sort_by_key(|known| known.partition);
    let complete = (0_i32..)
        .zip(&wire)
        .all(|(partition, known)| known.partition == partition);
    if complete {
        wire.into_iter().map(|known| known.revision).collect()
    } else {
        Vec::new()
    }
}

#[cfg(test)]
mod tests {
    use std::num::{NonZeroU32, NonZeroUsize};

    use super::*;
    use crate::record::Key;
    use crate::record::tests::{account, record};
    use crate::seal::SealKeys;

    /// One partition, loaded with so many accounts at the offsets from 1 on.
    fn store(accounts: u64, recent_changes: usize) -> Arc<Store> {
        let store = Store::new(
            NonZeroU32::MIN,
            NonZeroUsize::new(recent_changes).unwrap(),
            SealKeys::none(),
        );
        store.apply(&record(0, 0, &Key::Barrier, None)).unwrap();
        for id in 1..=accounts {
            put(&store, id);
        }
        store.loaded().unwrap();
        Arc::new(store)
    }

    /// Creates or changes an account at the next offset.
    fn put(store: &Store, id: u64) {
        let offset = store.read(|state| state.next()[0]);
        let key = Key::Account(AccountId::new(id).unwrap());
        store
            .apply(&record(0, offset, &key, Some(&account(id, "Acme"))))
            .unwrap();
    }

    fn watcher(store: &Arc<Store>, resume_from: &[i64]) -> Watcher {
        let request = WatchRequest {
            resume_from: revisions(resume_from),
            ..WatchRequest::default()
        };
        Watcher::new(Arc::clone(store), request, Shutdown::new())
    }

    /// Reset, the accounts named, and the place that it leads to.
    fn summary(response: &WatchResponse) -> (bool, Vec<u64>, Option<i64>) {
        let id = |change: &Change| match change.change.as_ref().unwrap() {
            change::Change::Account(account) => account.id,
            other => panic!("{other:?}"),
        };
        let place = response.revisions.first().map(|known| known.revision);
        (response.reset, response.changes.iter().map(id).collect(), place)
    }

    #[tokio::test]
    async fn a_snapshot_comes_in_parts_of_500_and_only_the_last_leads_somewhere() {
        let store = store(1_001, 10);
        let mut watcher = watcher(&store, &[]);
        let mut parts = Vec::new();
        for _ in 0..3 {
            let (reset, ids, place) = summary(&watcher.next().await.unwrap());
            parts.push((reset, ids.len(), place));
        }
        assert_eq!(
            parts,
            [(true, 500, None), (false, 500, None), (false, 1, Some(1_002))]
        );
    }

    #[tokio::test]
    async fn an_empty_registry_sends_an_empty_snapshot() {
        let (reset, ids, place) = summary(&watcher(&store(0, 10), &[]).next().await.unwrap());
        assert_eq!((reset, ids, place), (true, vec![], Some(1)));
    }

    #[tokio::test]
    async fn changes_during_a_snapshot_follow_it_and_do_not_touch_it() {
        let store = store(501, 10);
        let mut watcher = watcher(&store, &[]);
        watcher.next().await.unwrap();
        put(&store, 1_000);
        assert_eq!(
            summary(&watcher.next().await.unwrap()),
            (false, vec![501], Some(502))
        );
        assert_eq!(
            summary(&watcher.next().await.unwrap()),
            (false, vec![1_000], Some(503))
        );
    }

    #[tokio::test]
    async fn a_follower_that_comes_back_gets_only_what_it_does_not_know() {
        let store = store(3, 10);
        for id in [10, 11, 12] {
            put(&store, id);
        }
        assert_eq!(
            summary(&watcher(&store, &[5]).next().await.unwrap()),
            (false, vec![11, 12], Some(7))
        );
        assert_eq!(
            summary(&watcher(&store, &[4]).next().await.unwrap()).1,
            [10, 11, 12]
        );
    }

    #[tokio::test]
    async fn a_place_that_the_feed_does_not_cover_gets_a_snapshot() {
        let store = store(3, 2);
        for id in [10, 11, 12] {
            put(&store, id);
        }
        for unknown in [&[3][..], &[8], &[7, 0]] {
            let (reset, ids, place) = summary(&watcher(&store, unknown).next().await.unwrap());
            assert_eq!(
                (reset, ids.len(), place),
                (true, 6, Some(7)),
                "resumed from {unknown:?}"
            );
        }
    }

    #[tokio::test]
    async fn a_follower_that_is_too_slow_starts_over_and_holds_up_nobody() {
        let store = store(1, 2);
        let mut watcher = watcher(&store, &[]);
        watcher.next().await.unwrap();
        for id in [10, 11, 12] {
            put(&store, id);
        }
        assert_eq!(
            summary(&watcher.next().await.unwrap()),
            (true, vec![1, 10, 11, 12], Some(5))
        );
        put(&store, 13);
        assert_eq!(
            summary(&watcher.next().await.unwrap()),
            (false, vec![13], Some(6))
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_quiet_registry_says_every_2_s_where_it_stands() {
        let store = store(1, 10);
        let mut watcher = watcher(&store, &[]);
        watcher.next().await.unwrap();
        for _ in 0..3 {
            let begun = Instant::now();
            assert_eq!(summary(&watcher.next().await.unwrap()), (false, vec![], Some(2)));
            assert_eq!(begun.elapsed(), HEARTBEAT);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_change_is_sent_at_once_and_not_at_the_next_heartbeat() {
        let store = store(1, 10);
        let mut watcher = watcher(&store, &[]);
        watcher.next().await.unwrap();
        let begun = Instant::now();
        let (response, ()) = tokio::join!(watcher.next(), async {
            tokio::task::yield_now().await;
            put(&store, 2);
        });
        assert_eq!(summary(&response.unwrap()), (false, vec![2], Some(3)));
        assert_eq!(begun.elapsed(), Duration::ZERO);
    }

    #[tokio::test]
    async fn the_stream_ends_with_the_shutdown() {
        let shutdown = Shutdown::new();
        let mut watcher = Watcher::new(store(0, 10), WatchRequest::default(), shutdown.clone());
        watcher.next().await.unwrap();
        let (end, ()) = tokio::join!(watcher.next(), async { shutdown.begin() });
        assert!(end.is_none());
    }
}
