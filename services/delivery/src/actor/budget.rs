//! How many calls may be under way at once in this worker, both lanes together.
//!
//! Each class has room of its own, so that receivers that hang or come back take nothing from those that keep up
//! (DESIGN §7, isolation). Within a class no account takes it all: it may have as many calls under way as there are
//! places left, or [`ALWAYS`], and in them as many bytes as are left, or one group. So one account alone has half of
//! them, and a second one that comes finds room at once.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Arc, Mutex, PoisonError};

use angarium_model::AccountId;
use angarium_runtime::metrics::figure_of;
use opentelemetry::KeyValue;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};

use crate::config::Config;
use crate::hook::Class;
use crate::metrics::{CLASS, ROOM, UNDER_WAY};

/// Calls that any account may have under way, if there is room for one at all: it is not worth telling accounts apart
/// while none has more.
const ALWAYS: usize = 16;

/// What the groups of all calls of a class may hold, in bytes, nearly: every account may have one call more. Their bodies
/// are as large again.
const MOST_BYTES: usize = 32 * 1024 * 1024;

/// What they may hold with those calls, nearly: a worker that ends for want of memory helps nobody.
const MOST_BYTES_OF_ALL: usize = 256 * 1024 * 1024;

/// The room of all classes. Cheap to clone: all clones are one.
#[derive(Clone, Debug)]
pub(crate) struct Budget {
    live: Arc<Room>,
    catch_up: Arc<Room>,
    retry: Arc<Room>,
}

/// Room for the calls of one class.
#[derive(Debug)]
pub(super) struct Room {
    most: usize,
    places: Arc<Semaphore>,
    used: Mutex<Used>,
    /// A call of any class has ended.
    freed: Arc<Notify>,
}

/// What calls under way have of a room.
#[derive(Debug, Default)]
struct Used {
    bytes: usize,
    accounts: HashMap<AccountId, Share>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Share {
    calls: usize,
    bytes: usize,
}

/// A call's place.
#[derive(Debug)]
pub(super) struct Place {
    room: Arc<Room>,
    account: AccountId,
    bytes: usize,
    /// Given back before others are told that it is free.
    place: Option<OwnedSemaphorePermit>,
}

impl Budget {
    pub(crate) fn new(config: &Config) -> Self {
        let freed = Arc::default();
        let room = |places| Arc::new(Room::new(places, Arc::clone(&freed)));
        Self {
            live: room(config.max_in_flight),
            catch_up: room(config.max_catch_up),
            retry: room(config.max_probes),
        }
    }

    /// What is taken of it is measured from now on.
    pub(crate) fn observe(&self) {
        let budget = self.clone();
        UNDER_WAY.observe(move |tell| {
            for class in Class::ALL {
                let room = budget.room(class);
                let taken = room.most.saturating_sub(room.places.available_permits());
                tell(figure_of(taken), &[KeyValue::new(CLASS, class.as_str())]);
            }
        });
        let budget = self.clone();
        ROOM.observe(move |tell| {
            for class in Class::ALL {
                tell(
                    figure_of(budget.room(class).most),
                    &[KeyValue::new(CLASS, class.as_str())],
                );
            }
        });
    }

    pub(super) fn room(&self, class: Class) -> &Arc<Room> {
        match class {
            Class::Live => &self.live,
            Class::CatchUp => &self.catch_up,
            Class::Retry => &self.retry,
        }
    }
}

impl Room {
    fn new(places: usize, freed: Arc<Notify>) -> Self {
        Self {
            most: places,
            places: Arc::new(Semaphore::new(places)),
            used: Mutex::default(),
            freed,
        }
    }

    /// Whether the account may have one more call under way, if there is a place.
    pub(super) fn admits(&self, account: AccountId) -> bool {
        let used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(share) = used.accounts.get(&account) else {
            return used.bytes < MOST_BYTES_OF_ALL;
        };
        share.calls < ALWAYS.max(self.places.available_permits())
            && share.bytes < MOST_BYTES.saturating_sub(used.bytes)
    }

    /// A place, if one is free and nobody has waited for longer.
    pub(super) fn try_place(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.places).try_acquire_owned().ok()
    }

    /// The next place that is free, in the order of asking.
    pub(super) fn place(&self) -> impl Future<Output = Option<OwnedSemaphorePermit>> + Send + use<> {
        let places = Arc::clone(&self.places);
        // It is never closed, so a place always comes.
        async move { places.acquire_owned().await.ok() }
    }

