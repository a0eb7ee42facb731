//! A webhook as a new owner finds it: by its cursor, further on as Redis has it.

use std::num::NonZeroU32;
use std::time::Duration;

use angarium_model::{Lane, WebhookId};
use angarium_policy::Backoff;
use angarium_runtime::millis;

use super::parked::{Body, Retry, Tried};
use super::{Failing, Hook, Mark, Phase, Retries, Slot, Stage, Tail};
use crate::cursor::{Cursor, Head, Parked, Standing};

/// What Redis remembers of a webhook.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Remembered {
    pub(crate) epoch: i64,
    pub(crate) generation: i64,
    pub(crate) resume: i64,
    pub(crate) done: Option<Mark>,
    /// Failed attempts, and when the next is due: Unix milliseconds.
    pub(crate) retry: Option<(NonZeroU32, i64)>,
    /// A digest of what was parked: of what is below, that alone is not done.
    pub(crate) parked: u64,
}

/// What a restored back-off goes by.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Restoring {
    pub(crate) backoff: Backoff,
    pub(crate) now_ms: i64,
    /// From 0 to 1: webhooks whose attempts are not remembered do not probe together.
    pub(crate) dice: f64,
}

impl Hook {
    /// Redis refines only how far the webhook is and its back-off, and only by an entry of the same generation that is
    /// not older than the cursor, and that was written beside the same parked groups (docs/model-findings.md, 27); whole,
    /// for a place and a mark of two instants would be no fact.
    pub(crate) fn restore(
        id: WebhookId,
        lane: Lane,
        (epoch, cursor): (i64, &Cursor),
        remembered: Option<Remembered>,
        by: Restoring,
    ) -> Self {
        let parked = Parked::digest(cursor.standing.parked());
        let remembered = remembered.filter(|entry| {
            entry.generation == cursor.generation && entry.epoch >= epoch && entry.parked == parked
        });
        let further = remembered.filter(|entry| entry.resume > cursor.resume);
        let (resume, done) = further.map_or((cursor.resume, cursor.done), |entry| (entry.resume, entry.done));
        let mut hook = Self::new(id, cursor.account, lane, None);
        hook.generation = cursor.generation;
        hook.newest_view = cursor.newest_view;
        (hook.seen, hook.done, hook.done_at) = (done, done, resume - 1);
        match &cursor.standing {
            Standing::Live => hook.floor = resume,
            Standing::Behind {
                since_ms,
                head,
                slot_end,
                rested_at_ms,
                replay,
                parked,
            } => {
                hook.replay = *replay;
                hook.rested_at_ms = *rested_at_ms;
                hook.tail = Tail::Detached {
                    from: resume,
                    join: None,
                };
                hook.slot = slot_end.map(|until| Slot {
                    until,
                    stage: Stage::Running,
                    begun_ms: by.now_ms,
                });
                // Behind the head there is progress: it was answered, or has expired.
                hook.head = further.map_or_else(|| head.clone(), |_| Head::default());
                let fails_on = further.is_none_or(|entry| entry.retry.is_some());
                if *since_ms == 0 && !hook.head.is_empty() {
                    // It was too large, and half of it was to go at once.
                    hook.phase = Phase::Waiting(Failing {
                        attempts: NonZeroU32::MIN,
                        since_ms: by.now_ms,
                        last_ms: by.now_ms,
                        next_at_ms: by.now_ms,
                        timeouts: 0,
                        refusals: 0,
                        is_of_size: true,
                    });
                } else if *since_ms > 0 && fails_on {
                    let (attempts, next_at_ms) =
                        by.retry(*since_ms, remembered.and_then(|entry| entry.retry));
                    hook.phase = Phase::Waiting(Failing {
                        attempts,
                        since_ms: *since_ms,
                        // Not known: a reminder may come twice rather than not at all (D4).
                        last_ms: next_at_ms
                            .saturating_sub(millis(by.backoff.longest()))
                            .max(*since_ms),
                        next_at_ms,
                        timeouts: 0,
                        refusals: 0,
                        is_of_size: false,
                    });
                }
                hook.parked = by.parked(parked, hook.phase == Phase::Ready);
            }
        }
        hook
    }
}

impl Restoring {
    /// What is parked is so whatever Redis says of the progress. If the webhook did not fail, others were taken.
    fn parked(self, parked: &[Parked], is_at_fault: bool) -> Retries {
        let retry = |what: &Parked| {
            let (attempts, next_at_ms) = match what.since_ms {
                0 => (0, self.now_ms),
                since_ms => {
                    let (attempts, next_at_ms) = self.retry(since_ms, None);
                    (attempts.get(), next_at_ms)
                }
            };
            Retry {
                tried: Tried {
                    attempts,
                    ..Tried::default()
                },
                last_ms: what.since_ms,
                next_at_ms,
                is_isolated: false,
                is_at_fault,
                successes: 0,
                bytes: 0,
                body: Body::lacking(what.head.offsets().first().copied().unwrap_or(0)),
                what: what.clone(),
            }
        };
        Retries(parked.iter().map(retry).collect())
    }

    /// A back-off that ends later than any can was written by a clock that was wrong: it is cut. One that is not
    /// remembered is as long as since the first failure it would have become, and spread.
    fn retry(self, since_ms: i64, remembered: Option<(NonZeroU32, i64)>) -> (NonZeroU32, i64) {
        let later = |wait| self.now_ms.saturating_add(millis(wait));
        if let Some((attempts, next_at_ms)) = remembered {
            return (attempts, next_at_ms.min(later(self.backoff.longest())));
        }
        let failing_for = u64::try_from(self.now_ms.saturating_sub(since_ms)).unwrap_or(0);
        let attempts = self.backoff.attempts_within(Duration::from_millis(failing_for));
        let spread = self
            .backoff
            .delay(attempts, 0.0)
            .mul_f64(self.dice.clamp(0.0, 1.0));
        (attempts, later(spread))
    }
}
