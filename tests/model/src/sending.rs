//! Reading the live stream, POSTs and their answers.

use crate::Protocol;
use crate::bits::Bits;
use crate::mark::Mark;
use crate::owner::{Owner, Who};
use crate::rules::Rule;
use crate::webhook::{Context, Join, Post, Stage, State, Webhook};
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

    /// Whether its state lets it begin a POST.
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
                if record.source > filter && !seen.covers(record, self.id, context.view, protocol) {
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
                if let (Some(queue), true) = (join.queue_mut(), protocol.keeps(Rule::QueueFromJoin)) {
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
}

impl Owner {
    pub(crate) fn read(&mut self, world: &World, protocol: &Protocol) {
        let offset = self.read_to;
        let record = *world.log.at(offset);
        let context = self.context(world, protocol);
        for id in record
            .webhooks
            .iter()
            .filter(|id| usize::from(*id) < protocol.bounds.webhooks)
        {
            if self.webhooks[usize::from(id)].hear(offset, self.filter, context) {
                self.append_cursor(id, protocol);
            }
        }
        self.read_to += 1;
    }

    pub(crate) fn post(&mut self, id: u8, who: Who, world: &mut World, protocol: &Protocol) {
        let webhook = self.webhooks[usize::from(id)];
        let group = webhook.next_group(self.context(world, protocol));
        if who == Who::Owner {
            check(&webhook, group, world, protocol);
        }
        self.webhooks[usize::from(id)].post = Some(Post {
            group,
            arrived: false,
        });
    }

    pub(crate) fn arrive(&mut self, id: u8, world: &mut World, protocol: &Protocol) {
        let webhook = &mut self.webhooks[usize::from(id)];
        let Some(post) = &mut webhook.post else { return };
        post.arrived = true;
        let receiver = &mut world.receivers[usize::from(id)];
        if !receiver.receive(post.group, id, webhook.generation, &world.log, protocol) {
            world.breach = Some(Breach::OutOfOrder);
        }
    }

    pub(crate) fn succeed(&mut self, id: u8, who: Who, world: &mut World, protocol: &Protocol) {
        let context = self.context(world, protocol);
        let webhook = &mut self.webhooks[usize::from(id)];
        let Some(Post { group, .. }) = webhook.post.take() else {
            return;
        };
        webhook.mark = webhook.mark_behind(group, context);
        webhook.resume = group.last().map_or(webhook.resume, |last| last + 1);
        match &mut webhook.state {
            State::Live { queue } => *queue = queue.without(group),
            State::Behind { head, .. } | State::InSlot { head, .. } => *head = Bits::EMPTY,
            State::Unseen | State::Resting => {}
        }
        if who == Who::Owner {
            world.ledgers[usize::from(id)].head = Bits::EMPTY;
        }
    }

    /// The outcome of the POST is known, and it is not done: the webhook lags, with this group as its head.
    pub(crate) fn fail(&mut self, id: u8, world: &mut World, protocol: &Protocol) {
        let webhook = &mut self.webhooks[usize::from(id)];
        let Some(Post { group, arrived }) = webhook.post.take() else {
            return;
        };
        if arrived {
            world.left.lost_answers -= 1;
        } else {
            world.left.refusals -= 1;
        }
        webhook.fall_behind(group.first().unwrap_or(webhook.resume), group);
        self.record_leaving(id, protocol);
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

    /// A replay begins: from the start, under the registry's new generation.
    pub(crate) fn replay(&mut self, id: u8, world: &World, protocol: &Protocol) {
        let webhook = &mut self.webhooks[usize::from(id)];
        webhook.generation = world.generation_of(id);
        webhook.mark = Mark::NONE;
        webhook.durably_behind = false;
        webhook.fall_behind(0, Bits::EMPTY);
        self.append_cursor(id, protocol);
    }

    fn record_leaving(&mut self, id: u8, protocol: &Protocol) {
        if protocol.keeps(Rule::CursorOnLeaving) {
            self.append_cursor(id, protocol);
        } else {
            self.webhooks[usize::from(id)].durably_behind = true;
        }
    }
}

/// Holds a group that the owner sends against what was told.
fn check(webhook: &Webhook, group: Bits, world: &mut World, protocol: &Protocol) {
    if webhook.generation != world.generation_of(webhook.id) {
        return;
    }
    let ledger = &mut world.ledgers[usize::from(webhook.id)];
    let sources = world.log.sources(group);
    let repeated = [ledger.durable, ledger.redis].iter().any(|told| {
        group.first().is_some_and(|offset| offset < told.resume)
            || sources.first().is_some_and(|source| source <= told.source)
    });
    if repeated && protocol.bounds.sources_rise() {
        world.breach = Some(Breach::Repeated);
    }
    if group != ledger.head && group.intersects(ledger.head) {
        world.breach = Some(Breach::HeadChanged);
    }
    if let State::InSlot { end, .. } = webhook.state {
        let end = *ledger.slot_end.get_or_insert(end);
        if group.last().is_some_and(|offset| offset >= end) {
            world.breach = Some(Breach::AboveSlotEnd);
        }
    }
}
