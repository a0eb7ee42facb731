//! Publishing over gRPC.

use std::collections::BTreeMap;

use angarium_proto::convert::position_from_wire;
use angarium_proto::event::v1;
use angarium_proto::event::v1::publish_stream_response::Outcome;
use angarium_proto::event::v1::refused::Reason;
use bytes::Bytes;
use tonic::Code;
use tonic_types::StatusExt as _;

use super::harness::{ACCOUNT, EXTERNAL_ID, Ingest, KEY, OTHER};

fn event(id: &str) -> v1::Event {
    v1::Event {
        event_id: id.to_owned(),
        event_name: "CI_STATS".to_owned(),
        timestamp: Some(1_725_604_147),
        event_info: String::new(),
        data: Bytes::from_static(b"{ \"seatLimit\": 3.0e1, \"seatLimit\":30 }"),
    }
}

fn request(events: Vec<v1::Event>) -> v1::PublishRequest {
    v1::PublishRequest {
        account_id: ACCOUNT,
        events,
        ..v1::PublishRequest::default()
    }
}

#[tokio::test]
async fn e4_events_are_in_kafka_as_sent_and_in_order_and_repeats_are_duplicates() {
    let ingest = Ingest::start().await;
    let mut publisher = ingest.grpc(KEY);
    let accepted = publisher
        .publish(request(vec![event("a"), event("b")]))
        .await
        .unwrap()
        .into_inner()
        .accepted;
    assert_eq!(
        accepted
            .iter()
            .map(|event| event.event_id.as_str())
            .collect::<Vec<_>>(),
        ["a", "b"]
    );
    let again = publisher
        .publish(request(vec![event("b"), event("c")]))
        .await
        .unwrap()
        .into_inner()
        .accepted;
    assert_eq!(
        again.iter().map(|event| event.duplicate).collect::<Vec<_>>(),
        [true, false]
    );
    assert_eq!(again[0].position, accepted[1].position);
    let records = ingest.records(ACCOUNT).await;
    let position = position_from_wire(accepted[1].position.unwrap());
    assert_eq!(
        (records[1].partition, records[1].offset),
        (position.partition, position.offset)
    );
    let events = ingest.events(ACCOUNT).await;
    assert_eq!(
        events.iter().map(|event| event.id.as_str()).collect::<Vec<_>>(),
        ["a", "b", "c"]
    );
    assert!(
        events
            .iter()
            .all(|stored| stored.data.bytes() == &event("a").data)
    );
}

#[tokio::test]
async fn errors_say_which_field_is_wrong() {
    let ingest = Ingest::start().await;
    let mut publisher = ingest.grpc(KEY);
    let wrong = v1::Event {
        event_name: "CI_STAT".to_owned(),
        data: Bytes::from_static(b"{,}"),
        ..event("a")
    };
    let status = publisher
        .publish(request(vec![event("b"), wrong]))
        .await
        .unwrap_err();
    assert_eq!(status.code(), Code::InvalidArgument);
    let violations = status.get_details_bad_request().unwrap().field_violations;
    let fields: Vec<&str> = violations
        .iter()
        .map(|violation| violation.field.as_str())
        .collect();
    assert_eq!(fields, ["events[1].event_name", "events[1].data"]);
    assert!(violations[0].description.contains("did you mean CI_STATS?"));

    publisher.publish(request(vec![event("a")])).await.unwrap();
    let other = v1::Event {
        timestamp: None,
        ..event("a")
    };
    let status = publisher
        .publish(request(vec![event("c"), other]))
        .await
        .unwrap_err();
    assert_eq!(status.code(), Code::AlreadyExists);
    assert_eq!(
        status.get_details_bad_request().unwrap().field_violations[0].field,
        "events[1].event_id"
    );

    for (account_id, code) in [(99, Code::NotFound), (u64::MAX, Code::InvalidArgument)] {
        let request = v1::PublishRequest {
            account_id,
            events: vec![event("d")],
            ..v1::PublishRequest::default()
        };
        let status = publisher.publish(request).await.unwrap_err();
        assert_eq!(status.code(), code);
        let violations = status.get_details_bad_request().unwrap().field_violations;
        assert_eq!(violations[0].field, "account_id");
        if code == Code::NotFound {
            let resource = status.get_details_resource_info().unwrap();
            assert_eq!(
                (&*resource.resource_type, &*resource.resource_name),
                ("account", "99")
            );
        }
    }
    let status = ingest
        .grpc("another-key-for-tests")
        .publish(request(vec![event("d")]))
        .await
        .unwrap_err();
    assert_eq!(status.code(), Code::Unauthenticated);
    assert_eq!(status.get_details_error_info().unwrap().reason, "KEY_INVALID");
    assert_eq!(ingest.events(ACCOUNT).await.len(), 1);
}

