//! Calls begin when there is room for them: only then is it decided what goes into them.

use std::sync::Arc;

use angarium_model::{AccountId, WebhookId};

use super::{Partition, Subscription};
use crate::group::Group;
use crate::hook::Class;
use crate::target::Target;

/// A receiver to be called; [`Partition::answered`] or [`Partition::not_sent`] is to be told how it ends.
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) webhook: WebhookId,
    pub(crate) target: Arc<Target>,
    pub(crate) group: Arc<Group>,
    /// Which attempt of the group it is, from 1.
    pub(crate) attempt: u32,
    /// Whose room it takes.
    pub(crate) class: Class,
}

impl Partition {
    /// Whether any webhook stands in the line of this class.
    pub(crate) fn has_turn(&self, class: Class) -> bool {
        !self.turns.is_empty(class)
    }

    /// There is room for a call of this class, of any of the accounts that `admits` names: the call that is made.
    pub(crate) fn next_call(
        &mut self,
        class: Class,
        now_ms: i64,
        admits: impl Fn(AccountId) -> bool,
    ) -> Option<Call> {
        loop {
            let id = self.turns.next(class, &admits)?;
            if let Some(call) = self.begin(id, class, now_ms) {
                return Some(call);
            }
        }
    }

    /// What the webhook sends now; `None` when it has nothing of this class any more.
    fn begin(&mut self, id: WebhookId, class: Class, now_ms: i64) -> Option<Call> {
        // It may have waited for long.
        self.expire(id, now_ms);
        let (group, live_next) = (self.rules.group, self.live_next);
        let call = self.entries.change(id, |entry| {
            // Else it stands there twice, and has been called.
            if !entry.in_lines.leave(class) {
                return None;
            }
            let Subscription::Active(target) = &entry.subscription else {
                return None;
            };
            let next = entry.hook.next(class, now_ms, live_next, target.terms(group));
            next.map(|(group, attempt)| Call {
                webhook: id,
                target: Arc::clone(target),
                group,
                attempt,
                class,
            })
        });
        let call = call.flatten();
        if call.is_some() {
            self.line_up(id, now_ms);
        }
        // Also when there is none: our clock may have gone back a little, and it is due once more.
        self.schedule(id, now_ms);
        // What it has beyond the group is not next any more.
        self.relieve_memory(now_ms);
        call
    }

    /// Has the webhook wait for its turn, if it may send something now.
    pub(super) fn line_up(&mut self, id: WebhookId, now_ms: i64) {
        let (group, live_next) = (self.rules.group, self.live_next);
        for class in Class::ALL {
            let lined_up = self.entries.change(id, |entry| {
                let Subscription::Active(target) = &entry.subscription else {
                    return None;
                };
                let terms = target.terms(group);
                let joins =
                    entry.hook.may_call(class, now_ms, live_next, terms) && entry.in_lines.join(class);
                joins.then(|| entry.hook.account())
            });
            if let Some(account) = lined_up.flatten() {
                self.turns.add(class, account, id);
            }
        }
    }
}
