//! The journal read back, the latest first.

use std::time::Duration;

use angarium_kafka::{Backward, LogReader, ReadError, Record};
use angarium_model::{AccountId, Position, WebhookId};
use angarium_proto::convert::position_from_wire;
use angarium_proto::journal::v1::journal_record::Entry;
use angarium_proto::journal::v1::{EventReference, JournalRecord};
use prost::Message as _;
use tokio::time::Instant;

/// A page ends with the entry that brings it here: a client takes 4 MiB of an answer unless it is told otherwise.
const PAGE_BYTES: usize = 2 << 20;

/// Which entries are wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// Of this account.
    pub account: AccountId,
    /// That speak of this webhook.
    pub webhook: Option<WebhookId>,
    /// That speak of this event.
    pub event: Option<Position>,
    /// Written at this time or later, by the broker's clock in Unix milliseconds.
    pub from_ms: Option<i64>,
    /// Written before this time.
    pub until_ms: Option<i64>,
}

/// Below which offset of a partition to go on: of what is not a success, and of successes; `None`: nothing is left there.
pub type Rest = [Option<i64>; 2];

/// A part of the journal.
#[derive(Debug, Default)]
pub struct Listed {
    /// The latest first.
    pub entries: Vec<JournalRecord>,
    /// Where to go on; `None` when there is no more.
    pub rest: Option<Rest>,
}

/// Up to `size` entries, the latest first; a page that has looked back for as long as `within` may have fewer. `logs` reads the journal, and that of
/// successes, each of which has the account in this partition. `rest` is where the page before has ended.
///
/// # Errors
/// When Kafka does not answer.
pub async fn list(
    logs: [&LogReader; 2],
    partition: i32,
    wanted: &Wanted,
    rest: Option<Rest>,
    (size, within): (usize, Duration),
) -> Result<Listed, ReadError> {
    let [other, success] = logs;
    let [below_other, below_success] =
        rest.map_or([None, None], |rest| rest.map(|below| Some(below.unwrap_or(0))));
    let mut logs = [
        open(other, partition, wanted, below_other).await?,
        open(success, partition, wanted, below_success).await?,
    ];
    let until = Instant::now() + within;
    let mut has_read = [false; 2];
    let (mut listed, mut bytes) = (Listed::default(), 0);
    let is_full = |entries: &[JournalRecord], bytes: usize| entries.len() >= size || bytes >= PAGE_BYTES;
    while !is_full(&listed.entries, bytes) {
        let Some(record) = latest(&mut logs, &mut has_read, until).await? else {
            break;
        };
        if let Some(entry) = wanted.take(record) {
            bytes += entry.encoded_len();
            listed.entries.push(entry);
        }
    }
    let rest = logs.map(|log| log.rest());
    listed.rest = rest.iter().any(Option::is_some).then_some(rest);
    Ok(listed)
}

async fn open(
    log: &LogReader,
    partition: i32,
    wanted: &Wanted,
    below: Option<i64>,
) -> Result<Backward, ReadError> {
    let from = match wanted.from_ms {
        Some(at_ms) => Some(log.offset_at(partition, at_ms).await?),
        None => None,
    };
    let below = match (below, wanted.until_ms) {
        (None, Some(at_ms)) => Some(log.offset_at(partition, at_ms).await?),
        (below, _) => below,
    };
    let key = wanted.account.to_string().into_bytes();
    Backward::open(log.clone(), (partition, key), below, from).await
}

/// The latest of both; nothing when there is no more, or the time is over. Each log is read on once all the same: a page that comes late
/// has moved on.
async fn latest(
    logs: &mut [Backward; 2],
    has_read: &mut [bool; 2],
    until: Instant,
) -> Result<Option<Record>, ReadError> {
    for (log, has_read) in logs.iter_mut().zip(has_read) {
        while log.latest().is_none() && log.rest().is_some() {
            if *has_read && Instant::now() >= until {
                return Ok(None);
            }
            log.read_on().await?;
            *has_read = true;
        }
    }
    let [other, success] = logs;
    let at = |log: &Backward| log.latest().map(|record| record.timestamp_ms);
    Ok(if at(success) > at(other) {
        success.take()
    } else {
        other.take()
    })
}

impl Wanted {
    /// The entry of a record, if it is one of these. What cannot be read is left out: the others are wanted all the same.
    fn take(&self, record: Record) -> Option<JournalRecord> {
        let told = JournalRecord::decode(record.value?).ok()?;
        let entry = told.entry.as_ref()?;
        let is_wanted = self
            .webhook
            .is_none_or(|id| speaks_of_webhook(entry, &id.to_string()))
            && self.event.is_none_or(|position| speaks_of_event(entry, position));
        is_wanted.then_some(told)
    }
}

fn speaks_of_webhook(entry: &Entry, id: &str) -> bool {
    match entry {
        Entry::Matched(matched) => {
            let ids = [
                &matched.webhook_ids,
                &matched.inactive_webhook_ids,
                &matched.filtered_webhook_ids,
            ];
            let undecided = matched
                .undecided
                .iter()
                .any(|undecided| undecided.webhook_id == id);
            undecided || ids.iter().any(|ids| ids.iter().any(|one| one == id))
        }
        Entry::Attempt(attempt) => attempt.webhook_id == id,
        Entry::Expired(expired) => expired.webhook_id == id,
        Entry::StateChanged(changed) => changed.webhook_id == id,
        Entry::PutAside(aside) => aside.webhook_id == id,
    }
}

