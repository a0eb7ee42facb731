//! What a call's end means for its webhook.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use angarium_model::WebhookId;
use angarium_policy::{Backoff, ErrorClass, Failure, Verdict};
use angarium_runtime::millis;

use super::Partition;
use crate::group::Group;
use crate::hook::Setback;
use crate::target::Subscription;

/// How a call ended.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Answer {
    pub(crate) verdict: Verdict,
    /// How long the receiver took, in milliseconds.
    pub(crate) took_ms: i64,
    /// From 0 to 1: how much the webhook's back-off is shortened.
    pub(crate) jitter: f64,
}

/// What a call's end meant for its webhook, for the journal.
#[derive(Debug)]
pub(crate) struct Settled {
    pub(crate) group: Arc<Group>,
    /// When the group is sent again: Unix milliseconds; `None` when it was taken.
    pub(crate) next_attempt_at_ms: Option<i64>,
}

impl Partition {
    /// A call has ended.
    pub(crate) fn answered(&mut self, id: WebhookId, answer: Answer, now_ms: i64) -> Option<Settled> {
        let (live_next, backoff) = (self.live_next, self.rules.backoff);
        let mut next_attempt_at_ms = None;
        let group = self.entries.change(id, |entry| match answer.verdict {
            Verdict::Delivered => entry.hook.succeeded(now_ms, answer.took_ms),
            failed => entry.hook.failed(now_ms, live_next, setback(failed), |attempts| {
                let wait = delay(backoff, attempts, answer.jitter, failed);
                *next_attempt_at_ms.insert(now_ms.saturating_add(millis(wait)))
            }),
        })??;
        self.note_progress(id);
        self.go_on(id, now_ms);
        self.relieve_memory(now_ms);
        Some(Settled {
            group,
            next_attempt_at_ms,
        })
    }

    /// A call was not made, through no fault of the receiver: its group is to be sent as if nothing had happened.
    pub(crate) fn not_sent(&mut self, id: WebhookId, now_ms: i64) {
        self.entries.change(id, |entry| entry.hook.not_sent());
        self.go_on(id, now_ms);
    }

    /// Behind the end of a call: the next one, or the end of a webhook that was deleted meanwhile.
    pub(super) fn go_on(&mut self, id: WebhookId, now_ms: i64) {
        match self.entries.get(id).map(|entry| &entry.subscription) {
            Some(Subscription::Deleted) => self.remove(id),
            _ => self.poke(id, now_ms),
        }
    }
}

fn setback(verdict: Verdict) -> Setback {
    match verdict {
        Verdict::TooLarge => Setback::TooLarge,
        Verdict::Retry {
            class: ErrorClass::NoAnswer(Failure::AnswerTimeout),
            ..
        } => Setback::TimedOut,
        _ => Setback::Other,
    }
}

fn delay(backoff: Backoff, attempts: NonZeroU32, jitter: f64, verdict: Verdict) -> Duration {
    match verdict {
        Verdict::Retry {
            not_before: Some(not_before),
            ..
        } => backoff.delay_honouring(attempts, jitter, Some(not_before)),
        _ => backoff.delay(attempts, jitter),
    }
}
