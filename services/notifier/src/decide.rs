//! Whether a notice is worth a mail.
//!
//! Delivery tells of each webhook that begins to fail, reminds after 15 minutes and then daily, and tells of each loss. A person
//! wants to hear of what lasts, of what is over, and of losses once, not a thousand times.

use std::collections::HashMap;
use std::time::Duration;

use angarium_model::{AccountId, InvalidId, Lane, WebhookId};
use angarium_proto::convert::lane_from_wire;
use angarium_proto::journal::v1::Expired;
use angarium_proto::notice::v1::notice_record::Notice;
use angarium_proto::notice::v1::{DeadLetter, Failing, NoticeRecord, Recovered};
use angarium_proto::registry::v1::Disabled;
use angarium_runtime::millis;

use crate::metrics::Passed;

/// A reminder that is older is passed over: the next one says what is so.
const STALE: Duration = Duration::from_hours(24);
/// The same of a notice that was there before the first notifier of an installation came: nobody waited for it.
const STALE_AT_FIRST: Duration = Duration::from_hours(1);
/// Of each kind of news of a webhook there is at most one mail in so long: a receiver that comes and goes tells nobody more.
const AT_MOST_EVERY: Duration = Duration::from_hours(1);
/// What is remembered of what was told; the oldest half is forgotten when it is full, which costs a mail too many at worst.
const REMEMBERED: usize = 10_000;

/// What a mail tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Kind {
    StillFailing,
    Recovered,
    Disabled,
    Expired,
    DeadLetter,
}

impl Kind {
    /// As metrics call it.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::StillFailing => "still_failing",
            Self::Recovered => "recovered",
            Self::Disabled => "disabled",
            Self::Expired => "expired",
            Self::DeadLetter => "dead_letter",
        }
    }
}

/// A notice that someone is to be told.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct News {
    pub(crate) account: AccountId,
    pub(crate) webhook: WebhookId,
    pub(crate) lane: Lane,
    /// When it was written: Unix milliseconds.
    pub(crate) at_ms: i64,
    pub(crate) what: What,
}

/// What happened.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum What {
    StillFailing(Failing),
    Recovered(Recovered),
    Disabled(Disabled),
    Expired(Expired),
    DeadLetter(DeadLetter),
}

impl What {
    pub(crate) const fn kind(&self) -> Kind {
        match self {
            Self::StillFailing(_) => Kind::StillFailing,
            Self::Recovered(_) => Kind::Recovered,
            Self::Disabled(_) => Kind::Disabled,
            Self::Expired(_) => Kind::Expired,
            Self::DeadLetter(_) => Kind::DeadLetter,
        }
    }
}

/// A notice that cannot be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unreadable {
    #[error("its account or webhook is none")]
    Id(#[from] InvalidId),
    #[error("it has no lane or tells nothing that this version knows")]
    Nothing,
}

/// What was told of the webhooks of a partition.
#[derive(Debug)]
pub(crate) struct Decider {
    /// For how long a webhook must have failed.
    first_reminder: Duration,
    /// When something of this kind was told last, and what made it that.
    told: HashMap<(WebhookId, Lane, Kind), Told>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Told {
    at_ms: i64,
    mark: i64,
}

impl Decider {
    pub(crate) fn new(first_reminder: Duration) -> Self {
        Self {
            first_reminder,
            told: HashMap::new(),
        }
    }

    /// What is to be told of a notice, if anything, at this time: Unix milliseconds. `was_before`: it was there before the first
    /// notifier of the installation came.
    ///
    /// # Errors
    /// When it cannot be read.
    pub(crate) fn decide(
        &self,
        record: NoticeRecord,
        was_before: bool,
        now_ms: i64,
    ) -> Result<Result<News, Passed>, Unreadable> {
        let news = News {
            account: AccountId::new(record.account_id)?,
            webhook: record.webhook_id.parse()?,
            lane: lane_from_wire(record.lane).ok_or(Unreadable::Nothing)?,
            at_ms: record.at_ms,
            what: match record.notice.ok_or(Unreadable::Nothing)? {
                Notice::Failing(_) => return Ok(Err(Passed::Quiet)),
                Notice::StillFailing(failing) => What::StillFailing(failing),
                Notice::Recovered(recovered) => What::Recovered(recovered),
                Notice::Disabled(disabled) => What::Disabled(disabled),
                Notice::Expired(expired) => What::Expired(expired),
                Notice::DeadLetter(dead_letter) => What::DeadLetter(dead_letter),
            },
        };
        Ok(match self.passes_over(&news, was_before, now_ms) {
            Some(why) => Err(why),
            None => Ok(news),
        })
    }

    fn passes_over(&self, news: &News, was_before: bool, now_ms: i64) -> Option<Passed> {
        let age_ms = now_ms.saturating_sub(news.at_ms);
        if was_before && age_ms > millis(STALE_AT_FIRST) {
            return Some(Passed::Old);
        }
        match &news.what {
            What::StillFailing(_) if age_ms > millis(STALE) => return Some(Passed::Old),
            // Nobody was told that it failed.
            What::Recovered(recovered) if news.at_ms - recovered.since_ms < millis(self.first_reminder) => {
                return Some(Passed::Quiet);
            }
            _ => {}
        }
        let told = self.told.get(&news.key())?;
        let is_soon = now_ms < told.at_ms.saturating_add(millis(AT_MOST_EVERY));
        let is_again = match news.what.kind() {
            Kind::Expired | Kind::DeadLetter => is_soon,
            Kind::StillFailing | Kind::Recovered => is_soon || told.mark == news.mark(),
            // It is so until someone switches it on: always news.
            Kind::Disabled => told.mark == news.mark(),
        };
        is_again.then_some(Passed::Told)
    }

