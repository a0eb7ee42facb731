//! How many tests may be under way at once.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use angarium_model::AccountId;

/// In this worker: a test may hang for 15 s, and the connections belong to deliveries.
pub(super) const PER_WORKER: usize = 16;
/// Of one account, so that none keeps the others from testing.
pub(super) const PER_ACCOUNT: usize = 2;

/// Counts the tests under way. Clones count together.
#[derive(Clone, Debug, Default)]
pub(super) struct UnderWay {
    /// No account is here without a test, so there are at most [`PER_WORKER`].
    tests: Arc<Mutex<HashMap<AccountId, usize>>>,
}

/// Which bound is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Full {
    Worker,
    Account(AccountId),
}

/// A test under way; dropped when it ends.
#[derive(Debug)]
pub(super) struct Permit {
    under_way: UnderWay,
    account: AccountId,
}

impl UnderWay {
    /// Begins a test, if there is room.
    pub(super) fn begin(&self, account: AccountId) -> Result<Permit, Full> {
        let mut tests = self.lock();
        if tests.get(&account).is_some_and(|count| *count >= PER_ACCOUNT) {
            return Err(Full::Account(account));
        }
        if tests.values().sum::<usize>() >= PER_WORKER {
            return Err(Full::Worker);
        }
        *tests.entry(account).or_default() += 1;
        Ok(Permit {
            under_way: self.clone(),
            account,
        })
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<AccountId, usize>> {
        self.tests.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let mut tests = self.under_way.lock();
        if let Some(count) = tests.get_mut(&self.account) {
            *count -= 1;
            if *count == 0 {
                tests.remove(&self.account);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn account(id: u64) -> AccountId {
        AccountId::new(id).unwrap()
    }

    #[test]
    fn w5_two_tests_of_an_account_and_16_in_all_are_under_way_at_once() {
        let under_way = UnderWay::default();
        let mut permits: Vec<_> = (0..8)
            .flat_map(|id| [id, id])
            .map(|id| under_way.begin(account(id)).unwrap())
            .collect();
        assert_eq!(under_way.begin(account(8)).unwrap_err(), Full::Worker);
        assert_eq!(
            under_way.begin(account(3)).unwrap_err(),
            Full::Account(account(3))
        );
        drop(permits.pop());
        permits.push(under_way.begin(account(8)).unwrap());
        assert_eq!(under_way.begin(account(9)).unwrap_err(), Full::Worker);
        drop(permits);
        assert!(under_way.lock().is_empty());
    }
}
