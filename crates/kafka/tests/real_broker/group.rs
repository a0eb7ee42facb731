//! Members of a group under real rebalances.

use std::collections::BTreeMap;
use std::time::Duration;

use angarium_kafka::{GroupConfig, GroupConsumer, Owned};
use tokio::sync::mpsc;

use super::harness::{Harness, number, within};

fn join(harness: &Harness) -> (GroupConsumer, mpsc::Receiver<Owned>) {
    let config = GroupConfig {
        group: harness.events(),
        topic: harness.events(),
        client_id: "member".to_owned(),
        // The shortest that a broker allows.
        session_timeout: Duration::from_secs(6),
        max_buffered_records: 16,
        max_buffered_bytes: 1_000_000,
    };
    GroupConsumer::start(&harness.connection, config, &harness.tasks).unwrap()
}

/// Reads until the partition is taken back, then commits what it has read.
async fn consume(mut owned: Owned, seen: mpsc::Sender<(i32, u32)>) {
    owned.start(owned.committed().unwrap_or_default());
    let mut revoked = std::pin::pin!(owned.revoked());
    let mut next = None;
    loop {
        tokio::select! {
            () = &mut revoked => break,
            Some(record) = owned.recv() => {
                next = Some(record.offset + 1);
                seen.send((record.partition, number(&record))).await.unwrap();
            }
        }
    }
    if let Some(next) = next {
        owned.commit(next);
    }
    owned.release();
}

/// Receives until each partition has given its numbers up to `end`, in order, none lost and none twice.
async fn receive(records: &mut mpsc::Receiver<(i32, u32)>, expected: &mut BTreeMap<i32, u32>, end: u32) {
    while expected.values().any(|next| *next < end) {
        let (partition, number) = within(records.recv()).await.unwrap();
        let next = expected.entry(partition).or_default();
        assert_eq!(number, *next, "partition {partition}");
        *next += 1;
    }
}

#[tokio::test]
async fn partitions_move_between_members_without_a_gap_or_a_double() {
    let harness = Harness::new("members");
    harness.apply().await;
    let (seen, mut records) = mpsc::channel(10_000);
    let mut expected = BTreeMap::from([(0, 0), (1, 0)]);
    for partition in 0..2 {
        harness.write(partition, 0..500).await;
    }
    let (first, mut firsts) = join(&harness);
    for _ in 0..2 {
        let owned = within(firsts.recv()).await.unwrap();
        harness.tasks.spawn("owner", consume(owned, seen.clone()));
    }
    receive(&mut records, &mut expected, 500).await;

    // One of two partitions moves to the second member.
    let (_second, mut seconds) = join(&harness);
    let moved = within(seconds.recv()).await.unwrap();
    assert_eq!(moved.committed(), Some(500));
    let moved_partition = moved.partition();
    harness.tasks.spawn("owner", consume(moved, seen.clone()));
    for partition in 0..2 {
        harness.write(partition, 500..1_000).await;
    }
    receive(&mut records, &mut expected, 1_000).await;

    // The first one leaves: the other partition follows.
    first.close();
    assert!(within(firsts.recv()).await.is_none());
    let other = within(seconds.recv()).await.unwrap();
    assert_ne!(other.partition(), moved_partition);
    assert_eq!(other.committed(), Some(1_000));
    harness.tasks.spawn("owner", consume(other, seen.clone()));
    for partition in 0..2 {
        harness.write(partition, 1_000..1_010).await;
    }
    receive(&mut records, &mut expected, 1_010).await;
    harness.end().await;
}

/// The first `count` partitions that come.
async fn take(partitions: &mut mpsc::Receiver<Owned>, count: usize) -> BTreeMap<i32, Owned> {
    let mut taken = BTreeMap::new();
    while taken.len() < count {
        let owned = within(partitions.recv()).await.unwrap();
        taken.insert(owned.partition(), owned);
    }
    taken
}

#[tokio::test]
async fn a_second_member_takes_over_where_the_first_one_let_go() {
    let harness = Harness::with_partitions("second", 4);
    harness.apply().await;
    let (seen, mut records) = mpsc::channel(10_000);
    let all = |numbers: std::ops::Range<u32>| {
        (0..4).flat_map(move |partition| numbers.clone().map(move |n| (partition, n)))
    };
    for partition in 0..4 {
        harness.write(partition, 0..50).await;
    }
    let (_first, mut partitions) = join(&harness);
    for owned in take(&mut partitions, 4).await.into_values() {
        harness.tasks.spawn("owner", consume(owned, seen.clone()));
    }
    let mut received = Vec::new();
    while received.len() < 200 {
        received.push(within(records.recv()).await.unwrap());
    }

    let (_second, mut more) = join(&harness);
    for owned in take(&mut more, 2).await.into_values() {
        assert_eq!(owned.committed(), Some(50), "handed over with its last commit");
        harness.tasks.spawn("owner", consume(owned, seen.clone()));
    }
    for partition in 0..4 {
        harness.write(partition, 50..100).await;
    }
    while received.len() < 400 {
        received.push(within(records.recv()).await.unwrap());
    }
    for partition in 0..4 {
        let numbers: Vec<_> = received
            .iter()
            .filter(|(of, _)| *of == partition)
            .map(|(_, number)| *number)
            .collect();
        assert_eq!(
            numbers,
            (0..100).collect::<Vec<_>>(),
            "in order, none lost and none twice"
        );
    }
    assert_eq!(received.len(), all(0..100).count());
    harness.end().await;
    assert!(records.try_recv().is_err());
}

#[tokio::test]
async fn an_owner_whose_place_has_expired_reads_on_at_the_oldest_record() {
    let harness = Harness::new("behind");
    harness.apply().await;
    harness.write(0, 0..100).await;
    harness.expire(0, 60).await;
    let (_member, mut partitions) = join(&harness);
    let mut owned = within(partitions.recv()).await.unwrap();
    while owned.partition() != 0 {
        owned = within(partitions.recv()).await.unwrap();
    }
    assert_eq!(owned.watermarks().low, 60);
    owned.start(10);
    assert_eq!(number(&within(owned.recv()).await.unwrap()), 60);
    drop(owned);
    harness.end().await;
}
