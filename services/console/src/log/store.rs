//! The file: tables of records, what they are found by, and how far the journal was read.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use angarium_proto::journal::v1::JournalRecord;
use angarium_proto::journal::v1::journal_record::Entry;
use prost::Message as _;
use redb::{Database, Durability, ReadableDatabase as _, ReadableTable as _, TableDefinition};

use super::keys::{self, At, Topic};
use super::rates::Minute;

pub(super) const MINUTE_MS: i64 = 60_000;
/// Minutes that are counted: the hour that pages show, and as much again for clocks that differ.
const MINUTES: i64 = 120;
/// Records that one transaction removes at most, so that reading goes on between them.
const REMOVED_AT_ONCE: usize = 5_000;
/// What a key takes beside what is under it, as measured of tables of such keys.
const KEY_BYTES: u64 = 64;

/// Records as they were written to Kafka.
pub(super) const RECORDS: TableDefinition<'_, At, &[u8]> = TableDefinition::new("records");
/// Webhook, kind, place of the record.
pub(super) const OF_WEBHOOK: TableDefinition<'_, (u128, u8, i64, u8, i32, i64), ()> =
    TableDefinition::new("of_webhook");
/// Account, hash of the event's id, place of the record.
pub(super) const OF_EVENT: TableDefinition<'_, (u64, u128, i64, u8, i32, i64), ()> =
    TableDefinition::new("of_event");
/// Minute and webhook.
pub(super) const MINUTE: TableDefinition<'_, (i64, u128), &[u8]> = TableDefinition::new("minute");
/// Webhook and lane: since when it is in which state.
pub(super) const STATE: TableDefinition<'_, (u128, i32), (i64, i32)> = TableDefinition::new("state");
/// Topic and partition: the next offset.
const PLACE: TableDefinition<'_, (u8, i32), i64> = TableDefinition::new("place");
/// What all records take.
const SIZE: TableDefinition<'_, (), u64> = TableDefinition::new("size");

/// How much is kept.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    /// Bytes of records with what they are found by; the file is up to half as large again.
    pub(crate) bytes: u64,
    /// Milliseconds.
    pub(crate) age_ms: i64,
}

/// Why the file cannot be opened, read or written.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Trouble {
    /// The directory cannot be made.
    #[error("the folder {path} cannot be made")]
    Folder {
        /// Of `console.data_dir`.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: std::io::Error,
    },
    /// It is open elsewhere, or the disk refuses it.
    #[error(
        "the log in {path} cannot be opened; is another console using it? `console.data_dir` sets another place"
    )]
    Open {
        /// The file.
        path: PathBuf,
        /// What the store says.
        #[source]
        source: Box<redb::Error>,
    },
    /// The disk does not read or write.
    #[error("the log on disk cannot be used")]
    Disk(#[source] Box<redb::Error>),
    /// The process is ending.
    #[error("the console is ending")]
    Ended,
}

impl<E: Into<redb::Error>> From<E> for Trouble {
    fn from(error: E) -> Self {
        Self::Disk(Box::new(error.into()))
    }
}

/// A record and where it comes from.
#[derive(Clone, Debug)]
pub(crate) struct Incoming {
    pub(crate) topic: Topic,
    pub(crate) partition: i32,
    pub(crate) offset: i64,
    /// `None` if it cannot be read: then only the place moves on.
    pub(crate) record: Option<JournalRecord>,
}

/// The open file.
#[derive(Debug)]
pub(crate) struct Store {
    database: Database,
    bounds: Bounds,
}

impl Store {
    /// Opens the file `name` in `folder`, and makes both if need be. A file that is damaged is made anew: Kafka has what was in it.
    ///
    /// # Errors
    /// When the folder cannot be made, or the file is in use.
    pub(crate) fn open(folder: &Path, name: &str, bounds: Bounds) -> Result<Self, Trouble> {
        std::fs::create_dir_all(folder).map_err(|source| Trouble::Folder {
            path: folder.to_owned(),
            source,
        })?;
        let path = folder.join(name);
        let opened = Database::create(&path).or_else(|error| {
            if !matches!(
                error,
                redb::DatabaseError::Storage(redb::StorageError::Corrupted(_))
                    | redb::DatabaseError::UpgradeRequired(_)
            ) {
                return Err(error);
            }
            tracing::warn!(path = %path.display(), %error, "the log on disk is damaged: it is made anew, and read from Kafka again");
            std::fs::remove_file(&path).map_err(redb::StorageError::from)?;
            Database::create(&path)
        });
        let database = opened.map_err(|source| Trouble::Open {
            path,
            source: Box::new(source.into()),
        })?;
        let store = Self { database, bounds };
        store.make_tables()?;
        Ok(store)
    }

