//! The actor's calls begin: while the lease lasts for one, as far as the budget has room.
//!
//! What goes into a call is decided when it begins, so that what queues up meanwhile goes along, and nothing is held in
//! memory for a call that has to wait.

use angarium_model::AccountId;
use tokio::sync::OwnedSemaphorePermit;

use super::{Actor, Work, pending};
use crate::call::Patience;
use crate::hook::Class;

/// What the calls that could be made next wait for.
#[derive(Default)]
pub(super) struct Waits {
    lease: Work<()>,
    live: Work<Option<OwnedSemaphorePermit>>,
    catch_up: Work<Option<OwnedSemaphorePermit>>,
    retry: Work<Option<OwnedSemaphorePermit>>,
    /// The end of any call: it may be of an account that has too many. Whoever comes meanwhile need not wait for it.
    freed: Work<()>,
}

impl Waits {
    /// The next wait that is over, and the place that it was for; never, when nobody waits.
    pub(super) async fn next(&mut self) -> Option<(Class, OwnedSemaphorePermit)> {
        let (class, place) = tokio::select! {
            () = pending(&mut self.lease) => return None,
            () = pending(&mut self.freed) => return None,
            place = pending(&mut self.live) => (Class::Live, place),
            place = pending(&mut self.catch_up) => (Class::CatchUp, place),
            place = pending(&mut self.retry) => (Class::Retry, place),
        };
        Some((class, place?))
    }

    fn of(&mut self, class: Class) -> &mut Work<Option<OwnedSemaphorePermit>> {
        match class {
            Class::Live => &mut self.live,
            Class::CatchUp => &mut self.catch_up,
            Class::Retry => &mut self.retry,
        }
    }
}

impl Actor {
    /// Makes the calls that there is room for.
    pub(super) fn begin_calls(&mut self) {
        // Behind a call of one class the webhook may stand in the line of another.
        while Class::ALL
            .into_iter()
            .any(|class| self.begin_calls_of(class, None))
        {}
    }

    /// A wait is over, for this place if for one.
    pub(super) fn on_waited(&mut self, place: Option<(Class, OwnedSemaphorePermit)>) {
        if let Some((class, place)) = place {
            self.begin_calls_of(class, Some(place));
        }
    }

    /// Whether the lease lasts for an answer: what connecting takes of it is looked at right before the first byte, and
    /// that is what counts (ADR 6). Who waits for it holds no place: the calls of the other lane, whose lease may be
    /// fine, share the budget. Webhooks are called as the registry has them now: what it has answered is known here.
    fn may_begin(&mut self) -> bool {
        if self.waits.lease.is_some() {
            return false;
        }
        let mut lease = self.owned.lease();
        let lasts = lease.left() >= Patience::D1.answer && self.shared.directory.is_in_force();
        if !lasts {
            let directory = self.shared.directory.clone();
            self.waits.lease = Some(Box::pin(async move {
                directory.in_force().await;
                lease.lasts(Patience::D1.answer).await;
            }));
        }
        lasts
    }

    /// Behind the look at whether the registry's view is in force: so a call is made as the registry has its webhook.
    fn take_changes(&mut self, now_ms: i64) {
        // An error would mean that the directory is gone, which is held here.
        if self.changes.has_changed().unwrap_or(false) {
            self.changes.mark_unchanged();
            self.partition.refresh(now_ms);
        }
    }

    /// Makes calls of this class, the first at `place`, until nobody has anything to send or there is no room. Whether
    /// it made any.
    fn begin_calls_of(&mut self, class: Class, mut place: Option<OwnedSemaphorePermit>) -> bool {
        let mut begun = false;
        if !self.partition.has_turn(class) || self.waits.of(class).is_some() || !self.may_begin() {
            return begun;
        }
        let now_ms = self.shared.clock.now_ms();
        self.take_changes(now_ms);
        let room = self.shared.calls.budget.room(class).clone();
        // From before anyone is asked, so that no end of a call is missed.
        let freed = room.freed();
        while self.partition.has_turn(class) {
            let Some(free) = place.take().or_else(|| room.try_place()) else {
                *self.waits.of(class) = Some(Box::pin(room.place()));
                return begun;
            };
            let admits = |account: AccountId| room.admits(account);
            let Some(call) = self.partition.next_call(class, now_ms, admits) else {
                if self.partition.has_turn(class) && self.waits.freed.is_none() {
                    self.waits.freed = Some(Box::pin(freed));
                }
                return begun;
            };
            let place = room.taken(call.target.account, call.group.bytes(), free);
            let calls = self.shared.calls.clone();
            let made = calls.make(call, self.owned.lease(), place);
            self.calls.push(Box::pin(made));
            begun = true;
        }
        begun
    }
}
