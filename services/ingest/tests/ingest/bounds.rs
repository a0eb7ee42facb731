//! What all senders together, and one stream alone, may have under way.

use std::future::poll_fn;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use angarium_proto::event::v1;
use angarium_proto::event::v1::publish_stream_response::Outcome;
use angarium_proto::event::v1::refused::Reason;
use angarium_runtime::access::OperatorKey;
use angarium_runtime::grpc;
use bytes::Bytes;
use futures::stream::{self, StreamExt as _};
use http::{Request, StatusCode, header};
use http_body_util::StreamBody;
use hyper::body::Frame;
use tokio::io::AsyncWriteExt as _;
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout};
use tokio_stream::wrappers::ReceiverStream;
use tonic::codegen::Service as _;
use tonic::{Code, Status};
use tonic_types::StatusExt as _;

use super::harness::{ACCOUNT, Ingest, KEY, PATIENCE, event};

fn request(sequence: u64, data: Bytes) -> v1::PublishStreamRequest {
    v1::PublishStreamRequest {
        sequence,
        account_id: ACCOUNT,
        event: Some(v1::Event {
            event_name: "CI_STATS".to_owned(),
            data,
            ..v1::Event::default()
        }),
        ..v1::PublishStreamRequest::default()
    }
}

fn assert_told_to_come_back(status: &Status) {
    assert_eq!(status.code(), Code::ResourceExhausted, "{status}");
    let retry = status.get_details_retry_info().unwrap().retry_delay;
    assert_eq!(retry, Some(Duration::from_secs(1)));
}

type Answers = tonic::Streaming<v1::PublishStreamResponse>;

/// A stream on which one event was accepted, and which is quiet now.
async fn quiet_stream(ingest: &Ingest) -> Result<(mpsc::Sender<v1::PublishStreamRequest>, Answers), Status> {
    let (requests, sent) = mpsc::channel(1);
    requests
        .send(request(1, Bytes::from_static(b"{}")))
        .await
        .unwrap();
    let answers = ingest.grpc(KEY).publish_stream(ReceiverStream::new(sent)).await?;
    let mut answers = answers.into_inner();
    let answer = answers.message().await?.unwrap();
    assert!(matches!(answer.outcome, Some(Outcome::Accepted(_))), "{answer:?}");
    Ok((requests, answers))
}

/// Until all requests that may be under way are. What is sent is no event.
async fn until_busy(ingest: &Ingest) {
    let busy = async {
        loop {
            let answer = ingest.post("nonsense").await;
            if answer.status == StatusCode::SERVICE_UNAVAILABLE {
                assert_eq!(answer.body["type"], "urn:angarium:problem:busy");
                return assert_eq!(answer.header(header::RETRY_AFTER), "1");
            }
        }
    };
    timeout(PATIENCE, busy).await.unwrap();
}

#[tokio::test]
async fn quiet_streams_keep_nobody_out_and_are_bounded_by_their_own_number() {
    /// For one request under way.
    const STREAMS: usize = 8;
    let ingest = Ingest::with(|config| config.traffic.requests = 1).await;
    let mut open = Vec::new();
    for _ in 0..STREAMS {
        open.push(quiet_stream(&ingest).await.unwrap());
    }
    ingest.post(event("a")).await.accepted();
    let mut publisher = ingest.grpc(KEY);
    let publish = v1::PublishRequest {
        account_id: ACCOUNT,
        events: request(2, Bytes::from_static(b"{}")).event.into_iter().collect(),
        ..v1::PublishRequest::default()
    };
    publisher.publish(publish).await.unwrap();
    assert_told_to_come_back(&quiet_stream(&ingest).await.unwrap_err());

    let (requests, answers) = &mut open[0];
    requests
        .send(request(3, Bytes::from_static(b"{}")))
        .await
        .unwrap();
    assert_eq!(answers.message().await.unwrap().unwrap().sequence, 3);
    let (requests, mut answers) = open.pop().unwrap();
    drop(requests);
    assert!(answers.message().await.unwrap().is_none());
    quiet_stream(&ingest).await.unwrap();
}

