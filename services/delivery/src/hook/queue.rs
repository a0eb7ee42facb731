//! Events that wait in memory, in order.

use std::collections::VecDeque;

use crate::cursor::Head;
use crate::group::{GroupLimit, Item};
use crate::record::Delivery;

/// The bound of one webhook's queue (DESIGN §7): 256 events or 1 MiB, but always one event.
pub(super) const MAX_EVENTS: usize = 256;
pub(super) const MAX_BYTES: usize = 1024 * 1024;
/// What is kept in memory of a group that failed (DESIGN §7); a larger one is read back for its retry.
pub(super) const MAX_HEAD_BYTES: usize = 64 * 1024;

/// A queue that is bounded by whoever asks [`Queue::fits`].
#[derive(Debug, Default)]
pub(super) struct Queue {
    items: VecDeque<Item>,
    bytes: usize,
    /// The next event found no room, and nothing has left since.
    is_full: bool,
}

impl Queue {
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// The place of its first event.
    pub(super) fn first(&self) -> Option<i64> {
        self.items.front().map(|item| item.offset)
    }

    pub(super) fn iter(&self) -> impl DoubleEndedIterator<Item = &Item> {
        self.items.iter()
    }

    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    /// The next event found no room.
    pub(super) fn found_full(&mut self) {
        self.is_full = true;
    }

    /// Whether another event may find room.
    pub(super) fn has_room(&self) -> bool {
        !self.is_full && !self.holds(MAX_EVENTS, MAX_BYTES)
    }

    pub(super) fn is_below_half(&self) -> bool {
        !self.is_full && self.items.len() < MAX_EVENTS / 2 && self.bytes < MAX_BYTES / 2
    }

    /// Whether it has so many events or bytes.
    pub(super) fn holds(&self, events: usize, bytes: usize) -> bool {
        self.items.len() >= events || self.bytes >= bytes
    }

    pub(super) fn fits(&self, delivery: &Delivery) -> bool {
        let room = self.items.len() < MAX_EVENTS && self.bytes + delivery.weight() <= MAX_BYTES;
        room || self.is_empty()
    }

    pub(super) fn push(&mut self, item: Item) {
        self.bytes += item.delivery.weight();
        self.items.push_back(item);
    }

    /// Puts events back to the front that were taken off it.
    pub(super) fn put_back(&mut self, items: &[Item]) {
        for item in items.iter().rev() {
            self.bytes += item.delivery.weight();
            self.items.push_front(item.clone());
        }
    }

    pub(super) fn pop_first_if(&mut self, condition: impl FnOnce(&Item) -> bool) -> Option<Item> {
        let item = self.items.pop_front_if(|item| condition(item))?;
        self.bytes -= item.delivery.weight();
        self.is_full = false;
        Some(item)
    }

    /// The first events, as many as the limit takes; at least one, if there is one. What is sent again because someone
    /// asked for it goes alone.
    pub(super) fn take(&mut self, limit: GroupLimit) -> Vec<Item> {
        let mut items = Vec::new();
        let mut bytes = 0;
        while let Some(item) = self.items.front() {
            let weight = item.delivery.weight();
            let is_full = items.len() >= limit.events || bytes + weight + limit.around > limit.bytes;
            let goes_alone = |item: &Item| item.delivery.resent;
            let parts = items.last().is_some_and(goes_alone) || goes_alone(item);
            if !items.is_empty() && (is_full || parts) {
                break;
            }
            bytes += weight + limit.around;
            self.bytes -= weight;
            items.extend(self.items.pop_front());
        }
        self.is_full = false;
        items
    }

    /// Whether the group that failed is all there, at the front.
    pub(super) fn begins_with(&self, head: &Head) -> bool {
        self.items.len() >= head.len()
            && (self.items.iter().zip(head.offsets())).all(|(item, offset)| item.offset == *offset)
    }

    /// The places of the first events, as far as the head has them.
    pub(super) fn common(&self, head: &Head) -> Head {
        Head::new(
            self.items
                .iter()
                .map(|item| item.offset)
                .filter(|offset| head.contains(*offset)),
        )
    }

    /// Drops all but the first `kept` events, or all if these are too large to be kept. The place of the first that was
    /// dropped.
    pub(super) fn truncate(&mut self, kept: usize) -> Option<i64> {
        let first = self.items.iter().take(kept);
        let bytes = first.map(|item| item.delivery.weight()).sum();
        let (kept, bytes) = if bytes > MAX_HEAD_BYTES {
            (0, 0)
        } else {
            (kept, bytes)
        };
        let dropped = self.items.get(kept).map(|item| item.offset);
        self.items.truncate(kept);
        self.items.shrink_to_fit();
        self.is_full = false;
        self.bytes = bytes;
        dropped
    }

    pub(super) fn into_items(self) -> VecDeque<Item> {
        self.items
    }
}
