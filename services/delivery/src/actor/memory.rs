//! What the queues of all partitions of this worker, both lanes together, may hold.
//!
//! A partition may hold half of what the others leave, and its fair share in any case: a busy one has half of all for
//! itself while the others are idle, and gives way when they are not. What does not fit is left to Kafka.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use angarium_runtime::metrics::figure_of;

use crate::metrics::{QUEUE_LIMIT, QUEUED};

/// The bound, and what is held. Cheap to clone: all clones are one.
#[derive(Clone, Debug)]
pub(crate) struct Memory(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    most: usize,
    held: AtomicUsize,
    partitions: AtomicUsize,
}

/// What one partition holds.
#[derive(Debug)]
pub(super) struct Held {
    of: Memory,
    bytes: usize,
}

impl Memory {
    pub(crate) fn new(most: usize) -> Self {
        Self(Arc::new(Inner {
            most,
            held: AtomicUsize::new(0),
            partitions: AtomicUsize::new(0),
        }))
    }

    /// What is held is measured from now on.
    pub(crate) fn observe(&self) {
        let Self(inner) = self.clone();
        QUEUED.observe(move |tell| tell(figure_of(inner.held.load(Ordering::Relaxed)), &[]));
        let Self(inner) = self.clone();
        QUEUE_LIMIT.observe(move |tell| tell(figure_of(inner.most), &[]));
    }

    /// For a partition that begins, and holds nothing.
    pub(super) fn share(&self) -> Held {
        self.0.partitions.fetch_add(1, Ordering::Relaxed);
        Held {
            of: self.clone(),
            bytes: 0,
        }
    }
}

impl Held {
    /// It holds so much now; what it may hold: both in bytes.
    pub(super) fn is(&mut self, bytes: usize) -> usize {
        let inner = &self.of.0;
        let before = std::mem::replace(&mut self.bytes, bytes);
        let held = if bytes >= before {
            inner.held.fetch_add(bytes - before, Ordering::Relaxed) + (bytes - before)
        } else {
            inner.held.fetch_sub(before - bytes, Ordering::Relaxed) - (before - bytes)
        };
        let others = held.saturating_sub(bytes);
        let fair = inner.most / inner.partitions.load(Ordering::Relaxed).max(1);
        fair.max(inner.most.saturating_sub(others) / 2)
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.of.0.held.fetch_sub(self.bytes, Ordering::Relaxed);
        self.of.0.partitions.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_partition_alone_has_half_and_many_have_their_share() {
        let memory = Memory::new(1_000);
        let mut busy = memory.share();
        let mut others: Vec<Held> = (0..9).map(|_| memory.share()).collect();
        assert_eq!(busy.is(0), 500);
        assert_eq!(busy.is(500), 500);
        for other in &mut others {
            assert!(other.is(50) >= 100);
        }
        assert_eq!(busy.is(500), 275, "it gives way");
        for other in &mut others {
            other.is(100);
        }
        assert_eq!(busy.is(275), 100, "down to its share");
    }

    #[test]
    fn what_a_partition_held_is_free_when_it_is_gone() {
        let memory = Memory::new(1_000);
        let mut gone = memory.share();
        gone.is(500);
        drop(gone);
        assert_eq!(memory.share().is(0), 1_000);
    }
}
