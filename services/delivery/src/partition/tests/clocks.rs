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
