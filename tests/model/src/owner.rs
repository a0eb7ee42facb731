//! An owner of the partition, and what it can do. A zombie is one that another has followed.

use crate::Protocol;
use crate::bounds::{Lane, MAX_PENDING, WEBHOOKS, Zombie};
use crate::cursors::{Cursor, Standing};
use crate::redis::Superseded;
use crate::rules::Rule;
use crate::takeover::Found;
use crate::webhook::{Context, Join, Recorded, Stage, State, Webhook};
use crate::world::World;

/// How far a takeover has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Phase {
    /// The claim is written; its offset is the epoch.
    Claimed,
    /// This is the highest valid set; Redis was not asked yet.
    Found(Found),
    /// The cursors still needed, then P, are being written under the own epoch.
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

/// Which POST of a webhook.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Call {
    /// That of a group of the window.
    New(u8),
    /// That of a parked group.
    Retry(u8),
}

/// What an owner does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Act {
    /// Reads the highest valid set.
    Load,
    /// Reads Redis, if it is there, and takes up what is known.
    Remember {
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
    /// Begins a POST of a new group.
    Post(u8),
    /// Begins a POST of this parked group.
    Retry(u8, u8),
    /// The group reaches the receiver.
    Arrive(u8, Call),
    /// The answer comes: done.
    Succeed(u8, Call),
    /// The answer comes, or the time is up: not done.
    Fail(u8, Call),
    /// Writes what is parked.
    ListParked(u8),
    /// All that a replay had to send is done, or is parked.
    EndReplay(u8),
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
        match self.phase {
            Phase::Claimed => return acts.push(Act::Load),
            Phase::Found(_) => {
                let ways = if world.left.redis_away > 0 { 2 } else { 1 };
                let ways = [true, false].into_iter().take(ways);
                return acts.extend(ways.map(|redis| Act::Remember { redis }));
            }
            Phase::Asserting | Phase::Acting => {}
        }
        if !self.pending.is_empty() {
            acts.push(Act::Land);
        }
        // A set is complete behind all its cursors.
        if self.pending.is_empty() || self.phase == Phase::Acting {
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
        self.acts_on_calls(webhook, world, protocol, acts);
        let is_held = webhook.order.is_some() && protocol.keeps(Rule::OrderWaitsForCalls);
        let begins = begins && !is_held && webhook.calls() < protocol.bounds.calls();
        let idle = webhook.window.is_empty();
        let nothing_new = webhook.next_group(context).is_empty();
        let nothing_left = idle && nothing_new;
        let has_room = webhook.window.has_room() && webhook.is_known(context);
        if begins && !nothing_new && has_room && webhook.may_post() {
            acts.push(Act::Post(id));
        }
        let waiting = (0..)
            .zip(webhook.parked.iter())
            .filter(|(_, retry)| retry.post.is_none());
        acts.extend(waiting.filter(|_| begins).map(|(index, _)| Act::Retry(id, index)));
        if !self.has_room() {
            return;
        }
        if (idle || protocol.bounds.unordered) && world.left.overflows > 0 && webhook.has_queue() {
            acts.push(Act::Overflow(id));
        }
        if self.must_list(webhook, protocol) {
            acts.push(Act::ListParked(id));
        }
        let replays = webhook.replay.is_some();
        let may_join = webhook.parked.is_empty() || !protocol.keeps(Rule::NothingParkedAtJoin);
        match webhook.state {
            State::Behind { .. } if replays && nothing_left => acts.push(Act::EndReplay(id)),
            State::Behind { head, join: Join::No }
                if head.is_empty() && !replays && may_join && webhook.is_known(context) =>
            {
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

    /// What may become of the POSTs under way.
    fn acts_on_calls(&self, webhook: &Webhook, world: &World, protocol: &Protocol, acts: &mut Vec<Act>) {
        let id = webhook.id;
        let window = (0..)
            .zip(webhook.window.iter())
            .map(|(index, open)| (Call::New(index), open.post));
        let parked = (0..).zip(webhook.parked.iter());
        let retries = parked.map(|(index, retry)| (Call::Retry(index), retry.post));
        for (call, post) in window.chain(retries) {
            let Some(post) = post else { continue };
            if !post.arrived {
                acts.push(Act::Arrive(id, call));
            } else if self.has_room() || webhook.order.is_none() {
                acts.push(Act::Succeed(id, call));
            }
            let left = if post.arrived {
                world.left.lost_answers
            } else {
                world.left.refusals
            };
            let has_place =
                !protocol.bounds.unordered || matches!(call, Call::Retry(_)) || webhook.parked.has_room();
            if left > 0 && self.has_room() && has_place {
                acts.push(Act::Fail(id, call));
            }
        }
    }

    /// Whether a webhook that is behind has others parked than its cursor says. One such cursor is written at a time.
    fn must_list(&self, webhook: &Webhook, protocol: &Protocol) -> bool {
        let Recorded::Behind { parked, .. } = webhook.recorded else {
            return false;
        };
        self.is_settled(webhook.id) && parked != webhook.listed(protocol)
    }

    /// Whether all that was written of a webhook is acknowledged.
    pub(crate) fn is_settled(&self, id: u8) -> bool {
        self.pending.iter().all(|append| append.webhook != id)
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
            Act::Load => self.load(world, protocol),
            Act::Remember { redis } => self.remember(redis, who, world, protocol),
            Act::Land => self.land(who, world, protocol),
            Act::WriteP => self.write_p(who, world, protocol),
            Act::Checkpoint => return self.checkpoint(who, world, protocol),
            Act::Learn => self.view = world.revision,
            Act::Read => self.read(world, protocol),
            Act::Post(id) => self.post(id, who, world, protocol),
            Act::Retry(id, index) => self.retry(id, index, who, world, protocol),
            Act::Arrive(id, call) => self.arrive(id, call, world, protocol),
            Act::Succeed(id, call) => self.succeed(id, call, who, world, protocol),
            Act::Fail(id, call) => self.fail(id, call, world, protocol),
            Act::ListParked(id) => self.append_cursor(id, protocol),
            Act::EndReplay(id) => self.end_replay(id, protocol),
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
                at_rest
                    && webhook.window.is_empty()
                    && webhook.parked.is_empty()
                    && webhook.order.is_none()
                    && world.has_all(webhook.id)
            })
    }
}
