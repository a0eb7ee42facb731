//! How a webhook that was behind becomes live, and how a batch webhook goes through a slot.

use crate::Protocol;
use crate::bits::Bits;
use crate::owner::Owner;
use crate::rules::Rule;
use crate::webhook::{Context, Join, Stage, State, Webhook};
use crate::world::World;

impl Webhook {
    /// Nothing below is left to be sent, but for what is parked.
    fn is_done_below(&mut self, at: u8) {
        self.resume = self.resume.max(at);
        self.taken_ahead = self.taken_ahead.from(self.resume);
    }

    /// What was queued behind the join is compared with the mark as it is now.
    pub(crate) fn go_live(&mut self, queue: Bits, context: Context<'_>) {
        let queue = if context.protocol.keeps(Rule::CompareAtLive) {
            self.unseen(queue, self.taken_ahead, self.mark, context).0
        } else {
            queue
        };
        self.state = State::Live { queue };
    }
}

impl Owner {
    /// `join := R`; the live reader queues from here on.
    pub(crate) fn join(&mut self, id: u8) {
        let webhook = &mut self.webhooks[usize::from(id)];
        // Behind a restart a cursor may lie above what has been read so far.
        let at = self.read_to.max(webhook.resume);
        webhook.state = State::Behind {
            head: Bits::EMPTY,
            join: Join::Queueing {
                at,
                queue: Bits::EMPTY,
            },
        };
    }

    /// Everything below the join is answered. The webhook is live once the cursor that says so is acknowledged.
    pub(crate) fn announce(&mut self, id: u8, world: &World, protocol: &Protocol) {
        let context = self.context(world, protocol);
        let webhook = &mut self.webhooks[usize::from(id)];
        let State::Behind {
            join: Join::Queueing { at, queue },
            head,
        } = webhook.state
        else {
            return;
        };
        webhook.is_done_below(at);
        if !protocol.keeps(Rule::CursorOnJoining) {
            webhook.go_live(queue, context);
            return;
        }
        // The cursor speaks of the state that it leads to.
        webhook.state = State::Live { queue };
        let cursor = webhook.cursor(self.epoch, protocol);
        webhook.state = State::Behind {
            head,
            join: Join::Announced { at, queue },
        };
        self.append(id, protocol.keeps(Rule::NoTombstone).then_some(cursor));
    }

    /// The slot that is due begins: up to the high watermark of now.
    pub(crate) fn start_slot(&mut self, id: u8, world: &mut World, protocol: &Protocol) {
        let durable_first = protocol.keeps(Rule::SlotEndBeforePost);
        self.webhooks[usize::from(id)].state = State::InSlot {
            end: world.log.end(),
            head: Bits::EMPTY,
            stage: if durable_first {
                Stage::Starting
            } else {
                Stage::Running
            },
        };
        self.append_cursor(id, protocol);
    }

    /// Everything below the slot's end is done.
    pub(crate) fn end_slot(&mut self, id: u8, protocol: &Protocol) {
        let webhook = &mut self.webhooks[usize::from(id)];
        if let State::InSlot { end, stage, .. } = &mut webhook.state {
            let end = *end;
            *stage = Stage::Ending;
            webhook.is_done_below(end);
        }
        self.append_cursor(id, protocol);
    }
}