    fn make_tables(&self) -> Result<(), Trouble> {
        let write = self.database.begin_write()?;
        write.open_table(RECORDS)?;
        write.open_table(OF_WEBHOOK)?;
        write.open_table(OF_EVENT)?;
        write.open_table(MINUTE)?;
        write.open_table(STATE)?;
        write.open_table(PLACE)?;
        write.open_table(SIZE)?;
        write.commit()?;
        Ok(())
    }

    pub(super) fn read(&self) -> Result<redb::ReadTransaction, Trouble> {
        Ok(self.database.begin_read()?)
    }

    /// Where each partition of a topic is to be read on.
    ///
    /// # Errors
    /// When the disk cannot be read.
    pub(crate) fn places(&self, topic: Topic) -> Result<BTreeMap<i32, i64>, Trouble> {
        let table = self.read()?.open_table(PLACE)?;
        let mut places = BTreeMap::new();
        for entry in table.range((topic.code(), 0)..=(topic.code(), i32::MAX))? {
            let (key, next) = entry?;
            places.insert(key.value().1, next.value());
        }
        Ok(places)
    }

    /// Takes records in, with their places, and removes what is too old or too much: all of it, or nothing. What is not
    /// `durable` may be gone after a crash, places too, and is then read again.
    ///
    /// # Errors
    /// When the disk does not take it.
    pub(crate) fn take(&self, batch: &[Incoming], now_ms: i64, durable: bool) -> Result<(), Trouble> {
        let mut write = self.database.begin_write()?;
        write.set_durability(if durable {
            Durability::Immediate
        } else {
            Durability::None
        })?;
        {
            let mut tables = Tables::open(&write)?;
            for incoming in batch {
                tables.take(incoming, now_ms, self.bounds.age_ms)?;
            }
            tables.trim(self.bounds, now_ms)?;
        }
        write.commit()?;
        Ok(())
    }
}

/// The tables in a transaction that writes.
struct Tables<'t> {
    records: redb::Table<'t, At, &'static [u8]>,
    of_webhook: redb::Table<'t, (u128, u8, i64, u8, i32, i64), ()>,
    of_event: redb::Table<'t, (u64, u128, i64, u8, i32, i64), ()>,
    minute: redb::Table<'t, (i64, u128), &'static [u8]>,
    state: redb::Table<'t, (u128, i32), (i64, i32)>,
    place: redb::Table<'t, (u8, i32), i64>,
    size: redb::Table<'t, (), u64>,
}

impl<'t> Tables<'t> {
    fn open(write: &'t redb::WriteTransaction) -> Result<Self, Trouble> {
        Ok(Self {
            records: write.open_table(RECORDS)?,
            of_webhook: write.open_table(OF_WEBHOOK)?,
            of_event: write.open_table(OF_EVENT)?,
            minute: write.open_table(MINUTE)?,
            state: write.open_table(STATE)?,
            place: write.open_table(PLACE)?,
            size: write.open_table(SIZE)?,
        })
    }

    fn take(&mut self, incoming: &Incoming, now_ms: i64, age_ms: i64) -> Result<(), Trouble> {
        let (topic, partition, offset) = (incoming.topic.code(), incoming.partition, incoming.offset);
        self.place.insert((topic, partition), offset + 1)?;
        let Some(record) = &incoming.record else {
            return Ok(());
        };
        // A clock that is ahead must not keep a record for ever.
        let at_ms = record.at_ms.min(now_ms);
        if at_ms < now_ms - age_ms {
            return Ok(());
        }
        let at = (at_ms, topic, partition, offset);
        let value = record.encode_to_vec();
        let grown = cost(record, value.len());
        if self.records.insert(at, value.as_slice())?.is_none() {
            self.resize(|size| size + grown)?;
            self.count(record, at_ms, now_ms)?;
        }
        if let Some((webhook, kind)) = keys::of_webhook(record) {
            self.of_webhook
                .insert((webhook, kind.code(), at_ms, topic, partition, offset), ())?;
        }
        for event in keys::events(record) {
            let id = keys::event(&event.event_id);
            self.of_event
                .insert((record.account_id, id, at_ms, topic, partition, offset), ())?;
        }
        self.turn(record, at_ms)
    }

