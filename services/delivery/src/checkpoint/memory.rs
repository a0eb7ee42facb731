//! Progress in this process, for `angarium dev` and for tests.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use angarium_model::Lane;

use super::{Checkpoint, Memories, Saved, Stored};

/// Progress in memory, by lane and partition. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct Memory(Arc<Mutex<HashMap<(Lane, i32), Stored>>>);

impl Memory {
    pub(super) fn load(&self, lane: Lane, partition: i32) -> Memories {
        let partitions = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        partitions
            .get(&(lane, partition))
            .cloned()
            .unwrap_or_default()
            .into()
    }

    pub(super) fn save(&self, lane: Lane, partition: i32, epoch: i64, checkpoint: &Checkpoint) -> Saved {
        let mut partitions = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        partitions
            .entry((lane, partition))
            .or_default()
            .save(epoch, checkpoint)
    }
}
