//! Reading back by place.

use angarium_kafka::{Chunk, Limit, LogReader, ReadError};

use super::harness::{ALL, Harness, number, within};

fn open(harness: &Harness) -> LogReader {
    LogReader::open(
        &harness.broker.connection(),
        &harness.topic,
        "reader",
        &harness.tasks,
    )
    .unwrap()
}

/// Reads from `offset` to the end in chunks of `limit`.
async fn read_on(
    reader: &LogReader,
    partition: i32,
    mut offset: i64,
    limit: Limit,
) -> (Vec<u32>, Vec<Chunk>) {
    let (mut numbers, mut chunks) = (Vec::new(), Vec::new());
    loop {
        let chunk = within(reader.read(partition, offset, limit)).await.unwrap();
        numbers.extend(chunk.records.iter().map(number));
        offset = chunk.next;
        let at_end = chunk.next == chunk.end;
        chunks.push(chunk);
        if at_end {
            return (numbers, chunks);
        }
    }
}

#[tokio::test]
async fn a_range_comes_back_whole_whatever_the_size_of_the_chunks() {
    let harness = Harness::new(2);
    harness.write(0, 0..500).await;
    harness.write(1, 1_000..1_050).await;
    let reader = open(&harness);
    for limit in [
        ALL,
        Limit { records: 7, ..ALL },
        Limit { bytes: 1_000, ..ALL },
        Limit { records: 0, bytes: 0 },
    ] {
        let (numbers, chunks) = read_on(&reader, 0, 123, limit).await;
        assert_eq!(numbers, (123..500).collect::<Vec<_>>());
        assert!(
            chunks
                .iter()
                .all(|chunk| chunk.records.len() <= limit.records.max(1))
        );
        let size = |chunk: &Chunk| {
            chunk
                .records
                .iter()
                .map(angarium_kafka::Record::size)
                .sum::<usize>()
        };
        assert!(
            chunks
                .iter()
                .all(|chunk| size(chunk) <= limit.bytes || chunk.records.len() == 1)
        );
    }
    // In turns between two partitions, and back to a place before.
    let few = Limit { records: 10, ..ALL };
    for round in 0..5 {
        for (partition, first) in [(0, 0), (1, 1_000)] {
            let chunk = within(reader.read(partition, round * 10, few)).await.unwrap();
            assert_eq!(
                number(&chunk.records[0]),
                first + u32::try_from(round).unwrap() * 10
            );
        }
    }
    assert_eq!(read_on(&reader, 0, 499, ALL).await.0, [499]);
    harness.end().await;
}

#[tokio::test]
async fn what_is_of_no_use_is_passed_over_and_counts_as_seen() {
    let harness = Harness::new(1);
    harness.write(0, 0..100).await;
    let reader = open(&harness);
    let ends_with =
        |digit: u8| move |value: Option<&[u8]>| value.and_then(|value| value.last()) == Some(&digit);
    let few = Limit { records: 25, ..ALL };
    let (mut numbers, mut next) = (Vec::new(), 0);
    while next < 100 {
        let chunk = within(reader.read_those(0, next, few, ends_with(b'7')))
            .await
            .unwrap();
        assert!(chunk.seen <= 25 && chunk.next == next + i64::try_from(chunk.seen).unwrap());
        numbers.extend(chunk.records.iter().map(number));
        next = chunk.next;
    }
    assert_eq!(numbers, (0..10).map(|ten| ten * 10 + 7).collect::<Vec<_>>());
    // What did not fit, and was of use to whoever asked, is none to whoever asks next.
    let one = Limit { bytes: 1, ..ALL };
    let first = within(reader.read_those(0, 0, one, ends_with(b'7')))
        .await
        .unwrap();
    assert_eq!((first.records.len(), first.next), (1, 17));
    let other = within(reader.read_those(0, first.next, ALL, ends_with(b'8')))
        .await
        .unwrap();
    assert_eq!(number(&other.records[0]), 18);
    harness.end().await;
}

#[tokio::test]
async fn at_the_end_nothing_is_left_until_more_is_written() {
    let harness = Harness::new(1);
    let reader = open(&harness);
    let empty = within(reader.read(0, 0, ALL)).await.unwrap();
    assert_eq!((empty.records.len(), empty.next, empty.end), (0, 0, 0));
    for round in 0..20 {
        harness.write(0, round * 3..(round + 1) * 3).await;
        let (numbers, chunks) = read_on(&reader, 0, i64::from(round) * 3, Limit { records: 2, ..ALL }).await;
        assert_eq!(numbers, (round * 3..(round + 1) * 3).collect::<Vec<_>>());
        assert_eq!(chunks.last().unwrap().end, i64::from(round + 1) * 3);
    }
    harness.end().await;
}

#[tokio::test]
async fn a_log_that_grows_while_it_is_read_gives_each_record_once() {
    let harness = Harness::new(1);
    harness.write(0, 0..10).await;
    let reader = open(&harness);
    // Leaves the client in the middle, where it fetches ahead and runs into the end of the moment.
    let chunk = within(reader.read(0, 0, Limit { records: 5, ..ALL }))
        .await
        .unwrap();
    harness.write(0, 10..20).await;
    let (numbers, _) = read_on(&reader, 0, chunk.next, ALL).await;
    assert_eq!(
        numbers,
        (u32::try_from(chunk.next).unwrap()..20).collect::<Vec<_>>()
    );
    harness.end().await;
}

#[tokio::test]
async fn going_on_after_a_read_elsewhere_finds_its_place_again() {
    let harness = Harness::new(2);
    harness.write(0, 0..10).await;
    harness.write(1, 100..105).await;
    let reader = open(&harness);
    let few = Limit { records: 3, ..ALL };
    let left = within(reader.read(0, 0, few)).await.unwrap().next;
    assert_eq!(left, 3);
    assert_eq!(
        read_on(&reader, 1, 0, ALL).await.0,
        [100, 101, 102, 103, 104],
        "to the end"
    );
    assert_eq!(read_on(&reader, 0, left, ALL).await.0, [3, 4, 5, 6, 7, 8, 9]);
    harness.end().await;
}

#[tokio::test]
async fn a_place_outside_the_log_is_an_error_with_its_bounds() {
    let harness = Harness::new(1);
    harness.write(0, 0..5).await;
    let reader = open(&harness);
    for outside in [-1, 6, 1_000] {
        let error = within(reader.read(0, outside, ALL)).await.unwrap_err();
        let ReadError::OutOfRange { offset, low, high } = error else {
            panic!("{error}")
        };
        assert_eq!((offset, low, high), (outside, 0, 5));
    }
    assert_eq!(read_on(&reader, 0, 0, ALL).await.0, [0, 1, 2, 3, 4]);
    harness.end().await;
}

#[tokio::test]
async fn the_ends_of_a_log_are_those_of_now() {
    let harness = Harness::new(1);
    let reader = open(&harness);
    for high in [0, 10, 20] {
        let ends = within(reader.ends(0)).await.unwrap();
        assert_eq!((ends.low, ends.high), (0, high));
        harness.write(0, 0..10).await;
    }
    harness.end().await;
}

#[tokio::test]
async fn it_ends_with_the_process() {
    let harness = Harness::new(1);
    let reader = open(&harness);
    harness.end().await;
    assert!(matches!(reader.read(0, 0, ALL).await, Err(ReadError::Closed)));
}
