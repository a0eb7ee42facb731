//! What a new owner makes of the cursors topic and of Redis.

use std::collections::BTreeSet;
use std::sync::Arc;

use angarium_directory::Directory;
use angarium_kafka::Watermarks;
use angarium_model::{Lane, WebhookId};

use super::agenda::Agenda;
use super::entries::Entries;
use super::entry::Entry;
use super::holding::Passed;
use super::read_back::Reading;
use super::turns::Turns;
use super::{Effect, Kept, Partition, Rules};
use crate::checkpoint::{First, Memories};
use crate::clocks::Clocks;
use crate::cursor::{Cursor, Found};
use crate::hook::Restoring;
use crate::target::Subscription;

/// What a takeover starts from.
#[derive(Debug)]
pub(crate) struct Start {
    /// The own epoch: the offset of the claim.
    pub(crate) epoch: i64,
    /// The highest set that counts; `None` before the first owner.
    pub(crate) found: Option<Found>,
    /// What Redis remembers; empty when it is away.
    pub(crate) memories: Memories,
    /// What Redis has is of a cursors topic that is no more.
    pub(crate) is_anew: bool,
    /// Set when the log is known to have been cut or created anew, with what is known of the webhooks.
    pub(crate) cut: Option<Kept>,
    /// The ends of the deliveries log.
    pub(crate) ends: Watermarks,
    /// As they were compared with the claim.
    pub(crate) clocks: Clocks,
    pub(crate) now_ms: i64,
    /// From 0 to 1: see [`Restoring`].
    pub(crate) dice: f64,
}

impl Partition {
    /// A new owner's partition. It leaves the cursors that are still needed to be appended; acknowledged, the own
    /// [`place`](Partition::place) completes the set, and only then anything else may be done.
    pub(crate) fn take_over(lane: Lane, rules: Rules, directory: Directory, start: Start) -> Self {
        let ends = start.ends;
        let found = start.found.unwrap_or_else(|| Found {
            place: ends.low,
            ..Found::default()
        });
        // Nothing that is known of a log can lie beyond its end.
        let reached = found.cursors.values().map(Cursor::reaches);
        let reached = reached.chain(start.memories.webhooks.values().map(|entry| entry.resume));
        let was_cut = start.cut.is_some() || reached.max().max(Some(found.place)) > Some(ends.high);
        let place = if was_cut {
            ends.low
        } else {
            found.place.max(ends.low)
        };
        let mut partition = Self {
            lane,
            rules,
            directory,
            epoch: start.epoch,
            entries: Entries::default(),
            remembered: start.memories.webhooks,
            live_next: place,
            high_at_start: ends.high,
            place,
            agenda: Agenda::default(),
            turns: Turns::default(),
            behind: Arc::default(),
            reading: Reading::default(),
            changed: BTreeSet::new(),
            live_has_moved: true,
            first_checkpoint: if start.is_anew { First::Anew } else { First::Yes },
            clocks: start.clocks,
            ticked_at_ms: start.now_ms,
            passed: Passed::default(),
            effects: Vec::new(),
        };
        if was_cut {
            // Another log: what is remembered of places says nothing of this one.
            for remembered in partition.remembered.values_mut() {
                remembered.resume = place;
            }
        }
        let by = Restoring {
            backoff: partition.rules.backoff,
            now_ms: start.now_ms,
            dice: start.dice,
        };
        partition.restore(found, by, was_cut.then_some(ends.low));
        // Without the cursor that lists what was parked nobody knows what that was.
        partition
            .remembered
            .retain(|_, remembered| remembered.parked == 0);
        partition.keep(start.cut.unwrap_or_default(), start.now_ms);
        partition
    }

    /// Takes each webhook up as its cursor has it. `cut`: the log is another one, and starts there.
    fn restore(&mut self, found: Found, by: Restoring, cut: Option<i64>) {
        for (id, cursor) in found.cursors {
            let remembered = self.remembered.remove(&id);
            let mut entry = Entry::restored(
                (id, self.lane, &self.directory),
                (found.epoch, &cursor),
                remembered,
                by,
                self.place,
            );
            if let Some(low) = cut {
                entry.hook.rescan(low);
            }
            self.assert(id, entry, by.now_ms);
        }
    }

    /// Takes a webhook in that has a cursor, and writes what is still needed of that under the own epoch. Of one that was
    /// deleted nothing is: its cursor goes with the set.
    fn assert(&mut self, id: WebhookId, mut entry: Entry, now_ms: i64) {
        if matches!(entry.subscription, Subscription::Deleted) {
            return;
        }
        if let Some(cursor) = entry.hook.reassert(self.place) {
            self.effects.push(Effect::Append {
                webhook: id,
                cursor: Some(cursor),
            });
        }
        self.changed.insert(id);
        self.entries.ensure(id, || entry);
        self.schedule(id, now_ms);
    }
}
