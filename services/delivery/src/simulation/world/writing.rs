//! What owners write: it lands, and is acknowledged, in two steps.

use super::super::cursors::Append;
use super::super::happened::What;
use super::super::owner::Stage;
use super::{Checked, World};
use crate::checkpoint::Saved;

impl World {
    pub(super) fn land(&mut self) {
        let index = self.anyone();
        let owner = &mut self.owners[index];
        if let Some(append) = owner.appends.pop_front() {
            let epoch = owner.epoch;
            self.topic.write(epoch, &append);
            owner.landed.push_back(append.clone());
            let is_late = index + 1 < self.owners.len();
            self.note_if(is_late, What::LateCursorLands);
            self.tell(|| format!("[{epoch}] lands: {append:?}"));
        }
    }

    pub(super) fn acknowledge(&mut self) -> Checked {
        let index = self.anyone();
        let owner = &mut self.owners[index];
        let now_ms = owner.clock(self.now_ms);
        let Some(append) = owner.landed.pop_front() else {
            return Ok(());
        };
        owner.partition.compare_clocks(now_ms, Some(self.now_ms));
        let told = format!("[{}] is acknowledged: {append:?}", owner.epoch);
        match append {
            Append::Cursor(webhook, Some(_)) => owner.partition.appended(webhook, now_ms),
            Append::Cursor(_, None) => {}
            Append::Place(place) => {
                owner.partition.place_is(place);
                if owner.stage == Stage::Completing {
                    owner.stage = Stage::Acting;
                    owner.live = usize::try_from(place).unwrap_or(0);
                    // What was learnt meanwhile.
                    owner.partition.refresh(now_ms);
                    self.topic.remove_below(owner.epoch);
                    self.log_is_known();
                }
            }
        }
        self.tell(|| told);
        self.complete(index)?;
        self.perform()
    }

    /// The place is written when all that is to be asserted is acknowledged.
    pub(super) fn complete(&mut self, index: usize) -> Checked {
        let owner = &mut self.owners[index];
        if owner.stage == Stage::Asserting && owner.appends.is_empty() && owner.landed.is_empty() {
            owner.stage = Stage::Completing;
            owner.append_place()?;
        }
        Ok(())
    }

    pub(super) fn save_begins(&mut self) {
        let index = self.anyone_reading();
        let owner = &mut self.owners[index];
        if owner.saving.is_none() && owner.stage == Stage::Acting {
            let checkpoint = owner.partition.take_checkpoint();
            owner.saving = Some(checkpoint).filter(|checkpoint| !checkpoint.is_empty());
        }
    }

    pub(super) fn save_lands(&mut self) {
        let index = self.anyone();
        let away = self.redis_is_away;
        let owner = &mut self.owners[index];
        let Some(checkpoint) = owner.saving.take() else {
            return;
        };
        if away {
            return owner.partition.not_saved(checkpoint);
        }
        self.redis_before.push_back(self.redis.clone());
        if self.redis_before.len() > 5 {
            self.redis_before.pop_front();
        }
        let saved = self.redis.save(owner.epoch, &checkpoint);
        self.tell(|| format!("{saved:?} in Redis: {checkpoint:?}"));
        if saved != Saved::Taken {
            self.note(What::LateCheckpoint);
            let owner = &mut self.owners[index];
            owner.is_frozen = true;
            owner.is_superseded = true;
        }
    }
}
