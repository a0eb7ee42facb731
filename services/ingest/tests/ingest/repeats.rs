//! The same event again, over HTTP (E7).

use angarium_ingest::StoreConfig;
use http::StatusCode;

use super::harness::{ACCOUNT, Ingest, event};

#[tokio::test]
async fn e7_the_same_event_again_is_a_duplicate_and_another_with_its_id_a_conflict() {
    let ingest = Ingest::start().await;
    let first = ingest.post(event("a")).await.accepted();
    let again = ingest.post(format!("[{}]", event("a"))).await.accepted();
    assert_eq!(again, [(first[0].0.clone(), true)]);
    let other = event("a").replace("30", "31");
    let answer = ingest.post(format!("[{},{other}]", event("b"))).await;
    assert_eq!(
        (answer.status, answer.pointers()),
        (StatusCode::CONFLICT, vec!["/1/eventId"])
    );
    // Nothing of a refused request counts: b may still become another event.
    let changed = event("b").replace("30", "32");
    assert!(!ingest.post(changed).await.accepted()[0].1);
    // The same id under another name is another identity.
    assert!(
        !ingest
            .post(event("a").replace("CI_STATS", "LEARNER_PROGRESS"))
            .await
            .accepted()[0]
            .1
    );
    assert_eq!(ingest.events(ACCOUNT).await.len(), 3);
}

#[tokio::test]
async fn the_same_id_twice_in_one_request_is_a_duplicate_or_a_conflict() {
    let ingest = Ingest::start().await;
    let accepted = ingest
        .post(format!("[{},{},{}]", event("a"), event("b"), event("a")))
        .await
        .accepted();
    assert_eq!(accepted[2], (accepted[0].0.clone(), true));
    assert_eq!(ingest.events(ACCOUNT).await.len(), 2);
    let other = event("c").replace("30", "31");
    let envelope = format!(r#"{{"accountId":1234,"events":[{},{other}]}}"#, event("c"));
    let answer = ingest.post(envelope).await;
    assert_eq!(
        (answer.status, answer.pointers()),
        (StatusCode::CONFLICT, vec!["/events/1/eventId"])
    );
    assert!(
        answer.body["errors"][0]["detail"]
            .as_str()
            .unwrap()
            .contains("/events/0")
    );
    assert_eq!(ingest.events(ACCOUNT).await.len(), 2);
}

#[tokio::test]
async fn with_redis_away_events_are_accepted_and_repeats_are_not_recognised() {
    let ingest = Ingest::with(|config| {
        config.idempotency.store = StoreConfig::Redis {
            url: "redis://127.0.0.1:1".to_owned(),
            prefix: "test".to_owned(),
        };
    })
    .await;
    for _ in 0..2 {
        assert!(!ingest.post(event("a")).await.accepted()[0].1);
    }
    assert_eq!(ingest.events(ACCOUNT).await.len(), 2);
}
