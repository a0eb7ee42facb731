//! A map that forgets.

use std::collections::{HashMap, VecDeque};
use std::hash::Hash;

/// The entries that came last, as many as fit.
#[derive(Debug)]
pub(super) struct Recent<K, V> {
    entries: HashMap<K, V>,
    /// Oldest first; every key once.
    order: VecDeque<K>,
    max: usize,
}

impl<K: Clone + Eq + Hash, V> Recent<K, V> {
    pub(super) fn new(max: usize) -> Self {
        Self {
            entries: HashMap::new(),
            order: VecDeque::new(),
            max,
        }
    }

    pub(super) fn get(&self, key: &K) -> Option<&V> {
        self.entries.get(key)
    }

    /// Adds or replaces; the oldest entry goes when there are too many.
    pub(super) fn insert(&mut self, key: K, value: V) {
        if self.entries.insert(key.clone(), value).is_none() {
            self.order.push_back(key);
            if self.order.len() > self.max
                && let Some(oldest) = self.order.pop_front()
            {
                self.entries.remove(&oldest);
            }
        }
    }

    /// Takes the entry out for a change, or begins a new one, and puts it back.
    pub(super) fn change<R>(
        &mut self,
        key: &K,
        begin: impl FnOnce() -> V,
        change: impl FnOnce(&mut V) -> R,
    ) -> R {
        if let Some(value) = self.entries.get_mut(key) {
            return change(value);
        }
        let mut value = begin();
        let result = change(&mut value);
        self.insert(key.clone(), value);
        result
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_goes_first_and_a_replaced_one_stays_in_its_place() {
        let mut recent = Recent::new(2);
        for (key, value) in [(1, 'a'), (2, 'b'), (1, 'c'), (3, 'd')] {
            recent.insert(key, value);
        }
        assert_eq!(
            (recent.get(&1), recent.get(&2), recent.get(&3)),
            (None, Some(&'b'), Some(&'d'))
        );
    }

    #[test]
    fn a_change_begins_what_is_not_there() {
        let mut recent = Recent::new(2);
        for _ in 0..3 {
            recent.change(&1, || 10, |value| *value += 1);
        }
        assert_eq!(recent.get(&1), Some(&13));
    }
}