#[tokio::test]
async fn a_stream_with_events_under_way_is_one_of_the_requests_beyond_whose_bound_all_are_told_to_come_back()
{
    let ingest = Ingest::with(|config| {
        config.traffic.requests = 1;
        config.produce_timeout = Duration::from_secs(3);
    })
    .await;
    let (requests, mut answers) = quiet_stream(&ingest).await.unwrap();
    ingest.broker.as_ref().unwrap().go_away().unwrap();
    requests
        .send(request(2, Bytes::from_static(b"{}")))
        .await
        .unwrap();
    until_busy(&ingest).await;
    let publish = v1::PublishRequest {
        account_id: ACCOUNT,
        events: Vec::new(),
        ..v1::PublishRequest::default()
    };
    assert_told_to_come_back(&ingest.grpc(KEY).publish(publish).await.unwrap_err());
    // It is not acknowledged, and then its share is there for others before it is answered.
    assert_eq!(answers.message().await.unwrap().unwrap().sequence, 2);
    assert_eq!(ingest.post("nonsense").await.status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn a_stream_for_which_no_share_is_left_is_refused_its_events_and_goes_on() {
    let ingest = Ingest::with(|config| {
        config.traffic.requests = 1;
        config.produce_timeout = Duration::from_millis(500);
    })
    .await;
    let (requests, mut answers) = quiet_stream(&ingest).await.unwrap();
    let mut hog = tokio::net::TcpStream::connect(ingest.handle.http())
        .await
        .unwrap();
    let head = format!(
        "POST /v1/accounts/{ACCOUNT}/events HTTP/1.1\r\nhost: a\r\nauthorization: Bearer {KEY}\r\ncontent-length: 9\r\n\r\n"
    );
    hog.write_all(head.as_bytes()).await.unwrap();
    until_busy(&ingest).await;
    requests
        .send(request(2, Bytes::from_static(b"{}")))
        .await
        .unwrap();
    let answer = answers.message().await.unwrap().unwrap();
    let Some(Outcome::Refused(refused)) = answer.outcome else {
        panic!("{answer:?}")
    };
    assert_eq!((answer.sequence, refused.reason()), (2, Reason::Overloaded));

    drop(hog);
    let accepted = async {
        loop {
            requests
                .send(request(3, Bytes::from_static(b"{}")))
                .await
                .unwrap();
            if let Some(Outcome::Accepted(_)) = answers.message().await.unwrap().unwrap().outcome {
                return;
            }
        }
    };
    timeout(PATIENCE, accepted).await.unwrap();
}

#[tokio::test]
async fn a_call_whose_message_does_not_come_in_time_gives_its_share_back() {
    let ingest = Ingest::with(|config| {
        config.traffic.requests = 1;
        config.traffic.read_timeout = Duration::from_millis(100);
        config.produce_timeout = Duration::from_millis(100);
    })
    .await;
    let endpoint = format!("http://{}", ingest.handle.grpc());
    let mut client = grpc::client(&endpoint, &OperatorKey::new(KEY).unwrap()).unwrap();
    let nothing = stream::pending::<Result<Frame<Bytes>, Status>>();
    let call = Request::post("/angarium.event.v1.PublisherService/Publish")
        .header(header::CONTENT_TYPE, "application/grpc")
        .body(tonic::body::Body::new(StreamBody::new(nothing)))
        .unwrap();
    poll_fn(|cx| client.poll_ready(cx)).await.unwrap();
    let answer = timeout(PATIENCE, client.call(call)).await.unwrap().unwrap();
    assert!(answer.headers()["grpc-status"] != "0", "{:?}", answer.headers());
    let again = ingest.post(event("a")).await;
    assert_ne!(again.body["type"], "urn:angarium:problem:busy");
}

#[tokio::test]
async fn a_stream_whose_events_kafka_does_not_acknowledge_is_read_no_further_than_its_bound() {
    /// As the protocol says.
    const MAX_IN_FLIGHT: usize = 1_024;
    /// What is read at once: it reads no further where so many more could be too many.
    const CHUNK: usize = 256;
    /// What is on the way between caller and service: about 2 MiB in HTTP/2's windows and buffers.
    const ON_THE_WAY: usize = 512;
    const EVENTS: u64 = 5_000;
    const PRODUCE_TIMEOUT: Duration = Duration::from_secs(3);
    let ingest = Ingest::with(|config| config.produce_timeout = PRODUCE_TIMEOUT).await;
    ingest.post(event("a")).await.accepted();
    ingest.broker.as_ref().unwrap().go_away().unwrap();

    let taken: Arc<Mutex<Vec<Instant>>> = Arc::default();
    let takes = Arc::clone(&taken);
    let data = Bytes::from(format!(r#"{{"a":"{}"}}"#, "x".repeat(8 << 10)));
    let requests = stream::iter(0..EVENTS).map(move |sequence| {
        takes.lock().unwrap().push(Instant::now());
        request(sequence, data.clone())
    });
    let answers = ingest.grpc(KEY).publish_stream(requests).await.unwrap();
    let first = answers.into_inner().message().await.unwrap().unwrap();
    let Some(Outcome::Refused(refused)) = first.outcome else {
        panic!("{first:?}")
    };
    assert_eq!(refused.reason(), Reason::Unavailable);

    // Nothing was answered before the first one's time was up, so all that was taken until then was in flight.
    let taken = taken.lock().unwrap();
    let answered = taken[0] + PRODUCE_TIMEOUT;
    let in_flight = taken.iter().filter(|at| **at < answered).count();
    assert!(
        (MAX_IN_FLIGHT - CHUNK..=MAX_IN_FLIGHT + ON_THE_WAY).contains(&in_flight),
        "{in_flight}"
    );
}
