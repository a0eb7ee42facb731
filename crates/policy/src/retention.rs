//! How long an event may still be sent (D5).

use std::time::Duration;

use angarium_model::AcceptedAt;

/// Events are kept for 7 days from their acceptance (D5). Nothing extends it, a late recovery least of all.
pub const RETENTION: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// Whether an event is older than [`RETENTION`] and so no longer sent. One from the future is not: clocks differ.
#[must_use]
pub fn expired(accepted_at: AcceptedAt, now_unix_ms: i64) -> bool {
    accepted_at.age(now_unix_ms) > RETENTION
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const RETENTION_MS: i64 = 604_800_000;

    #[test]
    fn d5_seven_days_are_sent_and_one_millisecond_more_is_not() {
        let accepted_at = AcceptedAt::from_unix_ms(1_727_414_643_000);
        assert!(!expired(accepted_at, 1_727_414_643_000 + RETENTION_MS));
        assert!(expired(accepted_at, 1_727_414_643_000 + RETENTION_MS + 1));
        assert!(!expired(accepted_at, 0));
    }

    proptest! {
        #[test]
        fn d5_the_edge_is_the_same_for_every_event(at: i64, off in -2_i64..=2) {
            let edge = at.checked_add(RETENTION_MS).and_then(|edge| edge.checked_add(off));
            if let Some(now) = edge {
                prop_assert_eq!(expired(AcceptedAt::from_unix_ms(at), now), off > 0);
            }
        }

        #[test]
        fn d5_what_is_expired_stays_expired(at: i64, now: i64, later in 0..i64::MAX) {
            let accepted_at = AcceptedAt::from_unix_ms(at);
            prop_assert!(!expired(accepted_at, now) || expired(accepted_at, now.saturating_add(later)));
        }
    }
}
