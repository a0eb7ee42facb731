//! How the calls of webhooks go, and what came of an event, as the journal tells it.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use angarium_journal::{Listed, Rest, Wanted, list, speaks_of_event};
use angarium_kafka::{LogReader, ReadError};
use angarium_model::{AcceptedAt, AccountId, Position, WebhookId};
use angarium_proto::explain::v1::Explanation;
use angarium_proto::journal::v1::JournalRecord;
use angarium_proto::journal::v1::journal_record::Entry;
use angarium_runtime::millis;
use tokio::time::Instant;

/// A webhook that fails is called every 5 minutes at least (D2), and a call takes seconds.
const LAST_CALLS: Duration = Duration::from_mins(10);
/// It is looked back for so long.
const LOOKS_BACK: Duration = Duration::from_secs(3);
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
    /// Whether there is no more to find.
    pub(super) is_whole: bool,
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
        let lately_ms = sought.now_ms.saturating_sub(millis(LAST_CALLS));
        let from_ms = sought
            .event
            .map_or(lately_ms, |(_, accepted_at)| accepted_at.unix_ms().min(lately_ms));
        let wanted = Wanted {
            account: sought.account,
            webhook: sought.webhook,
            event: None,
            from_ms: Some(from_ms),
            until_ms: None,
        };
        let mut calls = Self::default();
        let mut rest: Option<Rest> = None;
        while !calls.is_whole && Instant::now() < until {
            let listed = list(logs, partition, &wanted, rest, PAGE).await?;
            calls.is_whole = listed.rest.is_none();
            rest = listed.rest;
            calls.meets(listed, sought);
        }
        Ok(calls)
    }

    /// Further entries, the latest first.
    fn meets(&mut self, listed: Listed, sought: &Sought) {
        for record in listed.entries {
            let Some((entry, id)) = record
                .entry
                .as_ref()
                .and_then(|entry| Some((entry, call_of(entry)?)))
            else {
                continue;
            };
            let is_of_event = sought
                .event
                .is_some_and(|(position, _)| speaks_of_event(entry, position));
            if is_of_event {
                self.of_event.entry(id).or_insert_with(|| record.clone());
            }
            if matches!(entry, Entry::Attempt(_)) && sought.calls_of.contains(&id) {
                self.last.entry(id).or_insert(record);
            }
        }
        let has_all = |found: &HashMap<WebhookId, JournalRecord>, of: &HashSet<WebhookId>| {
            of.iter().all(|id| found.contains_key(id))
        };
        let is_known = sought.event.is_none() || has_all(&self.of_event, &sought.went_to);
        self.is_whole |= is_known && has_all(&self.last, &sought.calls_of);
    }

    /// Adds what was found of a webhook.
    pub(super) fn tell(&mut self, explanation: &mut Explanation) {
        if let Ok(id) = explanation.webhook_id.parse() {
            explanation.of_event = self.of_event.remove(&id);
            explanation.last_call = self.last.remove(&id);
        }
    }
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
    use angarium_proto::journal::v1::{Attempt, EventReference, PutAside};

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
            events: vec![event(offset)],
            ..Attempt::default()
        })
    }

    fn times(found: &HashMap<WebhookId, JournalRecord>) -> Vec<(WebhookId, i64)> {
        let mut times: Vec<_> = found.iter().map(|(id, record)| (*id, record.at_ms)).collect();
        times.sort_unstable();
        times
    }

    #[test]
    fn the_latest_of_each_counts_and_the_search_ends_with_the_last_that_is_missing() {
        let sought = Sought {
            account: AccountId::new(1).unwrap(),
            webhook: None,
            event: Some((
                Position {
                    partition: 0,
                    offset: 5,
                },
                AcceptedAt::from_unix_ms(0),
            )),
            calls_of: HashSet::from([webhook(1), webhook(2)]),
            went_to: HashSet::from([webhook(1), webhook(3)]),
            now_ms: 100,
        };
        let aside = Entry::PutAside(PutAside {
            webhook_id: webhook(3).to_string(),
            event: Some(event(5)),
            ..PutAside::default()
        });
        let mut calls = Calls::default();
        let page = |entries| Listed {
            entries,
            rest: Some([Some(1), None]),
        };
        let latest = vec![
            record(90, attempt(1, 7)),
            record(80, attempt(1, 5)),
            record(70, attempt(2, 7)),
            record(60, attempt(1, 5)),
        ];
        calls.meets(page(latest), &sought);
        assert_eq!(times(&calls.last), [(webhook(1), 90), (webhook(2), 70)]);
        assert_eq!(times(&calls.of_event), [(webhook(1), 80)]);
        assert!(!calls.is_whole);
        calls.meets(page(vec![record(50, aside)]), &sought);
        assert_eq!(times(&calls.of_event), [(webhook(1), 80), (webhook(3), 50)]);
        assert!(calls.is_whole);
    }
}
