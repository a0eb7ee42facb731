//! Groups of an unordered webhook that failed: each waits for its own retry, and holds up no other (ADR 7).
//!
//! They are the exceptions from what a cursor says: all below its place is done but for the groups that it lists. What is
//! in memory of one may be dropped, and is read back when it is due.

use std::sync::Arc;

use super::queue::MAX_HEAD_BYTES;
use super::window::Room;
use crate::cursor::{Head, Parked};
use crate::group::{Group, Item};
use crate::record::Delivery;

/// A group that waits for its retry, or is being retried.
#[derive(Debug)]
pub(super) struct Retry {
    /// As the cursor has it.
    pub(super) what: Parked,
    pub(super) tried: Tried,
    /// When it failed last, by the broker's clock: Unix milliseconds.
    pub(super) last_ms: i64,
    pub(super) next_at_ms: i64,
    /// It is one of a group that goes one by one.
    pub(super) is_isolated: bool,
    /// It failed although others were taken: it says nothing of the receiver.
    pub(super) is_at_fault: bool,
    /// How many groups the webhook had taken when this one failed last.
    pub(super) successes: u64,
    pub(super) bytes: usize,
    pub(super) body: Body,
}

/// How often a group failed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Tried {
    pub(super) attempts: u32,
    /// How many of the last in a row timed out.
    pub(super) timeouts: u32,
    /// How many of the last in a row were refused for good.
    pub(super) refusals: u32,
}

/// Where its events are.
#[derive(Debug)]
pub(super) enum Body {
    Kept(Vec<Item>),
    /// In Kafka, but for what was found below this place.
    Lacking {
        found: Vec<Item>,
        from: i64,
    },
    Called(Arc<Group>),
}

/// All of a webhook.
#[derive(Debug, Default)]
pub(super) struct Retries(pub(super) Vec<Retry>);

impl Body {
    /// In memory, unless that is too much with what others of the webhook keep; then it is read back for its retry.
    pub(super) fn of(items: &[Item], others: usize) -> Self {
        if others + Room::of(items).bytes <= MAX_HEAD_BYTES {
            Self::Kept(items.to_vec())
        } else {
            Self::lacking(items.first().map_or(0, |item| item.offset))
        }
    }

    pub(super) fn lacking(from: i64) -> Self {
        let found = Vec::new();
        Self::Lacking { found, from }
    }
}

impl Retry {
    fn is_called(&self) -> bool {
        matches!(self.body, Body::Called(_))
    }

    fn is(&self, group: &Arc<Group>) -> bool {
        matches!(&self.body, Body::Called(called) if Arc::ptr_eq(called, group))
    }

    /// Whether it is due by then and all of it is in memory.
    fn is_whole(&self, by_ms: i64) -> bool {
        matches!(self.body, Body::Kept(_)) && self.next_at_ms <= by_ms
    }

    fn first(&self) -> Option<i64> {
        self.what.head.offsets().first().copied()
    }

    /// The place from which what it lacks is to be read.
    pub(super) fn lacks_from(&self) -> Option<i64> {
        match &self.body {
            Body::Lacking { from, .. } => Some(*from),
            Body::Kept(_) | Body::Called(_) => None,
        }
    }

    fn in_memory(&self) -> &[Item] {
        match &self.body {
            Body::Kept(items) | Body::Lacking { found: items, .. } => items,
            Body::Called(_) => &[],
        }
    }

    /// Everything below `next` was read for it: it is whole, or what is not found is gone from Kafka.
    fn read_to(&mut self, next: i64) {
        let Body::Lacking { found, from } = &mut self.body else {
            return;
        };
        *from = next.max(*from);
        if found.len() == self.what.head.len() || self.what.head.last().is_none_or(|last| *from > last) {
            let items = std::mem::take(found);
            self.what.head = Head::new(items.iter().map(|item| item.offset));
            self.bytes = Room::of(&items).bytes;
            self.body = Body::Kept(items);
        }
    }
}

impl Retries {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Retry> {
        self.0.iter()
    }

    pub(super) fn calls(&self) -> usize {
        self.0.iter().filter(|retry| retry.is_called()).count()
    }

    #[cfg(test)]
    pub(super) fn called(&self) -> Option<&Arc<Group>> {
        self.0.iter().find_map(|retry| match &retry.body {
            Body::Called(group) => Some(group),
            Body::Kept(_) | Body::Lacking { .. } => None,
        })
    }

    pub(super) fn get(&self, group: &Arc<Group>) -> Option<&Retry> {
        self.0.iter().find(|retry| retry.is(group))
    }

    /// Takes the group out that is being retried.
    pub(super) fn take(&mut self, group: &Arc<Group>) -> Option<Retry> {
        let index = self.0.iter().position(|retry| retry.is(group))?;
        Some(self.0.remove(index))
    }

