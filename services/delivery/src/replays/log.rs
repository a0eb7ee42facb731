//! What Kafka says of what may be sent again.

use std::ops::Range;
use std::time::Duration;

use angarium_journal::{Accepted, accepted};
use angarium_kafka::topics::Names;
use angarium_kafka::{Connection, Limit, LogReader, Record};
use angarium_model::{AccountId, Lane, Position};
use angarium_policy::expired;
use angarium_proto::convert::{lane_from_wire, position_from_wire};
use angarium_proto::delivery::v1::{DeliveryRecord, replay_order};
use angarium_proto::notice::v1::notice_record::Notice;
use angarium_proto::notice::v1::{DeadLetter, NoticeRecord};
use angarium_runtime::Tasks;
use prost::Message as _;
use tokio::time::Instant;

use super::Place;
use super::refusal::Refusal;
use crate::error::Error;
use crate::record::{self, Read};

/// What one read brings at most.
const READ: Limit = Limit {
    records: 10_000,
    bytes: 4 * 1024 * 1024,
};
/// A call reads on for so long.
const PATIENCE: Duration = Duration::from_secs(10);

/// Readers of their own, so that no catch-up waits for a count.
#[derive(Clone, Debug)]
pub(super) struct Log {
    realtime: LogReader,
    batch: LogReader,
    events: LogReader,
    notices: LogReader,
}

/// How many events a range has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counted {
    pub(super) events: u64,
    /// There may be more: the time was over.
    pub(super) more: bool,
}

/// What was put aside.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) position: Position,
    pub(super) dead_letter: DeadLetter,
    pub(super) at_ms: i64,
    pub(super) lane: Lane,
    /// Where its notice stands.
    pub(super) offset: i64,
}

/// Some of what was put aside, and where to go on.
#[derive(Debug, Default)]
pub(super) struct Page {
    pub(super) entries: Vec<Entry>,
    pub(super) next: Option<i64>,
}

impl Log {
    pub(super) fn open(
        kafka: &Connection,
        names: &Names,
        client_id: &str,
        tasks: &Tasks,
    ) -> Result<Self, Error> {
        let open = |topic: &str, of: &str| -> Result<LogReader, Error> {
            let client_id = format!("{client_id}-replay-{of}");
            Ok(LogReader::open(kafka, topic, &client_id, tasks)?)
        };
        Ok(Self {
            realtime: open(names.deliveries(Lane::Realtime), "realtime")?,
            batch: open(names.deliveries(Lane::Batch), "batch")?,
            events: open(names.events(), "events")?,
            notices: open(names.notices(), "notices")?,
        })
    }

    fn deliveries(&self, lane: Lane) -> &LogReader {
        match lane {
            Lane::Realtime => &self.realtime,
            Lane::Batch => &self.batch,
        }
    }

    /// Where the deliveries begin that were written at this time or later.
    pub(super) async fn offset_at(&self, place: Place, at_ms: i64) -> Result<i64, Refusal> {
        Ok(self
            .deliveries(place.lane)
            .offset_at(place.partition, at_ms)
            .await?)
    }

    pub(super) async fn end(&self, place: Place) -> Result<i64, Refusal> {
        Ok(self.deliveries(place.lane).ends(place.partition).await?.high)
    }

    /// The event of an account at a position.
    pub(super) async fn event(&self, account: AccountId, position: Position) -> Result<Accepted, Refusal> {
        let found = accepted(&self.events, account, position).await?;
        found.ok_or(Refusal::NoEvent(position))
    }

    /// How many events of a range are the webhook's and may still be sent, those behind `after` in the events topic.
    pub(super) async fn count(
        &self,
        place: Place,
        range: Range<i64>,
        after: Option<i64>,
        now_ms: i64,
    ) -> Result<Counted, Refusal> {
        let deadline = Instant::now() + PATIENCE;
        let (mut next, mut last) = (range.start, after.unwrap_or(-1));
        let mut counted = Counted::default();
        while next < range.end {
            if Instant::now() >= deadline {
                counted.more = true;
                break;
            }
            let Some((records, read_to)) = self
                .deliveries(place.lane)
                .some(place.partition, next, READ)
                .await?
            else {
                break;
            };
            next = read_to;
            for record in records
                .into_iter()
                .filter(|record| range.contains(&record.offset))
            {
                let Ok(Read::Event(incoming)) = record::read(record) else {
                    continue;
                };
                let delivery = &incoming.delivery;
                let is_its = incoming.webhooks.contains(&place.webhook) && !delivery.resent;
                // What fanout wrote twice is sent once.
                if is_its && delivery.source.offset > last && !expired(delivery.accepted_at, now_ms) {
                    last = delivery.source.offset;
                    counted.events += 1;
                }
            }
        }
        Ok(counted)
    }

    /// What was ordered at this offset.
    pub(super) async fn ordered(&self, place: Place, id: i64) -> Result<replay_order::Range, Refusal> {
        let none = || Refusal::NoReplay(id);
        let record = self.deliveries(place.lane).record(place.partition, id).await?;
        let record = record
            .and_then(|record| record.value)
            .and_then(|value| DeliveryRecord::decode(value).ok())
            .filter(|record| record.webhook_ids.as_ref() == place.webhook.as_bytes())
            .ok_or_else(none)?;
        match record.replay_order.and_then(|order| order.order) {
            Some(replay_order::Order::Replay(range)) => Ok(range),
            Some(replay_order::Order::Cancel(_)) | None => Err(none()),
        }
    }

    /// Where the notices begin that were written at this time or later; `None` if there are none.
    pub(super) async fn notices_at(&self, place: Place, at_ms: i64) -> Result<Option<i64>, Refusal> {
        let at = self.notices.offset_at(place.partition, at_ms).await?;
        let high = self.notices.ends(place.partition).await?.high;
        Ok((at < high).then_some(at))
    }

    /// What was put aside for the webhook and can be sent again at this time, from this offset of the notices on: at most
    /// so many, as far as it is found in time.
    pub(super) async fn dead_letters(
        &self,
        place: Place,
        (offset, most): (i64, usize),
        now_ms: i64,
    ) -> Result<Page, Refusal> {
        let deadline = Instant::now() + PATIENCE;
        let webhook = place.webhook.to_string();
        let mut page = Page {
            entries: Vec::new(),
            next: Some(offset),
        };
        while let Some(next) = page.next
            && Instant::now() < deadline
        {
            let Some((records, read_to)) = self.notices.some(place.partition, next, READ).await? else {
                page.next = None;
                break;
            };
            page.next = Some(read_to);
            for record in records {
                let offset = record.offset;
                let is_kept = |entry: &Entry| entry.dead_letter.kept_until_ms > now_ms;
                page.entries.extend(entry(record, &webhook).filter(is_kept));
                if page.entries.len() >= most {
                    page.next = Some(offset + 1);
                    return Ok(page);
                }
            }
        }
        Ok(page)
    }
}

/// Of a notice what it says of an event that was put aside for this webhook.
fn entry(record: Record, webhook: &str) -> Option<Entry> {
    let offset = record.offset;
    let notice = NoticeRecord::decode(record.value?).ok()?;
    let (lane, at_ms) = (lane_from_wire(notice.lane)?, notice.at_ms);
    match notice.notice? {
        Notice::DeadLetter(dead_letter) if notice.webhook_id == webhook => Some(Entry {
            position: position_from_wire(dead_letter.event.as_ref()?.position?),
            dead_letter,
            at_ms,
            lane,
            offset,
        }),
        _ => None,
    }
}
