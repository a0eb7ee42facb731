//! Epoch sets, as they are read from the topic.

use std::collections::{BTreeMap, BTreeSet};

use angarium_model::{Lane, WebhookId};
use angarium_proto::delivery::v1::CursorRecord;
use angarium_proto::delivery::v1::cursor_record::Entry;
use prost::Message as _;

use super::{Cursor, Key};

/// All sets of a lane's partition.
#[derive(Debug)]
pub(crate) struct Sets {
    lane: Lane,
    epochs: BTreeMap<i64, Set>,
    newest_claim: Option<i64>,
    unreadable: BTreeSet<Key>,
}

#[derive(Debug, Default)]
struct Set {
    place: Option<i64>,
    cursors: BTreeMap<WebhookId, Cursor>,
}

/// What a new owner starts from.
#[derive(Clone, Debug, Default)]
pub(crate) struct Found {
    /// The set's epoch.
    pub(crate) epoch: i64,
    /// Where to read from.
    pub(crate) place: i64,
    pub(crate) cursors: BTreeMap<WebhookId, Cursor>,
}

impl Sets {
    pub(crate) fn new(lane: Lane) -> Self {
        Self {
            lane,
            epochs: BTreeMap::new(),
            newest_claim: None,
            unreadable: BTreeSet::new(),
        }
    }

    /// Takes a record in, in the order of the log. Records of the other lane and of unknown kinds are passed over.
    pub(crate) fn read(&mut self, offset: i64, key: &[u8], value: Option<&[u8]>) {
        let key = std::str::from_utf8(key).ok().and_then(|key| key.parse().ok());
        let Some(key) = key.filter(|key: &Key| key.lane() == self.lane) else {
            return;
        };
        let entry = match value {
            None => None,
            Some(value) => match CursorRecord::decode(value).ok().and_then(|record| record.entry) {
                Some(entry) => Some(entry),
                None => {
                    self.unreadable.insert(key);
                    return;
                }
            },
        };
        self.unreadable.remove(&key);
        match (key, entry) {
            (Key::Claim(_), Some(Entry::Claim(_))) => self.newest_claim = Some(offset),
            (Key::Claim(_), None) => {}
            (Key::Place(_, epoch), Some(Entry::Place(place))) => {
                self.epochs.entry(epoch).or_default().place = Some(place.offset);
            }
            (Key::Webhook(_, epoch, id), Some(Entry::Cursor(cursor))) => match Cursor::try_from(cursor) {
                Ok(cursor) => {
                    self.epochs.entry(epoch).or_default().cursors.insert(id, cursor);
                }
                Err(_) => {
                    self.unreadable.insert(key);
                }
            },
            (Key::Place(_, epoch), None) => {
                if let Some(set) = self.epochs.get_mut(&epoch) {
                    set.place = None;
                }
            }
            (Key::Webhook(_, epoch, id), None) => {
                if let Some(set) = self.epochs.get_mut(&epoch) {
                    set.cursors.remove(&id);
                }
            }
            _ => {
                self.unreadable.insert(key);
            }
        }
    }

    /// Keys whose last record could not be read: written by a newer version, or by somebody else. Those of sets below
    /// the highest that counts say nothing any more.
    pub(crate) fn unreadable(&self) -> usize {
        let counts = self.highest().map_or(0, |(epoch, _)| epoch);
        let matters = |key: &&Key| match key {
            Key::Claim(_) => false,
            Key::Place(_, epoch) | Key::Webhook(_, epoch, _) => *epoch >= counts,
        };
        self.unreadable.iter().filter(matters).count()
    }

    /// The highest claim that was read.
    pub(crate) fn newest_claim(&self) -> Option<i64> {
        self.newest_claim
    }

    /// The highest set that counts; `None` before the first owner.
    pub(crate) fn found(&self) -> Option<Found> {
        let (epoch, set) = self.highest()?;
        Some(Found {
            epoch,
            place: set.place?,
            cursors: set.cursors.clone(),
        })
    }

    fn highest(&self) -> Option<(i64, &Set)> {
        let mut counting = self.epochs.iter().filter(|(_, set)| set.place.is_some());
        counting.next_back().map(|(epoch, set)| (*epoch, set))
    }

    /// All keys of epochs below `epoch`: to be removed once that one's set counts. The place of each first: a set without
    /// it does not count, but one that lacks some of its cursors would be a lie.
    pub(crate) fn keys_below(&self, epoch: i64) -> Vec<Key> {
        let mut keys = Vec::new();
        for (old, set) in self.epochs.range(..epoch) {
            keys.extend(set.place.map(|_| Key::Place(self.lane, *old)));
            keys.extend(set.cursors.keys().map(|id| Key::Webhook(self.lane, *old, *id)));
        }
        keys
    }
}
