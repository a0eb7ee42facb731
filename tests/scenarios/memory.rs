//! DESIGN §1: a failing webhook is one cursor. What Redis holds of it does not grow with what it waits for.

use std::collections::BTreeSet;
use std::ops::Range;
use std::time::Duration;

use angarium_kafka::partition_of;
use angarium_local::{Group, Parts, Redis, cache_dir};
use angarium_model::WebhookId;
use angarium_proto::registry::v1::DeleteWebhookRequest;
use angarium_testkit::poll::poll;
use angarium_testkit::receiver::{Answer, Received, Receiver};
use angarium_testkit::stack::{Backends, PARTITIONS, Stack};
use tokio::time::Instant;

use crate::load::LIMIT;
use crate::retry_state::{Lag, RetryState};
use crate::setup::unsigned_webhook;
use crate::stream::group;

const ACCOUNT: u64 = 1;
const FAILING: u64 = 100;
/// A type of the real-time class.
const EVENT: &str = "CI_STATS";
/// Another one, which comes behind all others of a request's account.
const LAST: &str = "COURSE_ENROLLMENT";
/// Issue 4.
const MAX_BYTES: u64 = 512;
/// Events of one request.
const BATCH: usize = 500;

/// A healthy webhook in each partition, for the last event: when it has got that, all of its partition have passed what came
/// before.
async fn healthy_webhooks(stack: &Stack, receiver: &Receiver) -> Vec<String> {
    let (mut hooks, mut partitions) = (Vec::new(), BTreeSet::new());
    for number in 0.. {
        let hook = format!("healthy-{number}");
        let webhook = unsigned_webhook(stack, receiver, ACCOUNT, &hook, &[LAST])
            .await
            .unwrap();
        let id: WebhookId = webhook.id.parse().unwrap();
        if partitions.insert(partition_of(id.as_bytes(), PARTITIONS)) {
            hooks.push(hook);
        } else {
            let delete = DeleteWebhookRequest {
                account_id: ACCOUNT,
                id: webhook.id,
                ..DeleteWebhookRequest::default()
            };
            let mut registry = stack.registry_client().unwrap();
            registry.delete_webhook(delete).await.unwrap();
        }
        if partitions.len() == usize::try_from(PARTITIONS.get()).unwrap() {
            break;
        }
    }
    hooks
}

/// Waits until Redis knows every failing webhook and no other.
async fn lag(state: &mut RetryState) -> Lag {
    let found = poll(LIMIT, async || {
        let lag = state.lag().await;
        Ok((lag.fields == FAILING).then_some(lag))
    });
    found.await.unwrap().expect("each failing webhook is in Redis")
}

/// Publishes events with these numbers, and waits until they have passed all partitions.
async fn publish(stack: &Stack, receiver: &Receiver, healthy: &[String], numbers: Range<u64>) {
    let Some(last) = numbers.clone().next_back() else {
        return;
    };
    let line = |name, number| format!("{{\"eventName\":\"{name}\",\"data\":{{\"n\":{number}}}}}\n");
    let lines: Vec<String> = numbers
        .map(|number| line(EVENT, number))
        .chain([line(LAST, last)])
        .collect();
    for batch in lines.chunks(BATCH) {
        let lines = batch.concat();
        let reply = stack
            .publish(ACCOUNT, "application/x-ndjson", lines)
            .await
            .unwrap();
        assert_eq!(reply.status, 202, "{:?}", reply.json());
    }
    let mut seen = 0;
    let mut waiting: BTreeSet<&str> = healthy.iter().map(String::as_str).collect();
    let passed = |received: &[Received]| {
        let new = received[seen..].iter().filter(|request| request.is_delivered());
        for request in new {
            if group(&request.body).newest() == Some(last) {
                waiting.remove(&*request.hook);
            }
        }
        seen = received.len();
        waiting.is_empty()
    };
    receiver
        .wait_for("the last event at each healthy webhook", LIMIT, passed)
        .await
        .unwrap();
    receiver.forget();
}

