//! What was done is sent again because someone asked for it.

use super::*;
use crate::hook::{Ordered, Replay};

const HOOK: u8 = 1;

fn id() -> WebhookId {
    WebhookId::from_bytes([HOOK; 16])
}

/// Events 0 to 4 at the same offsets, delivered.
fn with_five_done() -> (Eager, Vec<Incoming>) {
    let mut partition = partition(Lane::Realtime, &[webhook(HOOK, true)]);
    let log: Vec<Incoming> = (0..5)
        .map(|offset| incoming(offset, offset, START_MS, &[HOOK]))
        .collect();
    for record in &log {
        partition.live(record, START_MS);
        assert_eq!(calls(&mut partition).len(), 1);
        answer(&mut partition, HOOK, Verdict::Delivered, START_MS);
    }
    (partition, log)
}

fn order(partition: &mut Eager, at: i64, what: Ordered) {
    let of = (AccountId::new(1234).unwrap(), Revision::from_offset(1));
    partition.ordered(id(), of, Order { at, what }, START_MS);
}

fn replay(from: i64, until: i64) -> Ordered {
    Ordered::Replay {
        from,
        until,
        after: None,
    }
}

/// All that the webhook gets now, each group taken at once.
fn deliver(partition: &mut Eager, log: &[Incoming]) -> Vec<Vec<i64>> {
    let mut groups = Vec::new();
    loop {
        if let Some(from) = partition.wanted_read(START_MS) {
            let end = i64::try_from(log.len()).unwrap();
            partition.read_back(from, end, &log[usize::try_from(from).unwrap()..], START_MS);
        }
        let begun = calls(partition);
        if begun.is_empty() {
            return groups;
        }
        for (_, sources, _) in begun {
            groups.push(sources);
            answer(partition, HOOK, Verdict::Delivered, START_MS);
        }
    }
}

fn cursors(partition: &mut Eager) -> Vec<Cursor> {
    let effects = partition.take_effects();
    let cursors = effects.into_iter().filter_map(|effect| match effect {
        Effect::Append { cursor, .. } => cursor,
        _ => None,
    });
    cursors.collect()
}

#[test]
fn a_replay_sends_its_range_again_and_the_webhook_goes_on_where_it_was() {
    let (mut partition, mut log) = with_five_done();
    order(&mut partition, 5, replay(1, 3));
    log.push(incoming(5, 99, START_MS, &[]));
    assert_eq!(deliver(&mut partition, &log), [vec![1, 2]]);
    let next = incoming(6, 6, START_MS, &[HOOK]);
    partition.live(&next, START_MS);
    log.push(next);
    assert_eq!(deliver(&mut partition, &log), [vec![6]]);
    assert_eq!(partition.place(), 7);
}

#[test]
fn a_replay_of_what_was_never_sent_is_left_to_its_turn() {
    let (mut partition, mut log) = with_five_done();
    order(&mut partition, 5, replay(3, 100));
    log.push(incoming(5, 99, START_MS, &[]));
    for offset in 6..8 {
        let record = incoming(offset, offset, START_MS, &[HOOK]);
        partition.live(&record, START_MS);
        log.push(record);
    }
    let groups: Vec<i64> = deliver(&mut partition, &log).into_iter().flatten().collect();
    assert_eq!(groups, [3, 4, 6, 7], "each once");
}

#[test]
fn d6_the_place_does_not_pass_an_order_before_the_cursor_that_took_it_is_acknowledged() {
    let (mut partition, _log) = with_five_done();
    assert_eq!(partition.place(), 5);
    order(&mut partition, 5, replay(1, 3));
    partition.live(&incoming(6, 6, START_MS, &[HOOK]), START_MS);
    assert_eq!(partition.place(), 5);
    let [cursor] = &cursors(&mut partition)[..] else {
        panic!("one cursor says that the order was taken");
    };
    assert_eq!((cursor.generation, cursor.resume), (5, 1));
    let Standing::Behind { replay, .. } = &cursor.standing else {
        panic!("it is behind");
    };
    let Some(Replay {
        until: 3, then: 6, ..
    }) = replay
    else {
        panic!("it says where the replay ends and where to go on: {replay:?}");
    };
    partition.appended(id(), START_MS);
    assert_eq!(partition.place(), 7);
}

#[test]
fn d6_an_order_waits_for_the_end_of_the_call_under_way_and_holds_the_place() {
    let (mut partition, mut log) = with_five_done();
    partition.live(&incoming(5, 5, START_MS, &[HOOK]), START_MS);
    log.push(incoming(5, 5, START_MS, &[HOOK]));
    assert_eq!(calls(&mut partition), [(HOOK, vec![5], 1)]);
    order(&mut partition, 6, replay(4, 6));
    log.push(incoming(6, 99, START_MS, &[]));
    assert_eq!(calls(&mut partition), []);
    answer(&mut partition, HOOK, Verdict::Delivered, START_MS);
    assert_eq!(deliver(&mut partition, &log), [vec![4, 5]]);
}

/// A replay of all five is under way, ordered at 5, and the call with its first event is not answered.
fn in_the_middle_of_a_replay() -> (Eager, Vec<Incoming>) {
    let (mut partition, log) = with_five_done();
    order(&mut partition, 5, replay(0, 5));
    partition.read_back(0, 1, &log[..1], START_MS);
    assert_eq!(calls(&mut partition), [(HOOK, vec![0], 1)]);
    (partition, log)
}

fn cancel(of: i64) -> Ordered {
    Ordered::Cancel { of: Some(of) }
}

