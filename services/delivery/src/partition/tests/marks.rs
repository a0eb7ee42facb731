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
