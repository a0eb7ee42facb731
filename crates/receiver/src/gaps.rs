//! D8: is anything missing before this group?

use angarium_model::{Lane, Position};

use crate::{Again, Group, Place};

/// How a group follows those before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Continuity {
    /// Nothing can be said: a test, a group that someone asked for again, or one of which Angarium tells no predecessor.
    Unknown,
    /// The first that was seen here: since the start, or since the account's events moved to another partition.
    First,
    /// It follows what was seen here.
    Next,
    /// What it carries was seen here already, at least its end: another attempt.
    Repeated,
    /// Angarium is done with events that were not seen here: they were acknowledged and lost, they expired (D5), or they were
    /// put aside as dead letters. Ask for them again (`angarium webhook replay`, `dead-letters`, `resend`).
    Missed {
        /// The last that was seen here.
        after: Position,
        /// The last that Angarium is done with.
        until: Position,
    },
}

/// The last position that was seen, of each lane of one webhook.
///
/// Tell it every group that was acknowledged, in the order of arrival, of one webhook only: groups do not say whose they
/// are. Of two processes that share a webhook's calls each sees gaps where the other received.
#[derive(Clone, Debug, Default)]
pub struct Gaps {
    realtime: Option<Position>,
    batch: Option<Position>,
}

impl Gaps {
    /// Nothing was seen yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The last position seen, to be kept over a restart.
    #[must_use]
    pub fn last(&self, lane: Lane) -> Option<Position> {
        match lane {
            Lane::Realtime => self.realtime,
            Lane::Batch => self.batch,
        }
    }

    /// Goes on where [`last`](Self::last) was before a restart.
    pub fn go_on(&mut self, lane: Lane, last: Position) {
        *self.slot(lane) = Some(last);
    }

    /// How the group follows, which from then on is the last one seen.
    pub fn see(&mut self, group: &Group) -> Continuity {
        match group {
            Group {
                again: Some(Again::Replay | Again::Resend),
                ..
            }
            | Group { place: None, .. } => Continuity::Unknown,
            Group {
                place: Some(place), ..
            } => self.see_place(*place),
        }
    }

    fn see_place(&mut self, place: Place) -> Continuity {
        let Place {
            lane,
            position,
            previous,
        } = place;
        let slot = self.slot(lane);
        let Some(last) = slot.filter(|last| last.partition == position.partition) else {
            *slot = Some(position);
            return Continuity::First;
        };
        if position.offset > last.offset {
            *slot = Some(position);
        }
        match previous {
            // Before the repetition: a group behind a gap is news of the gap once, as `last` is then behind it.
            Some(until) if until.offset > last.offset => Continuity::Missed { after: last, until },
            _ if position.offset <= last.offset => Continuity::Repeated,
            Some(_) => Continuity::Next,
            None => Continuity::Unknown,
        }
    }

    fn slot(&mut self, lane: Lane) -> &mut Option<Position> {
        match lane {
            Lane::Realtime => &mut self.realtime,
            Lane::Batch => &mut self.batch,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(offset: i64) -> Position {
        Position { partition: 3, offset }
    }

    fn see(gaps: &mut Gaps, previous: Option<i64>, offset: i64) -> Continuity {
        gaps.see_place(Place {
            lane: Lane::Realtime,
            position: at(offset),
            previous: previous.map(at),
        })
    }

    #[test]
    fn d8_a_group_that_was_acknowledged_and_not_seen_shows_once() {
        let mut gaps = Gaps::new();
        assert_eq!(see(&mut gaps, None, 10), Continuity::First);
        assert_eq!(
            see(&mut gaps, Some(10), 12),
            Continuity::Next,
            "11 is another account's"
        );
        let missed = Continuity::Missed {
            after: at(12),
            until: at(15),
        };
        assert_eq!(see(&mut gaps, Some(15), 16), missed);
        assert_eq!(
            see(&mut gaps, Some(15), 16),
            Continuity::Repeated,
            "the same attempt again"
        );
        assert_eq!(see(&mut gaps, Some(16), 17), Continuity::Next);
    }

    #[test]
    fn d8_what_angarium_does_not_know_to_be_acknowledged_is_no_gap() {
        let mut gaps = Gaps::new();
        see(&mut gaps, None, 10);
        see(&mut gaps, Some(10), 12);
        assert_eq!(
            see(&mut gaps, Some(10), 12),
            Continuity::Repeated,
            "its answer was lost"
        );
        assert_eq!(
            see(&mut gaps, Some(10), 14),
            Continuity::Next,
            "grown by what waited"
        );
        assert_eq!(
            see(&mut gaps, None, 20),
            Continuity::Unknown,
            "a new owner knows nothing"
        );
        assert_eq!(see(&mut gaps, Some(20), 21), Continuity::Next);
    }

    #[test]
    fn d8_lanes_are_apart_and_another_partition_begins_anew() {
        let mut gaps = Gaps::new();
        see(&mut gaps, None, 10);
        let batch = Place {
            lane: Lane::Batch,
            position: at(500),
            previous: Some(at(499)),
        };
        assert_eq!(gaps.see_place(batch), Continuity::First);
        let moved = Place {
            lane: Lane::Realtime,
            position: Position {
                partition: 9,
                offset: 1,
            },
            previous: None,
        };
        assert_eq!(gaps.see_place(moved), Continuity::First);
        assert_eq!(gaps.last(Lane::Batch), Some(at(500)));
    }

    #[test]
    fn d8_a_restart_goes_on_where_it_was() {
        let mut gaps = Gaps::new();
        gaps.go_on(Lane::Realtime, at(5));
        let missed = Continuity::Missed {
            after: at(5),
            until: at(8),
        };
        assert_eq!(see(&mut gaps, Some(8), 9), missed);
    }
}
