//! The deliveries topic was cut or created anew, before a takeover or under a worker.

use super::*;

fn written(partition: &mut Eager) -> Cursor {
    let effects = partition.take_effects();
    let cursor = effects.iter().find_map(|effect| match effect {
        Effect::Append { cursor, .. } => cursor.clone(),
        _ => None,
    });
    cursor.expect("a cursor is written anew")
}

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
        let written = written(&mut partition);
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

#[test]
fn d6_a_live_stream_that_goes_back_is_of_a_log_that_was_cut() {
    let mut partition = partition(Lane::Realtime, &[webhook(1, true)]);
    for offset in 0..3 {
        assert!(!partition.goes_back(offset));
        partition.live(&incoming(offset, offset, START_MS, &[1]), START_MS);
    }
    assert!(partition.goes_back(2));
    assert!(!partition.goes_back(3));
}

/// Nothing is on record of a webhook that keeps up, and the log may have grown beyond all that is known of it.
#[test]
fn d6_a_worker_whose_log_was_cut_looks_it_through_and_sends_nothing_that_was_received() {
    let webhooks = [webhook(1, true), webhook(2, true)];
    let mut before = partition(Lane::Realtime, &webhooks);
    for offset in 0..4 {
        before.live(&incoming(offset, offset, START_MS, &[1]), START_MS);
        calls(&mut before);
        answer(&mut before, 1, Verdict::Delivered, START_MS);
    }
    let lagging = Found {
        epoch: 5,
        place: 4,
        cursors: BTreeMap::from([(webhooks[1].id, behind(3, &[3]))]),
    };
    let start = Start {
        found: Some(lagging),
        cut: Some(before.kept()),
        ends: Watermarks { low: 0, high: 1_000 },
        ..start()
    };
    let mut after = Eager::take_over(Lane::Realtime, rules(64 << 20), directory(&webhooks), start);
    assert_eq!(written(&mut after).resume, 0, "of the one that was behind");
    after.appended(webhooks[1].id, START_MS);
    assert_eq!(after.place(), 0, "from its start");
    after.live(&incoming(0, 2, START_MS, &[1]), START_MS);
    assert_eq!(calls(&mut after), [], "it has event 2");
    after.live(&incoming(1, 4, START_MS, &[1]), START_MS);
    assert_eq!(calls(&mut after), [(1, vec![4], 1)]);
}
