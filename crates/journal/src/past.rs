//! What became of an event, read back.

use std::num::NonZeroU32;
use std::time::Duration;

use angarium_kafka::{Limit, LogReader, ReadError, partition_of};
use angarium_model::{AcceptedAt, AccountId, Event, Position};
use angarium_proto::convert::{event_from_record, position_from_wire};
use angarium_proto::event::v1::EventRecord;
use angarium_proto::journal::v1::journal_record::Entry;
use angarium_proto::journal::v1::{JournalRecord, Matched};
use prost::Message as _;
use tokio::time::Instant;

/// What one read brings at most.
const READ: Limit = Limit {
    records: 10_000,
    bytes: 4 * 1024 * 1024,
};
/// The journal is read on for so long: an event is matched milliseconds after it was accepted, as a rule.
const PATIENCE: Duration = Duration::from_secs(5);

/// An event as ingest accepted it.
#[derive(Debug)]
pub struct Accepted {
    /// The event.
    pub event: Event,
    /// When Kafka took it.
    pub accepted_at: AcceptedAt,
}

/// The event of an account at a position; `events` reads the events topic.
///
/// # Errors
/// When Kafka does not answer.
pub async fn accepted(
    events: &LogReader,
    account: AccountId,
    position: Position,
) -> Result<Option<Accepted>, ReadError> {
    let Some(record) = events.record(position.partition, position.offset).await? else {
        return Ok(None);
    };
    let accepted_at = AcceptedAt::from_unix_ms(record.timestamp_ms);
    let event = record
        .value
        .and_then(|value| EventRecord::decode(value).ok())
        .and_then(|record| event_from_record(record).ok());
    Ok(event
        // Whose it is, nobody else learns.
        .filter(|event| event.account == account)
        .map(|event| Accepted { event, accepted_at }))
}

/// What fanout recorded of an event, and when, Unix milliseconds; `journal` reads the journal, which has so many
/// partitions. The first record of it: fanout may repeat an event after a crash.
///
/// # Errors
/// When Kafka does not answer.
pub async fn matched(
    journal: &LogReader,
    partitions: NonZeroU32,
    account: AccountId,
    position: Position,
    accepted_at: AcceptedAt,
) -> Result<Option<(Matched, i64)>, ReadError> {
    let partition = partition_of(account.to_string().as_bytes(), partitions);
    let deadline = Instant::now() + PATIENCE;
    let mut next = journal.offset_at(partition, accepted_at.unix_ms()).await?;
    while Instant::now() < deadline {
        let Some((records, read_to)) = journal.some(partition, next, READ).await? else {
            break;
        };
        next = read_to;
        let of_event = |record: JournalRecord| match record.entry {
            Some(Entry::Matched(matched)) => {
                let place = matched.event.as_ref()?.position.map(position_from_wire);
                (place == Some(position)).then_some((matched, record.at_ms))
            }
            _ => None,
        };
        let found = records
            .into_iter()
            .filter_map(|record| JournalRecord::decode(record.value?).ok())
            .filter(|record| record.account_id == account.get())
            .find_map(of_event);
        if found.is_some() {
            return Ok(found);
        }
    }
    Ok(None)
}
