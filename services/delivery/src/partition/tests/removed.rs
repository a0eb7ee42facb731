//! Kafka's retention has taken what a webhook waited for.

use super::*;
use crate::cursor::Parked;
use crate::hook::Removed;

fn removed(partition: &mut Eager) -> Vec<(u8, Removed)> {
    let effects = partition.take_effects();
    let removed = effects.into_iter().filter_map(|effect| match effect {
        Effect::Removed { webhook, what, .. } => Some((webhook.as_bytes()[0], what)),
        _ => None,
    });
    removed.collect()
}

#[test]
fn d5_what_retention_took_from_a_webhook_that_was_behind_is_told_once_and_it_goes_on_behind_it() {
    let mut partition = found(behind(3, &[]), 50, Memories::default());
    partition.appended(WebhookId::from_bytes([1; 16]), START_MS);
    partition.take_effects();
    assert_eq!(partition.wanted_read(START_MS), Some(3));
    partition.log_starts_at(40, START_MS);
    let gone = Removed {
        from: 3,
        to: 40,
        at_most: 37,
    };
    assert_eq!(removed(&mut partition), [(1, gone)]);
    assert_eq!(partition.wanted_read(START_MS), Some(40));
    partition.log_starts_at(40, START_MS);
    assert_eq!(removed(&mut partition), [], "nothing more is gone");
}

/// It may be switched off for weeks: nobody knows yet whether it will want what is gone.
#[test]
fn d5_w7_a_webhook_that_is_off_is_told_when_it_is_switched_on() {
    let mut partition = found(behind(3, &[]), 50, Memories::default());
    for (active, revision) in [(false, 2), (true, 3)] {
        let switched = Webhook {
            revision: Revision::from_offset(revision),
            ..webhook(1, active)
        };
        partition.directory.put(switched);
        partition.refresh(START_MS);
        partition.take_effects();
        partition.log_starts_at(40, START_MS);
        assert_eq!(removed(&mut partition).len(), usize::from(active));
    }
}

#[test]
fn d5_of_a_group_that_is_parked_it_is_known_which_events_are_gone() {
    let mut cursor = behind(60, &[]);
    if let Standing::Behind { parked, .. } = &mut cursor.standing {
        parked.push(Parked {
            generation: 0,
            head: Head::new([10, 20, 50]),
            since_ms: 0,
            is_replay: false,
        });
    }
    let mut partition = found(cursor, 50, Memories::default());
    partition.take_effects();
    assert_eq!(partition.wanted_read(START_MS), Some(10));
    partition.log_starts_at(40, START_MS);
    let gone = Removed {
        from: 10,
        to: 21,
        at_most: 2,
    };
    assert_eq!(removed(&mut partition), [(1, gone)]);
}
