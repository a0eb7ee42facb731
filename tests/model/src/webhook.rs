//! A webhook in the memory of an owner.

use crate::Protocol;
use crate::bits::Bits;
use crate::bounds::{Lane, MAX_GROUP};
use crate::cursors::{Cursor, Standing};
use crate::log::{Log, Order};
use crate::mark::Mark;
use crate::orders::Replay;
use crate::parked::{Listed, Retries};
use crate::rules::Rule;
use crate::window::Window;

/// How the live stream and catch-up meet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Join {
    /// Not yet.
    No,
    /// `at` was the live position; from there on the live reader queues, and nothing queued is sent.
    Queueing { at: u8, queue: Bits },
    /// All below `at` is done, and the cursor that says so is under way.
    Announced { at: u8, queue: Bits },
}

/// Where a slot stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Stage {
    /// The cursor with its end is under way.
    Starting,
    /// Groups are sent.
    Running,
    /// The cursor behind its end is under way.
    Ending,
}

/// What a webhook is up to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum State {
    /// It takes what comes. A group under way stays in the queue until it is answered.
    Live { queue: Bits },
    /// It lags (with a head) or catches up.
    Behind { head: Bits, join: Join },
    /// Batch: no record named it yet.
    Unseen,
    /// Batch: it waits for its slot.
    Resting,
    /// Batch: it sends what lies below `end`.
    InSlot { end: u8, head: Bits, stage: Stage },
}

/// The last acknowledged cursor of this owner.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Recorded {
    /// There is none.
    Nothing,
    /// It says that the webhook is live.
    Live { generation: u8 },
    /// It says that the webhook is behind.
    Behind { generation: u8, parked: Listed },
}

/// A webhook in the memory of an owner.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Webhook {
    pub(crate) id: u8,
    pub(crate) state: State,
    pub(crate) generation: u8,
    /// Everything of the webhook below is done. For a live one the queue says more.
    pub(crate) resume: u8,
    /// The last event that is done.
    pub(crate) mark: Mark,
    /// What is under way, but for retries of what is parked.
    pub(crate) window: Window,
    pub(crate) parked: Retries,
    /// What was parked, lies at `resume` or above, and was taken.
    pub(crate) taken_ahead: Bits,
    /// An order that waits for the end of the POSTs under way.
    pub(crate) order: Option<Order>,
    pub(crate) replay: Option<Replay>,
    pub(crate) recorded: Recorded,
}

/// What a webhook is judged by.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Context<'a> {
    pub(crate) log: &'a Log,
    /// The newest revision that the owner knows.
    pub(crate) view: u8,
    pub(crate) protocol: &'a Protocol,
}

impl Webhook {
    /// A webhook of which nothing is known.
    pub(crate) fn new(id: u8, lane: Lane) -> Self {
        Self {
            id,
            state: match lane {
                Lane::Realtime => State::Live { queue: Bits::EMPTY },
                Lane::Batch => State::Unseen,
            },
            generation: 0,
            resume: 0,
            mark: Mark::NONE,
            window: Window::default(),
            parked: Retries::default(),
            taken_ahead: Bits::EMPTY,
            order: None,
            replay: None,
            recorded: Recorded::Nothing,
        }
    }

    /// A mistake: what is not written counts as written.
    pub(crate) fn count_as_recorded(&mut self, protocol: &Protocol) {
        self.recorded = Recorded::Behind {
            generation: self.generation,
            parked: self.listed(protocol),
        };
    }

    /// The POSTs under way.
    pub(crate) fn calls(&self) -> usize {
        self.window.calls() + self.parked.calls()
    }

    pub(crate) fn is_known(&self, context: Context<'_>) -> bool {
        context
            .protocol
            .bounds
            .changed_at(self.id, context.view)
            .is_some()
    }

    /// The failed group; empty: none.
    pub(crate) fn head(&self) -> Bits {
        match self.state {
            State::Behind { head, .. } | State::InSlot { head, .. } => head,
            State::Live { .. } | State::Unseen | State::Resting => Bits::EMPTY,
        }
    }

