//! How the calls of webhooks go, and what came of an event, as the journal tells it.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use angarium_journal::{Listed, Rest, Wanted, list, speaks_of_event};
use angarium_kafka::{LogReader, ReadError};
use angarium_model::{AcceptedAt, AccountId, Position, WebhookId};
use angarium_proto::convert::position_from_wire;
use angarium_proto::explain::v1::ExplainResponse;
use angarium_proto::journal::v1::journal_record::Entry;
use angarium_proto::journal::v1::{EventReference, JournalRecord};
use angarium_runtime::millis;
use tokio::time::Instant;

use super::LOOKS_BACK;

/// A webhook that fails is called every 5 minutes at least (D2), and a call takes seconds.
const LAST_CALLS: Duration = Duration::from_mins(10);
/// The clocks of those who write, and the broker's, may differ by so much.
const CLOCKS: Duration = Duration::from_mins(5);
/// Entries that are looked at in one go.
const PAGE: usize = 1_000;

/// What is looked for.
#[derive(Debug)]
pub(super) struct Sought {
    pub(super) account: AccountId,
    /// The one webhook that is explained; `None`: all.
    pub(super) webhook: Option<WebhookId>,
    pub(super) event: Option<(Position, AcceptedAt)>,
    /// Whose last call is looked for.
    pub(super) calls_of: HashSet<WebhookId>,
    /// Where the event went.
    pub(super) went_to: HashSet<WebhookId>,
    pub(super) now_ms: i64,
}

/// What was found, by webhook.
#[derive(Debug, Default)]
pub(super) struct Calls {
    last: HashMap<WebhookId, JournalRecord>,
    of_event: HashMap<WebhookId, JournalRecord>,
    /// Whether what was read is older than a last call may be.
    is_past: bool,
    /// Whether there is no more to find.
    is_whole: bool,
}

impl Calls {
    /// Reads the account's partition of the journal, and of the one of successes, back.
    ///
    /// # Errors
    /// When Kafka does not answer.
    pub(super) async fn look(
        logs: [&LogReader; 2],
        partition: i32,
        sought: &Sought,
    ) -> Result<Self, ReadError> {
        let until = Instant::now() + LOOKS_BACK;
        let accepted_ms = sought.event.map(|(_, accepted_at)| accepted_at.unix_ms());
        let first_ms = accepted_ms.map_or(sought.lately_ms(), |at_ms| at_ms.min(sought.lately_ms()));
        let from_ms = first_ms.saturating_sub(millis(CLOCKS));
        let wanted = Wanted {
            account: sought.account,
            webhook: sought.webhook,
            event: None,
            from_ms: Some(from_ms.max(0)),
            until_ms: None,
        };
        let mut calls = Self::default();
        let mut rest: Option<Rest> = None;
        while !calls.is_whole && Instant::now() < until {
            let within = until.saturating_duration_since(Instant::now());
            let listed = list(logs, partition, &wanted, rest, (PAGE, within)).await?;
            calls.is_whole = listed.rest.is_none();
            rest = listed.rest;
            calls.meets(listed, sought);
        }
        Ok(calls)
    }

    /// Further entries, the latest first.
    fn meets(&mut self, listed: Listed, sought: &Sought) {
        for record in listed.entries {
            self.is_past |= record.at_ms < sought.lately_ms();
            let Some((entry, id)) = record
                .entry
                .as_ref()
                .and_then(|entry| Some((entry, call_of(entry)?)))
            else {
                continue;
            };
            if sought.is_asked_for(entry, id) && !self.of_event.contains_key(&id) {
                self.of_event.insert(id, sought.about_event(record.clone()));
            }
            let is_call = matches!(entry, Entry::Attempt(_));
            if is_call && !self.is_past && sought.calls_of.contains(&id) {
                self.last
                    .entry(id)
                    .or_insert_with(|| with_events(record, |_| true));
            }
        }
        let has_all = |found: &HashMap<WebhookId, JournalRecord>, of: &HashSet<WebhookId>| {
            of.iter().all(|id| found.contains_key(id))
        };
        let is_known = sought.event.is_none() || has_all(&self.of_event, &sought.went_to);
        self.is_whole |= is_known && (self.is_past || has_all(&self.last, &sought.calls_of));
    }

    /// Adds what was found.
    pub(super) fn tell(mut self, answer: &mut ExplainResponse) {
        answer.calls_incomplete = !self.is_whole;
        for explanation in &mut answer.explanations {
            if let Ok(id) = explanation.webhook_id.parse() {
                explanation.of_event = self.of_event.remove(&id);
                explanation.last_call = self.last.remove(&id);
            }
        }
    }
}

impl Sought {
    /// From when on a call is one of the last, Unix milliseconds.
    fn lately_ms(&self) -> i64 {
        self.now_ms.saturating_sub(millis(LAST_CALLS))
    }

    fn is_asked_for(&self, entry: &Entry, webhook: WebhookId) -> bool {
        // Of events that expired, the first and the last are told: those between may have been others'.
        let may_be = !matches!(entry, Entry::Expired(_)) || self.went_to.contains(&webhook);
        let is_it = |(position, _)| speaks_of_event(entry, position);
        may_be && self.event.is_some_and(is_it)
    }

    /// Of an attempt with many events, this one alone.
    fn about_event(&self, record: JournalRecord) -> JournalRecord {
        let position = self.event.map(|(position, _)| position);
        with_events(record, |event| event.position.map(position_from_wire) == position)
    }
}

