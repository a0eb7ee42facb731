//! E1–E8, W1, W2: the 27 samples as they are published, over HTTP and over gRPC.

use std::time::Duration;

use angarium_model::samples::{AS_PUBLISHED, INVALID, Sample};
use angarium_model::{Catalogue, Lane};
use angarium_proto::event::v1::publish_stream_response::Outcome;
use angarium_proto::event::v1::publisher_service_client::PublisherServiceClient;
use angarium_proto::event::v1::{Accepted, Event, PublishRequest, PublishStreamRequest};
use angarium_runtime::grpc;
use angarium_testkit::receiver::Receiver;
use angarium_testkit::stack::{Backends, Stack};
use serde_json::Value;
use serde_json::value::RawValue;

use crate::setup::{signed_webhook, unsigned_webhook};

/// The account that all samples carry (E7): it gets them over HTTP.
const HTTP: u64 = 1234;
/// Gets them over gRPC, in one request.
const PUBLISH: u64 = 1010;
/// Gets them over gRPC, on a stream.
const STREAM: u64 = 1011;
/// The hook of a webhook without authentication. It takes the real-time types of the account of HTTP.
const UNSIGNED: &str = "unsigned";
const LIMIT: Duration = Duration::from_secs(60);

/// The events of a body, each payload in its own bytes.
#[derive(serde::Deserialize)]
struct Envelope<'a> {
    #[serde(rename = "accountId")]
    account: u64,
    #[serde(borrow)]
    events: Vec<Published<'a>>,
}

#[derive(serde::Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Published<'a> {
    event_id: &'a str,
    event_name: &'a str,
    timestamp: u64,
    event_info: &'a str,
    #[serde(borrow)]
    data: &'a RawValue,
}

/// An event: what ingest is told and what a receiver is told, field by field.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Told {
    id: String,
    name: String,
    timestamp: u64,
    info: String,
    data: String,
}

impl Told {
    fn all(body: &[u8], account: u64) -> Vec<Self> {
        let envelope: Envelope<'_> = serde_json::from_slice(body).unwrap();
        assert_eq!(envelope.account, account, "E4");
        let told = |event: &Published<'_>| Self {
            id: event.event_id.to_owned(),
            name: event.event_name.to_owned(),
            timestamp: event.timestamp,
            info: event.event_info.to_owned(),
            data: event.data.get().to_owned(),
        };
        envelope.events.iter().map(told).collect()
    }

    fn of(sample: &Sample) -> Self {
        Self::all(sample.text.as_bytes(), HTTP).swap_remove(0)
    }

    /// As an internal service sends it.
    fn message(self) -> Event {
        Event {
            event_id: self.id,
            event_name: self.name,
            timestamp: Some(self.timestamp),
            event_info: self.info,
            data: self.data.into(),
        }
    }
}

/// The 25 samples that are JSON, in their order.
fn valid() -> Vec<Told> {
    let valid = AS_PUBLISHED
        .iter()
        .filter(|sample| !INVALID.contains(&sample.title));
    valid.map(Told::of).collect()
}

fn valid_of(lane: Lane) -> Vec<Told> {
    let mut told = valid();
    told.retain(|event| Catalogue.get(&event.name).unwrap().lane == lane);
    told
}

fn hook(account: u64, lane: Lane) -> String {
    format!("{account}-{lane}")
}

/// Two signed webhooks in each account, one a lane, and an unsigned one in the first.
async fn stack_with_webhooks(receiver: &Receiver, accounts: &[u64]) -> Stack {
    let stack = Stack::start(&Backends::shared().unwrap()).await.unwrap();
    let types = |lane| -> Vec<&str> {
        let of_lane = Catalogue.types().filter(|known| known.lane == lane);
        of_lane.map(|known| known.name).collect()
    };
    for (index, account) in accounts.iter().copied().enumerate() {
        stack.create_account(account).await.unwrap();
        if index == 0 {
            unsigned_webhook(&stack, receiver, account, UNSIGNED, &types(Lane::Realtime))
                .await
                .unwrap();
        }
        for lane in Lane::ALL {
            signed_webhook(&stack, receiver, account, &hook(account, lane), &types(lane))
                .await
                .unwrap();
        }
    }
    let last = *accounts.last().unwrap();
    stack
        .wait_until_matched(receiver, last, "LEARNER_PROGRESS", &hook(last, Lane::Batch))
        .await
        .unwrap();
    stack
}