    /// The place of the first event of all of them but those of a replay, which come again with its order.
    pub(super) fn first_of_stream(&self) -> Option<i64> {
        let of_stream = self.0.iter().filter(|retry| !retry.what.is_replay);
        of_stream.filter_map(Retry::first).min()
    }

    /// Whether any is of a replay.
    pub(super) fn has_replayed(&self) -> bool {
        self.0.iter().any(|retry| retry.what.is_replay)
    }

    /// Drops those of replays whose generation `is_over`.
    pub(super) fn drop_replayed(&mut self, is_over: impl Fn(i64) -> bool) {
        self.0
            .retain(|retry| !(retry.what.is_replay && is_over(retry.what.generation)));
    }

    /// Whether an event of this generation is in one of them.
    pub(super) fn contains(&self, generation: i64, offset: i64) -> bool {
        let holds = |retry: &Retry| retry.what.generation == generation && retry.what.head.contains(offset);
        self.0.iter().any(holds)
    }

    pub(super) fn taken(&self) -> Room {
        self.0.iter().fold(Room::default(), |taken, retry| {
            taken.plus(Room {
                events: retry.what.head.len(),
                bytes: retry.bytes,
            })
        })
    }

    /// What may be dropped from memory.
    pub(super) fn queued_bytes(&self) -> usize {
        let items = self.0.iter().flat_map(Retry::in_memory);
        items.map(|item| item.delivery.weight()).sum()
    }

    pub(super) fn drop_items(&mut self) {
        for retry in self.0.iter_mut().filter(|retry| !retry.is_called()) {
            retry.body = Body::lacking(retry.first().unwrap_or(0));
        }
    }

    /// The one that waits and is due first.
    pub(super) fn next(&self) -> Option<&Retry> {
        let waiting = self.0.iter().filter(|retry| !retry.is_called());
        waiting.min_by_key(|retry| (retry.next_at_ms, retry.first()))
    }

    /// Whether any that is due by then is whole.
    pub(super) fn has_whole(&self, by_ms: i64) -> bool {
        self.0.iter().any(|retry| retry.is_whole(by_ms))
    }

    /// Takes out the one that waits and is due first among those that are whole.
    pub(super) fn next_whole(&mut self, by_ms: i64) -> Option<&mut Retry> {
        let waiting = self.0.iter_mut().filter(|retry| retry.is_whole(by_ms));
        waiting.min_by_key(|retry| (retry.next_at_ms, retry.first()))
    }

    /// Where to read for those that are due by then.
    pub(super) fn lacks_from(&self, by_ms: i64) -> Option<i64> {
        let due = self.0.iter().filter(|retry| retry.next_at_ms <= by_ms);
        due.filter_map(Retry::lacks_from).min()
    }

    /// An event read back for those that lack something from `start` on; whether another is wanted.
    pub(super) fn offer(&mut self, start: i64, offset: i64, delivery: &Arc<Delivery>) -> bool {
        for retry in &mut self.0 {
            let Body::Lacking { found, from } = &mut retry.body else {
                continue;
            };
            if *from < start || offset < *from {
                continue;
            }
            if retry.what.head.contains(offset) {
                found.push(Item {
                    offset,
                    delivery: Arc::clone(delivery),
                });
            }
            retry.read_to(offset + 1);
        }
        self.forget_empty();
        self.lacks_any(start)
    }

    /// Everything between `start` and `next` was offered.
    pub(super) fn read_until(&mut self, start: i64, next: i64) {
        for retry in &mut self.0 {
            if retry.lacks_from().is_some_and(|from| from >= start) {
                retry.read_to(next);
            }
        }
        self.forget_empty();
    }

    fn lacks_any(&self, start: i64) -> bool {
        self.0
            .iter()
            .filter_map(Retry::lacks_from)
            .any(|from| from >= start)
    }

    /// Drops events that `is_over` says are; with whether each was of a replay.
    pub(super) fn drop_expired(&mut self, is_over: impl Fn(&Delivery) -> bool) -> Vec<(bool, Arc<Delivery>)> {
        let mut dropped = Vec::new();
        for retry in &mut self.0 {
            let Body::Kept(items) = &mut retry.body else {
                continue;
            };
            let before = items.len();
            items.retain(|item| {
                let goes = is_over(&item.delivery);
                if goes {
                    dropped.push((retry.what.is_replay, Arc::clone(&item.delivery)));
                }
                !goes
            });
            if items.len() < before {
                retry.what.head = Head::new(items.iter().map(|item| item.offset));
                retry.bytes = Room::of(items).bytes;
            }
        }
        self.forget_empty();
        dropped
    }

    fn forget_empty(&mut self) {
        self.0
            .retain(|retry| retry.is_called() || !retry.what.head.is_empty());
    }
}
