//! Nothing is acknowledged that Kafka does not hold.

use std::path::Path;
use std::time::Duration;

use angarium_local::{Kafka, KafkaConfig, Parts, cache_dir};
use angarium_testkit::receiver::Receiver;
use angarium_testkit::stack::{Backends, Stack};
use angarium_testkit::tracker::Count;
use tokio::time::{Instant, timeout};

use crate::load::{Load, REMEMBERED_EVERY, Victim, start, workers};
use crate::stream::Stream;

const ACCOUNTS: u64 = 8;
const LIMIT: Duration = Duration::from_secs(120);

/// A Kafka that may be stopped, beside the Redis that all tests share.
fn own_kafka(dir: &Path) -> (Kafka, Backends) {
    let parts = Parts::ensure(&cache_dir(), &mut |_line| {}).unwrap();
    let kafka = Kafka::start(&parts, &KafkaConfig::new(dir)).unwrap();
    let mut backends = Backends::shared().unwrap();
    kafka.bootstrap().clone_into(&mut backends.kafka);
    (kafka, backends)
}

#[tokio::test(flavor = "multi_thread")]
async fn kafka_stopped_is_a_503_within_a_bound_and_events_flow_again_once_it_is_back() {
    let dir = tempfile::tempdir().unwrap();
    let (mut kafka, backends) = own_kafka(dir.path());
    let receiver = Receiver::start().await.unwrap();
    let stack = Stack::start_with(&backends, &[("ANGARIUM_INGEST_PRODUCE_TIMEOUT", "2s")])
        .await
        .unwrap();
    let mut stream = Stream::set_up(&stack, &receiver, 1).await;

    let body = stream.batch(1, 50);
    assert_eq!(
        stack
            .publish(1, "application/x-ndjson", body)
            .await
            .unwrap()
            .status,
        202
    );
    kafka.stop().unwrap();
    let body = stream.batch(1, 50);
    let refused = timeout(
        Duration::from_secs(10),
        stack.publish(1, "application/x-ndjson", body.clone()),
    );
    let refused = refused.await.expect("the answer comes within a bound").unwrap();
    assert_eq!(refused.status, 503, "{:?}", refused.json());
    assert!(
        refused.headers.contains_key("retry-after"),
        "{:?}",
        refused.headers
    );
    kafka.restart().unwrap();

    let accepted = async {
        while stack
            .publish(1, "application/x-ndjson", body.clone())
            .await
            .unwrap()
            .status
            != 202
        {}
    };
    timeout(LIMIT, accepted).await.expect("events are accepted again");
    receiver
        .wait_for("every event", LIMIT, |received| stream.look(received))
        .await
        .unwrap_or_else(|error| panic!("{}; {error}\n{}", stream.count(), stack.logs()));
    let count = stream.count();
    assert_eq!(
        Count {
            duplicates: 0,
            ..count
        },
        Count::default()
    );
}

#[tokio::test]
async fn d6_d7_kafka_killed_under_load_while_a_fifth_fails_loses_nothing_that_it_had_acknowledged() {
    let dir = tempfile::tempdir().unwrap();
    let (mut kafka, backends) = own_kafka(dir.path());
    let (receiver, stack) = start(&backends, 2).await;
    let load = Load::set_up(&stack, &receiver, ACCOUNTS).await;
    load.a_fifth_answers(500);
    let scenario = async {
        load.until_shared_out(&stack).await;
        load.until_published(10).await;
        load.bears_refusals();
        let at = Instant::now();
        kafka.kill().unwrap();
        load.until_refused().await;
        kafka.restart().unwrap();
        load.until_published(10).await;
        load.a_fifth_answers(200);
        load.stop();
        at
    };
    let ((), at) = tokio::join!(load.run(), scenario);
    // Whatever the workers had under way: they own nothing any more, and take all over again.
    let victims: Vec<Victim> = workers(&stack)
        .into_iter()
        .map(|worker| Victim { worker, at })
        .collect();
    load.assert_all_arrived(&stack, &victims, REMEMBERED_EVERY).await;
}
