//! Producers.

use std::time::Duration;

use angarium_kafka::{Outgoing, ProduceError, Producer, ProducerConfig, SendError};

use super::harness::{Harness, producer_config, within};

/// librdkafka counts a record out a moment after it has told of its end.
const COUNTED_OUT: Duration = Duration::from_secs(10);

fn outgoing<'a>(harness: &'a Harness, value: &'a [u8]) -> Outgoing<'a> {
    Outgoing {
        topic: &harness.topic,
        partition: 0,
        key: b"key",
        value: Some(value),
        headers: &[],
    }
}

#[tokio::test]
async fn records_wait_for_a_broker_that_is_away_and_keep_their_order() {
    let harness = Harness::new(1);
    harness.write(0, 0..1).await;
    harness.broker.go_away().unwrap();
    let acks: Vec<_> = (0..10)
        .map(|_| harness.producer.send(outgoing(&harness, b"x")).unwrap())
        .collect();
    assert!(harness.producer.flush(Duration::from_millis(200)).await.is_err());
    harness.broker.come_back().unwrap();
    for (ack, offset) in acks.into_iter().zip(1..) {
        let acked = within(ack).await.unwrap();
        assert_eq!((acked.partition, acked.offset), (0, offset));
    }
    harness.producer.flush(COUNTED_OUT).await.unwrap();
    assert!(!harness.producer.is_fatal());
}

#[tokio::test]
async fn a_full_queue_and_a_large_record_are_refused_at_once() {
    let harness = Harness::new(1);
    let config = ProducerConfig {
        max_queued: 3,
        ..producer_config()
    };
    let producer = Producer::open(&harness.broker.connection(), &config).unwrap();
    harness.broker.go_away().unwrap();
    let large = vec![0; 2_000_000];
    assert!(matches!(
        producer.send(outgoing(&harness, &large)),
        Err(SendError::TooLarge)
    ));
    let acks: Vec<_> = (0..3)
        .map(|_| producer.send(outgoing(&harness, b"x")).unwrap())
        .collect();
    let refused = producer.send(outgoing(&harness, b"x")).unwrap_err();
    assert!(matches!(refused, SendError::QueueFull) && refused.is_retryable());
    producer.purge();
    for ack in acks {
        assert!(matches!(within(ack).await, Err(ProduceError::Abandoned)));
    }
    producer.flush(COUNTED_OUT).await.unwrap();
}

#[tokio::test]
async fn a_record_that_is_not_acknowledged_in_time_is_told() {
    let harness = Harness::new(1);
    let timeout = Some(Duration::from_millis(300));
    let config = ProducerConfig {
        delivery_timeout: timeout,
        gapless: false,
        ..producer_config()
    };
    let producer = Producer::open(&harness.broker.connection(), &config).unwrap();
    harness.broker.go_away().unwrap();
    let error = within(producer.send(outgoing(&harness, b"x")).unwrap())
        .await
        .unwrap_err();
    assert!(
        matches!(error, ProduceError::TimedOut(_)) && error.is_retryable(),
        "{error:?}"
    );
}
