//! One webhook in one lane: what waits for it, whether it may be sent, and what must be on record of it (DESIGN §7).
//!
//! Three things are told apart. The **tail** says whether the queue holds everything from the first undone event to the
//! newest (`Attached`), or whether from some place on it must be read back from Kafka (`Detached`). The **phase** says
//! whether a call may start: it may (`Ready`), or the back-off runs (`Waiting`), or the webhook is off (`Off`). What is
//! **durable** says which cursor of it stands in `angarium.cursors`. DESIGN's `Live` is attached and ready; its
//! `Lagging` is detached and waiting, its `CatchUp` detached and ready. A webhook of the batch lane tails nothing: it is
//! detached at its first event, and sends only inside a slot of its timetable.
//!
//! Back to the live stream leads a **join**: once reading back is near the live position, that position becomes the
//! join, from which on the live reader queues the webhook's events without sending them. When all below is done, a live
//! cursor is written; acknowledged, it lets the queue go.
//!
//! An **unordered** webhook has several calls under way, in a **window**; of its groups those that fail are **parked**, and
//! the stream goes on (ADR 7). An ordered one has a window of one call, and what fails is its **head**.
//!
//! Nothing here waits, reads a clock or does I/O: [`crate::partition`] asks and tells.

mod answer;
mod aside;
mod durable;
mod failing;
#[cfg(any(test, feature = "simulation"))]
mod inspect;
mod intake;
mod join;
mod mark;
mod pace;
mod parked;
mod progress;
mod queue;
mod rate;
mod removed;
mod replay;
mod restore;
mod sending;
mod state;
mod unordered;
mod window;

use std::collections::BTreeSet;
use std::sync::Arc;

use angarium_model::{AccountId, Lane, Revision, WebhookId};

pub(crate) use self::aside::GivingUp;
use self::durable::Durable;
use self::failing::Narrowed;
pub(crate) use self::failing::{Failing, Setback};
#[cfg(any(test, feature = "simulation"))]
pub(crate) use self::inspect::{Full, Look};
pub(crate) use self::intake::{MayRead, ReadBytes, Stream, Wanted};
use self::join::Join;
pub(crate) use self::mark::{Known, Mark};
use self::pace::Pace;
use self::parked::Retries;
use self::queue::Queue;
use self::rate::Rate;
pub(crate) use self::removed::Removed;
use self::replay::Waiting;
pub(crate) use self::replay::{Order, Ordered, Replay};
pub(crate) use self::restore::{Remembered, Restoring};
pub(crate) use self::sending::{Class, Expired};
pub(crate) use self::state::State;
use self::window::{Last, Window};
use crate::clocks::Moment;
use crate::cursor::Head;
use crate::group::Group;

/// Where the events behind the queue are.
#[derive(Debug)]
enum Tail {
    /// In the queue: there are no others.
    Attached,
    /// From this offset of the deliveries topic on, in Kafka; from the join on also in its queue.
    Detached { from: i64, join: Option<Join> },
}

/// Whether a call may start.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Phase {
    Ready,
    /// Until the back-off is over (D2).
    Waiting(Failing),
    /// Until the webhook is switched on again, or the registry tells of it (W7). Keeps the back-off.
    Off(Option<Failing>),
}

/// A run of the batch lane: up to its end, which is an offset of the deliveries topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Slot {
    until: i64,
    stage: Stage,
    /// When it began: Unix milliseconds.
    begun_ms: i64,
}

/// How far a slot is. Its end is on record before its first call, and until what lies behind it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Starting,
    Running,
    Ending,
}

/// One webhook in one lane.
#[derive(Debug)]
pub(crate) struct Hook {
    id: WebhookId,
    account: AccountId,
    lane: Lane,
    /// The last replay order that was taken.
    generation: i64,
    /// Live records below are done: a cursor or Redis said so.
    floor: i64,
    /// The last event taken into the queue, sent or skipped: what is at or below it is a repetition.
    seen: Option<Mark>,
    /// The last event done.
    done: Option<Mark>,
    /// Its place in the deliveries topic; -1 before the first.
    done_at: i64,
    queue: Queue,
    tail: Tail,
    phase: Phase,
    slot: Option<Slot>,
    /// What was ordered and waits for the end of the call under way.
    order: Option<Waiting>,
    replay: Option<Replay>,
    /// Batch: events may wait behind what is read, or in the next slot.
    more: bool,
    /// Batch: since when: Unix milliseconds.
    rested_at_ms: i64,
    /// What is under way.
    window: Window,
    /// The calls that may be under way at once, as it was last said; 1: ordered.
    most: usize,
    parked: Retries,
    /// Offsets of what was parked and is over, while the stream may still come to them.
    over_ahead: BTreeSet<i64>,
    /// The groups that were taken, since this owner began.
    successes: u64,
    /// The group that failed: the next call sends the same. Empty when it has expired or left Kafka since.
    head: Head,
    /// The newest view that any record of this webhook was made under.
    newest_view: Revision,
    /// The call that shows whether the receiver answers again, and how the webhook failed before.
    probe: Option<(Arc<Group>, Failing)>,
    narrowed: Option<Narrowed>,
    /// A refused group goes one by one until this place of the deliveries topic is passed.
    isolating: Option<i64>,
    pace: Pace,
    rate: Rate,
    durable: Durable,
}

