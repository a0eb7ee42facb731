//! Cursors as the topic and Redis hold them.

use angarium_model::{AccountId, Revision};
use angarium_proto::delivery::v1::cursor_record::Entry;
use angarium_proto::delivery::v1::{self as wire, cursor as wire_cursor};

use super::{Cursor, Head, Parked, Standing};
use crate::hook::{Mark, Replay};

/// A record is not what a delivery of this version writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Unreadable;

impl From<Mark> for wire::Mark {
    fn from(mark: Mark) -> Self {
        Self {
            source_offset: mark.source_offset,
            registry_revision: mark.revision.offset(),
        }
    }
}

impl From<wire::Mark> for Mark {
    fn from(mark: wire::Mark) -> Self {
        Self {
            source_offset: mark.source_offset,
            revision: Revision::from_offset(mark.registry_revision),
        }
    }
}

impl From<Replay> for wire_cursor::Replay {
    fn from(replay: Replay) -> Self {
        Self {
            until: replay.until,
            then: replay.then,
            then_done: replay.then_done.map(Into::into),
        }
    }
}

impl From<wire_cursor::Replay> for Replay {
    fn from(replay: wire_cursor::Replay) -> Self {
        Self {
            until: replay.until,
            then: replay.then,
            then_done: replay.then_done.map(Into::into),
        }
    }
}

impl From<&Parked> for wire_cursor::Parked {
    fn from(parked: &Parked) -> Self {
        Self {
            head: distances(&parked.head),
            since_ms: parked.since_ms,
            generation: parked.generation,
            is_replay: parked.is_replay,
        }
    }
}

impl TryFrom<wire_cursor::Parked> for Parked {
    type Error = Unreadable;

    fn try_from(parked: wire_cursor::Parked) -> Result<Self, Unreadable> {
        Ok(Self {
            head: Some(head_of(&parked.head)?)
                .filter(|head| !head.is_empty())
                .ok_or(Unreadable)?,
            since_ms: parked.since_ms,
            generation: parked.generation,
            is_replay: parked.is_replay,
        })
    }
}

impl From<&Cursor> for Entry {
    fn from(cursor: &Cursor) -> Self {
        let standing = match &cursor.standing {
            Standing::Live => wire_cursor::Standing::Live(wire_cursor::Live {}),
            Standing::Behind {
                since_ms,
                head,
                slot_end,
                rested_at_ms,
                replay,
                parked,
            } => wire_cursor::Standing::Behind(wire_cursor::Behind {
                since_ms: *since_ms,
                head: distances(head),
                slot_end: *slot_end,
                rested_at_ms: *rested_at_ms,
                replay: replay.map(Into::into),
                parked: parked.iter().map(Into::into).collect(),
            }),
        };
        Self::Cursor(wire::Cursor {
            account_id: cursor.account.get(),
            generation: cursor.generation,
            resume: cursor.resume,
            done: cursor.done.map(Into::into),
            newest_view: cursor.newest_view.offset(),
            standing: Some(standing),
        })
    }
}

impl TryFrom<wire::Cursor> for Cursor {
    type Error = Unreadable;

    fn try_from(cursor: wire::Cursor) -> Result<Self, Unreadable> {
        let standing = match cursor.standing.ok_or(Unreadable)? {
            wire_cursor::Standing::Live(_) => Standing::Live,
            wire_cursor::Standing::Behind(behind) => Standing::Behind {
                since_ms: behind.since_ms,
                head: head_of(&behind.head)?,
                slot_end: behind.slot_end,
                rested_at_ms: behind.rested_at_ms,
                replay: behind.replay.map(Into::into),
                parked: behind
                    .parked
                    .into_iter()
                    .map(TryInto::try_into)
                    .collect::<Result<_, _>>()?,
            },
        };
        Ok(Self {
            account: AccountId::new(cursor.account_id).map_err(|_no_account| Unreadable)?,
            generation: cursor.generation,
            resume: cursor.resume,
            done: cursor.done.map(Into::into),
            newest_view: Revision::from_offset(cursor.newest_view),
            standing,
        })
    }
}

fn distances(head: &Head) -> Vec<u64> {
    let mut before = 0;
    let distance = |offset: &i64| {
        let distance = offset - std::mem::replace(&mut before, *offset);
        u64::try_from(distance).unwrap_or(0)
    };
    head.offsets().iter().map(distance).collect()
}

fn head_of(distances: &[u64]) -> Result<Head, Unreadable> {
    let mut at = 0_i64;
    let mut offsets = Vec::with_capacity(distances.len());
    for (index, distance) in distances.iter().enumerate() {
        let rises = index == 0 || *distance > 0;
        let distance = i64::try_from(*distance).map_err(|_too_far| Unreadable)?;
        at = at.checked_add(distance).filter(|_| rises).ok_or(Unreadable)?;
        offsets.push(at);
    }
    Ok(Head::new(offsets))
}
