//! G1: what was taken before.
//!
//! A claim is atomic: of two requests that carry the same event, in whatever process, one gets it. It is given back when
//! the work fails, and a claim that is made again for the same request is still its own: a store that answers an error
//! after it has done its part loses nothing.

#[cfg(feature = "redis")]
pub(crate) mod redis;

use std::convert::Infallible;
use std::fmt;
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use angarium_model::AccountId;
use sha2::{Digest as _, Sha256};

use crate::bounded::Bounded;
use crate::{Arrival, Event, Group};

/// Where it is remembered what was taken. Of a bounded window: what left it is taken again.
pub trait Seen: Send + Sync {
    /// Why it cannot be asked.
    type Error: std::error::Error + Send + Sync + 'static;

    /// Claims each key for `arrival` unless another arrival has it, and says of each whether it is `arrival`'s now.
    ///
    /// # Errors
    /// When that is not known. Claim again for the same arrival: what it has got already stays its own.
    fn claim(
        &self,
        arrival: Arrival,
        keys: &[Key],
    ) -> impl Future<Output = Result<Vec<bool>, Self::Error>> + Send;

    /// Gives back those of the keys that `arrival` has: their work failed.
    ///
    /// # Errors
    /// When that is not known. Until the window is over they may pass for taken.
    fn release(&self, arrival: Arrival, keys: &[Key])
    -> impl Future<Output = Result<(), Self::Error>> + Send;
}

/// What is remembered of an event or a group: as long as any other, however long its ids are.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Key {
    account: AccountId,
    hash: [u8; 32],
}

impl Key {
    /// Of an event: account, name and id (E7).
    #[must_use]
    pub fn of_event(event: &Event) -> Self {
        Self::new(event.account, b'e', event.name.as_str(), event.id.as_str())
    }

    /// Of a group: its `webhook-id`, with the account of its events. `None` of a group without events.
    #[must_use]
    pub fn of_group(group: &Group) -> Option<Self> {
        let account = group.events.first()?.account;
        Some(Self::new(account, b'g', "", &group.id))
    }

    fn new(account: AccountId, kind: u8, name: &str, id: &str) -> Self {
        let mut hash = Sha256::new();
        hash.update([kind]);
        // With its length, so that no end of a name is taken for the beginning of an id.
        hash.update(name.len().to_be_bytes());
        hash.update(name);
        hash.update(id);
        Self {
            account,
            hash: hash.finalize().into(),
        }
    }

    /// Whose it is: stores may keep an account's keys together.
    #[must_use]
    pub const fn account(&self) -> AccountId {
        self.account
    }

    /// SHA-256 of the rest.
    #[must_use]
    pub const fn hash(&self) -> &[u8; 32] {
        &self.hash
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [first, second, ..] = self.hash;
        write!(f, "Key({}, {first:02x}{second:02x}…)", self.account)
    }
}

/// Remembers in this process: enough for a receiver of one process whose restarts may repeat something.
#[derive(Clone, Debug)]
pub struct Memory(Arc<Mutex<Bounded<Key, Arrival>>>);

impl Memory {
    /// Remembers at most so many events, each some 200 bytes; of more, those that came longest ago are forgotten.
    #[must_use]
    pub fn new(events: NonZeroUsize) -> Self {
        Self(Arc::new(Mutex::new(Bounded::new(events))))
    }

    fn lock(&self) -> MutexGuard<'_, Bounded<Key, Arrival>> {
        // Nothing panics while it is held, so a poisoned one is still whole.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn claim_now(&self, arrival: Arrival, keys: &[Key]) -> Vec<bool> {
        let mut seen = self.lock();
        let claim = |key: &Key| match seen.get(key) {
            Some(holder) => *holder == arrival,
            None => {
                seen.put(*key, arrival);
                true
            }
        };
        keys.iter().map(claim).collect()
    }

    fn release_now(&self, arrival: Arrival, keys: &[Key]) {
        let mut seen = self.lock();
        for key in keys {
            if seen.get(key) == Some(&arrival) {
                seen.remove(key);
            }
        }
    }
}

impl Seen for Memory {
    type Error = Infallible;

    async fn claim(&self, arrival: Arrival, keys: &[Key]) -> Result<Vec<bool>, Infallible> {
        Ok(self.claim_now(arrival, keys))
    }

    async fn release(&self, arrival: Arrival, keys: &[Key]) -> Result<(), Infallible> {
        self.release_now(arrival, keys);
        Ok(())
    }
}