impl Hook {
    /// A webhook at its first record, of which there is no cursor; with what Redis remembers of it.
    pub(crate) fn new(id: WebhookId, account: AccountId, lane: Lane, remembered: Option<Remembered>) -> Self {
        let done = remembered.and_then(|remembered| remembered.done);
        Self {
            id,
            account,
            lane,
            generation: 0,
            floor: remembered.map_or(0, |remembered| remembered.resume),
            seen: done,
            done,
            done_at: remembered.map_or(-1, |remembered| remembered.resume - 1),
            queue: Queue::default(),
            tail: Tail::Attached,
            phase: Phase::Ready,
            slot: None,
            order: None,
            replay: None,
            more: true,
            rested_at_ms: 0,
            window: Window::default(),
            most: 1,
            parked: Retries::default(),
            over_ahead: BTreeSet::new(),
            successes: 0,
            head: Head::default(),
            newest_view: Revision::default(),
            probe: None,
            narrowed: None,
            isolating: None,
            pace: Pace::default(),
            rate: Rate::default(),
            durable: Durable::default(),
        }
    }

    pub(crate) fn account(&self) -> AccountId {
        self.account
    }

    /// What its queues hold, in bytes.
    pub(crate) fn queued_bytes(&self) -> usize {
        self.queue.bytes() + self.joining_bytes() + self.parked.queued_bytes()
    }

    /// What it holds behind a join, in bytes.
    pub(crate) fn joining_bytes(&self) -> usize {
        match &self.tail {
            Tail::Detached { join: Some(join), .. } => join.queued_bytes(),
            Tail::Attached | Tail::Detached { .. } => 0,
        }
    }

    /// Drops what it holds behind a join: Kafka has it, and reading back has not passed the join.
    pub(crate) fn drop_join(&mut self) {
        if let Tail::Detached { join, .. } = &mut self.tail {
            *join = None;
        }
    }

    pub(crate) fn newest_view(&self) -> Revision {
        self.newest_view
    }

    /// A record of this webhook was made under that view.
    pub(crate) fn saw_view(&mut self, view: Revision) {
        self.newest_view = self.newest_view.max(view);
    }

    /// Whether events of this webhook are in Kafka only.
    pub(crate) fn is_detached(&self) -> bool {
        !matches!(self.tail, Tail::Attached)
    }

    /// Whether a batch webhook has events for a slot and is in none.
    pub(crate) fn awaits_slot(&self) -> bool {
        self.is_between_runs() && self.is_detached() && self.more
    }

    /// Since when a batch webhook waits for a slot, as its cursor has it, in Unix milliseconds: its last one began then, or
    /// its first event came. `None` before a cursor has it.
    pub(crate) fn rested_at_ms(&self) -> Option<i64> {
        (self.rested_at_ms > 0).then_some(self.rested_at_ms)
    }

    pub(crate) fn is_calling(&self) -> bool {
        self.calls() > 0
    }

    fn calls(&self) -> usize {
        self.window.calls() + self.parked.calls()
    }

    pub(crate) fn is_off(&self) -> bool {
        matches!(self.phase, Phase::Off(_))
    }

    /// How the webhook is failing, if it is.
    pub(crate) fn failing(&self) -> Option<&Failing> {
        match &self.phase {
            Phase::Waiting(failing) | Phase::Off(Some(failing)) => Some(failing),
            Phase::Ready | Phase::Off(None) => self.probe.as_ref().map(|(_, failing)| failing),
        }
    }

    /// The place in the deliveries topic from which on something may be undone, but for what is parked; `None` when
    /// nothing is.
    fn lowest_undone(&self) -> Option<i64> {
        let behind = match &self.tail {
            Tail::Attached => None,
            Tail::Detached { from, .. } => Some(*from),
        };
        [self.window.first(), self.queue.first(), behind]
            .into_iter()
            .flatten()
            .min()
    }

    /// Everything of the webhook below is done, but for what is parked.
    pub(crate) fn resume(&self, live_next: i64) -> i64 {
        let known = live_next.max(self.floor);
        match self.lowest_undone() {
            // Behind a restart the live stream may be where the webhook has long been.
            Some(undone) if self.is_at_rest() => undone.max(known),
            Some(undone) => undone,
            None => known,
        }
    }

    /// Batch: whether nothing waits for its next slot.
    fn is_at_rest(&self) -> bool {
        self.lane == Lane::Batch && self.is_between_runs() && !self.more && self.window.is_empty()
    }

    /// Whether it is in no slot and in no replay.
    fn is_between_runs(&self) -> bool {
        self.slot.is_none() && self.replay.is_none()
    }

    /// Where reading back ends for now: what lies above is none of the slot or the replay, or comes behind the join.
    fn reads_until(&self) -> Option<i64> {
        let run = self.replay.map(|replay| replay.until);
        let run = run.or(self.slot.map(|slot| slot.until));
        match &self.tail {
            Tail::Detached { join: Some(join), .. } => run.or(Some(join.at())),
            _ => run,
        }
    }