#[tokio::test]
async fn the_largest_message_is_the_setting_and_an_event_beyond_kafkas_limit_is_named() {
    let ingest = Ingest::with(|config| {
        config.limits.request_bytes = 8 << 20;
        config.limits.event_bytes = 3 << 20;
    })
    .await;
    let mut publisher = ingest.grpc(KEY);
    let of = |bytes: usize| v1::Event {
        data: Bytes::from(format!("{{\"a\":\"{}\"}}", "x".repeat(bytes))),
        event_id: String::new(),
        ..event("")
    };
    // More than by default.
    publisher.publish(request(vec![of(700 << 10); 11])).await.unwrap();
    let status = publisher
        .publish(request(vec![of(700 << 10); 12]))
        .await
        .unwrap_err();
    assert_eq!(status.code(), Code::OutOfRange, "{status}");

    let status = publisher
        .publish(request(vec![event("a"), of(2 << 20)]))
        .await
        .unwrap_err();
    assert_eq!(status.code(), Code::InvalidArgument, "{status}");
    let violations = status.get_details_bad_request().unwrap().field_violations;
    assert_eq!(violations[0].field, "events[1]");
    let body = format!(
        "[{},{{\"eventName\":\"CI_STATS\",\"data\":{{\"a\":\"{}\"}}}}]",
        super::harness::event("b"),
        "x".repeat(2 << 20)
    );
    let answer = ingest.post(body).await;
    assert_eq!(answer.pointers(), ["/1"]);

    let requests = tokio_stream::iter([v1::PublishStreamRequest {
        sequence: 1,
        account_id: ACCOUNT,
        event: Some(of(2 << 20)),
        ..v1::PublishStreamRequest::default()
    }]);
    let answers = publisher.publish_stream(requests).await.unwrap();
    let Outcome::Refused(refused) = &collect(answers.into_inner()).await[&1] else {
        panic!("it is too large")
    };
    assert_eq!((refused.reason(), &*refused.field), (Reason::Invalid, "event"));
}

#[tokio::test]
async fn a_stream_that_is_ended_by_a_shutdown_is_told_when_to_come_back() {
    let ingest = Ingest::start().await;
    let (requests, sent) = tokio::sync::mpsc::channel(1);
    let first = v1::PublishStreamRequest {
        sequence: 1,
        account_id: ACCOUNT,
        event: Some(event("a")),
        ..v1::PublishStreamRequest::default()
    };
    requests.send(first).await.unwrap();
    let stream = tokio_stream::wrappers::ReceiverStream::new(sent);
    let mut answers = ingest
        .grpc(KEY)
        .publish_stream(stream)
        .await
        .unwrap()
        .into_inner();
    assert_eq!(answers.message().await.unwrap().unwrap().sequence, 1);
    ingest.tasks.shutdown().begin();
    let status = answers.message().await.unwrap_err();
    assert_eq!(status.code(), Code::Unavailable, "{status}");
    assert!(status.get_details_retry_info().unwrap().retry_delay.is_some());
}

#[tokio::test]
async fn of_a_thousand_bad_events_the_real_client_learns_every_index() {
    let ingest = Ingest::start().await;
    let bad = v1::Event {
        event_id: "é".repeat(200),
        event_name: "x".repeat(200),
        event_info: "x".repeat(300),
        data: Bytes::from_static(b"[]"),
        ..event("a")
    };
    for (bad_ones, expected) in [((0..1_000).collect::<Vec<_>>(), "0-999".to_owned()), {
        let odd: Vec<usize> = (1..1_000).step_by(2).collect();
        let text: Vec<String> = odd.iter().map(ToString::to_string).collect();
        (odd, text.join(","))
    }] {
        let mut events: Vec<v1::Event> = (0..1_000).map(|number| event(&number.to_string())).collect();
        for number in &bad_ones {
            events[*number] = bad.clone();
        }
        let status = ingest.grpc(KEY).publish(request(events)).await.unwrap_err();
        assert_eq!(status.code(), Code::InvalidArgument, "{status}");
        assert_eq!(
            status.get_details_error_info().unwrap().metadata["bad_events"],
            expected
        );
        let violations = status.get_details_bad_request().unwrap().field_violations;
        let field = format!("events[{}].event_name", bad_ones[0]);
        assert_eq!(violations[0].field, field);
        let (last, told) = violations.split_last().unwrap();
        let more = bad_ones.len() * 4 - told.len();
        assert_eq!(last.description, format!("and {more} more"));
        assert!(status.message().starts_with(&field) && status.message().len() < 600);
    }
}