    /// Which of some records are not seen yet, read in order behind a mark, and the mark behind them. What is `passed` has
    /// its place elsewhere.
    pub(crate) fn unseen(
        &self,
        offsets: Bits,
        passed: Bits,
        mark: Mark,
        context: Context<'_>,
    ) -> (Bits, Mark) {
        let mut unseen = Bits::EMPTY;
        let mut mark = mark;
        for offset in offsets.iter() {
            let record = context.log.at(offset);
            if passed.contains(offset) {
                mark = mark.after(record, context.protocol);
            } else if !mark.covers(record, self.id, context.view, context.protocol) {
                unseen.insert(offset);
                mark = mark.after(record, context.protocol);
            }
        }
        (unseen, mark)
    }

    /// What is parked in this generation, or was: the stream leaves it to its retries.
    fn passed(&self, protocol: &Protocol) -> Bits {
        if !protocol.keeps(Rule::ParkedLeavesStream) {
            return self.taken_ahead;
        }
        let any = !protocol.keeps(Rule::ParkedInGeneration);
        let parked = self
            .parked
            .offsets(|what| any || what.generation == self.generation);
        parked.union(self.taken_ahead)
    }

    /// The mark behind some records that all count.
    pub(crate) fn mark_behind(&self, offsets: Bits, context: Context<'_>) -> Mark {
        offsets.iter().fold(self.mark, |mark, o| {
            mark.after(context.log.at(o), context.protocol)
        })
    }

    /// The next group to send that is not parked; empty: none.
    pub(crate) fn next_group(&self, context: Context<'_>) -> Bits {
        match self.state {
            State::Live { queue } => queue.without(self.window.offsets()).lowest(MAX_GROUP),
            State::Behind { head, .. } | State::InSlot { head, .. } if !head.is_empty() => {
                head.without(self.window.offsets())
            }
            State::Behind { join, .. } => {
                let run = self.replay.map(|replay| replay.until);
                self.read_back(run.or(join.at()).unwrap_or(u8::MAX), context)
            }
            State::InSlot { end, .. } => self.read_back(end, context),
            State::Unseen | State::Resting => Bits::EMPTY,
        }
    }

    fn read_back(&self, until: u8, context: Context<'_>) -> Bits {
        let offsets = context.log.offsets(self.id, self.resume, until);
        let passed = self.passed(context.protocol).union(self.window.offsets());
        self.unseen(offsets, passed, self.mark, context)
            .0
            .lowest(MAX_GROUP)
    }

    /// What the cursor says now.
    pub(crate) fn cursor(&self, epoch: u8, protocol: &Protocol) -> Cursor {
        let recorded = |head: Bits| {
            if protocol.keeps(Rule::HeadInCursor) {
                head
            } else {
                Bits::EMPTY
            }
        };
        let (head, slot_end) = match self.state {
            State::Behind { head, .. } => (head, None),
            State::InSlot { end, head, stage } => {
                let is_known = stage != Stage::Ending && protocol.keeps(Rule::SlotEndInCursor);
                (head, is_known.then_some(end))
            }
            State::Live { .. } | State::Unseen | State::Resting => (Bits::EMPTY, None),
        };
        let standing = match self.state {
            State::Live { .. } => Standing::Live,
            _ => Standing::Behind {
                head: recorded(head),
                slot_end,
                replay: self.replay.filter(|_| protocol.keeps(Rule::ReplayInCursor)),
                parked: self.listed(protocol),
            },
        };
        Cursor {
            generation: self.generation,
            epoch,
            resume: self.resume,
            mark: self.mark,
            standing,
        }
    }

    /// What a cursor lists as parked.
    pub(crate) fn listed(&self, protocol: &Protocol) -> Listed {
        if protocol.keeps(Rule::ParkedInCursor) {
            self.parked.listed()
        } else {
            Listed::EMPTY
        }
    }

    /// Everything below is done, but for what is parked.
    pub(crate) fn done_below(&self, read_to: u8) -> u8 {
        match self.state {
            State::Live { queue } => queue.first().unwrap_or(read_to.max(self.resume)),
            _ => self.resume,
        }
    }

