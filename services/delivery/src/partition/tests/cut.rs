//! The deliveries topic was cut or created anew before a takeover.

use super::*;

/// The place may be held far below what a cursor, or Redis, knows of the log.
#[test]
fn d6_a_log_that_ends_below_what_is_known_of_it_is_looked_through_from_its_start() {
    let id = WebhookId::from_bytes([1; 16]);
    let further = Remembered {
        epoch: 5,
        generation: 0,
        resume: 101,
        done: None,
        retry: None,
        parked: 0,
    };
    let memories = Memories {
        own: Some(5),
        webhooks: [(id, further)].into(),
    };
    let known = [
        (behind(101, &[]), Memories::default()),
        (behind(40, &[40, 100]), Memories::default()),
        (behind(40, &[]), memories),
    ];
    for (cursor, memories) in known {
        // The log ends at 100.
        let mut partition = found(cursor.clone(), 5, memories);
        let effects = partition.take_effects();
        let written = effects.iter().find_map(|effect| match effect {
            Effect::Append { cursor, .. } => cursor.clone(),
            _ => None,
        });
        let written = written.expect("its cursor is written anew");
        assert_eq!(written.resume, 0, "{cursor:?}");
        assert!(
            matches!(written.standing, Standing::Behind { head, .. } if head.is_empty()),
            "{cursor:?}"
        );
        partition.appended(id, START_MS);
        assert_eq!(partition.place(), 0);
    }
}

#[test]
fn d6_a_log_that_has_all_that_is_known_is_read_from_there() {
    let mut partition = found(behind(100, &[]), 5, Memories::default());
    partition.take_effects();
    partition.appended(WebhookId::from_bytes([1; 16]), START_MS);
    assert_eq!(partition.place(), 5);
}
