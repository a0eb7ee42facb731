//! How many calls may be under way at once in this worker, both lanes together.
//!
//! Each class has room of its own, so that receivers that hang or come back take nothing from those that keep up
//! (DESIGN §7, isolation). Within a class no account takes it all: it may have as many calls under way as there are
//! places left, and [`ALWAYS`]. So one account alone has half of them, and a second one that comes finds room at once.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Arc, Mutex, PoisonError};

use angarium_model::AccountId;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};

use crate::config::Config;
use crate::hook::Class;

/// Calls that any account may have under way, if there is room for one at all: it is not worth telling accounts apart
/// while none has more.
const ALWAYS: usize = 16;

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
    places: Arc<Semaphore>,
    used: Mutex<HashMap<AccountId, usize>>,
    /// A call of any account has ended.
    freed: Arc<Notify>,
}

/// A call's place.
#[derive(Debug)]
pub(super) struct Place {
    room: Arc<Room>,
    account: AccountId,
    /// Given back before others are told that it is free.
    place: Option<OwnedSemaphorePermit>,
}

impl Budget {
    pub(crate) fn new(config: &Config) -> Self {
        let room = |places| Arc::new(Room::new(places));
        Self {
            live: room(config.max_in_flight),
            catch_up: room(config.max_catch_up),
            retry: room(config.max_probes),
        }
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
    fn new(places: usize) -> Self {
        Self {
            places: Arc::new(Semaphore::new(places)),
            used: Mutex::default(),
            freed: Arc::default(),
        }
    }

    /// Whether the account may have one more call under way, if there is a place.
    pub(super) fn admits(&self, account: AccountId) -> bool {
        let used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        let of_account = used.get(&account).copied().unwrap_or(0);
        of_account < ALWAYS.max(self.places.available_permits())
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

    /// Resolves when a call ends from now on: whom this room did not admit it may admit then.
    pub(super) fn freed(&self) -> impl Future<Output = ()> + Send + use<> {
        Arc::clone(&self.freed).notified_owned()
    }

    /// The place becomes that of an account's call.
    pub(super) fn taken(self: &Arc<Self>, account: AccountId, place: OwnedSemaphorePermit) -> Place {
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        *used.entry(account).or_default() += 1;
        Place {
            room: Arc::clone(self),
            account,
            place: Some(place),
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut used = self.room.used.lock().unwrap_or_else(PoisonError::into_inner);
        if let Entry::Occupied(mut of_account) = used.entry(self.account) {
            *of_account.get_mut() -= 1;
            if *of_account.get() == 0 {
                of_account.remove();
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

    fn take(room: &Arc<Room>, account: AccountId) -> Option<Place> {
        let place = room.admits(account).then(|| room.try_place()).flatten()?;
        Some(room.taken(account, place))
    }

    fn take_all(room: &Arc<Room>, account: AccountId) -> Vec<Place> {
        std::iter::from_fn(|| take(room, account)).collect()
    }

    #[test]
    fn an_account_leaves_as_much_as_it_takes() {
        let room = Arc::new(Room::new(1_000));
        let first = take_all(&room, account(1));
        assert_eq!(first.len(), 500);
        let second = take_all(&room, account(2));
        assert_eq!(second.len(), 250);
        drop(first);
        assert_eq!(take_all(&room, account(2)).len(), 250, "with 250 that it has");
    }

    #[test]
    fn a_few_calls_are_always_admitted_and_all_places_are_used() {
        let room = Arc::new(Room::new(40));
        let calls: Vec<Place> = (1..=3)
            .flat_map(|number| take_all(&room, account(number)))
            .collect();
        assert_eq!(calls.len(), 40);
        assert!(room.admits(account(4)) && room.try_place().is_none());
        drop(calls);
        assert!(room.used.lock().unwrap().is_empty());
    }

    #[tokio::test]
    async fn whoever_was_not_admitted_is_told_when_a_call_ends() {
        let room = Arc::new(Room::new(32));
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
