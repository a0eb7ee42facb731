//! Groups on their way, in order: what is done is counted only up to the first that is not.
//!
//! An ordered webhook has one at most. Of an unordered one a group may be taken before those in front of it: it stays
//! here, done, until they are done with too.

use std::collections::VecDeque;
use std::sync::Arc;

use super::mark::Mark;
use super::queue::{MAX_BYTES, MAX_EVENTS};
use crate::group::{Group, Item};

/// The groups on their way, and those behind the first of them that are done with.
#[derive(Debug, Default)]
pub(super) struct Window(VecDeque<Open>);

/// A group, or an event that was too old to be one.
#[derive(Debug)]
struct Open {
    /// While it is under way.
    called: Option<Arc<Group>>,
    first: i64,
    last: Last,
    takes: Room,
}

/// Where a group ends.
#[derive(Clone, Copy, Debug)]
pub(super) struct Last {
    pub(super) offset: i64,
    pub(super) mark: Option<Mark>,
}

/// How much of the bound is taken, or left: 256 events or 1 MiB (DESIGN §7).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Room {
    pub(super) events: usize,
    pub(super) bytes: usize,
}

impl Last {
    pub(super) fn of(item: &Item) -> Self {
        Self {
            offset: item.offset,
            mark: Mark::of(&item.delivery),
        }
    }
}

impl Room {
    pub(super) fn of(items: &[Item]) -> Self {
        Self {
            events: items.len(),
            bytes: items.iter().map(|item| item.delivery.weight()).sum(),
        }
    }

    pub(super) fn plus(self, other: Self) -> Self {
        Self {
            events: self.events + other.events,
            bytes: self.bytes + other.bytes,
        }
    }

    /// What is left beside what is taken; `None` when there is none. Like every bound it admits one event.
    pub(super) fn left(self) -> Option<Self> {
        let events = MAX_EVENTS.checked_sub(self.events).filter(|events| *events > 0)?;
        let bytes = MAX_BYTES.checked_sub(self.bytes).filter(|bytes| *bytes > 0)?;
        Some(Self { events, bytes })
    }
}

impl Window {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many are under way.
    pub(super) fn calls(&self) -> usize {
        self.0.iter().filter(|open| open.called.is_some()).count()
    }

    /// One that is under way.
    pub(super) fn called(&self) -> Option<&Arc<Group>> {
        self.0.iter().find_map(|open| open.called.as_ref())
    }

    /// The place of the first event that is not done.
    pub(super) fn first(&self) -> Option<i64> {
        self.0.front().map(|open| open.first)
    }

    /// The last event that was taken into it.
    pub(super) fn last_mark(&self) -> Option<Mark> {
        self.0.iter().rev().find_map(|open| open.last.mark)
    }

    pub(super) fn taken(&self) -> Room {
        let taken = self.0.iter().map(|open| open.takes);
        taken.fold(Room::default(), Room::plus)
    }

    /// A call of this group begins.
    pub(super) fn begin(&mut self, group: &Arc<Group>) {
        if let ([first, ..], Some(last)) = (&group.items[..], group.items.last()) {
            self.0.push_back(Open {
                called: Some(Arc::clone(group)),
                first: first.offset,
                last: Last::of(last),
                takes: Room::of(&group.items),
            });
        }
    }

    /// An event behind those under way is not sent at all.
    pub(super) fn pass(&mut self, item: &Item) {
        self.0.push_back(Open {
            called: None,
            first: item.offset,
            last: Last::of(item),
            takes: Room::default(),
        });
    }

    pub(super) fn holds(&self, group: &Arc<Group>) -> bool {
        self.0.iter().any(|open| open.is(group))
    }

    /// The group is done with; whether it was under way. It takes room until all in front of it is, unless it has its
    /// place elsewhere.
    pub(super) fn done(&mut self, group: &Arc<Group>, is_elsewhere: bool) -> bool {
        let Some(open) = self.0.iter_mut().find(|open| open.is(group)) else {
            return false;
        };
        open.called = None;
        if is_elsewhere {
            open.takes = Room::default();
        }
        true
    }

    /// Takes the first off, if it is done with.
    pub(super) fn pop_done(&mut self) -> Option<Last> {
        self.0
            .pop_front_if(|open| open.called.is_none())
            .map(|open| open.last)
    }

    /// Takes a group out if none has begun behind it: it is as if it had not begun.
    pub(super) fn undo(&mut self, group: &Arc<Group>) -> bool {
        self.0.pop_back_if(|open| open.is(group)).is_some()
    }
}

impl Open {
    fn is(&self, group: &Arc<Group>) -> bool {
        self.called
            .as_ref()
            .is_some_and(|called| Arc::ptr_eq(called, group))
    }
}
