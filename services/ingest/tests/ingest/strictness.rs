//! What becomes of events that are not as the catalogue says, as their account wants it (E6).

use angarium_model::{Account, AccountId, Reaction, Revision, Strictness};
use angarium_proto::event::v1;
use angarium_proto::event::v1::publish_stream_response::Outcome;
use bytes::Bytes;
use futures::StreamExt as _;
use http::StatusCode;
use serde_json::{Value, json};
use tonic::Code;
use tonic_types::StatusExt as _;

use super::harness::{ACCOUNT, Ingest, KEY};

async fn ingest(unknown_types: Reaction, schema_violations: Reaction) -> Ingest {
    let ingest = Ingest::start().await;
    ingest.directory.put_account(Account {
        strictness: Strictness {
            unknown_types,
            schema_violations,
        },
        revision: Revision::from_offset(2),
        ..Account::new(AccountId::new(ACCOUNT).unwrap())
    });
    ingest
}

/// One of a type that nobody knows, and one whose data is not as its type says.
fn odd() -> Value {
    json!([
        { "eventName": "INVOICE_PAID", "data": { "amount": 5 } },
        { "eventName": "LEARNING_OBJECT_DRAFT", "data": { "loId": "course:x", "loType": "course" } },
    ])
}

fn pointers(of: &Value) -> Vec<&str> {
    let told = of.as_array().unwrap().iter();
    told.map(|told| told["pointer"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn e6_what_is_odd_is_told_beside_the_answer_and_accepted_as_sent() {
    let ingest = ingest(Reaction::Warn, Reaction::Warn).await;
    let answer = ingest.post(odd().to_string()).await;
    assert_eq!(answer.status, StatusCode::ACCEPTED, "{}", answer.body);
    assert_eq!(
        pointers(&answer.body["warnings"]),
        ["/0/eventName", "/1/data/loId"]
    );
    assert_eq!(answer.body["warningCount"], 2);
    let events = ingest.events(ACCOUNT).await;
    assert_eq!(events.len(), 2);
    assert_eq!(events[0].name.as_str(), "INVOICE_PAID");
    assert_eq!(events[0].data.bytes().as_ref(), b"{\"amount\":5}");
    let fine =
        json!({ "eventName": "LEARNING_OBJECT_DRAFT", "data": { "loId": "course:1", "loType": "course" } });
    let answer = ingest.post(fine.to_string()).await;
    assert!(answer.body.get("warnings").is_none() && answer.body.get("warningCount").is_none());
}

#[tokio::test]
async fn e6_what_is_refused_names_every_place_and_nothing_of_the_request_is_accepted() {
    let ingest = ingest(Reaction::Refuse, Reaction::Refuse).await;
    let answer = ingest.post(odd().to_string()).await;
    assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(answer.pointers(), ["/0/eventName", "/1/data/loId"]);
    assert_eq!(ingest.events(ACCOUNT).await, []);
}

#[tokio::test]
async fn e6_over_grpc_warnings_come_with_their_event() {
    let ingest = ingest(Reaction::Warn, Reaction::Warn).await;
    let mut publisher = ingest.grpc(KEY);
    let event = |name: &str, data: &'static str| v1::Event {
        event_name: name.into(),
        data: Bytes::from_static(data.as_bytes()),
        ..v1::Event::default()
    };
    let events = vec![
        event("INVOICE_PAID", "{}"),
        event(
            "LEARNING_OBJECT_DRAFT",
            r#"{"loId": "course:1", "loType": "video"}"#,
        ),
    ];
    let request = v1::PublishRequest {
        account_id: ACCOUNT,
        events: events.clone(),
        ..v1::PublishRequest::default()
    };
    let answer = publisher.publish(request).await.unwrap().into_inner();
    let fields: Vec<_> = answer
        .warnings
        .iter()
        .map(|warning| warning.field.as_str())
        .collect();
    assert_eq!(fields, ["events[0].event_name", "events[1].data/loType"]);
    assert_eq!(answer.warning_count, 2);

    let requests = events
        .into_iter()
        .zip(1..)
        .map(|(event, sequence)| v1::PublishStreamRequest {
            sequence,
            account_id: ACCOUNT,
            event: Some(event),
            ..v1::PublishStreamRequest::default()
        });
    let requests: Vec<_> = requests.collect();
    let answers = publisher
        .publish_stream(futures::stream::iter(requests))
        .await
        .unwrap();
    let mut told: Vec<_> = answers
        .into_inner()
        .map(|answer| {
            let answer = answer.unwrap();
            assert!(matches!(answer.outcome, Some(Outcome::Accepted(_))), "{answer:?}");
            (answer.sequence, answer.warnings[0].field.clone())
        })
        .collect()
        .await;
    told.sort();
    assert_eq!(
        told,
        [
            (1, "event.event_name".to_owned()),
            (2, "event.data/loType".to_owned())
        ]
    );
}

#[tokio::test]
async fn e6_over_grpc_a_refusal_names_the_place_in_data() {
    let ingest = ingest(Reaction::Refuse, Reaction::Refuse).await;
    let event = v1::Event {
        event_name: "LEARNING_OBJECT_DRAFT".into(),
        data: Bytes::from_static(br#"{"loType": "course"}"#),
        ..v1::Event::default()
    };
    let request = v1::PublishRequest {
        account_id: ACCOUNT,
        events: vec![event],
        ..v1::PublishRequest::default()
    };
    let refused = ingest.grpc(KEY).publish(request).await.unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument);
    let violations = refused.get_details_bad_request().unwrap().field_violations;
    assert_eq!(violations[0].field, "events[0].data");
    assert!(violations[0].description.contains("loId"), "{violations:?}");
}
