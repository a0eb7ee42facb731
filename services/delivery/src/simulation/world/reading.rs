//! What the owner reads: the live stream, and back.

use rand::RngExt as _;

use super::super::owner::Stage;
use super::World;

impl World {
    pub(super) fn read_live(&mut self) {
        let now_ms = self.now_ms;
        let last = self.owners.len() - 1;
        for _ in 0..self.rng.random_range(1..5) {
            let owner = &mut self.owners[last];
            if owner.stage == Stage::Acting
                && let Some(record) = self.log.get(owner.live)
            {
                owner.partition.live(record, now_ms);
                owner.live += 1;
                let live = owner.live;
                self.tell(|| format!("the live position is {live}"));
            }
        }
    }

    pub(super) fn read_back(&mut self) {
        let now_ms = self.now_ms;
        let count = self.rng.random_range(1..20);
        let last = self.owners.len() - 1;
        let owner = &mut self.owners[last];
        if owner.stage != Stage::Acting {
            return;
        }
        if let Some(from) = owner.partition.wanted_read(now_ms) {
            let start = usize::try_from(from).unwrap_or(0).min(self.log.len());
            let end = (start + count).min(self.log.len());
            let next = i64::try_from(end).unwrap_or(i64::MAX);
            owner
                .partition
                .read_back(from, next, &self.log[start..end], now_ms);
            self.tell(|| format!("{start}..{end} is read back"));
        }
    }
}
