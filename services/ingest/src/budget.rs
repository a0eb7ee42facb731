//! How many requests are under way at once: one budget for HTTP and gRPC, because both hold bodies in the same memory.
//! How many streams are open has a budget of its own. Of each, keys of one account have a part.

use std::sync::Arc;
use std::time::Duration;

use angarium_model::{Access, AccountId};
use angarium_runtime::metrics::figure_of;
use angarium_runtime::{Full, Permit, UnderWay};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::metrics::UNDER_WAY;

/// Keys of one account have this part of a budget, or a single request: others have the rest. Keys of the platform publish
/// for all accounts, and have all of it.
const PART: usize = 4;

/// What is left for further requests.
#[derive(Clone, Debug)]
pub(crate) struct Budget {
    left: Arc<Semaphore>,
    all: usize,
    of_accounts: UnderWay<AccountId>,
}

/// One request's share; it goes back with the last clone.
#[derive(Clone, Debug)]
pub(crate) struct Share(#[expect(dead_code, reason = "it is held, not read")] Arc<Held>);

type Held = (OwnedSemaphorePermit, Option<Permit<AccountId>>);

impl Budget {
    pub(crate) fn new(requests: usize) -> Self {
        let all = requests.min(Semaphore::MAX_PERMITS);
        Self {
            left: Arc::new(Semaphore::new(all)),
            all,
            of_accounts: UnderWay::new(all, (all / PART).max(1)),
        }
    }

    /// What is taken of it is measured from now on.
    pub(crate) fn observe(&self) {
        let budget = self.clone();
        UNDER_WAY.observe(move |tell| {
            let taken = budget.all.saturating_sub(budget.left.available_permits());
            tell(figure_of(taken), &[]);
        });
    }

    /// A share, unless all are taken, or all that the caller may have. Nobody waits: a queue here would hold what the budget
    /// is to keep out.
    pub(crate) fn take(&self, caller: Access) -> Result<Share, Full> {
        let turn = caller.account.map(|account| self.of_accounts.begin(account));
        let permit = Arc::clone(&self.left).try_acquire_owned();
        Ok(Share(Arc::new((
            permit.map_err(|_none_left| Full::All(self.all))?,
            turn.transpose()?,
        ))))
    }

    /// A share, waited for; `None` if none is left so long. Only for who holds no more than it held before, as a
    /// stream does, of which there is a bounded number and which is not read meanwhile.
    pub(crate) async fn wait(&self, longest: Duration) -> Option<Share> {
        let permit = tokio::time::timeout(longest, Arc::clone(&self.left).acquire_owned()).await;
        Some(Share(Arc::new((permit.ok()?.ok()?, None))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_of_one_account_leave_room_for_others() {
        let of = |account| Access {
            account: AccountId::new(account).ok(),
            ..Access::OPERATOR
        };
        let budget = Budget::new(8);
        let mut shares: Vec<_> = (0..2).map(|_| budget.take(of(1)).unwrap()).collect();
        assert_eq!(budget.take(of(1)).unwrap_err(), Full::One(2));
        shares.extend((0..6).map(|_| budget.take(Access::OPERATOR).unwrap()));
        assert_eq!(budget.take(Access::OPERATOR).unwrap_err(), Full::All(8));
        assert_eq!(budget.take(of(2)).unwrap_err(), Full::All(8));
        drop(shares);
        assert!(budget.take(of(1)).is_ok() && budget.take(of(2)).is_ok());
    }
}
