//! What the log says of failing webhooks: that it begins, and that it is over. Each attempt is in the journal.

use std::time::Duration;

use angarium_runtime::millis;

use super::calls::CallEnd;
use crate::notices::About;
use crate::partition::{Settled, Turn};

/// Lines of one partition in one [`WINDOW`]: an outage of a thousand receivers must not fill the log.
const MAX_LINES: u32 = 10;
const WINDOW: Duration = Duration::from_secs(10);

/// Tells of failing webhooks, and not too often.
#[derive(Debug, Default)]
pub(super) struct Told {
    /// When the window began: Unix milliseconds.
    window_ms: i64,
    lines: u32,
    untold: u64,
}

impl Told {
    /// A call has ended. Says so if with it a webhook begins to fail, or has recovered.
    pub(super) fn call(&mut self, about: About, end: &CallEnd, settled: &Settled, class: &str, now_ms: i64) {
        let Some(Turn::Fails(failed) | Turn::Recovers(failed)) = settled.turn else {
            return;
        };
        let Some(untold) = self.may_tell(now_ms) else {
            return;
        };
        let (webhook, account, lane) = (about.webhook, about.account, about.lane);
        let group = settled.group.id.as_str();
        let until =
            |at_ms: i64| Duration::from_millis(u64::try_from(at_ms.saturating_sub(now_ms)).unwrap_or(0));
        match settled.next_attempt_at_ms {
            Some(at_ms) => tracing::warn!(
                %webhook, %account, %lane, group, untold, class,
                next_attempt_in = ?until(at_ms), error = end.detail(),
                "a webhook fails: its events wait in order, and are sent again until it answers or for 7 days"
            ),
            None => tracing::info!(
                %webhook, %account, %lane, group, untold, attempts = failed.attempts,
                "a webhook that failed has recovered"
            ),
        }
    }

    /// How many lines were left out since the last one; `None` when this one must be too.
    fn may_tell(&mut self, now_ms: i64) -> Option<u64> {
        if !(self.window_ms..self.window_ms.saturating_add(millis(WINDOW))).contains(&now_ms) {
            self.window_ms = now_ms;
            self.lines = 0;
        }
        if self.lines == MAX_LINES {
            self.untold += 1;
            return None;
        }
        self.lines += 1;
        Some(std::mem::take(&mut self.untold))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use angarium_model::{Lane, WebhookId};

    use super::*;
    use crate::call::CallError;
    use crate::group::tests::group;
    use crate::simulation::fixtures::webhook;
    use crate::target::Target;

    #[test]
    fn ten_lines_in_ten_seconds_and_the_next_one_says_how_many_were_left_out() {
        let mut told = Told::default();
        let now_ms = 1_727_414_643_000;
        for _ in 0..10 {
            assert_eq!(told.may_tell(now_ms), Some(0));
        }
        for _ in 0..1_000 {
            assert_eq!(told.may_tell(now_ms + 9_999), None);
        }
        assert_eq!(told.may_tell(now_ms + 10_000), Some(1_000));
        assert_eq!(told.may_tell(now_ms), Some(0), "a clock that was set back tells");
    }

    /// Almost every call is such a one.
    #[test]
    fn a_call_that_is_not_told_takes_no_line_from_those_that_are() {
        let mut told = Told::default();
        let group = Arc::new(group(0..1, "{}"));
        let target = Arc::new(Target::new(&webhook(1, true, 1)).unwrap());
        let about = About {
            account: target.account,
            webhook: WebhookId::from_bytes([1; 16]),
            lane: Lane::Realtime,
            partition: 0,
        };
        let end = CallEnd {
            webhook: about.webhook,
            target,
            group: Arc::clone(&group),
            attempt: 1,
            class: crate::hook::Class::Live,
            result: Err(CallError::LeaseOver),
            duration: Duration::ZERO,
            jitter: 0.0,
        };
        let settled = Settled {
            group,
            next_attempt_at_ms: None,
            turn: None,
            disable: None,
        };
        for _ in 0..1_000 {
            told.call(about, &end, &settled, "", 0);
        }
        assert_eq!(told.may_tell(0), Some(0));
    }
}
