//! Reading the live stream, POSTs and their answers.

use crate::Protocol;
use crate::bits::Bits;
use crate::owner::{Call, Owner, Who};
use crate::parked::Parked;
use crate::rules::Rule;
use crate::webhook::{Context, Join, Stage, State, Webhook};
use crate::window::Post;
use crate::world::{Breach, World};

impl Webhook {
    pub(crate) fn has_queue(&self) -> bool {
        match self.state {
            State::Live { queue }
            | State::Behind {
                join: Join::Queueing { queue, .. } | Join::Announced { queue, .. },
                ..
            } => !queue.is_empty(),
            _ => false,
        }
    }

    /// Whether its state lets it begin a POST of a new group.
    pub(crate) fn may_post(&self) -> bool {
        match self.state {
            State::Live { .. } | State::Behind { .. } => true,
            State::InSlot { stage, .. } => stage == Stage::Running,
            State::Unseen | State::Resting => false,
        }
    }

    /// The live reader shows a record that names the webhook. Whether a cursor must be written for it.
    fn hear(&mut self, offset: u8, filter: u8, context: Context<'_>) -> bool {
        let protocol = context.protocol;
        let is_known = self.is_known(context);
        match &mut self.state {
            State::Live { queue } if !queue.is_empty() || is_known => {
                let mut queue = *queue;
                let record = context.log.at(offset);
                let seen = self.mark_behind(queue, context);
                let is_done = offset < self.resume && protocol.keeps(Rule::NothingBelowResume);
                if !is_done && record.source > filter && !seen.covers(record, self.id, context.view, protocol)
                {
                    queue.insert(offset);
                    self.state = State::Live { queue };
                }
                false
            }
            State::Live { .. } => {
                if protocol.keeps(Rule::CursorForUnknown) {
                    self.fall_behind(offset, Bits::EMPTY);
                }
                protocol.keeps(Rule::CursorForUnknown)
            }
            State::Behind { join, .. } => {
                let is_behind_it = join.at().is_some_and(|at| offset >= at);
                if let Some(queue) = join.queue_mut()
                    && is_behind_it
                    && protocol.keeps(Rule::QueueFromJoin)
                {
                    queue.insert(offset);
                }
                false
            }
            State::Unseen if protocol.keeps(Rule::CursorAtFirstSight) => {
                self.state = State::Resting;
                self.resume = offset;
                true
            }
            State::Unseen | State::Resting | State::InSlot { .. } => false,
        }
    }

    pub(crate) fn fall_behind(&mut self, resume: u8, head: Bits) {
        self.resume = resume;
        self.state = match self.state {
            State::InSlot { end, stage, .. } => State::InSlot { end, head, stage },
            State::Unseen | State::Resting => State::Resting,
            State::Live { .. } | State::Behind { .. } => State::Behind { head, join: Join::No },
        };
    }

    /// A group as it is sent now.
    fn sent(&self, group: Bits) -> Parked {
        Parked {
            generation: self.generation,
            group,
            is_replay: self.replay.is_some(),
        }
    }

    /// What is under way, as it is sent, and how far it is.
    fn call_mut(&mut self, call: Call) -> Option<(Parked, &mut Option<Post>)> {
        match call {
            Call::New(index) => self.window.get_mut(index).map(|open| (open.what, &mut open.post)),
            Call::Retry(index) => self
                .parked
                .get_mut(index)
                .map(|retry| (retry.what, &mut retry.post)),
        }
    }

    /// Everything of the group is done, or is parked.
    fn is_over(&mut self, group: Bits, context: Context<'_>) {
        self.mark = self.mark_behind(group, context);
        self.resume = group.last().map_or(self.resume, |last| last + 1);
        self.taken_ahead = self.taken_ahead.from(self.resume);
        match &mut self.state {
            State::Live { queue } => *queue = queue.without(group),
            State::Behind { head, .. } | State::InSlot { head, .. } => *head = Bits::EMPTY,
            State::Unseen | State::Resting => {}
        }
    }

    /// A group of the window was answered. The webhook moves on over what is done, up to the first that is not.
    fn move_on(&mut self, index: u8, context: Context<'_>) {
        if !context.protocol.keeps(Rule::DoneUpToTheFirst) {
            let over = self.window.remove(index);
            return self.is_over(over.map_or(Bits::EMPTY, |over| over.what.group), context);
        }
        if let Some(open) = self.window.get_mut(index) {
            open.post = None;
        }
        while let Some(group) = self.window.pop_done() {
            self.is_over(group, context);
        }
    }

    fn retry_was_taken(&mut self, what: Parked, protocol: &Protocol) {
        self.parked.forget(what);
        if what.generation == self.generation && protocol.keeps(Rule::TakenLeavesStream) {
            let ahead = what.group.from(self.resume);
            self.taken_ahead = self.taken_ahead.union(ahead);
        }
    }

    /// A new group failed: it is parked, and the stream goes on, read back from Kafka.
    fn park(&mut self, index: u8, read_to: u8, context: Context<'_>) {
        let Some(open) = self.window.get_mut(index) else {
            return;
        };
        let what = open.what;
        self.parked.park(what);
        self.move_on(index, context);
        match &mut self.state {
            State::Live { .. } => self.fall_behind(self.done_below(read_to), Bits::EMPTY),
            State::Behind { join, .. } if context.protocol.keeps(Rule::ParkingEndsJoin) => *join = Join::No,
            _ => {}
        }
    }
}

