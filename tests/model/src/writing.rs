//! What an owner puts on record: cursors, P, and progress in Redis.

use crate::Protocol;
use crate::cursors::{Cursor, Standing};
use crate::owner::{Append, Owner, Phase, Who};
use crate::redis::{Entry, Superseded};
use crate::rules::Rule;
use crate::webhook::{Join, Recorded, Stage, State, Webhook};
use crate::world::World;

impl Owner {
    /// The oldest append is acknowledged.
    pub(crate) fn land(&mut self, who: Who, world: &mut World, protocol: &Protocol) {
        let Append { webhook: id, cursor } = self.pending.remove(0);
        let last = self.pending.iter().all(|a| a.webhook != id);
        let index = usize::from(id);
        let key = self.key(protocol);
        world.cursors.write(key, index, cursor);
        let may_act = self.phase == Phase::Acting || !protocol.keeps(Rule::CompleteBeforeActing);
        if let (Who::Owner, true, Some(cursor)) = (who, may_act, cursor) {
            let ledger = &mut world.ledgers[index];
            ledger.note(&cursor);
            // What the cursor should say: leaving it out is a mistake that is to be found.
            let head = self.webhooks[index].head();
            if last && !head.is_empty() {
                ledger.head = (cursor.generation, head);
            }
        }
        let webhook = &mut self.webhooks[index];
        webhook.recorded = match cursor {
            None => Recorded::Nothing,
            Some(Cursor {
                generation,
                standing: Standing::Live,
                ..
            }) => Recorded::Live { generation },
            Some(cursor) => Recorded::Behind {
                generation: cursor.generation,
                parked: cursor.standing.parked(),
            },
        };
        let is_in_slot = matches!(
            webhook.state,
            State::InSlot {
                stage: Stage::Starting | Stage::Running,
                ..
            }
        );
        if may_act && !is_in_slot && key == world.cursors.highest_valid().epoch {
            world.ledgers[index].slot_end = None;
        }
        let context = self.context(world, protocol);
        let webhook = &mut self.webhooks[index];
        match &mut webhook.state {
            State::Behind {
                join: Join::Announced { queue, .. },
                ..
            } if last => {
                let queue = *queue;
                webhook.go_live(queue, context);
            }
            State::InSlot { stage, .. } if *stage == Stage::Starting && last => {
                *stage = Stage::Running;
                if who == Who::Owner {
                    world.due.remove(id);
                }
            }
            State::InSlot { stage, .. } if *stage == Stage::Ending && last => {
                webhook.state = State::Resting;
            }
            _ => {}
        }
    }

    /// Writes P when it has moved, or to complete the own set.
    pub(crate) fn write_p(&mut self, who: Who, world: &mut World, protocol: &Protocol) {
        let p = self.p(protocol);
        let key = self.key(protocol);
        let set = world.cursors.highest_valid();
        let own = set.epoch == key;
        // Where the last write counts, a zombie's may be lower than its follower's.
        let shared = !protocol.keeps(Rule::EpochKeys) || !protocol.keeps(Rule::PFromSet);
        if self.phase == Phase::Acting && !shared && !(own && set.p < Some(p)) {
            return;
        }
        let filter = if protocol.keeps(Rule::NoFilterBesideP) {
            0
        } else {
            world.log.highest_source_below(p)
        };
        world.cursors.write_p(key, p, filter);
        if !protocol.keeps(Rule::PFromSet) {
            world.cursors.committed = p;
        }
        self.phase = Phase::Acting;
        if who == Who::Owner {
            self.note_p(p, world, protocol);
        }
    }

    /// What the set says is told now.
    fn note_p(&self, p: u8, world: &mut World, protocol: &Protocol) {
        let set = *world.cursors.highest_valid();
        for webhook in &self.webhooks[..protocol.bounds.webhooks] {
            let ledger = &mut world.ledgers[usize::from(webhook.id)];
            match set.cursors[usize::from(webhook.id)] {
                Some(cursor) => ledger.note(&cursor),
                // A live cursor at or below P was left out, and its mark with it.
                None => ledger.stream.durable.source = 0,
            }
            if matches!(webhook.state, State::Live { .. }) {
                ledger.stream.durable.add(p, 0);
            }
        }
    }

    /// Progress to Redis.
    pub(crate) fn checkpoint(
        &mut self,
        who: Who,
        world: &mut World,
        protocol: &Protocol,
    ) -> Result<(), Superseded> {
        let mut entries = world.redis.entries;
        let own = self.webhooks[..protocol.bounds.webhooks]
            .iter()
            .filter(|webhook| self.may_be_told(webhook, protocol));
        for webhook in own.clone() {
            let standing = webhook.cursor(self.epoch, protocol).standing;
            entries[usize::from(webhook.id)] = Some(Entry {
                generation: webhook.generation,
                epoch: self.epoch,
                resume: webhook.done_below(self.read_to),
                mark: webhook.mark,
                parked: webhook.listed(protocol),
                standing: (!protocol.keeps(Rule::StateFromCursors)).then_some(standing),
            });
        }
        let before = world.redis.clone();
        world.redis.checkpoint(self.epoch, entries)?;
        if world.left.redis_rollbacks > 0 && before != world.redis {
            world.redis_before = Some(before);
        }
        for webhook in own {
            let ledger = &mut world.ledgers[usize::from(webhook.id)];
            match (who, entries[usize::from(webhook.id)]) {
                (Who::Owner, Some(entry)) => ledger.note_progress(&entry, webhook.replay),
                (Who::Zombie, Some(entry)) => ledger.note_zombies(&entry),
                (_, None) => {}
            }
        }
        Ok(())
    }

    /// Whether Redis may be told of a webhook: only what stands on an acknowledged cursor.
    fn may_be_told(&self, webhook: &Webhook, protocol: &Protocol) -> bool {
        let is_recorded = self.is_settled(webhook.id) || !protocol.keeps(Rule::CursorBeforeRedis);
        let is_listed = match webhook.recorded {
            Recorded::Behind { parked, .. } => parked == webhook.listed(protocol),
            Recorded::Live { .. } | Recorded::Nothing => true,
        };
        webhook.state != State::Unseen && is_recorded && is_listed
    }
}
