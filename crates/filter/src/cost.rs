//! How much work an evaluation can be at most.

use crate::failure::Failure;

/// How large an event is, as far as it decides what an evaluation costs.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Size {
    /// Of its payload.
    pub(crate) bytes: usize,
    /// The most elements of a list or an object in it.
    pub(crate) largest: usize,
}

/// What an evaluation costs, by how large its event is. The unit is the evaluation of one node of the syntax tree, which takes
/// about as long as to compare 64 bytes: some 50 ns.
///
/// A part that looks at a value costs by the value's size, which is at most the payload's. A loop goes at most as often as the
/// largest list has elements. What is looked at of the element of each round is all in all no more than the payload.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Cost {
    /// Nodes outside of loops.
    pub(crate) nodes: u64,
    /// How often values of any size are looked at outside of loops, and the elements of loops in all their rounds.
    pub(crate) looks: u64,
    /// Nodes in loops, in each round.
    pub(crate) nodes_each: u64,
    /// How often values of any size are looked at in loops, in each round.
    pub(crate) looks_each: u64,
    /// How often values are put together: each may be as large as all before it.
    pub(crate) sums: u64,
}

impl Cost {
    /// The most work of one evaluation: about 5 ms.
    pub(crate) const MAX: u64 = 100_000;
    const BYTES_PER_UNIT: u64 = 64;

    /// For an event of this size.
    pub(crate) fn of(&self, size: Size) -> u64 {
        let wide = |number: usize| u64::try_from(number).unwrap_or(u64::MAX);
        let look = (wide(size.bytes) / Self::BYTES_PER_UNIT)
            .saturating_add(1)
            .saturating_mul(self.sums.saturating_add(1));
        let each = self
            .nodes_each
            .saturating_add(self.looks_each.saturating_mul(look));
        self.nodes
            .saturating_add(self.looks.saturating_mul(look))
            .saturating_add(each.saturating_mul(wide(size.largest)))
    }

    /// # Errors
    /// When an event of this size is too large for the expression.
    pub(crate) fn check(&self, size: Size) -> Result<(), Failure> {
        let cost = self.of(size);
        if cost <= Self::MAX {
            return Ok(());
        }
        Err(Failure::new(format!(
            "the event is too large for this expression: its data has {} bytes, and up to {} elements in a list; that may \
             take {cost} steps of at most {}",
            size.bytes,
            size.largest,
            Self::MAX
        )))
    }
}