    /// It was told, at this time: Unix milliseconds.
    pub(crate) fn told(&mut self, news: &News, now_ms: i64) {
        if self.told.len() >= REMEMBERED {
            let mut times: Vec<_> = self.told.values().map(|told| told.at_ms).collect();
            times.sort_unstable();
            let middle = times.get(times.len() / 2).copied().unwrap_or_default();
            self.told.retain(|_, told| told.at_ms > middle);
        }
        let told = Told {
            at_ms: now_ms,
            mark: news.mark(),
        };
        self.told.insert(news.key(), told);
    }
}

impl News {
    const fn key(&self) -> (WebhookId, Lane, Kind) {
        (self.webhook, self.lane, self.what.kind())
    }

    /// What tells one from another of its kind: delivery may write the same again after a crash.
    fn mark(&self) -> i64 {
        match &self.what {
            What::StillFailing(failing) => failing.since_ms ^ i64::from(failing.attempts),
            What::Recovered(recovered) => recovered.since_ms,
            What::Disabled(disabled) => disabled.at_ms,
            What::Expired(_) | What::DeadLetter(_) => 0,
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    const MINUTE_MS: i64 = 60_000;
    const HOUR_MS: i64 = 60 * MINUTE_MS;
    const NOW_MS: i64 = 1_795_000_000_000;

    pub(crate) fn record(at_ms: i64, notice: Notice) -> NoticeRecord {
        NoticeRecord {
            account_id: 1234,
            webhook_id: WebhookId::from_bytes([7; 16]).to_string(),
            lane: angarium_proto::convert::lane_to_wire(Lane::Realtime).into(),
            at_ms,
            notice: Some(notice),
        }
    }

    fn failing(since_ms: i64, attempts: u32) -> Failing {
        Failing {
            since_ms,
            attempts,
            ..Failing::default()
        }
    }

    fn decider() -> Decider {
        Decider::new(Duration::from_mins(15))
    }

    #[test]
    fn d4_who_fails_is_mailed_at_the_reminders_and_its_recovery_if_it_was() {
        let mut decider = decider();
        let since = NOW_MS - 20 * MINUTE_MS;
        let begins = record(since, Notice::Failing(failing(since, 1)));
        assert_eq!(decider.decide(begins, false, NOW_MS).unwrap(), Err(Passed::Quiet));
        let reminder = record(NOW_MS, Notice::StillFailing(failing(since, 9)));
        let news = decider.decide(reminder.clone(), false, NOW_MS).unwrap().unwrap();
        assert_eq!(news.what.kind(), Kind::StillFailing);
        decider.told(&news, NOW_MS);
        // Delivery was killed, and tells it once more.
        assert_eq!(
            decider.decide(reminder, false, NOW_MS).unwrap(),
            Err(Passed::Told)
        );
        let recovered = |since_ms| {
            record(
                NOW_MS,
                Notice::Recovered(Recovered {
                    since_ms,
                    attempts: 9,
                }),
            )
        };
        assert!(decider.decide(recovered(since), false, NOW_MS).unwrap().is_ok());
        let blip = recovered(NOW_MS - 10 * MINUTE_MS);
        assert_eq!(decider.decide(blip, false, NOW_MS).unwrap(), Err(Passed::Quiet));
    }

    #[test]
    fn d5_of_losses_there_is_a_mail_an_hour() {
        let mut decider = decider();
        let lost = |at_ms| record(at_ms, Notice::DeadLetter(DeadLetter::default()));
        let first = decider.decide(lost(NOW_MS), false, NOW_MS).unwrap().unwrap();
        decider.told(&first, NOW_MS);
        let within = decider.decide(lost(NOW_MS), false, NOW_MS + HOUR_MS - 1).unwrap();
        assert_eq!(within, Err(Passed::Told));
        assert!(
            decider
                .decide(lost(NOW_MS), false, NOW_MS + HOUR_MS)
                .unwrap()
                .is_ok()
        );
        // Expired events are something else.
        let expired = record(NOW_MS, Notice::Expired(Expired::default()));
        assert!(decider.decide(expired, false, NOW_MS).unwrap().is_ok());
    }

    #[test]
    fn an_old_reminder_is_passed_over_and_what_was_there_before_the_first_notifier_too() {
        let at = NOW_MS - 25 * HOUR_MS;
        let reminder = record(at, Notice::StillFailing(failing(at, 1)));
        assert_eq!(
            decider().decide(reminder, false, NOW_MS).unwrap(),
            Err(Passed::Old)
        );
        let disabled = record(at, Notice::Disabled(Disabled::default()));
        assert!(
            decider().decide(disabled.clone(), false, NOW_MS).unwrap().is_ok(),
            "D3: it is so still"
        );
        assert_eq!(
            decider().decide(disabled, true, NOW_MS).unwrap(),
            Err(Passed::Old)
        );
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let mut decider = decider();
        for number in 0..25_000_u64 {
            let mut bytes = [0; 16];
            bytes[..8].copy_from_slice(&number.to_be_bytes());
            let news = News {
                account: AccountId::new(1).unwrap(),
                webhook: WebhookId::from_bytes(bytes),
                lane: Lane::Batch,
                at_ms: i64::try_from(number).unwrap(),
                what: What::DeadLetter(DeadLetter::default()),
            };
            decider.told(&news, news.at_ms);
            assert!(decider.told.len() <= REMEMBERED);
            assert!(decider.told.contains_key(&news.key()));
        }
    }

    #[test]
    fn what_is_no_notice_is_told() {
        let nothing = NoticeRecord {
            notice: None,
            ..record(0, Notice::Recovered(Recovered::default()))
        };
        assert!(decider().decide(nothing, false, 0).is_err());
        assert!(decider().decide(NoticeRecord::default(), false, 0).is_err());
    }
}