impl Owner {
    pub(crate) fn read(&mut self, world: &World, protocol: &Protocol) {
        let offset = self.read_to;
        let context = self.context(world, protocol);
        if let Some(order) = world.log.order(offset) {
            self.read_to += 1;
            self.webhooks[usize::from(order.webhook)].meet(order, protocol);
            self.take_order(order.webhook, protocol);
            return;
        }
        let webhooks = world.log.at(offset).webhooks;
        for id in webhooks
            .iter()
            .filter(|id| usize::from(*id) < protocol.bounds.webhooks)
        {
            if self.webhooks[usize::from(id)].hear(offset, self.filter, context) {
                self.append_cursor(id, protocol);
            }
        }
        self.read_to += 1;
    }

    /// Begins a POST of a new group.
    pub(crate) fn post(&mut self, id: u8, who: Who, world: &mut World, protocol: &Protocol) {
        let webhook = self.webhooks[usize::from(id)];
        let what = webhook.sent(webhook.next_group(self.context(world, protocol)));
        if who == Who::Owner {
            world.check(id, what, protocol);
            world.check_slot(&webhook, what.group);
        }
        self.webhooks[usize::from(id)].window.begin(what);
    }

    /// Begins a POST of a parked group.
    pub(crate) fn retry(&mut self, id: u8, index: u8, who: Who, world: &mut World, protocol: &Protocol) {
        let webhook = &mut self.webhooks[usize::from(id)];
        let Some((what, post)) = webhook.call_mut(Call::Retry(index)) else {
            return;
        };
        *post = Some(Post::BEGUN);
        if who == Who::Owner {
            world.check(id, what, protocol);
        }
    }

    pub(crate) fn arrive(&mut self, id: u8, call: Call, world: &mut World, protocol: &Protocol) {
        let webhook = &mut self.webhooks[usize::from(id)];
        let Some((what, post)) = webhook.call_mut(call) else {
            return;
        };
        *post = Some(Post { arrived: true });
        let receiver = &mut world.receivers[usize::from(id)];
        if !receiver.receive(what.group, id, what.generation, &world.log, protocol) {
            world.breach = Some(Breach::OutOfOrder);
        }
    }

    pub(crate) fn succeed(&mut self, id: u8, call: Call, who: Who, world: &mut World, protocol: &Protocol) {
        let context = self.context(world, protocol);
        let webhook = &mut self.webhooks[usize::from(id)];
        let Some((what, _)) = webhook.call_mut(call) else {
            return;
        };
        match call {
            Call::New(index) => webhook.move_on(index, context),
            Call::Retry(_) => webhook.retry_was_taken(what, protocol),
        }
        if who == Who::Owner {
            world.ledgers[usize::from(id)].note_taken(what);
        }
        self.take_order(id, protocol);
    }

    /// The outcome of the POST is known, and it is not done: the webhook lags, with this group as its head, or has it
    /// parked.
    pub(crate) fn fail(&mut self, id: u8, call: Call, world: &mut World, protocol: &Protocol) {
        let (read_to, context) = (self.read_to, self.context(world, protocol));
        let webhook = &mut self.webhooks[usize::from(id)];
        let Some((what, &mut Some(Post { arrived }))) = webhook.call_mut(call) else {
            return;
        };
        let leaves = matches!((webhook.state, call), (State::Live { .. }, Call::New(_)));
        match call {
            Call::New(index) if protocol.bounds.unordered => webhook.park(index, read_to, context),
            Call::New(index) => {
                webhook.window.remove(index);
                webhook.fall_behind(what.group.first().unwrap_or(webhook.resume), what.group);
            }
            Call::Retry(_) => {
                if let Some((_, post)) = webhook.call_mut(call) {
                    *post = None;
                }
            }
        }
        if arrived {
            world.left.lost_answers -= 1;
        } else {
            world.left.refusals -= 1;
        }
        let is_listed_later = protocol.bounds.unordered && !leaves;
        if !self.take_order(id, protocol) && !is_listed_later {
            self.record_leaving(id, protocol);
        }
    }

    /// The queue is dropped: Kafka has it. Behind a join the durable cursor still leads to it, unless a live one is
    /// under way.
    pub(crate) fn overflow(&mut self, id: u8, world: &mut World, protocol: &Protocol) {
        world.left.overflows -= 1;
        let webhook = &mut self.webhooks[usize::from(id)];
        let from = match webhook.state {
            State::Live { queue } => queue.first().unwrap_or(webhook.resume),
            _ => webhook.resume,
        };
        let recorded = matches!(
            webhook.state,
            State::Behind {
                join: Join::Queueing { .. },
                ..
            }
        );
        webhook.fall_behind(from, Bits::EMPTY);
        if !recorded {
            self.record_leaving(id, protocol);
        }
    }

    fn record_leaving(&mut self, id: u8, protocol: &Protocol) {
        if protocol.keeps(Rule::CursorOnLeaving) {
            self.append_cursor(id, protocol);
        } else {
            self.webhooks[usize::from(id)].count_as_recorded(protocol);
        }
    }
}
