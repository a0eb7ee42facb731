//! The cursors topic: a log, read as the real one is.

use std::collections::BTreeMap;

use angarium_model::{Lane, WebhookId};
use angarium_proto::delivery::v1::cursor_record::Entry;
use angarium_proto::delivery::v1::{Claim, CursorRecord, Place};
use prost::Message as _;

use crate::cursor::{Cursor, Found, Key, Parked, Sets, Standing};

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
    told: BTreeMap<WebhookId, Told>,
    newest_claim: i64,
    valid: i64,
}

/// What cursors have said of a webhook: everything below `resume` is done, but for what is parked.
#[derive(Clone, Debug, Default)]
pub(super) struct Told {
    generation: i64,
    resume: i64,
    parked: Vec<Parked>,
}

impl Told {
    /// Whether an event is done, that nobody has asked for again since.
    pub(super) fn is_done(&self, generation: i64, offset: i64) -> bool {
        let is_parked = self.parked.iter().any(|parked| parked.head.contains(offset));
        generation <= self.generation && offset < self.resume && !is_parked
    }
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
                (told.generation, told.resume) =
                    (told.generation, told.resume).max((cursor.generation, cursor.resume));
                told.parked = match &cursor.standing {
                    Standing::Behind { parked, .. } => parked.clone(),
                    Standing::Live => Vec::new(),
                };
            }
            Append::Cursor(id, None) => self.forget(*id),
            Append::Cursor(..) => {}
        }
    }

    /// What the last cursors of the owner said.
    pub(super) fn told(&self, webhook: WebhookId) -> Told {
        self.told.get(&webhook).cloned().unwrap_or_default()
    }

    /// The webhook was deleted: whatever was done of it, nothing is known of it any more.
    pub(super) fn forget(&mut self, webhook: WebhookId) {
        self.told.remove(&webhook);
    }

    /// The log that it was said of is no more.
    pub(super) fn forget_told(&mut self) {
        self.told.clear();
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
