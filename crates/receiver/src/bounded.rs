//! A map that forgets what was touched least recently once it is full.

use std::collections::{BTreeMap, HashMap};
use std::hash::Hash;
use std::num::NonZeroUsize;

#[derive(Debug)]
pub(crate) struct Bounded<K, V> {
    most: NonZeroUsize,
    entries: HashMap<K, (u64, V)>,
    /// Who was touched when; the first is forgotten next.
    ages: BTreeMap<u64, K>,
    touches: u64,
}

impl<K: Clone + Eq + Hash, V> Bounded<K, V> {
    pub(crate) fn new(most: NonZeroUsize) -> Self {
        Self {
            most,
            entries: HashMap::new(),
            ages: BTreeMap::new(),
            touches: 0,
        }
    }

    /// Does not touch it.
    pub(crate) fn get(&self, key: &K) -> Option<&V> {
        self.entries.get(key).map(|(_, value)| value)
    }

    /// Puts it in, or in place of what was there, as the one touched last.
    pub(crate) fn put(&mut self, key: K, value: V) {
        self.touches += 1;
        if let Some((age, _)) = self.entries.insert(key.clone(), (self.touches, value)) {
            self.ages.remove(&age);
        }
        self.ages.insert(self.touches, key);
        while self.entries.len() > self.most.get()
            && let Some((_, oldest)) = self.ages.pop_first()
        {
            self.entries.remove(&oldest);
        }
    }

    pub(crate) fn remove(&mut self, key: &K) {
        if let Some((age, _)) = self.entries.remove(key) {
            self.ages.remove(&age);
        }
    }

    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        assert_eq!(self.entries.len(), self.ages.len());
        self.entries.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_least_recently_touched_is_forgotten_and_nothing_grows() {
        let mut map = Bounded::new(NonZeroUsize::new(2).unwrap());
        map.put("a", 1);
        map.put("b", 2);
        map.put("a", 3);
        map.put("c", 4);
        assert_eq!(
            (map.get(&"a"), map.get(&"b"), map.get(&"c")),
            (Some(&3), None, Some(&4))
        );
        for _ in 0..100 {
            map.remove(&"c");
            map.put("c", 5);
        }
        assert_eq!(map.len(), 2);
    }
}
