//! What a call's end means for its webhook.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use angarium_model::{DisabledReason, WebhookId};
use angarium_policy::{Backoff, ErrorClass, Failure, RETENTION, Verdict};
use angarium_runtime::millis;

use super::entry::Entry;
use super::{Effect, Partition, Rules};
use crate::group::Group;
use crate::hook::{GivingUp, Setback};
use crate::target::Subscription;

/// How a call ended.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Answer {
    pub(crate) verdict: Verdict,
    /// The HTTP status; 0 when there was none.
    pub(crate) status: u16,
    /// How long the receiver took, in milliseconds.
    pub(crate) took_ms: i64,
    /// From 0 to 1: how much the webhook's back-off is shortened.
    pub(crate) jitter: f64,
}

/// What a call's end meant for its webhook, for people.
#[derive(Debug)]
pub(crate) struct Settled {
    pub(crate) group: Arc<Group>,
    /// When the group is sent again: Unix milliseconds; `None` when it was taken or put aside.
    pub(crate) next_attempt_at_ms: Option<i64>,
    pub(crate) turn: Option<Turn>,
    /// The webhook is to be switched off (D3, D2).
    pub(crate) disable: Option<DisabledReason>,
}

/// Something that is worth being told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Turn {
    /// It begins to fail.
    Fails(Failed),
    /// It still fails, and a reminder is due (D4).
    StillFails(Failed),
    /// It answers again.
    Recovers(Failed),
}

/// For how long a webhook has failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Failed {
    /// When the first attempt failed: Unix milliseconds.
    pub(crate) since_ms: i64,
    /// Failed attempts since.
    pub(crate) attempts: NonZeroU32,
}

impl Partition {
    /// The call of this group has ended.
    pub(crate) fn answered(
        &mut self,
        id: WebhookId,
        group: &Arc<Group>,
        answer: Answer,
        now_ms: i64,
    ) -> Option<Settled> {
        let (live_next, rules) = (self.live_next, self.rules);
        let clocks_agree = self.clocks.agree(now_ms);
        // For how long a webhook fails must not depend on a clock of ours that is wrong, and is put right (D3).
        let brokers_ms = self.clocks.brokers_ms(now_ms);
        let (settled, put_aside) = self.entries.change(id, |entry| {
            let before = Failed::of(entry);
            let last_ms = entry.hook.failing().map_or(brokers_ms, |failing| failing.last_ms);
            if answer.verdict == Verdict::Delivered {
                let was_calling = entry.hook.succeeded(group, now_ms, answer.took_ms);
                return was_calling.then(|| (Settled::taken(group, before), None));
            }
            let giving_up = giving_up(entry, group, answer.verdict);
            if giving_up == GivingUp::PutAside {
                let put_aside = Effect::PutAside {
                    webhook: id,
                    group: Arc::clone(group),
                    attempts: entry.hook.to_put_aside(group)?,
                    status: answer.status,
                };
                return Some((Settled::taken(group, None), Some(put_aside)));
            }
            let is_isolated = giving_up == GivingUp::OneByOne;
            let setback = setback(answer.verdict, is_isolated);
            let is_halved = setback == Setback::TooLarge && group.items.len() > 1;
            let next_at_ms = |attempts| {
                let wait = if is_isolated || is_halved {
                    Duration::ZERO
                } else {
                    rules.delay(attempts, answer)
                };
                now_ms.saturating_add(millis(wait))
            };
            let next_attempt_at_ms = entry
                .hook
                .failed(group, brokers_ms, live_next, setback, next_at_ms)?;
            let failed = Failed::of(entry);
            let settled = Settled {
                group: Arc::clone(group),
                next_attempt_at_ms: Some(next_attempt_at_ms),
                turn: failed.and_then(|failed| match before {
                    None => Some(Turn::Fails(failed)),
                    Some(_) => rules
                        .reminders
                        .due(failed.since_ms, last_ms, brokers_ms)
                        .then_some(Turn::StillFails(failed)),
                }),
                disable: rules.disables(answer.verdict, failed, brokers_ms, clocks_agree),
            };
            Some((settled, None))
        })??;
        self.effects.extend(put_aside);
        self.note_progress(id);
        self.go_on(id, now_ms);
        self.relieve_memory(now_ms);
        Some(settled)
    }

