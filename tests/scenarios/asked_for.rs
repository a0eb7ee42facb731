//! What a webhook asks for is what its receiver gets: CloudEvents as their public SDK reads them, one event a POST, groups no
//! larger and calls no more often than it says, several at once if it may.

use std::time::Duration;

use angarium_proto::registry::v1::{Limits, Ordering, PayloadFormat, Webhook};
use angarium_testkit::public_libraries::{self, Language};
use angarium_testkit::receiver::{Answer, Gate, Received, Receiver};
use angarium_testkit::stack::{Backends, Stack};
use serde_json::{Value, json};

use crate::setup::{numbered, unsigned_webhook, unsigned_webhook_with};
use crate::stream::group;

const ACCOUNT: u64 = 65;
/// A type of the real-time class.
const EVENT: &str = "CI_STATS";
const LIMIT: Duration = Duration::from_secs(60);

const HOOK: &str = "asks";
/// Another one, for a type of its own.
const WITNESS: &str = "witness";
const WITNESSED: &str = "COURSE_ENROLLMENT";

fn calls(received: &[Received], hook: &str) -> usize {
    received.iter().filter(|request| &*request.hook == hook).count()
}

/// A receiver, and a stack with one webhook whose hook is `HOOK`.
async fn start(asked: Webhook) -> (Receiver, Stack) {
    let receiver = Receiver::start().await.unwrap();
    let stack = Stack::start(&Backends::shared().unwrap()).await.unwrap();
    stack.create_account(ACCOUNT).await.unwrap();
    unsigned_webhook_with(&stack, &receiver, ACCOUNT, HOOK, &[EVENT], asked)
        .await
        .unwrap();
    (receiver, stack)
}

async fn publish(stack: &Stack, numbers: std::ops::Range<u64>) {
    let lines: Vec<String> = numbers.map(|number| numbered(EVENT, number)).collect();
    let reply = stack
        .publish(ACCOUNT, "application/x-ndjson", lines.join("\n"))
        .await
        .unwrap();
    assert_eq!(reply.status, 202, "{:?}", reply.json());
}

/// Waits until the condition holds for what the hook got.
async fn until(stack: &Stack, receiver: &Receiver, what: &str, condition: impl Fn(&[Received]) -> bool) {
    let waited = receiver.wait_for(what, LIMIT, condition).await;
    waited.unwrap_or_else(|error| panic!("{error}\n{}", stack.logs()));
}

/// The events of each request, as the public SDK reads them.
fn read_by_sdk(requests: &[Received]) -> Vec<Vec<Value>> {
    let request = |received: &Received| {
        let headers = received.headers.iter();
        let headers = headers.map(|(name, value)| (name.to_string(), json!(value.to_str().unwrap())));
        json!({
            "headers": Value::Object(headers.collect()),
            "body": std::str::from_utf8(&received.body).unwrap(),
        })
    };
    let requests: Vec<Value> = requests.iter().map(request).collect();
    public_libraries::ask(
        Language::JavaScript,
        include_str!("asked_for/read.cjs"),
        &requests,
    )
    .unwrap()
}

#[tokio::test]
async fn e4_e5_cloud_events_are_what_their_public_sdk_reads_one_by_one_and_in_a_batch() {
    const AT_ONCE: u64 = 10;
    let (receiver, stack) = start(Webhook {
        payload_format: PayloadFormat::Cloudevents.into(),
        ..Webhook::default()
    })
    .await;
    publish(&stack, 0..1).await;
    until(&stack, &receiver, "the first event", |received| {
        received.len() == 1
    })
    .await;
    let mut published = 1;
    // Behind a call that is held back a group forms.
    let requests = loop {
        let gate = Gate::closed();
        let before = receiver.received_by(HOOK).len();
        receiver.next(HOOK, 1, &Answer::Gated(gate.clone(), 200));
        publish(&stack, published..published + AT_ONCE).await;
        published += AT_ONCE;
        until(&stack, &receiver, "a call that is held back", |received| {
            calls(received, HOOK) > before
        })
        .await;
        gate.open();
        let last = format!("\"id\":\"event-{}\"", published - 1);
        until(&stack, &receiver, "the last event", |received| {
            let of_last = received
                .last()
                .map(|request| String::from_utf8_lossy(&request.body));
            of_last.is_some_and(|body| body.contains(&last))
        })
        .await;
        let requests = receiver.received_by(HOOK);
        if requests.iter().any(|request| {
            request
                .content_type
                .starts_with("application/cloudevents-batch+json")
        }) {
            break requests;
        }
    };
    assert!(
        requests[0]
            .content_type
            .starts_with("application/cloudevents+json")
    );
    let events = read_by_sdk(&requests);
    let batches = requests.iter().zip(&events);
    for (request, events) in batches {
        let is_batch = request.content_type.contains("batch");
        assert_eq!(is_batch, events.len() > 1, "{}", request.content_type);
    }
    let all: Vec<&Value> = events.iter().flatten().collect();
    assert_eq!(all.len(), usize::try_from(published).unwrap());
    for (number, event) in all.into_iter().enumerate() {
        assert_eq!(event["specversion"], "1.0");
        assert_eq!(event["id"], format!("event-{number}"));
        assert_eq!(event["type"], EVENT);
        assert_eq!(event["source"], format!("/accounts/{ACCOUNT}/events/{EVENT}"));
        assert_eq!(event["data"], json!({ "n": number }));
    }
}