    /// Resolves when a call of any class ends from now on: whom this room did not admit it may admit then.
    pub(super) fn freed(&self) -> impl Future<Output = ()> + Send + use<> {
        Arc::clone(&self.freed).notified_owned()
    }

    /// The place becomes that of an account's call, whose group has so many bytes.
    pub(super) fn taken(
        self: &Arc<Self>,
        account: AccountId,
        bytes: usize,
        place: OwnedSemaphorePermit,
    ) -> Place {
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        used.bytes += bytes;
        let share = used.accounts.entry(account).or_default();
        share.calls += 1;
        share.bytes += bytes;
        Place {
            room: Arc::clone(self),
            account,
            bytes,
            place: Some(place),
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut used = self.room.used.lock().unwrap_or_else(PoisonError::into_inner);
        used.bytes -= self.bytes;
        if let Entry::Occupied(mut share) = used.accounts.entry(self.account) {
            share.get_mut().calls -= 1;
            share.get_mut().bytes -= self.bytes;
            if share.get().calls == 0 {
                share.remove();
            }
        }
        drop(used);
        self.place = None;
        self.room.freed.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn account(number: u64) -> AccountId {
        AccountId::new(number).unwrap()
    }

    fn room(places: usize) -> Arc<Room> {
        Arc::new(Room::new(places, Arc::default()))
    }

    fn take(room: &Arc<Room>, account: AccountId) -> Option<Place> {
        take_bytes(room, account, 1)
    }

    fn take_bytes(room: &Arc<Room>, account: AccountId, bytes: usize) -> Option<Place> {
        let place = room.admits(account).then(|| room.try_place()).flatten()?;
        Some(room.taken(account, bytes, place))
    }

    fn take_all(room: &Arc<Room>, account: AccountId) -> Vec<Place> {
        std::iter::from_fn(|| take(room, account)).collect()
    }

    #[test]
    fn an_account_leaves_as_much_as_it_takes() {
        let room = room(1_000);
        let first = take_all(&room, account(1));
        assert_eq!(first.len(), 500);
        let second = take_all(&room, account(2));
        assert_eq!(second.len(), 250);
        drop(first);
        assert_eq!(take_all(&room, account(2)).len(), 250, "with 250 that it has");
    }

    #[test]
    fn a_few_calls_are_always_admitted_and_all_places_are_used() {
        let room = room(40);
        let calls: Vec<Place> = (1..=3)
            .flat_map(|number| take_all(&room, account(number)))
            .collect();
        assert_eq!(calls.len(), 40);
        assert!(room.admits(account(4)) && room.try_place().is_none());
        drop(calls);
        assert!(room.used.lock().unwrap().accounts.is_empty());
    }

    #[test]
    fn large_groups_leave_room_for_those_of_others_and_every_account_has_one_call() {
        const MIB: usize = 1 << 20;
        let room = room(1_000);
        let large: Vec<Place> = std::iter::from_fn(|| take_bytes(&room, account(1), MIB)).collect();
        assert_eq!(large.len(), 16, "half of 32 MiB");
        let others: Vec<Place> = (2..100)
            .map_while(|number| take_bytes(&room, account(number), MIB))
            .collect();
        assert_eq!(others.len(), 98);
        assert!(take_bytes(&room, account(2), MIB).is_none());
        drop(others);
        drop(large);
        assert_eq!(room.used.lock().unwrap().bytes, 0);
    }

    #[test]
    fn first_calls_of_very_many_accounts_have_a_bound_together() {
        const MIB: usize = 1 << 20;
        let room = room(1_000);
        let mut calls: Vec<Place> = (1..=1_000)
            .map_while(|number| take_bytes(&room, account(number), MIB))
            .collect();
        assert_eq!(calls.len(), 256);
        calls.pop();
        assert!(room.admits(account(1_000)));
    }

    #[tokio::test]
    async fn whoever_was_not_admitted_is_told_when_a_call_ends() {
        let room = room(32);
        let mut calls = take_all(&room, account(1));
        assert_eq!(calls.len(), 16);
        let _others = take_all(&room, account(2));
        let freed = room.freed();
        assert!(!room.admits(account(1)));
        calls.pop();
        freed.await;
        assert!(room.admits(account(1)));
    }
}