    /// It is on record that the event of this group was put aside.
    pub(crate) fn was_put_aside(&mut self, id: WebhookId, group: &Arc<Group>, now_ms: i64) {
        self.entries.change(id, |entry| entry.hook.was_put_aside(group));
        self.note_progress(id);
        self.go_on(id, now_ms);
    }

    /// A call was not made, through no fault of the receiver: its group is to be sent as if nothing had happened.
    pub(crate) fn not_sent(&mut self, id: WebhookId, group: &Arc<Group>, now_ms: i64) {
        let live_next = self.live_next;
        self.entries
            .change(id, |entry| entry.hook.not_sent(group, now_ms, live_next));
        self.go_on(id, now_ms);
        self.relieve_memory(now_ms);
    }

    /// Behind the end of a call: the next one, or the end of a webhook that was deleted meanwhile.
    pub(super) fn go_on(&mut self, id: WebhookId, now_ms: i64) {
        match self.entries.get(id).map(|entry| &entry.subscription) {
            Some(Subscription::Deleted) => self.remove(id),
            _ => self.poke(id, now_ms),
        }
    }
}

impl Settled {
    /// Nothing of the group is sent again.
    fn taken(group: &Arc<Group>, before: Option<Failed>) -> Self {
        Self {
            group: Arc::clone(group),
            next_attempt_at_ms: None,
            turn: before.map(Turn::Recovers),
            disable: None,
        }
    }
}

impl Failed {
    fn of(entry: &Entry) -> Option<Self> {
        let failing = entry.hook.failing().filter(|failing| !failing.is_of_size)?;
        Some(Self {
            since_ms: failing.since_ms,
            attempts: failing.attempts,
        })
    }
}

impl Rules {
    fn delay(&self, attempts: NonZeroU32, answer: Answer) -> Duration {
        let backoff: Backoff = self.backoff;
        match answer.verdict {
            Verdict::Retry {
                not_before: Some(not_before),
                ..
            } if self.honours_retry_after => {
                backoff.delay_honouring(attempts, answer.jitter, Some(not_before))
            }
            _ => backoff.delay(attempts, answer.jitter),
        }
    }

    /// Whether the webhook is to be switched off: its receiver is gone (D2), or has not answered for as long as events
    /// are kept (D3), by a clock that may be trusted.
    fn disables(
        &self,
        verdict: Verdict,
        failed: Option<Failed>,
        brokers_ms: i64,
        clocks_agree: bool,
    ) -> Option<DisabledReason> {
        if verdict == Verdict::Gone && self.disables_gone {
            return Some(DisabledReason::Gone);
        }
        let failing_for = brokers_ms.saturating_sub(failed?.since_ms);
        (clocks_agree && failing_for >= millis(RETENTION)).then_some(DisabledReason::FailedForRetention)
    }
}

fn giving_up(entry: &Entry, group: &Arc<Group>, verdict: Verdict) -> GivingUp {
    match &entry.subscription {
        Subscription::Active(target) if verdict == Verdict::Refused => target
            .dead_letter_after
            .map_or(GivingUp::NotYet, |after| entry.hook.gives_up(group, after)),
        _ => GivingUp::NotYet,
    }
}

fn setback(verdict: Verdict, is_isolated: bool) -> Setback {
    match verdict {
        _ if is_isolated => Setback::Isolated,
        Verdict::TooLarge => Setback::TooLarge,
        Verdict::Refused => Setback::Refused,
        Verdict::Retry {
            class: ErrorClass::NoAnswer(Failure::AnswerTimeout),
            ..
        } => Setback::TimedOut,
        _ => Setback::Other,
    }
}
