//! A slow receiver does not hold the partition's place.

use angarium_model::MaxGroupEvents;

use super::*;

const SECOND_MS: i64 = 1_000;

#[test]
fn d6_what_a_slow_receiver_has_not_taken_for_seconds_is_left_to_kafka_and_the_place_goes_on() {
    let mut slow = webhook(1, true);
    slow.limits.max_group_events = MaxGroupEvents::new(10).ok();
    let mut partition = partition(Lane::Realtime, &[slow, webhook(2, true)]);
    let log: Vec<Incoming> = (0..200)
        .map(|offset| incoming(offset, offset, START_MS, &[1, 2]))
        .collect();
    for record in &log {
        partition.live(record, START_MS);
    }
    assert_eq!(calls(&mut partition).len(), 2);
    let mut got = Vec::new();
    // The first takes one group in 4 s.
    for second in 1..=100 {
        let now_ms = START_MS + second * SECOND_MS;
        partition.tick(now_ms);
        if second % 4 == 0 {
            answer(&mut partition, 1, Verdict::Delivered, now_ms);
        }
        if partition.called(webhook(2, true).id).is_some() {
            answer(&mut partition, 2, Verdict::Delivered, now_ms);
        }
        if let Some(from) = partition.wanted_read(now_ms) {
            let end = i64::try_from(log.len()).unwrap();
            partition.read_back(from, end, &log[usize::try_from(from).unwrap()..], now_ms);
        }
        for (number, sources, _) in calls_at(&mut partition, now_ms) {
            if number == 1 {
                got.extend(sources);
            }
        }
        if second == 24 {
            assert!(got.len() < 80, "it has most before it: {got:?}");
            assert_eq!(partition.place(), 200, "{}", partition.waits());
        }
        if got.last() == Some(&199) {
            assert!(got.into_iter().eq(1..200), "each once, in order");
            return;
        }
    }
    panic!("it got {got:?}");
}
