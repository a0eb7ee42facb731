//! What an owner puts on record: cursors, P, and progress in Redis.

use crate::Protocol;
use crate::cursors::{Cursor, Standing};
use crate::owner::{Append, Owner, Phase, Who};
use crate::redis::{Entry, Superseded};
use crate::rules::Rule;
use crate::webhook::{Join, Stage, State};
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
            note(cursor, id, world);
            // What the cursor should say: leaving it out is a mistake that is to be found.
            let head = self.webhooks[index].head();
            if last && !head.is_empty() && cursor.generation == world.generation_of(id) {
                world.ledgers[index].head = head;
            }
        }
        let webhook = &mut self.webhooks[index];
        webhook.durably_behind = cursor.is_some_and(|c| {
            c.generation == webhook.generation && matches!(c.standing, Standing::Behind { .. })
        });
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
                if key == world.cursors.highest_valid().epoch {
                    world.ledgers[index].slot_end = None;
                }
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
            let generation = world.generation_of(webhook.id);
            let told = &mut world.ledgers[usize::from(webhook.id)].durable;
            match set.cursors[usize::from(webhook.id)] {
                Some(cursor) if cursor.generation == generation => {
                    told.add(cursor.resume, cursor.mark.source)
                }
                Some(_) => {}
                // A live cursor at or below P was left out, and its mark with it.
                None => told.source = 0,
            }
            if webhook.generation == generation && matches!(webhook.state, State::Live { .. }) {
                told.add(p, 0);
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
        for (webhook, entry) in self.webhooks[..protocol.bounds.webhooks].iter().zip(&mut entries) {
            let recorded = !self.pending.iter().any(|a| a.webhook == webhook.id);
            if webhook.state != State::Unseen && (recorded || !protocol.keeps(Rule::CursorBeforeRedis)) {
                let standing = webhook.cursor(self.epoch, protocol).standing;
                *entry = Some(Entry {
                    generation: webhook.generation,
                    epoch: self.epoch,
                    resume: webhook.done_below(self.read_to),
                    mark: webhook.mark,
                    standing: (!protocol.keeps(Rule::StateFromCursors)).then_some(standing),
                });
            }
        }
        let before = world.redis.clone();
        world.redis.checkpoint(self.epoch, entries)?;
        if world.left.redis_rollbacks > 0 && before != world.redis {
            world.redis_before = Some(before);
        }
        for (id, entry) in (0..).zip(entries) {
            let generation = world.generation_of(id);
            if let (Who::Owner, Some(entry)) = (who, entry)
                && (entry.generation, entry.epoch) == (generation, self.epoch)
            {
                world.ledgers[usize::from(id)]
                    .redis
                    .add(entry.resume, entry.mark.source);
            }
        }
        Ok(())
    }
}

/// What an owner's acknowledged cursor tells.
fn note(cursor: Cursor, id: u8, world: &mut World) {
    if cursor.generation != world.generation_of(id) {
        return;
    }
    let durable = &mut world.ledgers[usize::from(id)].durable;
    durable.add(cursor.resume, cursor.mark.source);
}
