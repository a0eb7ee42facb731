//! G1 over a real Redis.

#![expect(clippy::unwrap_used, reason = "helpers of a test fail it")]

use angarium_model::{AccountId, EventId, EventName, Timestamp};
use angarium_receiver::{Arrival, Event, InRedis, Key, RedisError, Seen as _};
use angarium_testkit::stack::Backends;
use serde_json::value::RawValue;

fn store() -> InRedis {
    let prefix = format!("receiver-test-{:?}", Arrival::new().unwrap());
    InRedis::open(&Backends::shared().unwrap().redis, &prefix).unwrap()
}

fn keys(ids: &[&str]) -> Vec<Key> {
    let event = |id: &&str| Event {
        account: AccountId::new(1234).unwrap(),
        id: EventId::new(*id).unwrap(),
        name: EventName::new("CI_STATS").unwrap(),
        timestamp: Timestamp::new(1),
        info: String::new(),
        data: RawValue::from_string("{}".to_owned()).unwrap(),
    };
    ids.iter().map(|id| Key::of_event(&event(id))).collect()
}

#[tokio::test]
async fn g1_of_two_processes_one_takes_an_event_and_keeps_it_until_it_gives_it_back() {
    let store = store();
    let [first, second] = [(); 2].map(|()| Arrival::new().unwrap());
    let [ab, bc] = [keys(&["a", "b"]), keys(&["b", "c"])];
    assert_eq!(store.claim(first, &ab).await.unwrap(), [true, true]);
    assert_eq!(store.claim(second, &bc).await.unwrap(), [false, true]);
    assert_eq!(
        store.claim(first, &ab).await.unwrap(),
        [true, true],
        "its answer may have been lost"
    );
    store.release(second, &ab).await.unwrap();
    assert_eq!(
        store.claim(second, &ab).await.unwrap(),
        [false, false],
        "not its to give back"
    );
    store.release(first, &ab).await.unwrap();
    assert_eq!(store.claim(second, &ab).await.unwrap(), [true, true]);
}

#[tokio::test]
async fn g1_many_at_once_get_an_event_once() {
    let store = store();
    let keys = keys(&["a"]);
    let claims = (0..32).map(|_| {
        let (store, keys) = (store.clone(), keys.clone());
        async move { store.claim(Arrival::new().unwrap(), &keys).await.unwrap() }
    });
    let won: usize = futures::future::join_all(claims)
        .await
        .into_iter()
        .filter(|own| own == &[true])
        .count();
    assert_eq!(won, 1);
}

#[tokio::test]
async fn g1_a_redis_that_is_away_is_said_to_be_away_and_a_password_is_told_to_nobody() {
    let [port] = angarium_local::free_ports().unwrap();
    let away = InRedis::open(&format!("redis://:hidden@127.0.0.1:{port}/"), "away").unwrap();
    let error = away
        .claim(Arrival::new().unwrap(), &keys(&["a"]))
        .await
        .unwrap_err();
    assert!(matches!(error, RedisError::Away(_)));
    assert!(!format!("{away:?}").contains("hidden"));
    let error = InRedis::open("rediss//:hidden", "x").unwrap_err();
    assert!(!error.to_string().contains("hidden"), "{error}");
}
