//! How much may be under way at once, in all and of each of those who ask: none of them keeps the others out.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Counts what is under way, by whose it is. Clones count together.
#[derive(Debug)]
pub struct UnderWay<K: Copy + Eq + Hash> {
    most: usize,
    most_of_one: usize,
    counts: Arc<Mutex<Counts<K>>>,
}

#[derive(Debug)]
struct Counts<K> {
    all: usize,
    /// Nobody is here of whom nothing is under way, so there are at most as many as bounded.
    by_one: HashMap<K, usize>,
}

/// Which bound is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Full {
    /// Of all together.
    #[error("{0} such calls are under way here, the most at once; try again when one has ended")]
    All(usize),
    /// Of the one who asks.
    #[error(
        "{0} such calls of this account are under way here, the most at once; try again when one has ended"
    )]
    One(usize),
}

/// Something under way; dropped when it ends.
#[derive(Debug)]
pub struct Permit<K: Copy + Eq + Hash> {
    of: UnderWay<K>,
    who: K,
}

impl<K: Copy + Eq + Hash> UnderWay<K> {
    /// So many at once, and so many of each.
    #[must_use]
    pub fn new(most: usize, most_of_one: usize) -> Self {
        Self {
            most,
            most_of_one,
            counts: Arc::new(Mutex::new(Counts {
                all: 0,
                by_one: HashMap::new(),
            })),
        }
    }

    /// Begins something. Nobody waits: a queue here would hold what the bound is to keep out.
    ///
    /// # Errors
    /// When there is no room.
    pub fn begin(&self, who: K) -> Result<Permit<K>, Full> {
        let mut counts = self.lock();
        let of_one = counts.by_one.get(&who).copied().unwrap_or_default();
        if of_one >= self.most_of_one {
            return Err(Full::One(self.most_of_one));
        }
        if counts.all >= self.most {
            return Err(Full::All(self.most));
        }
        counts.all += 1;
        counts.by_one.insert(who, of_one + 1);
        Ok(Permit {
            of: self.clone(),
            who,
        })
    }

    fn lock(&self) -> MutexGuard<'_, Counts<K>> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<K: Copy + Eq + Hash> Clone for UnderWay<K> {
    fn clone(&self) -> Self {
        Self {
            counts: Arc::clone(&self.counts),
            ..*self
        }
    }
}

impl<K: Copy + Eq + Hash> Drop for Permit<K> {
    fn drop(&mut self) {
        let mut counts = self.of.lock();
        counts.all = counts.all.saturating_sub(1);
        if let Some(count) = counts.by_one.get_mut(&self.who) {
            *count -= 1;
            if *count == 0 {
                counts.by_one.remove(&self.who);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_of_one_and_16_in_all_are_under_way_at_once() {
        let bounded = UnderWay::new(16, 2);
        let begin = |who: u64| bounded.begin(who);
        let mut under_way: Vec<_> = (0..8)
            .flat_map(|id| [id, id])
            .map(|id| begin(id).unwrap())
            .collect();
        assert_eq!(begin(8).unwrap_err(), Full::All(16));
        assert_eq!(begin(3).unwrap_err(), Full::One(2));
        drop(under_way.pop());
        under_way.push(begin(8).unwrap());
        assert_eq!(begin(9).unwrap_err(), Full::All(16));
        drop(under_way);
        assert!(bounded.lock().by_one.is_empty());
        assert_eq!(bounded.lock().all, 0);
    }
}
