//! The cursors topic: a log, read as the real one is.

use std::collections::BTreeMap;

use angarium_model::{Lane, WebhookId};
use angarium_proto::delivery::v1::cursor_record::Entry;
use angarium_proto::delivery::v1::{Claim, CursorRecord, Place};
use prost::Message as _;

use crate::cursor::{Cursor, Found, Key, Sets};

/// A record on its way to the topic.
#[derive(Clone, Debug)]
pub(super) enum Append {
    Cursor(WebhookId, Option<Cursor>),
    Place(i64),
}

/// The topic's one partition.
#[derive(Debug)]
pub(super) struct Topic {
    lane: Lane,
    records: Vec<(String, Option<Vec<u8>>)>,
    /// What the owner has said since its set counts, by generation: nobody may send it again but by a newer order. One that
    /// was followed says it too late.
    told: BTreeMap<WebhookId, (i64, i64)>,
    newest_claim: i64,
    valid: i64,
}

impl Topic {
    pub(super) fn new(lane: Lane) -> Self {
        Self {
            lane,
            records: Vec::new(),
            told: BTreeMap::new(),
            newest_claim: -1,
            valid: -1,
        }
    }

    pub(super) fn claim(&mut self) -> i64 {
        let claim = CursorRecord {
            entry: Some(Entry::Claim(Claim::default())),
        };
        self.records
            .push((Key::Claim(self.lane).to_string(), Some(claim.encode_to_vec())));
        self.newest_claim = i64::try_from(self.records.len()).unwrap_or(i64::MAX) - 1;
        self.newest_claim
    }

    pub(super) fn write(&mut self, epoch: i64, append: &Append) {
        let (key, entry) = match append {
            Append::Cursor(id, cursor) => (
                Key::Webhook(self.lane, epoch, *id),
                cursor.as_ref().map(Entry::from),
            ),
            Append::Place(offset) => (
                Key::Place(self.lane, epoch),
                Some(Entry::Place(Place { offset: *offset })),
            ),
        };
        let value = entry.map(|entry| CursorRecord { entry: Some(entry) }.encode_to_vec());
        self.records.push((key.to_string(), value));
        match append {
            Append::Place(_) => self.valid = self.valid.max(epoch),
            Append::Cursor(id, Some(cursor)) if epoch == self.valid && epoch == self.newest_claim => {
                let told = self.told.entry(*id).or_default();
                *told = (*told).max((cursor.generation, cursor.resume));
            }
            Append::Cursor(..) => {}
        }
    }

    /// Everything of the webhook below is done, as an acknowledged cursor of the owner said.
    pub(super) fn told(&self, webhook: WebhookId) -> (i64, i64) {
        self.told.get(&webhook).copied().unwrap_or_default()
    }

    /// What a new owner finds.
    pub(super) fn found(&self) -> Option<Found> {
        self.sets().found()
    }

    /// Removes what lies below the epoch, as its owner does once its set counts.
    pub(super) fn remove_below(&mut self, epoch: i64) {
        for key in self.sets().keys_below(epoch) {
            self.records.push((key.to_string(), None));
        }
    }

    fn sets(&self) -> Sets {
        let mut sets = Sets::new(self.lane);
        for (offset, (key, value)) in (0..).zip(&self.records) {
            sets.read(offset, key.as_bytes(), value.as_deref());
        }
        sets
    }
}
