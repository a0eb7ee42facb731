//! Following a topic.

use std::collections::BTreeMap;

use angarium_kafka::{From, Tail, TailEvent};
use tokio::sync::mpsc;

use super::harness::{Harness, number, within};

fn open(harness: &Harness, from: From) -> mpsc::Receiver<TailEvent> {
    // The tail goes on without its handle.
    let (_tail, events) = Tail::open(
        &harness.broker.connection(),
        &harness.topic,
        from,
        "tail",
        &harness.tasks,
    )
    .unwrap();
    events
}

/// The numbers by partition that come before the tail has caught up.
async fn until_caught_up(events: &mut mpsc::Receiver<TailEvent>) -> BTreeMap<i32, Vec<u32>> {
    let mut numbers: BTreeMap<i32, Vec<u32>> = BTreeMap::new();
    while let TailEvent::Record(record) = within(events.recv()).await.unwrap() {
        numbers.entry(record.partition).or_default().push(number(&record));
    }
    numbers
}

async fn next(events: &mut mpsc::Receiver<TailEvent>) -> u32 {
    let TailEvent::Record(record) = within(events.recv()).await.unwrap() else {
        panic!("caught up twice")
    };
    number(&record)
}

#[tokio::test]
async fn from_the_beginning_it_catches_up_and_then_follows() {
    let harness = Harness::new(3);
    // More than the channel holds: the thread has to wait for room. Partition 2 stays empty.
    harness.write(0, 0..3_000).await;
    harness.write(1, 0..10).await;
    let mut events = open(&harness, From::Beginning);
    let expected = BTreeMap::from([(0, (0..3_000).collect()), (1, (0..10).collect())]);
    assert_eq!(until_caught_up(&mut events).await, expected);
    harness.write(2, 77..78).await;
    assert_eq!(next(&mut events).await, 77);
    harness.end().await;
}

#[tokio::test]
async fn from_the_end_it_tells_what_is_written_afterwards() {
    let harness = Harness::new(2);
    harness.write(0, 0..10).await;
    let mut events = open(&harness, From::End);
    assert_eq!(until_caught_up(&mut events).await, BTreeMap::new());
    harness.write(0, 10..11).await;
    assert_eq!(next(&mut events).await, 10);
    harness.end().await;
}

#[tokio::test]
async fn it_begins_when_the_broker_comes_and_survives_its_absence() {
    let harness = Harness::new(1);
    harness.write(0, 0..3).await;
    harness.broker.go_away().unwrap();
    let mut events = open(&harness, From::Beginning);
    harness.broker.come_back().unwrap();
    assert_eq!(
        until_caught_up(&mut events).await,
        BTreeMap::from([(0, vec![0, 1, 2])])
    );
    harness.broker.go_away().unwrap();
    harness.broker.come_back().unwrap();
    harness.write(0, 3..4).await;
    assert_eq!(next(&mut events).await, 3);
    harness.end().await;
}

#[tokio::test]
async fn it_ends_with_its_receiver() {
    let harness = Harness::new(1);
    drop(open(&harness, From::Beginning));
    // Without a shutdown.
    harness.tasks.join(super::harness::PATIENCE).await.unwrap();
}
