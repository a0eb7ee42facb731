//! What only a real broker says of a record that it has written.

use angarium_kafka::{Outgoing, Producer, ProducerConfig};
use angarium_runtime::Clock;

use super::harness::{Harness, within};

#[tokio::test]
async fn d5_a_topic_with_append_time_tells_when_it_took_a_record_by_the_brokers_clock() {
    let harness = Harness::new("appendtime");
    harness.apply().await;
    let config = ProducerConfig {
        client_id: "appendtime".to_owned(),
        max_queued: 10,
        max_queued_kib: 1_024,
        delivery_timeout: None,
        gapless: false,
        linger: std::time::Duration::ZERO,
    };
    let producer = Producer::open(&harness.connection, &config).unwrap();
    let clock = Clock::system();
    let topic = harness.events();
    let record = Outgoing {
        topic: &topic,
        partition: 0,
        key: b"key",
        value: Some(b"value"),
        headers: &[],
    };
    let before = clock.now_ms();
    let acked = within(producer.send(record).unwrap()).await.unwrap();
    let at_ms = acked.appended_at_ms.expect("the broker tells");
    assert!(
        (before..=clock.now_ms()).contains(&at_ms),
        "{at_ms} is not behind {before}"
    );
    harness.end().await;
}
