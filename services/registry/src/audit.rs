//! Who changed what: written with each change, read back when someone asks.

mod service;

use std::time::Duration;

use angarium_kafka::{Backward, LogReader, ReadError, Record};
use angarium_model::{AccountId, Actor, Revision};
use angarium_proto::audit::v1::AuditRecord;
use angarium_proto::audit::v1::list_audit_log_response::Entry;
use angarium_proto::convert::actor_to_wire;
use angarium_runtime::UnderWay;
use prost::Message;
use tokio::time::{Instant, timeout_at};

use crate::home::Home;
use crate::plan::Plan;
use crate::record::{Entity, Key};
use crate::refusal::Refusal;
use crate::state::State;

pub(crate) use service::Auditor;

/// Pages that are read at once, of one home half as many: a page may take seconds, and one thread reads all.
const MOST: usize = 4;
/// A page ends with the entry that brings it here: a change of an event type carries two schemas, and a client takes 4 MiB
/// of an answer unless it is told otherwise.
const PAGE_BYTES: usize = 2 << 20;
/// A page looks back so long; the rest is the next one's.
const LOOKS_BACK: Duration = Duration::from_secs(3);
/// And waits so long for Kafka at most.
const PATIENCE: Duration = Duration::from_secs(10);

/// A change that is to be told.
#[derive(Debug)]
pub(crate) struct Change {
    actor: Actor,
    home: Home,
    method: &'static str,
    subject: Key,
    before: Option<Entity>,
    after: Option<Entity>,
}

impl Change {
    /// All that a plan changes, in its order.
    pub(crate) fn all(
        state: &State,
        plan: &Plan,
        (actor, home, method): (Actor, Home, &'static str),
    ) -> Vec<Self> {
        let Plan::Record {
            key, entity, along, ..
        } = plan
        else {
            return Vec::new();
        };
        let change = |subject: Key, after: Option<Entity>| Self {
            actor,
            home,
            method,
            before: state.entity(&subject),
            subject,
            after,
        };
        let along = along.iter().map(|key| change(key.clone(), None));
        // Its revision is the offset of its record, which is not known yet.
        let after = entity.clone().map(|entity| entity.at(Revision::default()));
        // That a deleted webhook, or an external id, is kept for a while is no change of its own, nor that a key is used.
        let told = along.chain([change(key.clone(), after)]);
        let is_no_change =
            |subject: &Key| matches!(subject, Key::Deleted(_) | Key::ExternalId(_) | Key::Used(_));
        told.filter(|change| !is_no_change(&change.subject)).collect()
    }

    /// The key and the value of its record.
    pub(crate) fn encode(&self) -> (String, Vec<u8>) {
        let record = AuditRecord {
            actor: Some(actor_to_wire(self.actor)),
            account_id: self.home.account().map(AccountId::get),
            method: self.method.to_owned(),
            subject: self.subject.to_string(),
            before: self.before.as_ref().map(Entity::public),
            after: self.after.as_ref().map(Entity::public),
            asked: None,
        };
        (self.home.partition_key(), record.encode_to_vec())
    }
}

/// Reads the log back. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct AuditLog {
    reader: LogReader,
    under_way: UnderWay<Home>,
}

/// Whose changes, and of what.
#[derive(Debug)]
pub(crate) struct Wanted {
    pub(crate) partition: i32,
    pub(crate) home: Home,
    /// Empty: whatever was changed.
    pub(crate) subject: String,
}

impl Wanted {
    /// The change that a record tells of, if it is one of these. What cannot be read is left out: the others are wanted
    /// all the same.
    fn take(&self, record: Record) -> Option<Entry> {
        let told = AuditRecord::decode(record.value?).ok()?;
        let is_wanted = self.subject.is_empty() || told.subject == self.subject;
        is_wanted.then_some(Entry {
            at_ms: record.timestamp_ms,
            record: Some(told),
        })
    }
}

impl AuditLog {
    pub(crate) fn new(reader: LogReader) -> Self {
        Self {
            reader,
            under_way: UnderWay::new(MOST, MOST / 2),
        }
    }

    /// Up to `size` changes below this place of the partition (none: its end), the latest first, and the place below
    /// which there may be more.
    pub(crate) async fn page(
        &self,
        wanted: &Wanted,
        below: Option<i64>,
        size: usize,
    ) -> Result<(Vec<Entry>, Option<i64>), Refusal> {
        let _permit = self.under_way.begin(wanted.home).map_err(Refusal::TooMany)?;
        let begun = Instant::now();
        let all = self.look_back(wanted, below, size, begun + LOOKS_BACK);
        let page = timeout_at(begun + PATIENCE, all).await;
        page.unwrap_or(Err(ReadError::TimedOut))
            .map_err(Refusal::NoAuditLog)
    }

    async fn look_back(
        &self,
        wanted: &Wanted,
        below: Option<i64>,
        size: usize,
        until: Instant,
    ) -> Result<(Vec<Entry>, Option<i64>), ReadError> {
        let key = wanted.home.partition_key().into_bytes();
        let mut log = Backward::open(self.reader.clone(), (wanted.partition, key), below, None).await?;
        let (mut page, mut bytes, mut has_read) = (Vec::new(), 0, false);
        while page.len() < size && bytes < PAGE_BYTES && log.rest().is_some() {
            match log.take() {
                Some(record) => {
                    let entry = wanted.take(record);
                    bytes += entry.as_ref().map_or(0, Message::encoded_len);
                    page.extend(entry);
                }
                // Once it is read on all the same: a page that comes late has moved on.
                None if !has_read || Instant::now() < until => {
                    log.read_on().await?;
                    has_read = true;
                }
                None => break,
            }
        }
        Ok((page, log.rest()))
    }
}
