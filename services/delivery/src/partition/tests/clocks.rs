//! A clock of ours that was ahead is put right: nothing waits for as long as it was ahead.

use super::*;

const AHEAD_MS: i64 = 8 * DAY_MS;
const MINUTE_MS: i64 = 60_000;

#[test]
fn d2_a_back_off_ends_when_it_would_have_ended() {
    let mut partition = partition(Lane::Realtime, &[webhook(1, true)]);
    let ahead = START_MS + AHEAD_MS;
    partition.tick(ahead);
    partition.live(&incoming(0, 0, START_MS, &[1]), ahead);
    assert_eq!(calls_at(&mut partition, ahead), [(1, vec![0], 1)]);
    answer(&mut partition, 1, FAILED, ahead);
    calls_at(&mut partition, ahead);
    let wait = partition.next_due().unwrap() - ahead;

    partition.tick(START_MS);
    assert_eq!(partition.next_due(), Some(START_MS + wait));
    partition.tick(START_MS + wait);
    assert_eq!(calls_at(&mut partition, START_MS + wait), [(1, vec![0], 2)]);
}

#[test]
fn e1_a_slot_is_planned_anew() {
    let mut partition = partition(Lane::Batch, &[webhook(1, true)]);
    let ahead = START_MS + AHEAD_MS;
    partition.tick(ahead);
    partition.live(&incoming(0, 0, START_MS, &[1]), ahead);
    calls_at(&mut partition, ahead);
    assert!(partition.next_due().unwrap() > ahead);

    partition.tick(START_MS);
    let slot = partition.next_due().unwrap();
    assert!((START_MS..=START_MS + 15 * MINUTE_MS).contains(&slot), "{slot}");
}

/// The webhook of the tests has one every 30 s.
#[test]
fn e1_a_slot_that_nobody_was_there_for_is_made_up_at_once() {
    let takes_over = |rested_at_ms| {
        let mut cursor = behind(0, &[]);
        if let Standing::Behind {
            rested_at_ms: at_ms, ..
        } = &mut cursor.standing
        {
            *at_ms = rested_at_ms;
        }
        let webhook = webhook(1, true);
        let start = Start {
            found: Some(Found {
                epoch: 5,
                place: 5,
                cursors: BTreeMap::from([(webhook.id, cursor)]),
            }),
            ends: Watermarks { low: 0, high: 100 },
            ..start()
        };
        let directory = directory(&[webhook]);
        let partition = Partition::take_over(Lane::Batch, rules(64 << 20), directory, start);
        partition.next_due().unwrap()
    };
    assert!(takes_over(START_MS - 31_000) <= START_MS);
    assert!(takes_over(START_MS) > START_MS);
}