/// The events that have arrived at a hook, in order. What came is proven to be ours, or bears no proof if the webhook
/// wants none.
fn arrived(receiver: &Receiver, account: u64, hook: &str) -> Vec<Told> {
    let mut events = Vec::new();
    for request in receiver.received_by(hook) {
        assert_eq!(request.content_type, "application/json", "E4");
        assert!(!request.webhook_id.is_empty(), "W2: {hook}");
        let sent: i64 = request.webhook_timestamp.parse().unwrap();
        let age = request.at_ms / 1_000 - sent;
        assert!((-1..60).contains(&age), "W2: {hook} was called {age} s ago");
        if hook == UNSIGNED {
            assert_eq!(request.webhook_signature, "", "W2, none: {hook}");
        } else {
            assert_eq!(request.verified, Some(Ok(())), "W2, signature: {hook}");
        }
        events.extend(Told::all(&request.body, account));
    }
    events
}

async fn wait_for_events(receiver: &Receiver, stack: &Stack, count: usize) {
    let events = |body: &[u8]| {
        let body: Value = serde_json::from_slice(body).unwrap();
        body["events"].as_array().unwrap().len()
    };
    receiver
        .wait_for(&format!("{count} events"), LIMIT, |received| {
            let events = received.iter().map(|request| events(&request.body));
            events.sum::<usize>() >= count
        })
        .await
        .unwrap_or_else(|error| panic!("{error}\n{}", stack.logs()));
}

/// Posts every sample: 25 are accepted, two refused with the place of their mistake.
async fn publish_over_http(stack: &Stack) {
    for sample in AS_PUBLISHED {
        let reply = stack
            .publish(HTTP, "application/json", sample.text)
            .await
            .unwrap();
        let answer = reply.json().unwrap();
        if INVALID.contains(&sample.title) {
            assert_eq!(reply.status, 400, "E7: {}", sample.title);
            let mut lines = sample.text.lines();
            let line = lines.position(|line| line.contains("enrollmentSource")).unwrap();
            let place = answer["errors"][0]["line"].as_u64().unwrap();
            assert!(
                place > u64::try_from(line).unwrap(),
                "E7: the error names a line behind the comma: {answer}"
            );
            assert!(answer["errors"][0]["column"].is_u64(), "E7: {answer}");
        } else {
            assert_eq!(reply.status, 202, "{}: {answer}", sample.title);
            assert_eq!(
                answer["accepted"][0]["duplicate"], false,
                "E7: pairs that share an eventId are two events"
            );
        }
    }
}

/// Each of the valid samples is accepted, as the event that it is, and none as a repeat.
fn assert_accepted(answers: &[Accepted]) {
    let expected: Vec<_> = valid().into_iter().map(|event| (event.id, event.name)).collect();
    let accepted = |answer: &Accepted| (answer.event_id.clone(), answer.event_name.clone());
    assert_eq!(answers.iter().map(accepted).collect::<Vec<_>>(), expected);
    for answer in answers {
        assert!(!answer.duplicate, "E7: accounts do not share ids: {answer:?}");
        assert!(answer.position.is_some(), "{answer:?}");
    }
}

async fn publish_over_grpc(stack: &Stack) {
    let request = PublishRequest {
        account_id: PUBLISH,
        events: valid().into_iter().map(Told::message).collect(),
        ..PublishRequest::default()
    };
    let answer = publisher(stack).publish(request).await.unwrap();
    assert_accepted(&answer.into_inner().accepted);
}

