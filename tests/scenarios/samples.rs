//! E1–E8, W1, W2: the 27 samples as they are published.

use std::collections::HashMap;
use std::time::Duration;

use angarium_model::samples::{AS_PUBLISHED, INVALID, Sample};
use angarium_model::{Catalogue, Lane};
use angarium_proto::event::v1::publisher_service_client::PublisherServiceClient;
use angarium_proto::event::v1::{Event, PublishRequest};
use angarium_runtime::grpc;
use angarium_testkit::receiver::Receiver;
use angarium_testkit::stack::{Backends, Stack};
use serde_json::Value;
use serde_json::value::RawValue;

use crate::setup::{assert_all_verified, signed_webhook};

const ACCOUNT: u64 = 1234;
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

async fn stack_with_two_webhooks(receiver: &Receiver) -> Stack {
    let stack = Stack::start(&Backends::shared().unwrap()).await.unwrap();
    stack.create_account(ACCOUNT).await.unwrap();
    for lane in Lane::ALL {
        let types: Vec<&str> = Catalogue
            .types()
            .filter(|t| t.lane == lane)
            .map(|t| t.name)
            .collect();
        signed_webhook(&stack, receiver, ACCOUNT, lane.as_str(), &types)
            .await
            .unwrap();
    }
    stack
        .wait_until_matched(receiver, ACCOUNT, "LEARNER_PROGRESS", Lane::Batch.as_str())
        .await
        .unwrap();
    stack
}

/// The events that have arrived at a hook, in order.
fn arrived(receiver: &Receiver, hook: &str) -> Vec<(String, String, u64, String, String)> {
    let mut events = Vec::new();
    for request in receiver.received_by(hook) {
        assert_eq!(request.content_type, "application/json", "E4");
        let envelope: Envelope<'_> = serde_json::from_slice(&request.body).unwrap();
        assert_eq!(envelope.account, ACCOUNT, "E4");
        events.extend(envelope.events.iter().map(|e| {
            let texts = [e.event_id, e.event_name, e.event_info, e.data.get()].map(ToOwned::to_owned);
            let [id, name, info, data] = texts;
            (id, name, e.timestamp, info, data)
        }));
    }
    events
}

#[tokio::test]
async fn e1_to_e8_the_samples_arrive_as_published_or_are_refused_with_their_place() {
    let receiver = Receiver::start().await.unwrap();
    let stack = stack_with_two_webhooks(&receiver).await;
    let mut expected: HashMap<Lane, Vec<Sample>> = HashMap::new();
    for sample in AS_PUBLISHED {
        let reply = stack
            .publish(ACCOUNT, "application/json", sample.text)
            .await
            .unwrap();
        if INVALID.contains(&sample.title) {
            assert_eq!(reply.status, 400, "E7: {}", sample.title);
            let problem = reply.json().unwrap();
            let line = sample
                .text
                .lines()
                .position(|l| l.contains("enrollmentSource"))
                .unwrap();
            let place = problem["errors"][0]["line"].as_u64().unwrap();
            assert!(
                place > u64::try_from(line).unwrap(),
                "E7: the error names a line behind the comma: {problem}"
            );
            assert!(problem["errors"][0]["column"].is_u64(), "E7: {problem}");
        } else {
            assert_eq!(reply.status, 202, "{}: {:?}", sample.title, reply.json());
            let accepted = &reply.json().unwrap()["accepted"][0];
            assert_eq!(
                accepted["duplicate"], false,
                "E7: pairs that share an eventId are two events"
            );
            let name = accepted["eventName"].as_str().unwrap().to_owned();
            let lane = Catalogue.get(&name).unwrap().lane;
            expected.entry(lane).or_default().push(sample);
        }
    }
    assert_eq!(expected.values().map(Vec::len).sum::<usize>(), 25);
    receiver
        .wait_for("25 events", LIMIT, |received| {
            let events = |body: &[u8]| {
                serde_json::from_slice::<Value>(body).unwrap()["events"]
                    .as_array()
                    .unwrap()
                    .len()
            };
            received
                .iter()
                .map(|request| events(&request.body))
                .sum::<usize>()
                >= 25
        })
        .await
        .unwrap_or_else(|error| panic!("{error}\n{}", stack.logs()));
    assert_all_verified(&receiver);
    for (lane, samples) in expected {
        let arrived = arrived(&receiver, lane.as_str());
        assert_eq!(arrived.len(), samples.len(), "E1: {lane}");
        for (sample, (id, name, timestamp, info, data)) in samples.iter().zip(arrived) {
            let published: Envelope<'_> = serde_json::from_str(sample.text).unwrap();
            let event = &published.events[0];
            assert_eq!(
                (id.as_str(), name.as_str(), info.as_str()),
                (event.event_id, event.event_name, event.event_info)
            );
            assert_eq!(timestamp, event.timestamp, "E5");
            assert_eq!(data, event.data.get(), "E4: {} keeps its bytes", sample.title);
        }
    }
}

#[tokio::test]
async fn an_event_published_over_grpc_arrives_with_what_it_lacked_filled_in() {
    let receiver = Receiver::start().await.unwrap();
    let stack = stack_with_two_webhooks(&receiver).await;
    let odd = b"{ \"b\": 1.50e2,\t\"a\":0, \"a\":\"\\u00e4\" }";
    let event = Event {
        event_name: "CI_STATS".into(),
        data: odd.to_vec().into(),
        ..Event::default()
    };
    let channel = grpc::client(stack.ingest_grpc(), stack.key()).unwrap();
    let request = PublishRequest {
        account_id: ACCOUNT,
        events: vec![event],
    };
    let answer = PublisherServiceClient::new(channel)
        .publish(request)
        .await
        .unwrap()
        .into_inner();
    let accepted = &answer.accepted[0];
    let position = accepted.position.unwrap();
    receiver
        .wait_for("the event", LIMIT, |received| !received.is_empty())
        .await
        .unwrap();
    let arrived = arrived(&receiver, "realtime");
    let (id, name, timestamp, info, data) = &arrived[0];
    assert_eq!((id, name.as_str()), (&accepted.event_id, "CI_STATS"));
    assert_eq!(
        data.as_bytes(),
        odd,
        "E4: key order, spelling, duplicate keys and white space"
    );
    assert!(*timestamp > 1_700_000_000_000, "E5: receive time in milliseconds");
    assert!(
        info.ends_with(&format!("-{:06}-{}-0", position.partition, position.offset)),
        "{info}"
    );
}
