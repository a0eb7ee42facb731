//! Under what a record of the journal is found.

use angarium_model::WebhookId;
use angarium_proto::journal::v1::journal_record::Entry;
use angarium_proto::journal::v1::{EventReference, JournalRecord};
use sha2::{Digest as _, Sha256};

/// Which of the two topics a record is from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Topic {
    /// Everything but successes.
    Journal,
    /// Successes.
    Ok,
}

impl Topic {
    pub(super) const fn code(self) -> u8 {
        match self {
            Self::Journal => 0,
            Self::Ok => 1,
        }
    }
}

/// The place of a record, in the order of time: when, topic, partition, offset. No two records have the same.
pub(super) type At = (i64, u8, i32, i64);

/// What is asked for of a webhook.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Calls.
    Attempt,
    /// Changes of state, and events that were put aside or expired.
    Turn,
}

impl Kind {
    pub(super) const fn code(self) -> u8 {
        match self {
            Self::Attempt => 0,
            Self::Turn => 1,
        }
    }
}

/// The webhook that an entry is about, and in which list of it the entry belongs; `None`: an event was matched.
fn webhook_of(entry: &Entry) -> Option<(&str, Kind)> {
    Some(match entry {
        Entry::Attempt(attempt) => (&attempt.webhook_id, Kind::Attempt),
        Entry::StateChanged(changed) => (&changed.webhook_id, Kind::Turn),
        Entry::PutAside(aside) => (&aside.webhook_id, Kind::Turn),
        Entry::Expired(expired) => (&expired.webhook_id, Kind::Turn),
        Entry::Matched(_) => return None,
    })
}

/// The webhook that an entry is about.
pub(super) fn webhook_id(entry: &Entry) -> Option<WebhookId> {
    webhook_of(entry)?.0.parse().ok()
}

/// The webhook that a record is about, as a number, and in which list of it the record belongs.
pub(super) fn of_webhook(record: &JournalRecord) -> Option<(u128, Kind)> {
    let (id, kind) = webhook_of(record.entry.as_ref()?)?;
    Some((webhook(id)?, kind))
}

/// A webhook's id as a number.
pub(super) fn webhook(id: &str) -> Option<u128> {
    let id: WebhookId = id.parse().ok()?;
    Some(u128::from_be_bytes(*id.as_bytes()))
}

/// The events that a record names.
pub(super) fn events(record: &JournalRecord) -> &[EventReference] {
    match &record.entry {
        Some(Entry::Matched(matched)) => matched.event.as_slice(),
        Some(Entry::Attempt(attempt)) => &attempt.events,
        Some(Entry::PutAside(aside)) => aside.event.as_slice(),
        Some(Entry::Expired(expired)) => expired.first.as_slice(),
        Some(Entry::StateChanged(_)) | None => &[],
    }
}

/// An event's id in a key: ids are up to 256 bytes, so that a hash stands for them. Who finds something by it compares the id.
pub(super) fn event(id: &str) -> u128 {
    let mut first = [0; 16];
    for (to, from) in first.iter_mut().zip(Sha256::digest(id.as_bytes())) {
        *to = from;
    }
    u128::from_be_bytes(first)
}
