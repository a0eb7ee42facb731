//! How far a replay is, by what is on record.

use angarium_model::WebhookId;
use angarium_proto::delivery::v1::ReplayState;

use crate::cursor::{Found, Standing};

/// How far the replay is that was ordered at this offset and begins at `from`; and how much of it, in thousandths.
pub(super) fn of(found: &Found, webhook: WebhookId, id: i64, from: i64) -> (ReplayState, u32) {
    match found.cursors.get(&webhook) {
        Some(cursor) if cursor.generation > id => (ReplayState::Replaced, 0),
        Some(cursor) if cursor.generation == id => match &cursor.standing {
            Standing::Behind {
                replay: Some(replay), ..
            } => {
                let all = (replay.until - from).max(1);
                let done = (cursor.resume - from).clamp(0, all);
                let permille = u32::try_from(done.saturating_mul(1_000) / all).unwrap_or(0);
                (ReplayState::Running, permille)
            }
            Standing::Behind { .. } | Standing::Live => (ReplayState::Done, 1_000),
        },
        // The place passes an order only when a cursor says that it was taken, or a later one has come before it was.
        _ if found.place > id => (ReplayState::Replaced, 0),
        _ => (ReplayState::Pending, 0),
    }
}

/// Where a webhook that is behind goes on when its replay is over, if it is in one: what lies above was never sent.
/// `None`: it is not behind, or nothing is known of it.
pub(super) fn done_until(found: &Found, webhook: WebhookId) -> Option<i64> {
    let cursor = found.cursors.get(&webhook)?;
    match &cursor.standing {
        Standing::Behind {
            replay: Some(replay), ..
        } => Some(replay.then),
        Standing::Behind { .. } => Some(cursor.resume),
        Standing::Live => None,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use angarium_model::{AccountId, Revision};

    use super::*;
    use crate::cursor::{Cursor, Head};
    use crate::hook::Replay;

    const ID: i64 = 100;

    /// What is known of a replay of `[10, 50)`.
    fn found(place: i64, cursor: Option<(i64, i64, Standing)>) -> (ReplayState, u32) {
        let webhook = WebhookId::from_bytes([1; 16]);
        let found = Found {
            place,
            ..with(cursor)
        };
        of(&found, webhook, ID, 10)
    }

    /// The webhook's cursor, if there is one: generation, resume, standing.
    fn with(cursor: Option<(i64, i64, Standing)>) -> Found {
        let webhook = WebhookId::from_bytes([1; 16]);
        let cursors = cursor.map(|(generation, resume, standing)| {
            let cursor = Cursor {
                account: AccountId::new(1).unwrap(),
                generation,
                resume,
                done: None,
                newest_view: Revision::default(),
                standing,
            };
            (webhook, cursor)
        });
        Found {
            epoch: 1,
            place: 0,
            cursors: BTreeMap::from_iter(cursors),
        }
    }

    fn replaying(until: i64) -> Standing {
        Standing::Behind {
            since_ms: 0,
            head: Head::default(),
            slot_end: None,
            rested_at_ms: 0,
            parked: Vec::new(),
            replay: Some(Replay {
                until,
                then: 90,
                then_done: None,
            }),
        }
    }

    #[test]
    fn a_replay_waits_runs_and_is_done_as_the_cursor_says() {
        assert_eq!(found(ID, None), (ReplayState::Pending, 0));
        assert_eq!(
            found(ID, Some((7, 50, Standing::Live))),
            (ReplayState::Pending, 0)
        );
        assert_eq!(
            found(ID, Some((ID, 20, replaying(50)))),
            (ReplayState::Running, 250)
        );
        assert_eq!(
            found(ID + 9, Some((ID, 90, Standing::Live))),
            (ReplayState::Done, 1_000)
        );
    }

    #[test]
    fn what_a_webhook_that_is_behind_was_never_sent_is_not_replayed() {
        let until = |standing| {
            let webhook = WebhookId::from_bytes([1; 16]);
            done_until(&with(standing), webhook)
        };
        assert_eq!(until(Some((0, 40, Standing::Live))), None);
        assert_eq!(until(None), None);
        assert_eq!(until(Some((ID, 20, replaying(50)))), Some(90));
        let Standing::Behind {
            since_ms,
            head,
            slot_end,
            rested_at_ms,
            parked,
            ..
        } = replaying(50)
        else {
            panic!("it is behind");
        };
        let behind = Standing::Behind {
            since_ms,
            head,
            slot_end,
            rested_at_ms,
            parked,
            replay: None,
        };
        assert_eq!(until(Some((0, 40, behind))), Some(40));
    }

    #[test]
    fn one_whose_place_a_later_order_took_is_replaced_also_if_it_was_never_begun() {
        assert_eq!(
            found(ID, Some((ID + 1, 20, replaying(50)))),
            (ReplayState::Replaced, 0)
        );
        assert_eq!(
            found(ID + 2, Some((7, 50, Standing::Live))),
            (ReplayState::Replaced, 0)
        );
        assert_eq!(found(ID + 2, None), (ReplayState::Replaced, 0));
    }
}
