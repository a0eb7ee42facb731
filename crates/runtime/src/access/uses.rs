//! Which API keys are used: told to the registry, so that people see which nobody needs any more.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use angarium_model::KeyId;
use tokio::sync::mpsc;

use crate::millis;

/// A key's use is told once in this time, however often it is used: else every call would be a write. Who is told writes it down if what
/// is known is as old. Each of the two may be late by this, so that the latest use is known to within an hour.
pub const TOLD_EVERY: Duration = Duration::from_mins(30);
/// The most uses that wait to be told. What does not fit is told with a later use.
const MAX_UNTOLD: usize = 1_024;
/// The most keys that are remembered. Beyond it all are forgotten, and told anew: who is told knows most of it.
const MAX_REMEMBERED: usize = 100_000;

/// Takes down which keys are used. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Uses {
    /// When a key's use was last told, Unix milliseconds.
    told: Arc<Mutex<HashMap<KeyId, i64>>>,
    untold: mpsc::Sender<Used>,
}

/// That a key was used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Used {
    /// The key.
    pub key: KeyId,
    /// When: Unix milliseconds.
    pub at_ms: i64,
}

impl Uses {
    /// What takes them down, and what is to be told.
    #[must_use]
    pub fn new() -> (Self, mpsc::Receiver<Used>) {
        let (untold, to_tell) = mpsc::channel(MAX_UNTOLD);
        let told = Arc::default();
        (Self { told, untold }, to_tell)
    }

    /// What was to be told of a key was not: its next use is told.
    pub fn forget(&self, key: KeyId) {
        self.told().remove(&key);
    }

    fn told(&self) -> MutexGuard<'_, HashMap<KeyId, i64>> {
        // Nothing panics while it is held, so a poisoned map is still whole.
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A key is used at this time, Unix milliseconds. Waits for nothing.
    pub fn note(&self, key: KeyId, at_ms: i64) {
        let mut told = self.told();
        let is_told = told
            .get(&key)
            .is_some_and(|last_ms| at_ms < last_ms.saturating_add(millis(TOLD_EVERY)));
        if is_told || self.untold.try_send(Used { key, at_ms }).is_err() {
            return;
        }
        if told.len() >= MAX_REMEMBERED {
            told.clear();
        }
        told.insert(key, at_ms);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HALF_MS: i64 = 1_800_000;

    fn key(number: u16) -> KeyId {
        let [high, low] = number.to_be_bytes();
        let mut bytes = [0; 16];
        (bytes[0], bytes[1]) = (high, low);
        KeyId::from_bytes(bytes)
    }

    fn told(to_tell: &mut mpsc::Receiver<Used>) -> Vec<(KeyId, i64)> {
        let all = std::iter::from_fn(|| to_tell.try_recv().ok());
        all.map(|used| (used.key, used.at_ms)).collect()
    }

    #[test]
    fn a_key_that_is_used_all_the_time_is_told_of_every_half_hour() {
        let (uses, mut to_tell) = Uses::new();
        for at_ms in (0..=2 * HALF_MS).step_by(60_000) {
            uses.note(key(1), at_ms);
        }
        uses.note(key(2), 5);
        let expected = [(1, 0), (1, HALF_MS), (1, 2 * HALF_MS), (2, 5)];
        assert_eq!(
            told(&mut to_tell),
            expected.map(|(number, at_ms)| (key(number), at_ms))
        );
    }

    #[test]
    fn what_could_not_be_told_is_told_with_the_next_use() {
        let (uses, mut to_tell) = Uses::new();
        uses.note(key(1), 0);
        uses.forget(key(1));
        uses.note(key(1), 1);
        assert_eq!(told(&mut to_tell), [(key(1), 0), (key(1), 1)]);
    }

    #[test]
    fn what_nobody_takes_is_bounded_and_told_with_a_later_use() {
        let (uses, mut to_tell) = Uses::new();
        let most = u16::try_from(MAX_UNTOLD).unwrap();
        for number in 0..=most {
            uses.note(key(number), 0);
        }
        assert_eq!(told(&mut to_tell).len(), MAX_UNTOLD);
        uses.note(key(0), 1);
        uses.note(key(most), 1);
        assert_eq!(told(&mut to_tell), [(key(most), 1)]);
    }
}
