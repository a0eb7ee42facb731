//! A webhook of a partition: its queue and what the registry says of it.

use angarium_directory::Directory;
use angarium_model::{AccountId, Lane, Revision, WebhookId};
use angarium_proto::delivery::v1::RetryState;

use crate::hook::{Hook, Known};
use crate::record::Delivery;
use crate::target::Subscription;

/// A webhook of a partition.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) hook: Hook,
    pub(super) subscription: Subscription,
    /// The view that the subscription is of, or a newer one in which it is the same.
    as_of: Revision,
    account: AccountId,
    lane: Lane,
    /// When its next slot begins, once one is planned: Unix milliseconds.
    pub(super) slot_at_ms: Option<i64>,
}

impl Entry {
    /// A webhook at the first record that names it.
    pub(super) fn new(
        id: WebhookId,
        lane: Lane,
        stored: Option<&RetryState>,
        first: &Delivery,
        directory: &Directory,
    ) -> Self {
        let mut hook = Hook::new(id, lane, stored);
        hook.saw_view(first.revision);
        // Before the webhook: what is said to be known must be in what is found.
        let as_of = directory.revision(first.account);
        let subscription = Subscription::look_up(directory, id, first.account, first.revision);
        if !matches!(subscription, Subscription::Active(_)) {
            hook.switch_off();
        }
        Self {
            hook,
            subscription,
            as_of,
            account: first.account,
            lane,
            slot_at_ms: None,
        }
    }

    /// A record was made under a newer view: what was known may be outdated.
    pub(super) fn learn(&mut self, id: WebhookId, view: Revision, directory: &Directory, now_ms: i64) {
        self.hook.saw_view(view);
        self.look_up(id, directory, now_ms);
    }

    /// Looks the webhook up; says whether anything changed.
    pub(super) fn look_up(&mut self, id: WebhookId, directory: &Directory, now_ms: i64) -> bool {
        let as_of = directory.revision(self.account);
        if self.subscription.is_current(directory, id) {
            self.as_of = as_of;
            return false;
        }
        self.as_of = as_of;
        let found = Subscription::look_up(directory, id, self.account, self.hook.newest_view());
        let changed = match (&self.subscription, &found) {
            (Subscription::Active(old), Subscription::Active(new)) => old.changed_at != new.changed_at,
            (Subscription::Held { .. }, Subscription::Held { .. })
            | (Subscription::Deleted, Subscription::Deleted) => false,
            _ => true,
        };
        if changed {
            match found {
                Subscription::Active(_) => self.hook.switch_on(now_ms),
                Subscription::Held { .. } | Subscription::Deleted => self.hook.switch_off(),
            }
            // A new timetable counts at once.
            self.slot_at_ms = None;
        }
        self.subscription = found;
        changed
    }

    /// What is known of its changes.
    pub(super) fn known(&self) -> Known {
        Known {
            changed_at: self.subscription.changed_at(),
            as_of: self.as_of,
        }
    }

    /// Plans the next slot of a batch webhook that has something waiting; the time, when it is newly planned.
    pub(super) fn plan_slot(&mut self, now_ms: i64) -> Option<i64> {
        let Subscription::Active(target) = &self.subscription else {
            return None;
        };
        if self.lane != Lane::Batch || self.slot_at_ms.is_some() || !self.hook.awaits_slot() {
            return None;
        }
        self.slot_at_ms = target.timetable.next_after(now_ms);
        self.slot_at_ms
    }
}
