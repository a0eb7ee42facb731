//! The recent changes, for followers.

use std::collections::VecDeque;
use std::num::NonZeroUsize;

use crate::state::Delta;

/// A bounded window of what was read, numbered from 0 in the order of reading.
#[derive(Debug)]
pub(crate) struct Feed {
    entries: VecDeque<Entry>,
    capacity: NonZeroUsize,
    /// The number of the oldest entry.
    first: u64,
    /// By partition: from this offset on, everything that was read is here.
    floor: Vec<i64>,
}

/// A record that was read.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) partition: i32,
    pub(crate) offset: i64,
    /// What it changed; a barrier changes nothing.
    pub(crate) delta: Option<Delta>,
}

impl Feed {
    /// A feed that begins where the partitions stand. What was read before is not in it: compaction may have taken
    /// deletions out, so a follower that stands further back could miss one.
    pub(crate) fn new(capacity: NonZeroUsize, floor: &[i64]) -> Self {
        Self {
            entries: VecDeque::new(),
            capacity,
            first: 0,
            floor: floor.to_vec(),
        }
    }

    pub(crate) fn push(&mut self, entry: Entry) {
        if self.entries.len() >= self.capacity.get()
            && let Some(oldest) = self.entries.pop_front()
        {
            self.first += 1;
            if let Some(floor) = usize::try_from(oldest.partition)
                .ok()
                .and_then(|at| self.floor.get_mut(at))
            {
                *floor = oldest.offset + 1;
            }
        }
        self.entries.push_back(entry);
    }

    /// The number of the oldest entry.
    pub(crate) const fn first(&self) -> u64 {
        self.first
    }

    /// The number that the next entry will have.
    pub(crate) fn end(&self) -> u64 {
        self.first + self.entries.len() as u64
    }

    /// Whether everything from these places on is still here.
    pub(crate) fn reaches_back_to(&self, places: &[i64]) -> bool {
        self.floor.len() == places.len() && self.floor.iter().zip(places).all(|(floor, place)| floor <= place)
    }

    /// The entries from this number on; `None` when it has left the window.
    pub(crate) fn since(&self, number: u64) -> Option<impl Iterator<Item = &Entry>> {
        let skipped = usize::try_from(number.checked_sub(self.first)?).ok()?;
        Some(self.entries.iter().skip(skipped))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(partition: i32, offset: i64) -> Entry {
        Entry {
            partition,
            offset,
            delta: None,
        }
    }

    #[test]
    fn the_window_moves_and_knows_how_far_back_it_reaches() {
        let mut feed = Feed::new(NonZeroUsize::new(2).unwrap(), &[5, 9]);
        assert!(
            feed.reaches_back_to(&[5, 9]) && !feed.reaches_back_to(&[4, 9]) && !feed.reaches_back_to(&[5])
        );
        for entry in [entry(0, 5), entry(1, 9), entry(0, 6)] {
            feed.push(entry);
        }
        assert!(feed.reaches_back_to(&[6, 9]) && !feed.reaches_back_to(&[5, 9]));
        assert_eq!((feed.first(), feed.end()), (1, 3));
        assert!(feed.since(0).is_none());
        let offsets = |number| {
            feed.since(number)
                .unwrap()
                .map(|entry| entry.offset)
                .collect::<Vec<_>>()
        };
        assert_eq!(
            (offsets(1), offsets(2), offsets(3)),
            (vec![9, 6], vec![6], vec![])
        );
    }
}
