//! Never acknowledge what is not in Kafka (DESIGN §4).

use std::num::NonZeroUsize;
use std::time::Duration;

use angarium_kafka::Connection;
use angarium_proto::event::v1;
use angarium_proto::event::v1::publish_stream_response::Outcome;
use angarium_proto::event::v1::refused::Reason;
use http::{Request, StatusCode, header};
use http_body_util::Full;
use tokio::time::Instant;
use tonic::Code;
use tonic_types::StatusExt as _;

use super::harness::{ACCOUNT, Answer, Ingest, KEY, event};

const BOUND: Duration = Duration::from_secs(1);
/// What a busy machine may take on top.
const SLACK: Duration = Duration::from_secs(4);

fn assert_unavailable(answer: &Answer, asked: Instant) {
    assert!(asked.elapsed() < BOUND + SLACK, "{:?}", asked.elapsed());
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE, "{}", answer.body);
    assert_eq!(answer.header(header::RETRY_AFTER), "2");
    assert_eq!(answer.body["accepted"], serde_json::Value::Null);
    assert_eq!(answer.body["type"], "urn:angarium:problem:kafka-unavailable");
}

/// An address that nothing listens on.
fn closed_port() -> Connection {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    Connection::new(listener.local_addr().unwrap().to_string())
}

#[tokio::test]
async fn kafka_that_was_never_there_is_503_within_the_bound_and_nothing_is_acknowledged() {
    let ingest = Ingest::over(closed_port(), None, |config| config.produce_timeout = BOUND).await;
    let asked = Instant::now();
    assert_unavailable(&ingest.post(event("a")).await, asked);
    let ready = ingest
        .request(Request::get("/readyz").body(Full::default()).unwrap())
        .await;
    assert_eq!(ready.status, StatusCode::SERVICE_UNAVAILABLE);

    let asked = Instant::now();
    let request = v1::PublishRequest {
        account_id: ACCOUNT,
        events: vec![v1::Event {
            event_name: "CI_STATS".into(),
            data: "{}".into(),
            ..v1::Event::default()
        }],
        ..v1::PublishRequest::default()
    };
    let status = ingest.grpc(KEY).publish(request.clone()).await.unwrap_err();
    assert!(asked.elapsed() < BOUND + SLACK, "{:?}", asked.elapsed());
    assert_eq!(status.code(), Code::Unavailable);
    assert_eq!(
        status.get_details_retry_info().unwrap().retry_delay,
        Some(Duration::from_secs(2))
    );

    let [event] = request.events.try_into().unwrap();
    let request = v1::PublishStreamRequest {
        sequence: 7,
        account_id: ACCOUNT,
        event: Some(event),
        ..v1::PublishStreamRequest::default()
    };
    let answers = ingest
        .grpc(KEY)
        .publish_stream(tokio_stream::once(request))
        .await
        .unwrap();
    let answer = answers.into_inner().message().await.unwrap().unwrap();
    let Some(Outcome::Refused(refused)) = answer.outcome else {
        panic!("{answer:?}");
    };
    assert_eq!((answer.sequence, refused.reason()), (7, Reason::Unavailable));
}

#[tokio::test]
async fn kafka_that_goes_away_is_503_within_the_bound_and_nothing_is_acknowledged() {
    let mut ingest = Ingest::with(|config| config.produce_timeout = BOUND).await;
    let first = ingest.post(event("a")).await.accepted();
    drop(ingest.broker.take());
    let asked = Instant::now();
    assert_unavailable(&ingest.post(event("b")).await, asked);
    // What was acknowledged before is still known.
    assert_eq!(
        ingest.post(event("a")).await.accepted(),
        [(first[0].0.clone(), true)]
    );
    // What was not is tried again, not taken for a duplicate.
    let asked = Instant::now();
    assert_unavailable(&ingest.post(event("b")).await, asked);
}

#[tokio::test]
async fn a_full_queue_is_429_and_the_request_is_safe_to_send_again() {
    let ingest = Ingest::with(|config| config.max_queued = NonZeroUsize::MIN).await;
    ingest.post(event("0")).await.accepted();
    // Of two events that come at once, the second finds the queue full.
    let both = format!("[{},{}]", event("a"), event("b"));
    let answer = ingest.post(both.clone()).await;
    assert_eq!(
        (answer.status, answer.header(header::RETRY_AFTER)),
        (StatusCode::TOO_MANY_REQUESTS, "1")
    );
    // The first one may still be on its way to Kafka, and the queue full with it.
    let again = loop {
        let again = ingest.post(both.clone()).await;
        if again.status != StatusCode::TOO_MANY_REQUESTS {
            break again;
        }
    };
    let duplicates: Vec<bool> = again
        .accepted()
        .into_iter()
        .map(|(_, duplicate)| duplicate)
        .collect();
    assert_eq!(duplicates, [true, false]);
    assert_eq!(ingest.ids(ACCOUNT).await, ["0", "a", "b"]);
}