    /// Counts an attempt in its minute.
    fn count(&mut self, record: &JournalRecord, at_ms: i64, now_ms: i64) -> Result<(), Trouble> {
        let Some(Entry::Attempt(attempt)) = &record.entry else {
            return Ok(());
        };
        let (minute, oldest) = (at_ms / MINUTE_MS, now_ms / MINUTE_MS - MINUTES);
        let Some(webhook) = keys::webhook(&attempt.webhook_id).filter(|_| minute >= oldest) else {
            return Ok(());
        };
        let key = (minute, webhook);
        let mut counted = self
            .minute
            .get(key)?
            .map_or_else(Minute::default, |bytes| Minute::decode(bytes.value()));
        counted.count(attempt.error_class.is_empty(), attempt.duration_us);
        self.minute.insert(key, counted.encode().as_slice())?;
        Ok(())
    }

    /// Keeps the latest state of a webhook's lane.
    fn turn(&mut self, record: &JournalRecord, at_ms: i64) -> Result<(), Trouble> {
        let Some(Entry::StateChanged(changed)) = &record.entry else {
            return Ok(());
        };
        let Some(webhook) = keys::webhook(&changed.webhook_id) else {
            return Ok(());
        };
        let key = (webhook, changed.lane);
        let known = self.state.get(key)?.map(|state| state.value().0);
        if known.is_none_or(|known| known <= at_ms) {
            self.state.insert(key, (at_ms, changed.state))?;
        }
        Ok(())
    }

    /// Removes the oldest records until what is left is within the bounds, and minutes that no page shows.
    fn trim(&mut self, bounds: Bounds, now_ms: i64) -> Result<(), Trouble> {
        let oldest = now_ms - bounds.age_ms;
        for _ in 0..REMOVED_AT_ONCE {
            let size = self.size.get(())?.map_or(0, |size| size.value());
            let first = self.records.first()?.map(|(at, _)| at.value());
            let Some(at) = first.filter(|at| at.0 < oldest || size > bounds.bytes) else {
                break;
            };
            let removed = self.records.remove(at)?.map(|value| value.value().to_vec());
            if let Some(value) = removed {
                self.forget(at, &value)?;
            }
        }
        let minute = now_ms / MINUTE_MS - MINUTES;
        self.minute.retain_in(..(minute, 0), |_, _| false)?;
        Ok(())
    }

    /// Removes what a record was found by.
    fn forget(&mut self, at: At, value: &[u8]) -> Result<(), Trouble> {
        let Ok(record) = JournalRecord::decode(value) else {
            return Ok(());
        };
        let (at_ms, topic, partition, offset) = at;
        let freed = cost(&record, value.len());
        self.resize(|size| size.saturating_sub(freed))?;
        if let Some((webhook, kind)) = keys::of_webhook(&record) {
            self.of_webhook
                .remove((webhook, kind.code(), at_ms, topic, partition, offset))?;
        }
        for event in keys::events(&record) {
            let id = keys::event(&event.event_id);
            self.of_event
                .remove((record.account_id, id, at_ms, topic, partition, offset))?;
        }
        if let Some(Entry::StateChanged(changed)) = &record.entry
            && let Some(webhook) = keys::webhook(&changed.webhook_id)
        {
            let key = (webhook, changed.lane);
            let known = self.state.get(key)?.map(|state| state.value().0);
            if known == Some(at_ms) {
                self.state.remove(key)?;
            }
        }
        Ok(())
    }

    fn resize(&mut self, to: impl FnOnce(u64) -> u64) -> Result<(), Trouble> {
        let size = self.size.get(())?.map_or(0, |size| size.value());
        self.size.insert((), to(size))?;
        Ok(())
    }
}

/// What a record takes, with its keys.
fn cost(record: &JournalRecord, value: usize) -> u64 {
    let keys = 1 + usize::from(keys::of_webhook(record).is_some()) + keys::events(record).len();
    let (value, keys) = (u64::try_from(value), u64::try_from(keys));
    value
        .unwrap_or(u64::MAX)
        .saturating_add(keys.unwrap_or(u64::MAX).saturating_mul(KEY_BYTES))
}
