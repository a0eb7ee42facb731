//! This registry as a follower of those that write: its followers' confirmations are passed on to them, and its leases
//! bound those that it gives.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use angarium_directory::{Next, SILENCE, Standing, Watching};
use angarium_proto::registry::v1::WatchRequest;
use angarium_runtime::{Shutdown, Tasks, uptime};
use tokio::time::{sleep, timeout};
use tonic::Status;

use crate::peers::Peers;
use crate::sessions::{LEASE, Sessions};
use crate::store::Store;
use crate::watch::revisions;
use crate::writers::{Author, Writers};

/// Before one that cannot be followed is tried again.
const PAUSE: Duration = Duration::from_millis(200);

/// The registries that write what this one does not, and what each allows.
#[derive(Clone, Debug)]
pub(crate) struct Upstream {
    /// By endpoint.
    standings: Arc<Mutex<HashMap<String, Arc<Standing>>>>,
    store: Arc<Store>,
    sessions: Arc<Sessions>,
    writers: Writers,
    peers: Peers,
    /// Since when no follower may have a lease, by [`uptime`].
    none_since: Arc<Mutex<Option<Duration>>>,
}

/// How an attempt to follow another registry ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// Nobody listens there.
    Refused,
}

/// Who cannot say for so long that followers may act is as good as away.
const BLIND: Duration = Duration::from_secs(3);

impl Upstream {
    pub(crate) fn new(
        store: &Arc<Store>,
        sessions: &Arc<Sessions>,
        writers: &Writers,
        peers: &Peers,
    ) -> Self {
        Self {
            standings: Arc::default(),
            store: Arc::clone(store),
            sessions: Arc::clone(sessions),
            writers: writers.clone(),
            peers: peers.clone(),
            none_since: Arc::default(),
        }
    }

    /// The longest lease that another registry may have of this one: as long as nobody else can write what this one does.
    /// Of the others that write it has leases itself: were they to count here, two that write would shorten one another's.
    pub(crate) fn longest_lease_of_registries(&self) -> Duration {
        self.longest_lease(|_endpoint| LEASE)
    }

    /// The longest lease that a service may have now: whoever writes waits for this registry, or is this registry, as
    /// long.
    ///
    /// # Errors
    /// While this registry does not know for long who writes: followers go to another, or on with what they know.
    pub(crate) fn longest_lease_of_services(&self) -> Result<Duration, Status> {
        let longest = self.longest_lease_now();
        let now = uptime();
        let mut none_since = self.none_since();
        *none_since = longest.is_zero().then(|| none_since.unwrap_or(now));
        if none_since.is_some_and(|since| now.saturating_sub(since) > BLIND) {
            // Whoever is turned away may go on alone.
            self.sessions.turns_away();
            let message =
                "this registry does not hear of those that write: is Kafka away, or one of them frozen?";
            return Err(Status::unavailable(message));
        }
        Ok(longest)
    }

    /// Whether this registry itself may act by what it has read, as a service with a lease of it may, or one that goes on
    /// alone.
    pub(crate) fn is_in_force(&self) -> bool {
        let is_blind = |since: Duration| uptime().saturating_sub(since) > BLIND;
        !self.longest_lease_now().is_zero() || self.none_since().is_some_and(is_blind)
    }

    fn longest_lease_now(&self) -> Duration {
        let standings = self.standings();
        self.longest_lease(|endpoint| match standings.get(endpoint) {
            Some(standing) => standing.left().unwrap_or(LEASE),
            // It has just said that it writes.
            None => Duration::ZERO,
        })
    }

    /// The shortest of what each writer allows.
    fn longest_lease(&self, of_another: impl Fn(&str) -> Duration) -> Duration {
        let allowed = self.writers.authors().map(|author| match author {
            Author::Nobody => LEASE,
            Author::This(open) => open.lease.left(),
            // It has lost the partition, and has not read yet to whom.
            Author::Unknown => Duration::ZERO,
            Author::Other(endpoint) => of_another(&endpoint),
        });
        allowed.min().unwrap_or(LEASE)
    }