#[tokio::test]
async fn a_stream_is_answered_by_sequence_and_each_account_stays_in_order() {
    /// More than may be in flight at once.
    const EVENTS: u64 = 5_000;
    let ingest = Ingest::start().await;
    let account_of = |number: u64| if number.is_multiple_of(3) { OTHER } else { ACCOUNT };
    let requests = (0..EVENTS).map(move |number| v1::PublishStreamRequest {
        sequence: number + 1_000_000,
        account_id: account_of(number),
        event: Some(event(&number.to_string())),
        ..v1::PublishStreamRequest::default()
    });
    let answers = ingest
        .grpc(KEY)
        .publish_stream(tokio_stream::iter(requests))
        .await
        .unwrap();
    let answers = collect(answers.into_inner()).await;
    assert_eq!(answers.len() as u64, EVENTS);
    for (sequence, outcome) in &answers {
        let Outcome::Accepted(accepted) = outcome else {
            panic!("{outcome:?}")
        };
        assert_eq!(accepted.event_id, (sequence - 1_000_000).to_string());
    }
    for account in [ACCOUNT, OTHER] {
        let ids: Vec<u64> = ingest
            .events(account)
            .await
            .iter()
            .map(|event| event.id.as_str().parse().unwrap())
            .collect();
        let sent: Vec<u64> = (0..EVENTS)
            .filter(|number| account_of(*number) == account)
            .collect();
        assert_eq!(ids, sent);
    }
}

#[tokio::test]
async fn a_wrong_event_of_a_stream_is_refused_alone() {
    let ingest = Ingest::start().await;
    let requests = [
        (1, ACCOUNT, Some(event("a"))),
        (
            2,
            ACCOUNT,
            Some(v1::Event {
                event_name: "CI_STAT".to_owned(),
                ..event("b")
            }),
        ),
        (3, ACCOUNT, None),
        (4, 99, Some(event("c"))),
        (5, ACCOUNT, Some(event("a"))),
        (
            6,
            ACCOUNT,
            Some(v1::Event {
                timestamp: None,
                ..event("a")
            }),
        ),
        // Named by its external id: the other is ignored.
        (7, 99, Some(event("d"))),
        (8, ACCOUNT, Some(event("e"))),
    ]
    .map(|(sequence, account_id, event)| v1::PublishStreamRequest {
        sequence,
        account_id,
        event,
        account_external_id: match sequence {
            7 => EXTERNAL_ID.to_owned(),
            8 => "nobody".to_owned(),
            _ => String::new(),
        },
    });
    let answers = ingest
        .grpc(KEY)
        .publish_stream(tokio_stream::iter(requests))
        .await
        .unwrap();
    let answers = collect(answers.into_inner()).await;
    let told: Vec<(u64, String)> = answers
        .into_iter()
        .map(|(sequence, outcome)| match outcome {
            Outcome::Accepted(accepted) => (sequence, format!("accepted {}", accepted.event_id)),
            Outcome::Refused(refused) => (sequence, format!("{:?} {}", refused.reason(), refused.field)),
        })
        .collect();
    let expected = [
        (1, "accepted a".to_owned()),
        (2, format!("{:?} event.event_name", Reason::Invalid)),
        (3, format!("{:?} event", Reason::Invalid)),
        (4, format!("{:?} account_id", Reason::Invalid)),
        (5, "accepted a".to_owned()),
        (6, format!("{:?} event.event_id", Reason::Conflict)),
        (7, "accepted d".to_owned()),
        (8, format!("{:?} account_external_id", Reason::Invalid)),
    ];
    assert_eq!(told, expected);
    let ids: Vec<String> = ingest
        .events(ACCOUNT)
        .await
        .iter()
        .map(|event| event.id.to_string())
        .collect();
    // The two that are alike may come in one chunk, or the second while the first awaits Kafka: then it is produced.
    assert!(ids == ["a", "d"] || ids == ["a", "a", "d"], "{ids:?}");
}

/// Every answer, by its sequence; each sequence is answered once.
async fn collect(mut answers: tonic::Streaming<v1::PublishStreamResponse>) -> BTreeMap<u64, Outcome> {
    let mut collected = BTreeMap::new();
    while let Some(answer) = answers.message().await.unwrap() {
        assert!(
            collected
                .insert(answer.sequence, answer.outcome.unwrap())
                .is_none(),
            "answered twice"
        );
    }
    collected
}