/// Orders all of them, from offset 6 on, while a call of the replay ordered at 5 is under way; what the webhook gets when it
/// is answered, and the place then.
fn met_during_a_call(orders: &[Ordered]) -> (Vec<i64>, i64) {
    let (mut partition, mut log) = in_the_middle_of_a_replay();
    let mut at = 5;
    log.push(incoming(at, 99, START_MS, &[]));
    for what in orders {
        at += 1;
        order(&mut partition, at, *what);
        log.push(incoming(at, 99, START_MS, &[]));
    }
    answer(&mut partition, HOOK, Verdict::Delivered, START_MS);
    let next = incoming(at + 1, 5, START_MS, &[HOOK]);
    partition.live(&next, START_MS);
    log.push(next);
    let sent = deliver(&mut partition, &log).into_iter().flatten().collect();
    partition.appended(id(), START_MS);
    (sent, partition.place())
}

#[test]
fn a_cancelled_replay_ends_and_the_webhook_goes_on_where_it_was() {
    let ended = vec![5];
    assert_eq!(met_during_a_call(&[cancel(5)]), (ended.clone(), 8));
    assert_eq!(met_during_a_call(&[Ordered::Cancel { of: None }]), (ended, 8));
}

#[test]
fn a_cancellation_of_another_replay_changes_nothing_nor_what_was_ordered_before_it() {
    let replayed = vec![1, 2, 3, 4, 5];
    assert_eq!(met_during_a_call(&[cancel(4)]).0, replayed);
    let ended = vec![5];
    assert_eq!(met_during_a_call(&[cancel(4), cancel(5)]).0, ended);
    assert_eq!(met_during_a_call(&[cancel(5), cancel(4)]).0, ended);
}

/// The replay that waits for the end of the call would have taken the place of the one under way.
#[test]
fn whoever_cancels_the_replay_that_waits_ends_both_and_whoever_cancels_the_other_neither() {
    let last = replay(3, 5);
    assert_eq!(met_during_a_call(&[last, cancel(6)]), (vec![5], 9));
    assert_eq!(met_during_a_call(&[last, cancel(5)]).0, [3, 4, 5]);
    assert_eq!(met_during_a_call(&[cancel(5), last]).0, [3, 4, 5]);
    assert_eq!(met_during_a_call(&[last, cancel(6), replay(4, 5)]).0, [4, 5]);
    assert_eq!(
        met_during_a_call(&[last, Ordered::Cancel { of: None }, cancel(6)]).0,
        [5]
    );
    assert_eq!(met_during_a_call(&[last, cancel(6), cancel(6)]), (vec![5], 10));
}

/// The worker dies while both wait for the end of a call, and the next owner meets the second alone.
#[test]
fn d6_the_cancellation_of_a_replay_that_waited_counts_behind_a_crash() {
    let (mut partition, mut log) = with_five_done();
    order(&mut partition, 5, replay(0, 5));
    let cursor = cursors(&mut partition).pop().unwrap();
    partition.appended(id(), START_MS);
    partition.read_back(0, 1, &log[..1], START_MS);
    assert_eq!(calls(&mut partition), [(HOOK, vec![0], 1)]);
    order(&mut partition, 6, replay(3, 5));
    order(&mut partition, 7, cancel(6));
    assert_eq!(partition.place(), 7);
    let mut partition = found(cursor, 7, Memories::default());
    order(&mut partition, 7, cancel(6));
    log.extend((5..8).map(|offset| incoming(offset, 99, START_MS, &[])));
    assert_eq!(deliver(&mut partition, &log), Vec::<Vec<i64>>::new());
    partition.appended(id(), START_MS);
    assert_eq!(partition.place(), 8);
}

#[test]
fn a_replay_of_a_batch_webhook_does_not_wait_for_its_slot() {
    let mut partition = partition(Lane::Batch, &[webhook(HOOK, true)]);
    let log: Vec<Incoming> = (0..3)
        .map(|offset| incoming(offset, offset, START_MS, &[HOOK]))
        .collect();
    for record in &log {
        partition.live(record, START_MS);
    }
    calls(&mut partition);
    let slot = partition.next_due().unwrap();
    partition.tick(slot);
    assert_eq!(deliver(&mut partition, &log), [vec![0, 1, 2]]);
    order(&mut partition, 3, replay(1, 3));
    assert_eq!(deliver(&mut partition, &log), [vec![1, 2]]);
}

#[test]
fn only_what_lies_behind_a_position_is_sent_again_if_one_is_given() {
    let (mut partition, log) = with_five_done();
    let what = Ordered::Replay {
        from: 0,
        until: 5,
        after: Some(2),
    };
    order(&mut partition, 5, what);
    assert_eq!(deliver(&mut partition, &log), [vec![3, 4]]);
}

fn resent(offset: i64, source: i64) -> Incoming {
    let mut record = incoming(offset, source, START_MS, &[HOOK]);
    Arc::get_mut(&mut record.delivery).unwrap().resent = true;
    record
}

#[test]
fn d7_an_event_that_is_resent_goes_alone_and_changes_nothing_for_the_others() {
    let (mut partition, _log) = with_five_done();
    partition.live(&incoming(5, 5, START_MS, &[HOOK]), START_MS);
    partition.live(&incoming(6, 6, START_MS, &[HOOK]), START_MS);
    partition.live(&resent(7, 2), START_MS);
    partition.live(&incoming(8, 7, START_MS, &[HOOK]), START_MS);
    // What fanout repeats is still known.
    partition.live(&incoming(9, 6, START_MS, &[HOOK]), START_MS);
    let groups = deliver(&mut partition, &[]);
    assert_eq!(groups, [vec![5], vec![6], vec![2], vec![7]]);
    assert_eq!(partition.place(), 10);
}
