//! Members of a group.

use angarium_kafka::Watermarks;

use super::harness::{Harness, number, read, take, within};

#[tokio::test]
async fn a_member_reads_every_partition_in_order_from_where_its_owner_says() {
    let harness = Harness::new(3);
    for partition in 0..3 {
        harness.write(partition, 0..300).await;
    }
    let (_member, mut partitions) = harness.join(1_000);
    for (partition, mut owned) in take(&mut partitions, 3).await {
        assert_eq!(
            (owned.committed(), owned.watermarks()),
            (None, Watermarks { low: 0, high: 300 })
        );
        let from = u32::try_from(partition).unwrap() * 100;
        owned.start(i64::from(from));
        let mut records = Vec::new();
        while records.len() < 300 - usize::try_from(from).unwrap() {
            assert_ne!(within(owned.recv_many(&mut records, 7)).await, 0);
        }
        assert_eq!(
            records.iter().map(number).collect::<Vec<_>>(),
            (from..300).collect::<Vec<_>>()
        );
        assert_eq!(
            (&records[0].key[..], &records[0].headers[0].0[..]),
            (&b"key"[..], "traceparent")
        );
        owned.release();
    }
    harness.end().await;
}

#[tokio::test]
async fn what_is_committed_before_a_release_is_where_the_next_member_goes_on() {
    let harness = Harness::new(2);
    harness.write(0, 0..10).await;
    let (member, mut partitions) = harness.join(1_000);
    let mut owned = take(&mut partitions, 2).await;
    let first = owned.get_mut(&0).unwrap();
    first.start(0);
    assert_eq!(read(first, 4).await, [0, 1, 2, 3]);
    member.close();
    for owned in owned.into_values() {
        within(owned.revoked()).await;
        if owned.partition() == 0 {
            owned.commit(3);
            owned.commit(4);
        }
        owned.release();
    }
    assert!(within(partitions.recv()).await.is_none(), "it has left the group");

    let (_member, mut partitions) = harness.join(1_000);
    let mut owned = take(&mut partitions, 2).await;
    let (first, second) = (owned[&0].committed(), owned[&1].committed());
    assert_eq!((first, second), (Some(4), None));
    let first = owned.get_mut(&0).unwrap();
    first.start(4);
    assert_eq!(read(first, 6).await, [4, 5, 6, 7, 8, 9]);
    drop(owned);
    harness.end().await;
}

#[tokio::test]
async fn what_is_said_to_be_accepted_the_group_has() {
    let harness = Harness::new(1);
    harness.write(0, 0..10).await;
    let (_member, mut partitions) = harness.join(1_000);
    let mut owned = take(&mut partitions, 1).await.remove(&0).unwrap();
    owned.start(0);
    for next in [4, 7] {
        within(owned.commit_accepted(next)).await;
        assert_eq!(harness.committed(0).await, Some(next));
    }
    within(owned.commit_accepted(7)).await;
    owned.release();
    harness.end().await;
}

#[tokio::test]
async fn a_partition_whose_owner_is_slow_does_not_hold_up_the_others() {
    let harness = Harness::new(2);
    for partition in 0..2 {
        harness.write(partition, 0..2_000).await;
    }
    let (_member, mut partitions) = harness.join(8);
    let mut owned = take(&mut partitions, 2).await;
    for owned in owned.values_mut() {
        owned.start(0);
    }
    let expected: Vec<_> = (0..2_000).collect();
    assert_eq!(read(owned.get_mut(&1).unwrap(), 2_000).await, expected);
    // It has been full and paused all the time: nothing is lost, nothing comes twice.
    assert_eq!(read(owned.get_mut(&0).unwrap(), 2_000).await, expected);
    harness.write(0, 2_000..2_003).await;
    assert_eq!(read(owned.get_mut(&0).unwrap(), 3).await, [2_000, 2_001, 2_002]);
    drop(owned);
    harness.end().await;
}

#[tokio::test]
async fn an_owner_can_start_over_even_from_a_full_queue() {
    let harness = Harness::new(1);
    harness.write(0, 0..100).await;
    let (_member, mut partitions) = harness.join(8);
    let mut owned = take(&mut partitions, 1).await.remove(&0).unwrap();
    owned.start(40);
    assert_eq!(read(&mut owned, 10).await, (40..50).collect::<Vec<_>>());
    owned.start(5);
    assert_eq!(read(&mut owned, 95).await, (5..100).collect::<Vec<_>>());
    owned.release();
    harness.end().await;
}

#[tokio::test]
async fn an_offset_beyond_the_log_starts_at_the_oldest_record() {
    let harness = Harness::new(1);
    harness.write(0, 0..5).await;
    let (_member, mut partitions) = harness.join(8);
    let mut owned = take(&mut partitions, 1).await.remove(&0).unwrap();
    owned.start(1_000);
    assert_eq!(read(&mut owned, 5).await, [0, 1, 2, 3, 4]);
    owned.release();
    harness.end().await;
}

#[tokio::test]
async fn a_shutdown_revokes_and_waits_for_the_last_commit() {
    let harness = Harness::new(1);
    harness.write(0, 0..5).await;
    let (_member, mut partitions) = harness.join(8);
    let mut owned = take(&mut partitions, 1).await.remove(&0).unwrap();
    owned.start(0);
    assert_eq!(read(&mut owned, 5).await, [0, 1, 2, 3, 4]);
    harness.tasks.shutdown().begin();
    within(owned.revoked()).await;
    assert!(!owned.is_lost(), "the group still waits for it");
    owned.commit(5);
    owned.release();
    assert!(within(partitions.recv()).await.is_none());
    harness.tasks.join(super::harness::PATIENCE).await.unwrap();

    let next = Harness {
        tasks: angarium_runtime::Tasks::new(angarium_runtime::Shutdown::new()),
        ..harness
    };
    let (_member, mut partitions) = next.join(8);
    assert_eq!(take(&mut partitions, 1).await[&0].committed(), Some(5));
    next.end().await;
}
