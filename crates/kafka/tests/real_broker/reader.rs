//! Reading back where offsets have gaps or are gone.

use angarium_kafka::{Backward, From, Limit, LogReader, ReadError, Tail, TailEvent};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _};

use super::harness::{Harness, PATIENCE, number, within};

const ALL: Limit = Limit {
    records: 10_000,
    bytes: 10_000_000,
};

/// Writes 0 and 1 in a transaction, which leaves a marker behind them, at 2.
async fn write_in_transaction(harness: &Harness) -> LogReader {
    let producer: BaseProducer = harness
        .client()
        .set("transactional.id", harness.events())
        .create()
        .unwrap();
    producer.init_transactions(PATIENCE).unwrap();
    producer.begin_transaction().unwrap();
    for value in ["0", "1"] {
        let record = BaseRecord::<(), str>::to("").payload(value).partition(0);
        producer.send(record.topic(&harness.events())).unwrap();
    }
    producer.commit_transaction(PATIENCE).unwrap();
    // The marker comes a moment after the commit.
    let reader = LogReader::open(&harness.connection, &harness.events(), "reader", &harness.tasks).unwrap();
    within(async { while reader.read(0, 0, ALL).await.unwrap().end < 3 {} }).await;
    reader
}

#[tokio::test]
async fn the_marker_of_a_transaction_is_passed_at_the_end_and_in_the_middle() {
    let harness = Harness::new("markers");
    harness.apply().await;
    let reader = write_in_transaction(&harness).await;

    let mut chunk = within(reader.read(0, 0, ALL)).await.unwrap();
    let numbers: Vec<_> = chunk.records.iter().map(number).collect();
    assert_eq!(numbers, [0, 1]);
    while chunk.next < chunk.end {
        chunk = within(reader.read(0, chunk.next, ALL)).await.unwrap();
        assert!(chunk.records.is_empty());
    }
    assert_eq!((chunk.next, chunk.end), (3, 3), "the marker is at 2");

    harness.write(0, 3..5).await;
    let chunk = within(reader.read(0, 2, ALL)).await.unwrap();
    assert_eq!((chunk.records[0].offset, number(&chunk.records[0])), (3, 3));
    harness.end().await;
}

#[tokio::test]
async fn a_tail_has_caught_up_although_a_marker_is_last() {
    let harness = Harness::new("tail");
    harness.apply().await;
    write_in_transaction(&harness).await;
    let (_tail, mut events) = Tail::open(
        &harness.connection,
        &harness.events(),
        From::Beginning,
        "tail",
        &harness.tasks,
    )
    .unwrap();
    let mut seen = Vec::new();
    while let TailEvent::Record(record) = within(events.recv()).await.unwrap() {
        seen.push(number(&record));
    }
    assert_eq!(seen, [0, 1]);
    harness.end().await;
}

#[tokio::test]
async fn what_retention_has_removed_is_out_of_range() {
    let harness = Harness::new("expired");
    harness.apply().await;
    harness.write(1, 0..100).await;
    harness.expire(1, 60).await;
    let reader = LogReader::open(&harness.connection, &harness.events(), "reader", &harness.tasks).unwrap();
    let error = within(reader.read(1, 59, ALL)).await.unwrap_err();
    assert!(
        matches!(
            error,
            ReadError::OutOfRange {
                offset: 59,
                low: 60,
                high: 100
            }
        ),
        "{error}"
    );
    let chunk = within(reader.read(1, 60, Limit { records: 1, ..ALL }))
        .await
        .unwrap();
    assert_eq!(number(&chunk.records[0]), 60);
    harness.end().await;
}

/// All that comes backward.
async fn taken_back(log: &mut Backward) -> Vec<u32> {
    let mut numbers = Vec::new();
    while log.rest().is_some() {
        match log.take() {
            Some(record) => numbers.push(number(&record)),
            None => within(log.read_on()).await.unwrap(),
        }
    }
    numbers
}

#[tokio::test]
async fn a_log_comes_back_from_its_end_whole_whatever_retention_takes_meanwhile() {
    let harness = Harness::new("backward");
    harness.apply().await;
    // More than a step.
    harness.write(1, 0..450).await;
    let reader = LogReader::open(&harness.connection, &harness.events(), "reader", &harness.tasks).unwrap();
    let open = async |key: &str, below, from| {
        let of = (1, key.as_bytes().to_vec());
        within(Backward::open(reader.clone(), of, below, from))
            .await
            .unwrap()
    };
    let backward = |range: std::ops::Range<u32>| range.rev().collect::<Vec<_>>();
    assert_eq!(
        taken_back(&mut open("key", None, None).await).await,
        backward(0..450)
    );
    assert_eq!(
        taken_back(&mut open("key", Some(300), Some(50)).await).await,
        backward(50..300)
    );
    assert!(
        taken_back(&mut open("another", None, None).await)
            .await
            .is_empty()
    );
    // In pages: each goes on where the one before has ended.
    let (mut pages, mut below) = (Vec::new(), None);
    loop {
        let mut log = open("key", below, None).await;
        while log.latest().is_none() && log.rest().is_some() {
            within(log.read_on()).await.unwrap();
        }
        pages.extend((0..7).filter_map(|_| log.take()).map(|record| number(&record)));
        below = log.rest();
        if below.is_none() {
            break;
        }
    }
    assert_eq!(pages, backward(0..450));

    let mut log = open("key", None, None).await;
    within(log.read_on()).await.unwrap();
    harness.expire(1, 100).await;
    assert_eq!(taken_back(&mut log).await, backward(100..450));
    harness.end().await;
}
