//! An owner of the partition, and what it can do. A zombie is one that another has followed.

use crate::Protocol;
use crate::bounds::{Lane, MAX_PENDING, WEBHOOKS, Zombie};
use crate::cursors::{Cursor, Standing};
use crate::redis::Superseded;
use crate::rules::Rule;
use crate::webhook::{Context, Join, Stage, State, Webhook};
use crate::world::World;

/// How far a takeover has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Phase {
    /// The claim is written; its offset is the epoch.
    Claimed,
    /// The highest valid set is read; the cursors still needed, then P, are being written under the own epoch.
    Asserting,
    /// The own set is complete.
    Acting,
}

/// An append to `cursors` that is not acknowledged; no cursor: a tombstone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Append {
    pub(crate) webhook: u8,
    pub(crate) cursor: Option<Cursor>,
}

/// An incarnation of the partition's actor.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Owner {
    pub(crate) epoch: u8,
    pub(crate) phase: Phase,
    /// R, the live position.
    pub(crate) read_to: u8,
    /// The revision of the registry that it knows, where owners may be stale.
    pub(crate) view: u8,
    /// What the mistake of a filter beside P drops.
    pub(crate) filter: u8,
    pub(crate) webhooks: [Webhook; WEBHOOKS],
    /// In the order in which they land.
    pub(crate) pending: Vec<Append>,
}

/// Whether it is the partition's owner still.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Who {
    /// Nobody has claimed the partition since.
    Owner,
    /// Somebody has.
    Zombie,
}

/// What an owner does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Act {
    /// Reads the highest valid set, and Redis if it is there.
    Load {
        /// Whether Redis is there.
        redis: bool,
    },
    /// The oldest append to `cursors` is acknowledged.
    Land,
    /// Writes P.
    WriteP,
    /// Writes progress to Redis.
    Checkpoint,
    /// Learns the registry's newest revision.
    Learn,
    /// Reads the next record of the live stream.
    Read,
    /// Sees that a replay is asked for.
    Replay(u8),
    /// Begins a POST.
    Post(u8),
    /// The group reaches the receiver.
    Arrive(u8),
    /// The answer comes: done.
    Succeed(u8),
    /// The answer comes, or the time is up: not done.
    Fail(u8),
    /// The queue overflows.
    Overflow(u8),
    /// `join := R`.
    Join(u8),
    /// All below the join is done: writes the live cursor.
    Announce(u8),
    /// Writes how far catch-up is.
    Progress(u8),
    /// Begins the slot that is due.
    StartSlot(u8),
    /// All below the slot's end is done: writes so.
    EndSlot(u8),
}

impl Owner {
    /// The first owner, at work.
    pub(crate) fn first(protocol: &Protocol) -> Self {
        Self {
            phase: Phase::Acting,
            ..Self::claim(0, protocol)
        }
    }

    /// A new owner behind its claim.
    pub(crate) fn claim(epoch: u8, protocol: &Protocol) -> Self {
        Self {
            epoch,
            phase: Phase::Claimed,
            read_to: 0,
            view: 0,
            filter: 0,
            webhooks: [0, 1].map(|id| Webhook::new(id, protocol.bounds.lane)),
            pending: Vec::new(),
        }
    }

    pub(crate) fn context<'a>(&self, world: &'a World, protocol: &'a Protocol) -> Context<'a> {
        Context {
            log: &world.log,
            view: self.view_in(world, protocol),
            protocol,
        }
    }

    fn view_in(&self, world: &World, protocol: &Protocol) -> u8 {
        if protocol.bounds.stale_owner {
            self.view
        } else {
            world.revision
        }
    }

    /// The set under which it writes.
    pub(crate) fn key(&self, protocol: &Protocol) -> u8 {
        if protocol.keeps(Rule::EpochKeys) {
            self.epoch
        } else {
            0
        }
    }

    /// P: nothing below is undone, or a durable cursor leads to it.
    pub(crate) fn p(&self, protocol: &Protocol) -> u8 {
        self.webhooks[..protocol.bounds.webhooks]
            .iter()
            .filter_map(|w| w.holds_p(self.is_joining(w.id), protocol))
            .fold(self.read_to, u8::min)
    }

    fn is_joining(&self, webhook: u8) -> bool {
        self.pending
            .iter()
            .any(|a| a.webhook == webhook && a.cursor.is_none_or(|c| c.standing == Standing::Live))
    }

    pub(crate) fn append(&mut self, webhook: u8, cursor: Option<Cursor>) {
        self.pending.push(Append { webhook, cursor });
    }

    /// Appends what the webhook's cursor says now.
    pub(crate) fn append_cursor(&mut self, webhook: u8, protocol: &Protocol) {
        let cursor = self.webhooks[usize::from(webhook)].cursor(self.epoch, protocol);
        self.append(webhook, Some(cursor));
    }