/// Measures what Redis holds of each failing webhook once so many events wait for it.
async fn measure(backlogs: &[u64]) {
    let dir = tempfile::tempdir().unwrap();
    let parts = Parts::ensure(&cache_dir(), &mut |_line| {}).unwrap();
    let redis = Redis::start(&parts, dir.path(), Group::Shared).unwrap();
    let mut state = RetryState::at(&redis.url()).await.unwrap();
    state.pack_nothing().await;
    let mut backends = Backends::shared().unwrap();
    backends.redis = redis.url();
    let receiver = Receiver::start().await.unwrap();
    let stack = Stack::start(&backends).await.unwrap();
    stack.create_account(ACCOUNT).await.unwrap();
    let healthy = healthy_webhooks(&stack, &receiver).await;
    for number in 0..FAILING {
        let hook = format!("failing-{number}");
        unsigned_webhook(&stack, &receiver, ACCOUNT, &hook, &[EVENT])
            .await
            .unwrap();
        receiver.always(&hook, Answer::Status(500));
    }
    let last = format!("failing-{}", FAILING - 1);
    // The probe is the group that fails.
    stack
        .wait_until_matched(&receiver, ACCOUNT, EVENT, &last)
        .await
        .unwrap();
    let mut published = 0;
    for backlog in backlogs {
        publish(&stack, &receiver, &healthy, published..*backlog).await;
        published = *backlog;
        let Lag { fields, bytes } = lag(&mut state).await;
        let each = bytes / fields;
        println!("Redis: {each} bytes for each of {fields} failing webhooks with {backlog} pending events");
        assert!(each <= MAX_BYTES, "{each} bytes at {backlog} pending events");
    }
}

/// What the commands of delivery go by: checkpoints of a partition in a lane, by script and for its place.
const CHECKPOINT: Duration = Duration::from_millis(200);
const COMMANDS: u64 = 2;
const LANES: u64 = 2;

#[tokio::test(flavor = "multi_thread")]
async fn redis_is_asked_for_each_checkpoint_and_not_for_each_event() {
    const EVENTS: u64 = 5_000;
    let dir = tempfile::tempdir().unwrap();
    let parts = Parts::ensure(&cache_dir(), &mut |_line| {}).unwrap();
    let redis = Redis::start(&parts, dir.path(), Group::Shared).unwrap();
    let mut backends = Backends::shared().unwrap();
    backends.redis = redis.url();
    let receiver = Receiver::start().await.unwrap();
    let stack = Stack::start(&backends).await.unwrap();
    stack.create_account(ACCOUNT).await.unwrap();
    unsigned_webhook(&stack, &receiver, ACCOUNT, "hook", &[EVENT])
        .await
        .unwrap();
    let healthy = healthy_webhooks(&stack, &receiver).await;
    publish(&stack, &receiver, &healthy, 0..1).await;
    let mut state = RetryState::at(&redis.url()).await.unwrap();
    let (before, began) = (state.commands().await, Instant::now());
    publish(&stack, &receiver, &healthy, 1..EVENTS).await;
    let commands = state.commands().await - before;
    let checkpoints = u64::try_from(began.elapsed().as_millis() / CHECKPOINT.as_millis()).unwrap() + 1;
    let most = checkpoints * COMMANDS * LANES * u64::from(PARTITIONS.get());
    println!(
        "Redis: {commands} commands for {EVENTS} events in {:?}",
        began.elapsed()
    );
    assert!(
        commands <= most,
        "{commands} commands in {checkpoints} checkpoints"
    );
    assert!(most < EVENTS, "it took too long to tell: {:?}", began.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failing_webhook_takes_at_most_512_bytes_of_redis_whatever_its_backlog() {
    measure(&[0, 10_000]).await;
}

/// `cargo xtask test --filter with_a_million_events -- --ignored --nocapture`
#[tokio::test(flavor = "multi_thread")]
#[ignore = "publishing a million events takes minutes"]
async fn a_failing_webhook_takes_at_most_512_bytes_of_redis_with_a_million_events_pending() {
    measure(&[0, 10_000, 1_000_000]).await;
}
