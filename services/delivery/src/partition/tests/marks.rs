//! What was seen before is a repetition by fanout, unless its webhook was changed since (docs/model-findings.md, 2 and 3).

use super::*;

#[test]
fn what_fanout_produced_twice_is_sent_once() {
    let mut partition = partition(Lane::Realtime, &[webhook(1, true)]);
    partition.live(&incoming(0, 5, START_MS, &[1]), START_MS);
    partition.live(&incoming(1, 5, START_MS, &[1]), START_MS);
    assert_eq!(calls(&mut partition), [(1, vec![5], 1)]);
    answer(&mut partition, 1, Verdict::Delivered, START_MS);
    partition.live(&incoming(2, 5, START_MS, &[1]), START_MS);
    assert_eq!(calls(&mut partition), []);
    assert_eq!(partition.place(), 3);
}

/// An event that a fanout with the view `revision` matched.
fn seen_by(revision: i64, offset: i64, source: i64) -> Incoming {
    let mut record = incoming(offset, source, START_MS, &[1]);
    Arc::get_mut(&mut record.delivery).unwrap().revision = Revision::from_offset(revision);
    record
}

fn changed(revision: i64) -> Webhook {
    Webhook {
        revision: Revision::from_offset(revision),
        ..webhook(1, true)
    }
}

/// Event 2 came late, of a frozen fanout with an old view, and is done: the mark is at (2, r1).
fn with_late_event() -> (Directory, Eager) {
    let directory = directory(&[changed(1)]);
    let mut partition = Eager::take_over(Lane::Realtime, rules(64 << 20), directory.clone(), start());
    partition.live(&seen_by(1, 0, 2), START_MS);
    assert_eq!(calls(&mut partition), [(1, vec![2], 1)]);
    answer(&mut partition, 1, Verdict::Delivered, START_MS);
    (directory, partition)
}

/// And event 3 failed.
fn with_failed_event() -> (Directory, Eager) {
    let (directory, mut partition) = with_late_event();
    partition.live(&seen_by(1, 1, 3), START_MS);
    calls(&mut partition);
    answer(&mut partition, 1, FAILED, START_MS);
    calls(&mut partition);
    (directory, partition)
}

/// Finding 2 of docs/model-findings.md.
#[test]
fn d6_an_event_before_the_mark_is_sent_though_its_webhook_was_changed_twice_since() {
    let (directory, mut partition) = with_late_event();
    for revision in [2, 3] {
        directory.put(changed(revision));
        partition.refresh(START_MS);
    }
    partition.live(&seen_by(2, 1, 1), START_MS);
    assert_eq!(calls(&mut partition), [(1, vec![1], 1)]);
}

/// Finding 3: delivery learns of the change later than it reads the record that was made under it.
#[test]
fn d6_an_event_before_the_mark_is_sent_though_its_view_is_not_known_here_yet() {
    let (_directory, mut partition) = with_late_event();
    partition.live(&seen_by(2, 1, 1), START_MS);
    assert_eq!(calls(&mut partition), [(1, vec![1], 1)]);
}

#[test]
fn an_event_before_the_mark_is_a_repetition_if_it_was_another_webhook_that_changed() {
    let (directory, mut partition) = with_late_event();
    directory.put(Webhook {
        revision: Revision::from_offset(2),
        ..webhook(2, true)
    });
    partition.refresh(START_MS);
    partition.live(&seen_by(2, 1, 1), START_MS);
    assert_eq!(calls(&mut partition), []);
}

/// Finding 34: a next owner that knows the webhook as deleted, and not yet as brought back, would forget its cursor.
#[test]
fn d6_a_change_of_a_webhook_that_is_behind_is_on_record_before_the_place_passes_what_was_matched_under_it() {
    let (directory, mut partition) = with_failed_event();
    assert_eq!(partition.place(), 2, "its cursor leads to what is undone");
    // Another webhook was changed: nothing is to be said.
    partition.live(&seen_by(2, 2, 4), START_MS);
    directory.put(Webhook {
        revision: Revision::from_offset(2),
        ..webhook(2, true)
    });
    calls(&mut partition);
    partition.live(&seen_by(2, 3, 5), START_MS);
    assert!(partition.take_effects().is_empty());
    assert_eq!(partition.place(), 4);
    // Deleted by 3, brought back by 4.
    directory.drop_webhook(webhook(1, true).id, Revision::from_offset(3));
    directory.put(changed(4));
    partition.live(&seen_by(4, 4, 6), START_MS);
    let effects = partition.take_effects();
    let [
        Effect::Append {
            webhook,
            cursor: Some(cursor),
        },
    ] = &effects[..]
    else {
        panic!("one cursor is due: {effects:?}");
    };
    assert_eq!(cursor.newest_view, Revision::from_offset(4));
    assert_eq!(partition.place(), 4, "it is not acknowledged yet");
    partition.appended(*webhook, START_MS);
    assert_eq!(partition.place(), 5);
}

/// While a cursor that tells of a change is under way the next change comes: the place goes on with each, not with the last.
#[test]
fn the_place_goes_on_though_a_webhook_that_is_behind_is_changed_again_and_again() {
    let (directory, mut partition) = with_failed_event();
    let mut under_way = None;
    for revision in 2..20 {
        directory.put(changed(revision));
        partition.live(&seen_by(revision, revision, revision + 2), START_MS);
        let due = partition
            .take_effects()
            .into_iter()
            .find_map(|effect| match effect {
                Effect::Append { webhook, cursor } => Some((webhook, cursor?.newest_view)),
                _ => None,
            });
        if let Some((webhook, _)) = std::mem::replace(&mut under_way, due) {
            partition.appended(webhook, START_MS);
        }
        assert!(
            partition.place() >= revision - 2,
            "{} at {revision}",
            partition.place()
        );
    }
    calls(&mut partition);
    assert_eq!(partition.place(), 20);
}