    /// Where this webhook holds P, if it does. `joining`: a cursor other than one that says "behind" is under way.
    pub(crate) fn holds_p(&self, joining: bool, protocol: &Protocol) -> Option<u8> {
        let order = self.order.filter(|_| protocol.keeps(Rule::OrderHoldsP));
        let order = order.map(|order| order.at);
        let (undone, join) = match self.state {
            State::Live { queue } => {
                let undone = queue.first().filter(|_| protocol.keeps(Rule::UndoneHoldsP));
                (undone, None)
            }
            State::Unseen => (None, None),
            State::Behind { join, .. } => match join.at() {
                // The mistake looks at the cursor, which leads nowhere near the join.
                Some(_) if !protocol.keeps(Rule::JoinHoldsP) => (None, None),
                at => (self.not_on_record(joining, protocol), at),
            },
            State::Resting | State::InSlot { .. } => (self.not_on_record(joining, protocol), None),
        };
        [order, undone, join].into_iter().flatten().min()
    }

    /// From where on a new owner must read, of a webhook that is behind, as far as its cursor does not say so.
    fn not_on_record(&self, joining: bool, protocol: &Protocol) -> Option<u8> {
        if !protocol.keeps(Rule::UndurableHoldsP) {
            return None;
        }
        let is_on_record = match self.recorded {
            Recorded::Nothing => self.generation == 0,
            Recorded::Live { generation } | Recorded::Behind { generation, .. } => {
                generation == self.generation
            }
        };
        let order = Some(self.generation).filter(|_| !is_on_record && protocol.keeps(Rule::GenerationHoldsP));
        if !joining && matches!(self.recorded, Recorded::Behind { .. }) {
            // It leads to what is undone, or to where the webhook was before its order.
            return order;
        }
        let undone = match self.replay {
            Some(replay) => Some(replay.then).filter(|_| protocol.keeps(Rule::ThenHoldsP)),
            None => Some(self.resume),
        };
        // What a replay has parked comes again with its order.
        let parked = self.parked.offsets(|what| !what.is_replay).first();
        let parked = parked.filter(|_| protocol.keeps(Rule::ParkedHoldsP));
        [undone, parked, order].into_iter().flatten().min()
    }

    /// The events that this memory still leads to, when its live reader stands at `read_to`: what is parked, and what comes
    /// of the stream, which is sent under the webhook's generation.
    ///
    /// `filter`: the live reader takes nothing at or below it.
    pub(crate) fn leads_to(&self, read_to: u8, filter: u8, context: Context<'_>) -> (Bits, Bits) {
        let log = context.log;
        let passed = self.passed(context.protocol);
        let unseen = |offsets, mark| self.unseen(offsets, passed, mark, context);
        let ahead = log.offsets(self.id, read_to, u8::MAX);
        let stream = match self.state {
            State::Live { queue } => {
                let mut heard = Bits::EMPTY;
                ahead
                    .from(self.resume)
                    .iter()
                    .filter(|o| log.at(*o).source > filter)
                    .for_each(|o| heard.insert(o));
                queue.union(unseen(heard, self.mark_behind(queue, context)).0)
            }
            State::Unseen => ahead,
            State::Behind {
                join: Join::Queueing { at, queue } | Join::Announced { at, queue },
                ..
            } => {
                let (below, mark) = unseen(log.offsets(self.id, self.resume, at), self.mark);
                let behind_join = if context.protocol.keeps(Rule::QueueFromJoin) {
                    queue.union(ahead.from(at))
                } else {
                    // What is read until the webhook is live is dropped.
                    queue
                };
                below.union(unseen(behind_join, mark).0)
            }
            State::Behind { join: Join::No, .. } | State::Resting | State::InSlot { .. } => {
                let run = self.replay.map(|replay| {
                    let again = log.offsets(self.id, self.resume, replay.until);
                    (unseen(again, self.mark).0, replay.then, replay.then_mark)
                });
                let (again, from, mark) = run.unwrap_or((Bits::EMPTY, self.resume, self.mark));
                again.union(unseen(log.offsets(self.id, from, u8::MAX), mark).0)
            }
        };
        let parked = self.parked.offsets(|_| true);
        (log.sources(parked), log.sources(stream))
    }
}

impl Join {
    pub(crate) fn at(self) -> Option<u8> {
        match self {
            Self::No => None,
            Self::Queueing { at, .. } | Self::Announced { at, .. } => Some(at),
        }
    }

    pub(crate) fn queue_mut(&mut self) -> Option<&mut Bits> {
        match self {
            Self::No => None,
            Self::Queueing { queue, .. } | Self::Announced { queue, .. } => Some(queue),
        }
    }
}