    /// Everything that it could do now.
    pub(crate) fn acts(&self, who: Who, world: &World, protocol: &Protocol, acts: &mut Vec<Act>) {
        if self.phase == Phase::Claimed {
            acts.push(Act::Load { redis: true });
            if world.left.redis_away > 0 {
                acts.push(Act::Load { redis: false });
            }
            return;
        }
        if !self.pending.is_empty() {
            acts.push(Act::Land);
        }
        // Behind all appends: P relies on them.
        if self.pending.is_empty() || !protocol.keeps(Rule::UndurableHoldsP) {
            acts.push(Act::WriteP);
        }
        if self.phase == Phase::Asserting && protocol.keeps(Rule::CompleteBeforeActing) {
            return;
        }
        acts.push(Act::Checkpoint);
        let begins = who == Who::Owner || protocol.bounds.zombie == Zombie::Posts;
        if begins && self.read_to < world.log.end() && self.has_room() {
            acts.push(Act::Read);
        }
        if protocol.bounds.stale_owner && self.view < world.revision {
            acts.push(Act::Learn);
        }
        for webhook in &self.webhooks[..protocol.bounds.webhooks] {
            self.acts_on(webhook, who, begins, world, protocol, acts);
        }
    }

    fn has_room(&self) -> bool {
        self.pending.len() < MAX_PENDING
    }

    fn acts_on(
        &self,
        webhook: &Webhook,
        who: Who,
        begins: bool,
        world: &World,
        protocol: &Protocol,
        acts: &mut Vec<Act>,
    ) {
        let id = webhook.id;
        let context = self.context(world, protocol);
        if let Some(post) = webhook.post {
            acts.push(if post.arrived {
                Act::Succeed(id)
            } else {
                Act::Arrive(id)
            });
            let may_fail = if post.arrived {
                world.left.lost_answers
            } else {
                world.left.refusals
            };
            if may_fail > 0 && self.has_room() {
                acts.push(Act::Fail(id));
            }
        }
        let idle = webhook.post.is_none();
        let nothing_left = idle && webhook.next_group(context).is_empty();
        if idle && begins && !nothing_left && webhook.may_post() && webhook.is_known(context) {
            acts.push(Act::Post(id));
        }
        if !self.has_room() {
            return;
        }
        if idle && who == Who::Owner && webhook.generation < world.generation_of(id) {
            acts.push(Act::Replay(id));
        }
        if idle && world.left.overflows > 0 && webhook.has_queue() {
            acts.push(Act::Overflow(id));
        }
        match webhook.state {
            State::Behind { head, join: Join::No } if head.is_empty() && webhook.is_known(context) => {
                acts.push(Act::Join(id));
            }
            State::Behind {
                join: Join::Queueing { .. },
                ..
            } if nothing_left => acts.push(Act::Announce(id)),
            State::Resting if who == Who::Owner && world.due.contains(id) => acts.push(Act::StartSlot(id)),
            State::InSlot {
                stage: Stage::Running,
                ..
            } if nothing_left => acts.push(Act::EndSlot(id)),
            _ => {}
        }
        let moves = matches!(webhook.state, State::Behind { join: Join::No, head } if head.is_empty());
        if protocol.bounds.catch_up_cursors && moves && self.pending.is_empty() {
            acts.push(Act::Progress(id));
        }
    }

    /// Does it. An owner that learns from Redis that it is superseded ends.
    pub(crate) fn act(
        &mut self,
        act: Act,
        who: Who,
        world: &mut World,
        protocol: &Protocol,
    ) -> Result<(), Superseded> {
        match act {
            Act::Load { redis } => self.load(redis, who, world, protocol),
            Act::Land => self.land(who, world, protocol),
            Act::WriteP => self.write_p(who, world, protocol),
            Act::Checkpoint => return self.checkpoint(who, world, protocol),
            Act::Learn => self.view = world.revision,
            Act::Read => self.read(world, protocol),
            Act::Replay(id) => self.replay(id, world, protocol),
            Act::Post(id) => self.post(id, who, world, protocol),
            Act::Arrive(id) => self.arrive(id, world, protocol),
            Act::Succeed(id) => self.succeed(id, who, world, protocol),
            Act::Fail(id) => self.fail(id, world, protocol),
            Act::Overflow(id) => self.overflow(id, world, protocol),
            Act::Join(id) => self.join(id),
            Act::Announce(id) => self.announce(id, world, protocol),
            Act::Progress(id) => self.append_cursor(id, protocol),
            Act::StartSlot(id) => self.start_slot(id, world, protocol),
            Act::EndSlot(id) => self.end_slot(id, protocol),
        }
        Ok(())
    }

    /// Whether every webhook has everything that it is owed, and P says so.
    pub(crate) fn is_done(&self, world: &World, protocol: &Protocol) -> bool {
        let end = world.log.end();
        let p = world.cursors.highest_valid().p;
        self.phase == Phase::Acting
            && self.read_to == end
            && p == Some(end)
            && self.webhooks[..protocol.bounds.webhooks].iter().all(|webhook| {
                let at_rest = match webhook.state {
                    State::Live { queue } => queue.is_empty(),
                    State::Unseen | State::Resting => protocol.bounds.lane == Lane::Batch,
                    State::Behind { .. } | State::InSlot { .. } => false,
                };
                let received = world.receivers[usize::from(webhook.id)].received(webhook.generation);
                at_rest
                    && webhook.post.is_none()
                    && webhook.generation == world.generation_of(webhook.id)
                    && world.log.owed(webhook.id).is_subset_of(received)
            })
    }
}
