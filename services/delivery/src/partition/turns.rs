//! Webhooks that may be called as soon as there is room: each class of calls has a line, in which accounts take turns.

use std::collections::{BTreeMap, VecDeque};

use angarium_model::{AccountId, WebhookId};

use crate::hook::Class;

/// The lines of a partition. A webhook may stand in one and have nothing to send when its turn comes, or stand in it
/// twice: whoever calls it asks it.
#[derive(Debug, Default)]
pub(super) struct Turns {
    live: Line,
    catch_up: Line,
    retry: Line,
}

/// The lines in which a webhook stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct InLines {
    live: bool,
    catch_up: bool,
    retry: bool,
}

/// Accounts take turns, and so do the webhooks of each.
#[derive(Debug, Default)]
struct Line {
    accounts: VecDeque<AccountId>,
    /// Of each of these accounts; never empty.
    webhooks: BTreeMap<AccountId, VecDeque<WebhookId>>,
}

impl InLines {
    pub(super) fn has(mut self, class: Class) -> bool {
        *self.of(class)
    }

    pub(super) fn has_any(self) -> bool {
        self.live || self.catch_up || self.retry
    }

    /// It stands in this line from now on; whether it did not before.
    pub(super) fn join(&mut self, class: Class) -> bool {
        !std::mem::replace(self.of(class), true)
    }

    /// It stands in this line no more; whether it did.
    pub(super) fn leave(&mut self, class: Class) -> bool {
        std::mem::take(self.of(class))
    }

    fn of(&mut self, class: Class) -> &mut bool {
        match class {
            Class::Live => &mut self.live,
            Class::CatchUp => &mut self.catch_up,
            Class::Retry => &mut self.retry,
        }
    }
}

impl Turns {
    pub(super) fn add(&mut self, class: Class, account: AccountId, id: WebhookId) {
        let line = self.line(class);
        let webhooks = line.webhooks.entry(account).or_insert_with(|| {
            line.accounts.push_back(account);
            VecDeque::new()
        });
        webhooks.push_back(id);
    }

    pub(super) fn is_empty(&self, class: Class) -> bool {
        let line = match class {
            Class::Live => &self.live,
            Class::CatchUp => &self.catch_up,
            Class::Retry => &self.retry,
        };
        line.accounts.is_empty()
    }

    /// Takes the next webhook whose account is admitted.
    pub(super) fn next(&mut self, class: Class, admits: impl Fn(AccountId) -> bool) -> Option<WebhookId> {
        let line = self.line(class);
        let index = line.accounts.iter().position(|account| admits(*account))?;
        let account = line.accounts.remove(index)?;
        let webhooks = line.webhooks.get_mut(&account)?;
        let next = webhooks.pop_front();
        if webhooks.is_empty() {
            line.webhooks.remove(&account);
        } else {
            line.accounts.push_back(account);
        }
        next
    }

    fn line(&mut self, class: Class) -> &mut Line {
        match class {
            Class::Live => &mut self.live,
            Class::CatchUp => &mut self.catch_up,
            Class::Retry => &mut self.retry,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn account(number: u64) -> AccountId {
        AccountId::new(number).unwrap()
    }

    fn webhook(number: u8) -> WebhookId {
        WebhookId::from_bytes([number; 16])
    }

    #[test]
    fn accounts_take_turns_however_many_webhooks_they_have() {
        let mut turns = Turns::default();
        for number in 1..=3 {
            turns.add(Class::Live, account(1), webhook(number));
        }
        turns.add(Class::Live, account(2), webhook(4));
        turns.add(Class::Retry, account(2), webhook(5));
        let mut order = Vec::new();
        while let Some(id) = turns.next(Class::Live, |_| true) {
            order.push(id.as_bytes()[0]);
        }
        assert_eq!(order, [1, 4, 2, 3]);
        assert!(turns.is_empty(Class::Live) && !turns.is_empty(Class::Retry));
    }

    #[test]
    fn an_account_that_is_not_admitted_is_passed_over_and_keeps_its_place() {
        let mut turns = Turns::default();
        turns.add(Class::Live, account(1), webhook(1));
        turns.add(Class::Live, account(2), webhook(2));
        assert_eq!(turns.next(Class::Live, |id| id != account(1)), Some(webhook(2)));
        assert_eq!(turns.next(Class::Live, |id| id != account(1)), None);
        assert!(!turns.is_empty(Class::Live));
        assert_eq!(turns.next(Class::Live, |_| true), Some(webhook(1)));
    }
}