    /// Where this webhook holds the partition's place: no new owner may begin to read above it.
    pub(crate) fn holds_place(&self, live_next: i64) -> Option<i64> {
        // An order that is passed must have been taken.
        let order = self.order.map(|order| order.at);
        let events = match &self.tail {
            Tail::Attached => self.lowest_undone(),
            Tail::Detached { join, .. } => {
                let undurable = self.not_on_record(live_next);
                // From the instant of the join, whatever the cursor says (docs/model-findings.md, 4).
                let join = join.as_ref().map(Join::at);
                [undurable, join].into_iter().flatten().min()
            }
        };
        [order, events].into_iter().flatten().min()
    }

    /// Whether what is queued may be left to Kafka, so that it does not hold the place. What is in flight has a bound.
    pub(crate) fn may_let_go(&self) -> bool {
        match &self.tail {
            Tail::Attached => !self.queue.is_empty(),
            Tail::Detached { join, .. } => join.as_ref().is_some_and(|join| !join.is_announced()),
        }
    }

    /// Whether it holds the partition's place below this offset.
    pub(crate) fn holds_below(&self, offset: i64, live_next: i64) -> bool {
        self.holds_place(live_next).is_some_and(|held| held < offset)
    }

    /// Leaves to Kafka what is queued, or what comes behind a join.
    pub(crate) fn let_go(&mut self, live_next: i64) {
        match self.tail {
            Tail::Attached => self.detach(live_next),
            Tail::Detached { .. } => self.drop_join(),
        }
    }

    /// Begins a run of the batch lane: everything below `until` is to be sent. Whether it did: not during another run.
    pub(crate) fn begin_slot(&mut self, until: i64, now_ms: i64) -> bool {
        let begins = self.is_between_runs() && self.is_detached();
        if begins {
            self.more = false;
            self.slot = Some(Slot {
                until,
                stage: Stage::Starting,
                begun_ms: now_ms,
            });
        }
        begins
    }

    /// What waits goes by another timetable, from now on.
    pub(crate) fn timetable_changed(&mut self) {
        self.durable.rest_is_over = true;
    }

    /// Switches the webhook off: nothing is sent, and what waits stays in Kafka (W7).
    pub(crate) fn switch_off(&mut self, live_next: i64) {
        self.phase = match std::mem::replace(&mut self.phase, Phase::Ready) {
            Phase::Waiting(failing) => Phase::Off(Some(failing)),
            Phase::Ready => Phase::Off(None),
            off @ Phase::Off(_) => off,
        };
        self.detach(live_next);
    }

    /// Switches the webhook on: what waited goes first (W7), and a failing one is tried at once. If someone did it by
    /// hand, it has all of the retention again to answer (D3).
    pub(crate) fn switch_on(&mut self, now: Moment, by_hand: bool) {
        if let Phase::Off(failing) = &mut self.phase {
            self.phase = match failing.take() {
                None => Phase::Ready,
                Some(failing) => Phase::Waiting(Failing {
                    since_ms: if by_hand { now.brokers_ms } else { failing.since_ms },
                    next_at_ms: now.ms,
                    ..failing
                }),
            };
            for retry in &mut self.parked.0 {
                retry.next_at_ms = now.ms;
            }
        }
    }

    /// Drops the queues but for what is in flight: Kafka has it. For when memory is short, or the webhook is off.
    pub(crate) fn detach(&mut self, live_next: i64) {
        self.parked.drop_items();
        self.keep_only(0, live_next);
    }

    /// Keeps the first `kept` events of the queue, if they are not too large, and leaves the rest to Kafka.
    fn keep_only(&mut self, kept: usize, live_next: i64) {
        let dropped = self.queue.truncate(kept);
        let from = match &self.tail {
            Tail::Detached { from, .. } => *from,
            Tail::Attached => live_next.max(self.floor),
        };
        self.tail = Tail::Detached {
            from: dropped.unwrap_or(from),
            join: None,
        };
        // What was dropped must come again.
        let mut kept = self.queue.iter().rev();
        let queued = kept.find_map(|item| Mark::of(&item.delivery));
        self.seen = queued.or(self.window.last_mark()).or(self.done);
    }

    /// Whether all that may be sent now is in the queue.
    fn all_read(&self) -> bool {
        match &self.tail {
            Tail::Attached => true,
            Tail::Detached { from, .. } => self.reads_until().is_some_and(|until| *from >= until),
        }
    }

    /// Whether all that may be sent now was sent.
    fn is_through(&self) -> bool {
        let waits_for_more = match &self.phase {
            Phase::Ready => true,
            // What failed is no more, and what comes is beyond the slot, or the replay.
            Phase::Waiting(_) => self.head.is_empty() && !self.is_between_runs(),
            Phase::Off(_) => false,
        };
        waits_for_more && self.window.is_empty() && self.queue.is_empty() && self.all_read()
    }
}
