//! Takeover: what a new owner makes of `cursors` and Redis.

use crate::Protocol;
use crate::bits::Bits;
use crate::bounds::{Lane, WEBHOOKS};
use crate::cursors::{Cursor, Cursors, Standing};
use crate::mark::Mark;
use crate::owner::{Owner, Phase, Who};
use crate::redis::{Entry, Redis};
use crate::rules::Rule;
use crate::webhook::{Join, Stage, State, Webhook};
use crate::world::World;

/// A new owner's memory.
#[derive(Clone, Debug)]
pub(crate) struct Loaded {
    pub(crate) p: u8,
    pub(crate) filter: u8,
    pub(crate) webhooks: [Webhook; WEBHOOKS],
    /// Whether each webhook's cursor must be written under the own epoch.
    needed: [bool; WEBHOOKS],
}

impl Loaded {
    /// Reads the highest valid set, refined by Redis.
    pub(crate) fn from(cursors: &Cursors, redis: Option<&Redis>, protocol: &Protocol) -> Self {
        let set = cursors.highest_valid();
        let p = if protocol.keeps(Rule::PFromSet) {
            set.p.unwrap_or(0)
        } else {
            cursors.committed
        };
        let mut loaded = Self {
            p,
            filter: set.filter,
            webhooks: [0, 1].map(|id| Webhook::new(id, protocol.bounds.lane)),
            needed: [false; WEBHOOKS],
        };
        for (id, webhook) in loaded.webhooks[..protocol.bounds.webhooks].iter_mut().enumerate() {
            let cursor = if protocol.keeps(Rule::CompleteSetsOnly) {
                set.cursors[id]
            } else {
                cursors.highest_of(id)
            };
            let entry = redis.and_then(|redis| redis.entries[id]);
            restore(webhook, cursor, entry, p, protocol);
            loaded.needed[id] = match webhook.state {
                State::Live { .. } => cursor.is_some_and(|c| {
                    (c.generation > 0 || c.resume > p) && protocol.keeps(Rule::KeepLiveCursor)
                }),
                State::Unseen => false,
                State::Behind { .. } | State::Resting | State::InSlot { .. } => true,
            };
        }
        loaded
    }
}

/// A webhook as its cursor has it, further on as Redis has it.
fn restore(webhook: &mut Webhook, cursor: Option<Cursor>, entry: Option<Entry>, p: u8, protocol: &Protocol) {
    let generation = cursor.map_or(0, |c| c.generation);
    let entry = entry.filter(|e| {
        let same_generation = e.generation == generation || !protocol.keeps(Rule::RedisGeneration);
        let not_older = cursor.is_none_or(|c| e.epoch >= c.epoch) || !protocol.keeps(Rule::RedisEpoch);
        same_generation && not_older && (cursor.is_some() || protocol.bounds.lane == Lane::Realtime)
    });
    webhook.generation = generation;
    webhook.resume = cursor.map_or(p, |c| c.resume);
    webhook.mark = cursor.map_or(Mark::NONE, |c| c.mark);
    let mut standing = cursor.map(|c| c.standing);
    if let Some(entry) = entry {
        if !protocol.keeps(Rule::StateFromCursors) && entry.resume >= cursor.map_or(0, |c| c.resume) {
            standing = entry.standing;
        }
        // Whole: a place and a mark of two different instants would be no fact.
        if entry.resume > webhook.resume {
            (webhook.resume, webhook.mark) = (entry.resume, entry.mark);
            standing = standing.map(without_head);
        } else if cursor.is_none() {
            webhook.mark = entry.mark;
        }
    }
    if !protocol.keeps(Rule::SourceInCursor) {
        webhook.mark = Mark::NONE;
    }
    match (standing, protocol.bounds.lane) {
        (None | Some(Standing::Live), _) => {}
        (Some(Standing::Behind { head, .. }), Lane::Realtime) => {
            webhook.state = State::Behind { head, join: Join::No };
        }
        (Some(Standing::Behind { slot_end: None, .. }), Lane::Batch) => webhook.state = State::Resting,
        (
            Some(Standing::Behind {
                head,
                slot_end: Some(end),
            }),
            Lane::Batch,
        ) => {
            let stage = Stage::Running;
            webhook.state = State::InSlot { end, head, stage };
        }
    }
}

/// The head was answered: progress lies behind it.
fn without_head(standing: Standing) -> Standing {
    match standing {
        Standing::Live => Standing::Live,
        Standing::Behind { slot_end, .. } => Standing::Behind {
            head: Bits::EMPTY,
            slot_end,
        },
    }
}

impl Owner {
    pub(crate) fn load(&mut self, with_redis: bool, who: Who, world: &mut World, protocol: &Protocol) {
        if !with_redis {
            world.left.redis_away -= 1;
            if who == Who::Owner {
                world.forget_redis();
            }
        }
        let loaded = Loaded::from(&world.cursors, with_redis.then_some(&world.redis), protocol);
        self.phase = Phase::Asserting;
        self.read_to = loaded.p;
        self.filter = loaded.filter;
        self.webhooks = loaded.webhooks;
        for (id, needed) in (0..).zip(loaded.needed) {
            if needed && protocol.keeps(Rule::Reassert) {
                self.append_cursor(id, protocol);
            } else if needed {
                self.webhooks[usize::from(id)].durably_behind = true;
            }
        }
    }
}