    /// Follows every other registry for as long as it writes, until the shutdown begins.
    pub(crate) async fn follow(self, tasks: Tasks) {
        let shutdown = tasks.shutdown().clone();
        let mut applied = self.store.applied();
        loop {
            self.follow_new(&tasks);
            tokio::select! {
                () = shutdown.begun() => return,
                // The sender lives as long as the store.
                _ = applied.changed() => {}
            }
        }
    }

    /// Begins to follow those that write from now on; those that do no more are left.
    fn follow_new(&self, tasks: &Tasks) {
        let others = self.others();
        let mut standings = self.standings();
        standings.retain(|endpoint, _| others.contains(endpoint));
        for endpoint in others {
            standings.entry(endpoint.clone()).or_insert_with(|| {
                let standing = Arc::new(Standing::new());
                let following =
                    self.clone()
                        .follow_one(endpoint, Arc::clone(&standing), tasks.shutdown().clone());
                tasks.spawn("registry upstream", following);
                standing
            });
        }
    }

    /// The other registries that write a partition.
    fn others(&self) -> Vec<String> {
        let other = |author| match author {
            Author::Other(endpoint) => Some(endpoint),
            Author::Nobody | Author::This(_) | Author::Unknown => None,
        };
        let mut endpoints: Vec<String> = self.writers.authors().filter_map(other).collect();
        endpoints.sort_unstable();
        endpoints.dedup();
        endpoints
    }

    async fn follow_one(self, endpoint: String, standing: Arc<Standing>, shutdown: Shutdown) {
        let is_followed = || {
            self.standings()
                .get(&endpoint)
                .is_some_and(|known| Arc::ptr_eq(known, &standing))
        };
        let following = async {
            while is_followed() {
                let began = uptime();
                // One that is silent may only be slow: it is waited for until another takes its partitions over.
                if self.session(&endpoint, &standing, &is_followed).await == Some(End::Refused) {
                    standing.found_nobody(began);
                }
                self.peers.forget(&endpoint);
                sleep(PAUSE).await;
            }
        };
        tokio::select! {
            () = shutdown.begun() => {}
            () = following => {}
        }
    }

    /// Confirms until the connection ends, or there is nothing to follow any more.
    async fn session(
        &self,
        endpoint: &str,
        standing: &Standing,
        is_followed: &(impl Fn() -> bool + Sync),
    ) -> Option<End> {
        let mut peer = match timeout(SILENCE, self.peers.reach(endpoint)).await {
            Ok(Some(peer)) => peer,
            Ok(None) => return Some(End::Refused),
            Err(_elapsed) => return None,
        };
        let first = WatchRequest {
            leases_only: true,
            ..WatchRequest::default()
        };
        if let Ok(watching) = Watching::begin(&mut peer, first, SILENCE).await {
            self.listen(watching, standing, is_followed).await;
        }
        None
    }

    async fn listen(
        &self,
        mut watching: Watching,
        standing: &Standing,
        is_followed: &(impl Fn() -> bool + Sync),
    ) {
        let mut moves = self.sessions.moves();
        let mut applied = self.store.applied();
        let mut sent = Vec::new();
        loop {
            let is_due = tokio::select! {
                next = watching.next(standing) => match next {
                    Ok(Next::Due) => true,
                    Ok(Next::Leased | Next::Changes(_)) => continue,
                    Err(_lost) => return,
                },
                // The senders live as long as the service.
                _ = moves.changed() => false,
                _ = applied.changed() => false,
            };
            if is_due && !is_followed() {
                return;
            }
            let confirmed = self.confirmed();
            if is_due || confirmed != sent {
                watching.confirm(revisions(&confirmed));
                sent = confirmed;
            }
        }
    }

    /// How far everyone has come that follows this registry.
    fn confirmed(&self) -> Vec<i64> {
        let ends = self.store.read(|state| state.next().to_vec());
        self.sessions.confirmed_of(&ends)
    }

    fn none_since(&self) -> MutexGuard<'_, Option<Duration>> {
        self.none_since.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn standings(&self) -> MutexGuard<'_, HashMap<String, Arc<Standing>>> {
        // Nothing panics while it is held, so a poisoned map is still whole.
        self.standings.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