#[tokio::test]
async fn one_event_a_post_is_the_envelopes_event_with_its_account() {
    const EVENTS: u64 = 12;
    let (receiver, stack) = start(Webhook {
        payload_format: PayloadFormat::Single.into(),
        ..Webhook::default()
    })
    .await;
    publish(&stack, 0..EVENTS).await;
    let all = usize::try_from(EVENTS).unwrap();
    until(&stack, &receiver, "every event", |received| received.len() == all).await;
    for (number, request) in receiver.received_by(HOOK).iter().enumerate() {
        let event: Value = serde_json::from_slice(&request.body).unwrap();
        assert_eq!(event["accountId"], ACCOUNT);
        assert_eq!(event["eventName"], EVENT);
        assert_eq!(event["data"], json!({ "n": number }), "D7: in order");
        assert_eq!(event["events"], Value::Null);
    }
}

#[tokio::test]
async fn groups_are_no_larger_and_calls_no_more_often_than_a_webhook_says() {
    const EVENTS: u64 = 30;
    const MOST: usize = 3;
    const A_SECOND: u32 = 5;
    let (receiver, stack) = start(Webhook {
        limits: Some(Limits {
            max_group_events: Some(u32::try_from(MOST).unwrap()),
            max_requests_per_second: Some(A_SECOND),
            ..Limits::default()
        }),
        ..Webhook::default()
    })
    .await;
    publish(&stack, 0..EVENTS).await;
    let numbers = |received: &[Received]| -> Vec<u64> {
        received
            .iter()
            .flat_map(|request| group(&request.body).numbers)
            .collect()
    };
    until(&stack, &receiver, "every event", |received| {
        numbers(received).len() == usize::try_from(EVENTS).unwrap()
    })
    .await;
    let received = receiver.received_by(HOOK);
    assert!(numbers(&received).into_iter().eq(0..EVENTS), "D7: in order");
    assert!(
        received
            .iter()
            .all(|request| group(&request.body).numbers.len() <= MOST)
    );
    // From one call's beginning to the next; the first may have been seen late by less than one such time.
    let between = u32::try_from(received.len()).unwrap() - 2;
    let took = received[received.len() - 1].at.duration_since(received[0].at);
    assert!(took >= Duration::from_secs(1) * between / A_SECOND, "{took:?}");
}

#[tokio::test]
async fn an_unordered_webhook_has_as_many_calls_at_once_as_it_says_and_one_that_hangs_holds_up_no_other() {
    const AT_ONCE: usize = 4;
    const EVENTS: u64 = 40;
    let (receiver, stack) = start(Webhook {
        ordering: Ordering::Unordered.into(),
        limits: Some(Limits {
            max_group_events: Some(1),
            max_in_flight: Some(u32::try_from(AT_ONCE).unwrap()),
            ..Limits::default()
        }),
        ..Webhook::default()
    })
    .await;
    unsigned_webhook(&stack, &receiver, ACCOUNT, WITNESS, &[WITNESSED])
        .await
        .unwrap();
    let (first, others) = (Gate::closed(), Gate::closed());
    receiver.next(HOOK, 1, &Answer::Gated(first.clone(), 200));
    receiver.next(HOOK, AT_ONCE - 1, &Answer::Gated(others.clone(), 200));
    publish(&stack, 0..EVENTS).await;
    until(&stack, &receiver, "as many calls as may be", |received| {
        received.len() == AT_ONCE
    })
    .await;
    // Another call of the webhook would have been made by the time that this has come.
    let reply = stack
        .publish(ACCOUNT, "application/json", numbered(WITNESSED, EVENTS))
        .await
        .unwrap();
    assert_eq!(reply.status, 202);
    until(&stack, &receiver, "what comes behind", |received| {
        calls(received, WITNESS) == 1
    })
    .await;
    assert_eq!(receiver.received_by(HOOK).len(), AT_ONCE);
    // One hangs, the others go on until nothing else is left.
    others.open();
    let all = usize::try_from(EVENTS).unwrap();
    until(
        &stack,
        &receiver,
        "every event while one call hangs",
        |received| calls(received, HOOK) == all,
    )
    .await;
    first.open();
    let mut numbers: Vec<u64> = receiver
        .received_by(HOOK)
        .iter()
        .flat_map(|request| group(&request.body).numbers)
        .collect();
    numbers.sort_unstable();
    assert!(numbers.into_iter().eq(0..EVENTS), "each once");
}