/// Of the events of an attempt, the first of these alone: it may have hundreds, and there are many webhooks.
fn with_events(mut record: JournalRecord, these: impl Fn(&EventReference) -> bool) -> JournalRecord {
    if let Some(Entry::Attempt(attempt)) = &mut record.entry {
        let first = attempt.events.iter().find(|event| these(event)).cloned();
        attempt.events = first.into_iter().collect();
    }
    record
}

/// The webhook of which an entry tells how a call, or an event that was not sent, went.
fn call_of(entry: &Entry) -> Option<WebhookId> {
    let id = match entry {
        Entry::Attempt(attempt) => &attempt.webhook_id,
        Entry::Expired(expired) => &expired.webhook_id,
        Entry::PutAside(aside) => &aside.webhook_id,
        Entry::Matched(_) | Entry::StateChanged(_) => return None,
    };
    id.parse().ok()
}

#[cfg(test)]
mod tests {
    use angarium_proto::convert::position_to_wire;
    use angarium_proto::explain::v1::Explanation;
    use angarium_proto::journal::v1::{Attempt, Expired, PutAside};

    use super::*;

    fn webhook(number: u8) -> WebhookId {
        WebhookId::from_bytes([number; 16])
    }

    fn event(offset: i64) -> EventReference {
        EventReference {
            position: Some(position_to_wire(Position { partition: 0, offset })),
            ..EventReference::default()
        }
    }

    fn record(at_ms: i64, entry: Entry) -> JournalRecord {
        JournalRecord {
            account_id: 1,
            at_ms,
            entry: Some(entry),
        }
    }

    fn attempt(number: u8, offset: i64) -> Entry {
        Entry::Attempt(Attempt {
            webhook_id: webhook(number).to_string(),
            events: vec![event(offset), event(offset + 1)],
            ..Attempt::default()
        })
    }

    fn times(found: &HashMap<WebhookId, JournalRecord>) -> Vec<(WebhookId, i64)> {
        let mut times: Vec<_> = found.iter().map(|(id, record)| (*id, record.at_ms)).collect();
        times.sort_unstable();
        times
    }

    const NOW_MS: i64 = 10_000_000;

    /// Of the event at 5, which went to the webhooks 1 and 3.
    fn sought() -> Sought {
        let position = Position {
            partition: 0,
            offset: 5,
        };
        Sought {
            account: AccountId::new(1).unwrap(),
            webhook: None,
            event: Some((position, AcceptedAt::from_unix_ms(0))),
            calls_of: HashSet::from([webhook(1), webhook(2)]),
            went_to: HashSet::from([webhook(1), webhook(3)]),
            now_ms: NOW_MS,
        }
    }

    fn page(entries: Vec<JournalRecord>) -> Listed {
        Listed {
            entries,
            rest: Some([Some(1), None]),
        }
    }

    fn aside(number: u8) -> Entry {
        Entry::PutAside(PutAside {
            webhook_id: webhook(number).to_string(),
            event: Some(event(5)),
            ..PutAside::default()
        })
    }

    #[test]
    fn the_latest_of_each_counts_and_the_search_ends_with_the_last_that_is_missing() {
        let mut calls = Calls::default();
        let latest = vec![
            record(NOW_MS, attempt(1, 7)),
            record(NOW_MS - 10, attempt(1, 4)),
            record(NOW_MS - 20, attempt(2, 7)),
            record(NOW_MS - 30, attempt(1, 5)),
        ];
        calls.meets(page(latest), &sought());
        assert_eq!(
            times(&calls.last),
            [(webhook(1), NOW_MS), (webhook(2), NOW_MS - 20)]
        );
        assert_eq!(times(&calls.of_event), [(webhook(1), NOW_MS - 10)]);
        assert!(!calls.is_whole);
        calls.meets(page(vec![record(NOW_MS - 50, aside(3))]), &sought());
        assert!(calls.is_whole);

        let mut answer = ExplainResponse::default();
        let of = |number| Explanation {
            webhook_id: webhook(number).to_string(),
            ..Explanation::default()
        };
        answer.explanations = vec![of(1), of(3)];
        calls.tell(&mut answer);
        let events = |told: &Option<JournalRecord>| match &told.as_ref().unwrap().entry {
            Some(Entry::Attempt(attempt)) => attempt.events.clone(),
            other => panic!("{other:?}"),
        };
        let [first, third] = &answer.explanations[..] else {
            panic!("two webhooks")
        };
        assert_eq!(events(&first.of_event), [event(5)]);
        assert_eq!(events(&first.last_call), [event(7)]);
        assert_eq!(third.of_event, Some(record(NOW_MS - 50, aside(3))));
        assert!(!answer.calls_incomplete);
    }

    #[test]
    fn a_call_of_long_ago_is_not_the_last_and_is_not_searched_for() {
        let mut calls = Calls::default();
        let before = sought().lately_ms() - 1;
        let entries = vec![
            record(NOW_MS, attempt(1, 5)),
            record(before, aside(3)),
            record(before, attempt(2, 5)),
        ];
        calls.meets(page(entries), &sought());
        assert_eq!(times(&calls.last), [(webhook(1), NOW_MS)]);
        assert!(calls.is_whole, "the second has made no call lately");
    }

    #[test]
    fn an_event_that_did_not_go_to_a_webhook_has_not_expired_there() {
        let expired = |number| {
            Entry::Expired(Expired {
                webhook_id: webhook(number).to_string(),
                first: Some(event(1)),
                last: Some(event(9)),
                ..Expired::default()
            })
        };
        let mut calls = Calls::default();
        let entries = vec![record(NOW_MS, expired(2)), record(NOW_MS, expired(3))];
        calls.meets(page(entries), &sought());
        assert_eq!(times(&calls.of_event), [(webhook(3), NOW_MS)]);
    }
}
