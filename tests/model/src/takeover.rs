//! Takeover: what a new owner makes of `cursors` and Redis.

use crate::Protocol;
use crate::bits::Bits;
use crate::bounds::{Lane, WEBHOOKS};
use crate::cursors::{Cursor, Cursors, Standing};
use crate::mark::Mark;
use crate::owner::{Owner, Phase, Who};
use crate::parked::{Listed, Retries};
use crate::redis::{Entries, Entry};
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

/// What a new owner finds in `cursors`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Found {
    p: u8,
    filter: u8,
    cursors: [Option<Cursor>; WEBHOOKS],
}

impl Found {
    /// Reads the highest valid set.
    pub(crate) fn read(cursors: &Cursors, protocol: &Protocol) -> Self {
        let set = cursors.highest_valid();
        Self {
            p: if protocol.keeps(Rule::PFromSet) {
                set.p.unwrap_or(0)
            } else {
                cursors.committed
            },
            filter: set.filter,
            cursors: if protocol.keeps(Rule::CompleteSetsOnly) {
                set.cursors
            } else {
                [0, 1].map(|id| cursors.highest_of(id))
            },
        }
    }
}

impl Loaded {
    /// What is found, refined by Redis.
    pub(crate) fn from(found: &Found, redis: Option<&Entries>, protocol: &Protocol) -> Self {
        let p = found.p;
        let mut loaded = Self {
            p,
            filter: found.filter,
            webhooks: [0, 1].map(|id| Webhook::new(id, protocol.bounds.lane)),
            needed: [false; WEBHOOKS],
        };
        for (id, webhook) in loaded.webhooks[..protocol.bounds.webhooks].iter_mut().enumerate() {
            let cursor = found.cursors[id];
            restore(webhook, cursor, redis.and_then(|redis| redis[id]), p, protocol);
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
    let (lane, generation) = (protocol.bounds.lane, cursor.map_or(0, |c| c.generation));
    let entry = entry.filter(|e| {
        let same_generation = e.generation == generation || !protocol.keeps(Rule::RedisGeneration);
        let not_older = cursor.is_none_or(|c| e.epoch >= c.epoch) || !protocol.keeps(Rule::RedisEpoch);
        let parked = cursor.map_or(Listed::EMPTY, |c| c.standing.parked());
        let same_parked = e.parked == parked || !protocol.keeps(Rule::RedisOfTheSameParked);
        same_generation && not_older && same_parked && (cursor.is_some() || lane == Lane::Realtime)
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
    let Some(Standing::Behind {
        head,
        slot_end,
        replay,
        parked,
    }) = standing
    else {
        return;
    };
    (webhook.replay, webhook.parked) = (replay, Retries::of(parked));
    let stage = Stage::Running;
    webhook.state = match (lane, slot_end) {
        (Lane::Batch, Some(end)) => State::InSlot { end, head, stage },
        (Lane::Batch, None) if replay.is_none() => State::Resting,
        (Lane::Batch | Lane::Realtime, _) => State::Behind { head, join: Join::No },
    };
}

/// The head was answered: progress lies behind it.
fn without_head(standing: Standing) -> Standing {
    match standing {
        Standing::Live => Standing::Live,
        Standing::Behind {
            slot_end,
            replay,
            parked,
            ..
        } => Standing::Behind {
            head: Bits::EMPTY,
            slot_end,
            replay,
            parked,
        },
    }
}

impl Owner {
    /// Reads the highest valid set.
    pub(crate) fn load(&mut self, world: &World, protocol: &Protocol) {
        self.phase = Phase::Found(Found::read(&world.cursors, protocol));
    }

    /// Reads Redis, or finds it away, and takes up what is known.
    pub(crate) fn remember(&mut self, is_there: bool, who: Who, world: &mut World, protocol: &Protocol) {
        let Phase::Found(found) = self.phase else { return };
        if !is_there {
            world.left.redis_away -= 1;
            if who == Who::Owner {
                world.forget_redis();
            }
        }
        let redis = is_there.then_some(&world.redis.entries);
        let loaded = Loaded::from(&found, redis, protocol);
        self.phase = Phase::Asserting;
        self.read_to = loaded.p;
        self.filter = loaded.filter;
        self.webhooks = loaded.webhooks;
        for (id, needed) in (0..).zip(loaded.needed) {
            if needed && protocol.keeps(Rule::Reassert) {
                self.append_cursor(id, protocol);
            } else if needed {
                self.webhooks[usize::from(id)].count_as_recorded(protocol);
            }
        }
    }
}