async fn publish_on_a_stream(stack: &Stack) {
    let requests = valid()
        .into_iter()
        .zip(0..)
        .map(|(event, sequence)| PublishStreamRequest {
            sequence,
            account_id: STREAM,
            event: Some(event.message()),
            ..PublishStreamRequest::default()
        });
    let requests = futures::stream::iter(requests.collect::<Vec<_>>());
    let mut stream = publisher(stack)
        .publish_stream(requests)
        .await
        .unwrap()
        .into_inner();
    let mut answers = Vec::new();
    while let Some(answer) = stream.message().await.unwrap() {
        let Some(Outcome::Accepted(accepted)) = answer.outcome else {
            panic!("not accepted: {answer:?}")
        };
        answers.push((answer.sequence, accepted));
    }
    // Answers come in any order.
    answers.sort_by_key(|(sequence, _)| *sequence);
    let answers: Vec<_> = answers.into_iter().map(|(_, accepted)| accepted).collect();
    assert_accepted(&answers);
}

fn publisher(stack: &Stack) -> PublisherServiceClient<grpc::Client> {
    PublisherServiceClient::new(grpc::client(stack.ingest_grpc(), stack.key()).unwrap())
}

#[tokio::test]
async fn e1_to_e8_the_samples_arrive_as_published_or_are_refused_with_their_place() {
    let receiver = Receiver::start().await.unwrap();
    let accounts = [HTTP, PUBLISH, STREAM];
    let stack = stack_with_webhooks(&receiver, &accounts).await;
    publish_over_http(&stack).await;
    publish_over_grpc(&stack).await;
    publish_on_a_stream(&stack).await;

    let (all, realtime) = (valid(), valid_of(Lane::Realtime));
    assert_eq!(all.len(), 25);
    wait_for_events(&receiver, &stack, accounts.len() * all.len() + realtime.len()).await;
    for account in accounts {
        for lane in Lane::ALL {
            let arrived = arrived(&receiver, account, &hook(account, lane));
            assert_eq!(arrived, valid_of(lane), "E1, E4, E5, E7: {account}, {lane}");
        }
    }
    assert_eq!(
        arrived(&receiver, HTTP, UNSIGNED),
        realtime,
        "W2: unsigned and as published"
    );
}

#[tokio::test]
async fn an_event_published_over_grpc_arrives_with_what_it_lacked_filled_in() {
    let receiver = Receiver::start().await.unwrap();
    let stack = stack_with_webhooks(&receiver, &[HTTP]).await;
    let odd = b"{ \"b\": 1.50e2,\t\"a\":0, \"a\":\"\\u00e4\" }";
    let event = Event {
        event_name: "CI_STATS".into(),
        data: odd.to_vec().into(),
        ..Event::default()
    };
    let request = PublishRequest {
        account_id: HTTP,
        events: vec![event],
        ..PublishRequest::default()
    };
    let answer = publisher(&stack).publish(request).await.unwrap().into_inner();
    let accepted = &answer.accepted[0];
    let position = accepted.position.unwrap();
    let hook = hook(HTTP, Lane::Realtime);
    receiver
        .wait_for("the event", LIMIT, |all| all.iter().any(|one| *one.hook == hook))
        .await
        .unwrap();
    let arrived = arrived(&receiver, HTTP, &hook);
    let event = &arrived[0];
    assert_eq!((&event.id, event.name.as_str()), (&accepted.event_id, "CI_STATS"));
    assert_eq!(
        event.data.as_bytes(),
        odd,
        "E4: key order, spelling, duplicate keys and white space"
    );
    assert!(
        event.timestamp > 1_700_000_000_000,
        "E5: receive time in milliseconds"
    );
    let place = format!("-{:06}-{}-0", position.partition, position.offset);
    assert!(event.info.ends_with(&place), "{}", event.info);
}
