//! Creating and checking topics.

use std::num::NonZeroU32;
use std::time::Duration;

use angarium_kafka::Error;
use angarium_kafka::topics::{Change, Conflict, Layout, apply, partitions};
use angarium_model::Lane;

use super::harness::Harness;

const WAIT: Duration = Duration::from_secs(20);

#[tokio::test]
async fn what_is_missing_is_created_and_a_second_time_changes_nothing() {
    let harness = Harness::new("created");
    assert_eq!(harness.apply().await, vec![Change::Created; 9]);
    assert_eq!(harness.apply().await, vec![Change::Unchanged; 9]);

    let names = harness.layout.names();
    assert_eq!(
        harness.setting(names.registry(), "cleanup.policy").await,
        "compact"
    );
    assert_eq!(
        harness.setting(names.cursors(), "cleanup.policy").await,
        "compact"
    );
    for topic in [names.events(), names.audit()] {
        let times = harness.setting(topic, "message.timestamp.type").await;
        assert_eq!(times, "LogAppendTime", "{topic}");
    }
    let deliveries = names.deliveries(Lane::Batch);
    assert_eq!(harness.setting(deliveries, "segment.ms").await, "3600000");
    let largest: u32 = harness
        .setting(deliveries, "max.message.bytes")
        .await
        .parse()
        .unwrap();
    assert!(largest >= 4 * 256 * 1024, "an event of 256 KiB fits comfortably");

    let count = partitions(&harness.connection, names.events(), WAIT)
        .await
        .unwrap();
    assert_eq!(count, harness.layout.events);
    let missing = partitions(&harness.connection, "test-not-there", WAIT).await;
    assert!(matches!(missing, Err(Error::NoTopic { topic, .. }) if topic == "test-not-there"));
}

#[tokio::test]
async fn another_number_of_partitions_is_refused() {
    let harness = Harness::new("partitions");
    harness.apply().await;
    let more = Layout {
        registry: NonZeroU32::new(3).unwrap(),
        ..harness.layout.clone()
    };
    let error = apply(&harness.connection, &more).await.unwrap_err();
    let Error::Conflict {
        topic,
        what: Conflict::Partitions,
        has,
        wanted,
    } = &error
    else {
        panic!("{error}")
    };
    assert_eq!(
        (topic.as_str(), has.as_str(), wanted.as_str()),
        (more.names().registry(), "1", "3")
    );
    let told = error.to_string();
    assert!(
        told.contains("its number of partitions is 1, wanted 3; keys would move"),
        "{told}"
    );
}

#[tokio::test]
async fn retention_is_raised_but_never_shrunk_and_other_settings_stay() {
    let harness = Harness::new("retention");
    harness.apply().await;
    harness
        .alter_events(&[("retention.ms", "86400000"), ("max.message.bytes", "2000000")])
        .await;
    let changes = harness.apply().await;
    let expected = vec!["retention.ms", "message.timestamp.type"];
    assert!(
        changes
            .iter()
            .any(|change| matches!(change, Change::Altered(names) if names.starts_with(&expected)))
    );
    let events = harness.events();
    assert_eq!(harness.setting(&events, "retention.ms").await, "604800000");
    assert_eq!(harness.setting(&events, "max.message.bytes").await, "2000000");

    harness.alter_events(&[("retention.ms", "-1")]).await;
    let error = apply(&harness.connection, &harness.layout).await.unwrap_err();
    let Error::Conflict {
        topic,
        what: Conflict::Retention,
        has,
        wanted,
    } = error
    else {
        panic!("{error}")
    };
    assert_eq!(
        (topic, has.as_str(), wanted.as_str()),
        (harness.events(), "-1", "604800000")
    );
    assert_eq!(harness.setting(&events, "retention.ms").await, "-1");
}

#[tokio::test]
async fn another_cleanup_policy_is_refused() {
    let harness = Harness::new("policy");
    harness.apply().await;
    harness.alter_events(&[("cleanup.policy", "compact")]).await;
    let error = apply(&harness.connection, &harness.layout).await.unwrap_err();
    assert!(
        matches!(
            error,
            Error::Conflict {
                what: Conflict::CleanupPolicy,
                ..
            }
        ),
        "{error}"
    );
}
