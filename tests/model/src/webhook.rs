//! A webhook in the memory of an owner.

use crate::Protocol;
use crate::bits::Bits;
use crate::bounds::{Lane, MAX_GROUP};
use crate::cursors::{Cursor, Standing};
use crate::log::Log;
use crate::mark::Mark;
use crate::rules::Rule;

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

/// The POST under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Post {
    pub(crate) group: Bits,
    /// The receiver has it; the answer is still under way.
    pub(crate) arrived: bool,
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
    pub(crate) post: Option<Post>,
    /// Whether the last acknowledged cursor of this owner says that it is behind.
    pub(crate) durably_behind: bool,
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
            post: None,
            durably_behind: false,
        }
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

    /// Which of some records are not seen yet, read in order behind a mark, and the mark behind them.
    pub(crate) fn unseen(&self, offsets: Bits, mark: Mark, context: Context<'_>) -> (Bits, Mark) {
        let mut unseen = Bits::EMPTY;
        let mut mark = mark;
        for offset in offsets.iter() {
            let record = context.log.at(offset);
            if !mark.covers(record, self.id, context.view, context.protocol) {
                unseen.insert(offset);
                mark = mark.after(record, context.protocol);
            }
        }
        (unseen, mark)
    }

    /// The mark behind some records that all count.
    pub(crate) fn mark_behind(&self, offsets: Bits, context: Context<'_>) -> Mark {
        offsets.iter().fold(self.mark, |mark, o| {
            mark.after(context.log.at(o), context.protocol)
        })
    }

    /// The next group to send; empty: none.
    pub(crate) fn next_group(&self, context: Context<'_>) -> Bits {
        match self.state {
            State::Live { queue } => queue.lowest(MAX_GROUP),
            State::Behind { head, .. } | State::InSlot { head, .. } if !head.is_empty() => head,
            State::Behind { join, .. } => self.read_back(join.at().unwrap_or(u8::MAX), context),
            State::InSlot { end, .. } => self.read_back(end, context),
            State::Unseen | State::Resting => Bits::EMPTY,
        }
    }

    fn read_back(&self, until: u8, context: Context<'_>) -> Bits {
        let offsets = context.log.offsets(self.id, self.resume, until);
        self.unseen(offsets, self.mark, context).0.lowest(MAX_GROUP)
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
        let standing = match self.state {
            State::Live { .. } => Standing::Live,
            State::Behind { head, .. } => Standing::Behind {
                head: recorded(head),
                slot_end: None,
            },
            State::InSlot { end, head, stage } => Standing::Behind {
                head: recorded(head),
                slot_end: (stage != Stage::Ending && protocol.keeps(Rule::SlotEndInCursor)).then_some(end),
            },
            State::Unseen | State::Resting => Standing::Behind {
                head: Bits::EMPTY,
                slot_end: None,
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

    /// Everything below is done.
    pub(crate) fn done_below(&self, read_to: u8) -> u8 {
        match self.state {
            State::Live { queue } => queue.first().unwrap_or(read_to.max(self.resume)),
            _ => self.resume,
        }
    }

    /// Where this webhook holds P, if it does. `joining`: a cursor other than one that says "behind" is under way.
    pub(crate) fn holds_p(&self, joining: bool, protocol: &Protocol) -> Option<u8> {
        let undurable = !self.durably_behind || joining;
        let behind = (undurable && protocol.keeps(Rule::UndurableHoldsP)).then_some(self.resume);
        match self.state {
            State::Live { queue } => queue.first().filter(|_| protocol.keeps(Rule::UndoneHoldsP)),
            State::Unseen => None,
            State::Behind { join, .. } => match join.at() {
                None => behind,
                Some(_) if !protocol.keeps(Rule::JoinHoldsP) => None,
                Some(at) => Some(behind.map_or(at, |resume| at.min(resume))),
            },
            State::Resting | State::InSlot { .. } => behind,
        }
    }

    /// The events that this memory still leads to, when its live reader stands at `read_to`.
    ///
    /// `filter`: the live reader takes nothing at or below it.
    pub(crate) fn leads_to(&self, read_to: u8, filter: u8, context: Context<'_>) -> Bits {
        let log = context.log;
        let ahead = log.offsets(self.id, read_to, u8::MAX);
        let offsets = match self.state {
            State::Live { queue } => {
                let mut heard = Bits::EMPTY;
                ahead
                    .iter()
                    .filter(|o| log.at(*o).source > filter)
                    .for_each(|o| heard.insert(o));
                queue.union(self.unseen(heard, self.mark_behind(queue, context), context).0)
            }
            State::Unseen => ahead,
            State::Behind {
                join: Join::Queueing { at, queue } | Join::Announced { at, queue },
                ..
            } => {
                let below = log.offsets(self.id, self.resume, at);
                let (below, mark) = self.unseen(below, self.mark, context);
                let behind_join = if context.protocol.keeps(Rule::QueueFromJoin) {
                    queue.union(ahead)
                } else {
                    // What is read until the webhook is live is dropped.
                    queue
                };
                below.union(self.unseen(behind_join, mark, context).0)
            }
            State::Behind { join: Join::No, .. } | State::Resting | State::InSlot { .. } => {
                let offsets = log.offsets(self.id, self.resume, u8::MAX);
                self.unseen(offsets, self.mark, context).0
            }
        };
        log.sources(offsets)
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
