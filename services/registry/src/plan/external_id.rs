//! External ids of accounts: no two have the same (ADR 27).
//!
//! An account is written where it is at home, and no rule there speaks of other accounts. So whoever writes one with an external id has
//! that kept for it first, by the writer of the platform, who alone says whose it is.

use std::time::Duration;

use angarium_model::{AccountId, ExternalId, Revision};
use angarium_runtime::millis;

use super::{Plan, Shown};
use crate::record::{Entity, Reservation};
use crate::refusal::Refusal;
use crate::state::State;

/// For how long an external id is kept for an account that does not have it.
pub(crate) const KEPT: Duration = Duration::from_mins(10);

/// For how long a reservation is relied on: an account that is written later than this behind it is not written. What is left is for
/// clocks that are apart, and for a transaction that Kafka ends.
pub(crate) const RELIED_ON: Duration = Duration::from_mins(5);

/// That an account is to have an external id.
#[derive(Debug)]
pub(crate) struct Reserve {
    pub(crate) external_id: ExternalId,
    pub(crate) account: AccountId,
    pub(crate) now_ms: i64,
}

impl Reserve {
    /// It is written even if it is kept for this account already: so the time begins anew.
    pub(super) fn plan(self, state: &State) -> Result<Plan, Refusal> {
        // Whatever was kept: one that has it has it.
        let had_by = state.account_of(&self.external_id).map(|account| account.id);
        if let Some(account) = had_by.filter(|account| *account != self.account) {
            return Err(Refusal::ExternalIdTaken {
                external_id: self.external_id,
                account,
                free_at_ms: None,
            });
        }
        let kept = state.reservation(&self.external_id);
        if let Some(other) = kept.filter(|kept| kept.account != self.account)
            && !other.has_lapsed(state, self.now_ms)
        {
            let free_at_ms = (!other.is_had(state)).then(|| other.ends_at_ms());
            return Err(Refusal::ExternalIdTaken {
                external_id: self.external_id,
                account: other.account,
                free_at_ms,
            });
        }
        let reservation = Reservation {
            external_id: self.external_id,
            account: self.account,
            made_at_ms: self.now_ms,
            revision: Revision::default(),
        };
        Ok(Plan::entity(Entity::Reservation(reservation), Shown::Nothing))
    }
}

impl Reservation {
    /// Whether the account has the external id.
    fn is_had(&self, state: &State) -> bool {
        let account = state.account(self.account);
        account.is_some_and(|account| account.external_id.as_ref() == Some(&self.external_id))
    }

    /// When it ends, Unix milliseconds, unless the account has the external id.
    fn ends_at_ms(&self) -> i64 {
        self.made_at_ms.saturating_add(millis(KEPT))
    }

    /// Whether another account may have the external id.
    pub(crate) fn has_lapsed(&self, state: &State, now_ms: i64) -> bool {
        self.ends_at_ms() <= now_ms && !self.is_had(state)
    }
}
