//! Small sets of small numbers: offsets of the log, events, webhooks.

/// A set of numbers below 16, in one word, so that a state stays small.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Bits(u16);

impl Bits {
    /// The set of nothing.
    pub const EMPTY: Self = Self(0);

    /// The set of these numbers.
    #[must_use]
    pub const fn of(numbers: &[u8]) -> Self {
        let mut bits = 0;
        let mut i = 0;
        while i < numbers.len() {
            bits |= 1 << numbers[i];
            i += 1;
        }
        Self(bits)
    }

    pub(crate) fn insert(&mut self, number: u8) {
        self.0 |= 1 << number;
    }

    pub(crate) fn remove(&mut self, number: u8) {
        self.0 &= !(1 << number);
    }

    pub(crate) fn contains(self, number: u8) -> bool {
        self.0 & (1 << number) != 0
    }

    pub(crate) fn is_empty(self) -> bool {
        self.0 == 0
    }

    pub(crate) fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    pub(crate) fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// What of it is not below a number.
    pub(crate) fn from(self, first: u8) -> Self {
        Self(self.0 >> first << first)
    }

    pub(crate) fn intersects(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    pub(crate) fn is_subset_of(self, other: Self) -> bool {
        self.0 & !other.0 == 0
    }

    pub(crate) fn first(self) -> Option<u8> {
        self.iter().next()
    }

    pub(crate) fn last(self) -> Option<u8> {
        self.iter().last()
    }

    /// The lowest `count` numbers of the set.
    pub(crate) fn lowest(self, count: usize) -> Self {
        let mut some = Self::EMPTY;
        self.iter().take(count).for_each(|n| some.insert(n));
        some
    }

    pub(crate) fn iter(self) -> impl Iterator<Item = u8> {
        (0..16).filter(move |n| self.contains(*n))
    }
}

impl std::fmt::Debug for Bits {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}