/// Whether an entry tells something of an event.
#[must_use]
pub fn speaks_of_event(entry: &Entry, position: Position) -> bool {
    let place = |event: &EventReference| event.position.map(position_from_wire);
    let is_it = |event: &EventReference| place(event) == Some(position);
    match entry {
        Entry::Matched(matched) => matched.event.as_ref().is_some_and(is_it),
        Entry::Attempt(attempt) => attempt.events.iter().any(is_it),
        Entry::PutAside(aside) => aside.event.as_ref().is_some_and(is_it),
        Entry::Expired(expired) => {
            let (first, last) = (expired.first.as_ref(), expired.last.as_ref());
            let range = first.and_then(place).zip(last.and_then(place));
            range.is_some_and(|(first, last)| {
                first.partition == position.partition
                    && (first.offset..=last.offset).contains(&position.offset)
            })
        }
        Entry::StateChanged(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use angarium_kafka::topics::{Layout, Names};
    use angarium_kafka::{Connection, MockBroker, Outgoing, Producer, ProducerConfig};
    use angarium_proto::journal::v1::{Attempt, StateChanged};
    use angarium_runtime::{Shutdown, Tasks};

    use super::*;

    const ACCOUNT: u64 = 1;
    /// A page looks back so long.
    const LOOKS_BACK: Duration = Duration::from_secs(3);
    /// More than is read at once, of each log.
    const ENTRIES: i64 = 450;

    /// Writes entries of two accounts into both logs; those of the account are numbered by their time.
    async fn write(connection: &Connection, names: &Names) {
        let config = ProducerConfig {
            client_id: "test".to_owned(),
            max_queued: 10_000,
            max_queued_kib: 10_000,
            delivery_timeout: None,
            gapless: true,
            linger: Duration::from_millis(1),
        };
        let producer = Producer::open(connection, &config).unwrap();
        let mut acks = Vec::new();
        for at_ms in 0..ENTRIES {
            let state = Entry::StateChanged(StateChanged::default());
            let attempt = Entry::Attempt(Attempt::default());
            for (topic, account_id, entry) in [
                (names.journal(), ACCOUNT, state.clone()),
                (names.journal(), ACCOUNT + 1, state),
                (names.journal_ok(), ACCOUNT, attempt),
            ] {
                let record = JournalRecord {
                    account_id,
                    at_ms,
                    entry: Some(entry),
                };
                let (key, value) = (account_id.to_string(), record.encode_to_vec());
                let outgoing = Outgoing {
                    topic,
                    partition: 0,
                    key: key.as_bytes(),
                    value: Some(&value),
                    headers: &[],
                };
                acks.push(producer.send(outgoing).unwrap());
            }
        }
        for ack in acks {
            ack.await.unwrap();
        }
    }

    /// What pages of this size have, made within this time, and how many there are.
    async fn paged(
        logs: [&LogReader; 2],
        event: Option<Position>,
        (size, within): (usize, Duration),
    ) -> (Vec<JournalRecord>, usize) {
        let wanted = Wanted {
            account: AccountId::new(ACCOUNT).unwrap(),
            webhook: None,
            event,
            from_ms: None,
            until_ms: None,
        };
        let (mut all, mut pages, mut rest) = (Vec::new(), 0, None);
        loop {
            let page = list(logs, 0, &wanted, rest, (size, within)).await.unwrap();
            assert!(page.entries.len() <= size);
            assert!(page.rest != rest || rest.is_none(), "a page has not moved on");
            all.extend(page.entries);
            pages += 1;
            match page.rest {
                Some(next) => rest = Some(next),
                None => return (all, pages),
            }
        }
    }

    #[tokio::test]
    async fn pages_have_each_entry_once_and_come_to_their_end_however_late_they_are() {
        let layout = Layout::default();
        let broker = MockBroker::start(&layout).unwrap();
        let (connection, names, tasks) = (broker.connection(), layout.names(), Tasks::new(Shutdown::new()));
        write(&connection, &names).await;
        let open = |topic| LogReader::open(&connection, topic, "test", &tasks).unwrap();
        let (other, success) = (open(names.journal()), open(names.journal_ok()));
        let logs = [&other, &success];
        let latest_first: Vec<i64> = (0..ENTRIES).rev().collect();
        for (size, within) in [(1_000, LOOKS_BACK), (7, LOOKS_BACK), (1_000, Duration::ZERO)] {
            let (all, _) = paged(logs, None, (size, within)).await;
            for is_attempt in [true, false] {
                let is_it = |one: &&JournalRecord| matches!(one.entry, Some(Entry::Attempt(_))) == is_attempt;
                let times: Vec<i64> = all.iter().filter(is_it).map(|one| one.at_ms).collect();
                assert_eq!(times, latest_first, "{size} {within:?}");
            }
        }
        // Nothing is of it, though every place read has something of the account.
        let nowhere = Position {
            partition: 9,
            offset: 9,
        };
        let (none, pages) = paged(logs, Some(nowhere), (1_000, Duration::ZERO)).await;
        assert!(none.is_empty());
        assert!(pages > 2, "a page ends when its time is over: {pages}");
        tasks.shutdown().begin();
    }
}
