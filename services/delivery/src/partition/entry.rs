//! A webhook of a partition: its queue and what the registry says of it.

use angarium_directory::Directory;
use angarium_model::{AccountId, Lane, Revision, WebhookId};

use super::Effect;
use super::turns::InLines;
use crate::clocks::Moment;
use crate::cursor::Cursor;
use crate::group::GroupLimit;
use crate::hook::{Class, Hook, Known, Remembered, Restoring, State};
use crate::target::Subscription;

/// A webhook of a partition.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) hook: Hook,
    pub(super) subscription: Subscription,
    /// The view that the subscription is of, or a newer one in which it is the same.
    as_of: Revision,
    lane: Lane,
    /// When its next slot begins, once one is planned: Unix milliseconds.
    pub(super) slot_at_ms: Option<i64>,
    /// The lines in which it waits for its turn.
    pub(super) in_lines: InLines,
    /// Where it stood when that was last told.
    told: State,
}

impl Entry {
    /// A webhook at the first record that names it, of which there is no cursor.
    pub(super) fn new(
        (id, lane, directory): (WebhookId, Lane, &Directory),
        remembered: Option<Remembered>,
        (account, view): (AccountId, Revision),
        live_next: i64,
    ) -> Self {
        let mut hook = Hook::new(id, account, lane, remembered);
        hook.saw_view(view);
        Self::looked_up(hook, id, lane, directory, live_next)
    }

    /// A webhook with its cursor.
    pub(super) fn restored(
        (id, lane, directory): (WebhookId, Lane, &Directory),
        cursor: (i64, &Cursor),
        remembered: Option<Remembered>,
        by: Restoring,
        live_next: i64,
    ) -> Self {
        let hook = Hook::restore(id, lane, cursor, remembered, by);
        Self::looked_up(hook, id, lane, directory, live_next)
    }

    fn looked_up(mut hook: Hook, id: WebhookId, lane: Lane, directory: &Directory, live_next: i64) -> Self {
        // Before the webhook: what is said to be known must be in what is found.
        let as_of = directory.revision(hook.account());
        let subscription = Subscription::look_up(directory, id, hook.account(), hook.newest_view());
        if !matches!(subscription, Subscription::Active(_)) {
            hook.switch_off(live_next);
        }
        Self {
            told: hook.state(),
            hook,
            subscription,
            as_of,
            lane,
            slot_at_ms: None,
            in_lines: InLines::default(),
        }
    }

    fn account(&self) -> AccountId {
        self.hook.account()
    }

    /// A record was made under a newer view: what was known may be outdated.
    pub(super) fn learn(
        &mut self,
        id: WebhookId,
        view: Revision,
        directory: &Directory,
        now: Moment,
        live_next: i64,
    ) {
        self.hook.saw_view(view);
        self.look_up(id, directory, now, live_next);
    }

    /// A record of the live stream, at `at`, made under this view, is about to be passed.
    pub(super) fn passes(&mut self, view: Revision, at: i64) {
        if !self.hook.passes_newer_view(view) {
            return;
        }
        // What is not known up to this view may have been changed by it.
        let is_known = self.as_of >= view;
        let changed_at = if is_known {
            self.subscription.changed_at()
        } else {
            view
        };
        self.hook.passes(view, changed_at, at);
    }

    /// Looks the webhook up; says whether anything changed.
    pub(super) fn look_up(
        &mut self,
        id: WebhookId,
        directory: &Directory,
        now: Moment,
        live_next: i64,
    ) -> bool {
        let as_of = directory.revision(self.account());
        self.as_of = as_of;
        if self.subscription.is_current(directory, id) {
            return false;
        }
        let found = Subscription::look_up(directory, id, self.account(), self.hook.newest_view());
        let changed = match (&self.subscription, &found) {
            (Subscription::Active(old), Subscription::Active(new)) => old.changed_at != new.changed_at,
            (Subscription::Held { .. }, Subscription::Held { .. })
            | (Subscription::Deleted, Subscription::Deleted) => false,
            _ => true,
        };
        if changed {
            match found {
                Subscription::Active(_) => {
                    // One that was not known comes on because the registry tells of it.
                    let by_hand = self.subscription.changed_at() > Revision::default();
                    self.hook.switch_on(now, by_hand);
                }
                Subscription::Held { .. } | Subscription::Deleted => self.hook.switch_off(live_next),
            }
            if let (Subscription::Active(old), Subscription::Active(new)) = (&self.subscription, &found)
                && old.timetable != new.timetable
            {
                self.hook.timetable_changed();
            }
            // A new timetable counts at once.
            self.slot_at_ms = None;
        }
        self.subscription = found;
        changed
    }

    /// Where it stands, if that has changed.
    pub(super) fn stands(&mut self, id: WebhookId) -> Option<Effect> {
        let now = self.hook.state();
        let before = std::mem::replace(&mut self.told, now);
        (before != now).then(|| Effect::Stands {
            webhook: id,
            account: self.account(),
            before,
            now,
        })
    }

    /// What is known of its changes.
    pub(super) fn known(&self) -> Known {
        Known {
            changed_at: self.subscription.changed_at(),
            as_of: self.as_of,
        }
    }

    /// What of its queues may be dropped, in bytes. What was read back for a call that is next may not: it would be read
    /// again at once, and for ever if it is one large event.
    pub(super) fn droppable_bytes(&self) -> usize {
        if self.is_next() {
            self.hook.joining_bytes()
        } else {
            self.hook.queued_bytes()
        }
    }

    /// Drops it.
    pub(super) fn drop_queues(&mut self, live_next: i64) {
        if self.is_next() {
            self.hook.drop_join();
        } else {
            self.hook.detach(live_next);
        }
    }

    fn is_next(&self) -> bool {
        self.in_lines.has(Class::CatchUp) || self.in_lines.has(Class::Retry)
    }

    /// The most that a group of it takes.
    pub(super) fn group_limit(&self, default: GroupLimit) -> GroupLimit {
        match &self.subscription {
            Subscription::Active(target) => target.terms(default).group,
            Subscription::Held { .. } | Subscription::Deleted => default,
        }
    }

    /// Plans the next slot of a batch webhook that has something waiting; its time, also when it was planned before. One
    /// that was missed, because nobody was there, the webhook was off, or it was in another run, is made up, once.
    pub(super) fn plan_slot(&mut self, now_ms: i64) -> Option<i64> {
        let Subscription::Active(target) = &self.subscription else {
            return None;
        };
        if self.lane != Lane::Batch || !self.hook.awaits_slot() {
            return None;
        }
        if self.slot_at_ms.is_none() {
            let since_ms = self
                .hook
                .rested_at_ms()
                .map_or(now_ms, |since_ms| since_ms.min(now_ms));
            self.slot_at_ms = target.timetable.next_after(since_ms);
        }
        self.slot_at_ms
    }
}
