//! Publishing over HTTP.

use std::time::Duration;

use angarium_ingest::StoreConfig;
use angarium_model::samples::{AS_PUBLISHED, INTRODUCTION, INVALID, Sample};
use angarium_model::{Event, Position};
use bytes::Bytes;
use http::{Method, Request, StatusCode, header};
use http_body_util::Full;
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::harness::{ACCOUNT, Answer, Ingest, KEY, NOW_MS, OTHER, event};

#[tokio::test]
async fn e4_e5_e7_of_27_published_samples_25_are_in_kafka_as_published_and_2_are_refused_with_their_place() {
    let ingest = Ingest::start().await;
    let mut published = Vec::new();
    for sample in AS_PUBLISHED {
        let answer = ingest.post(sample.text).await;
        if INVALID.contains(&sample.title) {
            assert_place_of_the_comma(&answer, sample);
        } else {
            let [(position, duplicate)] = &answer.accepted()[..] else {
                panic!("{}", answer.body)
            };
            // Three pairs share an id, but not a name (E7).
            assert!(!duplicate, "{}", sample.title);
            published.push((sample, position.parse::<Position>().unwrap()));
        }
    }
    let records = ingest.records(ACCOUNT).await;
    let events = ingest.events(ACCOUNT).await;
    assert_eq!((records.len(), events.len(), published.len()), (25, 25, 25));
    for ((sample, position), (record, event)) in published.into_iter().zip(records.iter().zip(events)) {
        let place = (record.partition, record.offset);
        assert_eq!(place, (position.partition, position.offset), "{}", sample.title);
        assert_eq!(record.key, "1234");
        assert_as_published(&event, sample);
    }
}

fn assert_place_of_the_comma(answer: &Answer, sample: Sample) {
    assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{}", sample.title);
    assert_eq!(answer.header(header::CONTENT_TYPE), "application/problem+json");
    let error = &answer.body["errors"][0];
    assert_eq!(
        (&error["line"], &error["pointer"]),
        (&Value::from(14), &Value::from(""))
    );
    let says = |member: &str, part: &str| error[member].as_str().unwrap().contains(part);
    assert!(
        says("text", "\"enrollmentSource\"") && says("detail", "remove the comma"),
        "{error}"
    );
}

fn assert_as_published(event: &Event, sample: Sample) {
    let data = std::str::from_utf8(event.data.bytes()).unwrap();
    assert!(data.starts_with('{') && data.ends_with('}'), "{data}");
    let info = event.info.as_ref().unwrap();
    for part in [
        format!("\"data\": {data}"),
        format!("\"eventId\": \"{}\"", event.id),
        format!("\"eventName\": \"{}\"", event.name),
        format!("\"timestamp\": {},", event.timestamp),
        format!("\"eventInfo\": \"{info}\""),
    ] {
        assert!(sample.text.contains(&part), "{}: {part}", sample.title);
    }
}

#[tokio::test]
async fn an_envelope_goes_to_its_own_account_only() {
    let ingest = Ingest::start().await;
    let answer = ingest.post(INTRODUCTION.text).await;
    assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(answer.pointers(), ["/accountId"]);
    let own = Ingest::publish(OTHER)
        .body(Full::new(Bytes::from(INTRODUCTION.text)))
        .unwrap();
    assert_eq!(ingest.request(own).await.accepted().len(), 1);
}

#[tokio::test]
async fn without_the_key_nothing_is_open_but_the_probes() {
    let ingest = Ingest::start().await;
    let path = format!("/v1/accounts/{ACCOUNT}/events");
    for (method, path) in [
        (Method::POST, path.as_str()),
        (Method::GET, &path),
        (Method::GET, "/"),
        (Method::GET, "/v1"),
    ] {
        for key in [None, Some("Bearer another-key-for-tests"), Some(KEY)] {
            let mut request = Request::builder().method(&method).uri(path);
            if let Some(key) = key {
                request = request.header(header::AUTHORIZATION, key);
            }
            let answer = ingest
                .request(request.body(Full::new(Bytes::from(event("a")))).unwrap())
                .await;
            assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{method} {path} {key:?}");
            assert!(answer.header(header::WWW_AUTHENTICATE).starts_with("Bearer"));
            assert!(
                answer.body["detail"]
                    .as_str()
                    .unwrap()
                    .contains("authorization: Bearer")
            );
        }
    }
    let live = ingest
        .request(Request::get("/livez").body(Full::default()).unwrap())
        .await;
    assert_eq!(live.status, StatusCode::OK);
    ingest.post(event("a")).await.accepted();
    let ready = ingest
        .request(Request::get("/readyz").body(Full::default()).unwrap())
        .await;
    assert_eq!(ready.status, StatusCode::OK);
    assert_eq!(ingest.events(ACCOUNT).await.len(), 1);
}

#[tokio::test]
async fn what_is_not_there_is_said_clearly() {
    let ingest = Ingest::start().await;
    let post = |uri: &str, content_type: &str| {
        Request::post(uri)
            .header(header::AUTHORIZATION, format!("Bearer {KEY}"))
            .header(header::CONTENT_TYPE, content_type)
            .body(Full::new(Bytes::from(event("a"))))
            .unwrap()
    };
    for (uri, part) in [
        ("/v1/accounts/99/events", "angarium account create --id 99"),
        ("/v1/accounts/abc/events", "an account id is an integer"),
        ("/v1/events", "/v1/accounts/{account}/events"),
    ] {
        let answer = ingest.request(post(uri, "application/json")).await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{uri}");
        assert!(
            answer.body["detail"].as_str().unwrap().contains(part),
            "{}",
            answer.body
        );
    }
    let answer = ingest
        .request(post("/v1/accounts/1234/events", "text/plain"))
        .await;
    assert_eq!(answer.status, StatusCode::UNSUPPORTED_MEDIA_TYPE);
    assert!(
        answer.body["detail"]
            .as_str()
            .unwrap()
            .contains("application/json")
    );
    let mut put = post("/v1/accounts/1234/events", "application/json");
    *put.method_mut() = Method::PUT;
    let answer = ingest.request(put).await;
    assert_eq!(
        (answer.status, answer.header(header::ALLOW)),
        (StatusCode::METHOD_NOT_ALLOWED, "POST")
    );
    assert_eq!(ingest.events(ACCOUNT).await, []);
}

#[tokio::test]
async fn events_come_one_as_an_array_or_a_line_each_and_stay_in_order() {
    let ingest = Ingest::start().await;
    ingest.post(event("0")).await.accepted();
    let array = format!("[{},{}]", event("1"), event("2"));
    assert_eq!(ingest.post(array).await.accepted().len(), 2);
    for (content_type, first) in [
        ("application/x-ndjson", 3),
        ("application/ndjson", 5),
        ("application/jsonl; charset=utf-8", 7),
    ] {
        let lines = format!(
            "{}\n\n{}\r\n",
            event(&first.to_string()),
            event(&(first + 1).to_string())
        );
        let mut request = Ingest::publish(ACCOUNT)
            .body(Full::new(Bytes::from(lines)))
            .unwrap();
        request
            .headers_mut()
            .insert(header::CONTENT_TYPE, content_type.parse().unwrap());
        assert_eq!(
            ingest.request(request).await.accepted().len(),
            2,
            "{content_type}"
        );
    }
    let ids: Vec<String> = ingest
        .events(ACCOUNT)
        .await
        .into_iter()
        .map(|event| event.id.into_string())
        .collect();
    assert_eq!(ids, ["0", "1", "2", "3", "4", "5", "6", "7", "8"]);
}

#[tokio::test]
async fn a_partly_bad_array_is_refused_whole_and_names_every_bad_event() {
    let ingest = Ingest::start().await;
    let bad = r#"{"eventName":"CI_STAT","data":[]}"#;
    let answer = ingest
        .post(format!("[{},{bad},{},{bad}]", event("a"), event("b")))
        .await;
    assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(
        answer.pointers(),
        ["/1/eventName", "/1/data", "/3/eventName", "/3/data"]
    );
    assert_eq!(answer.body["errorCount"], 4);
    assert_eq!(answer.body["type"], "urn:angarium:problem:invalid-events");
    assert!(
        answer.body["errors"][0]["detail"]
            .as_str()
            .unwrap()
            .contains("did you mean CI_STATS?")
    );
    let many = vec![bad; 200].join(",");
    let answer = ingest.post(format!("[{many}]")).await;
    assert_eq!(
        (answer.pointers().len(), &answer.body["errorCount"]),
        (100, &Value::from(400))
    );
    assert_eq!(ingest.events(ACCOUNT).await, []);
}

#[tokio::test]
async fn what_is_missing_is_filled_in_and_event_info_is_left_to_fanout() {
    let ingest = Ingest::start().await;
    let answer = ingest.post(r#"{"eventName":"CI_STATS","data":{}}"#).await;
    answer.accepted();
    let events = ingest.events(ACCOUNT).await;
    assert_eq!(events[0].id.as_str(), answer.body["accepted"][0]["eventId"]);
    assert_eq!(events[0].id.as_str().as_bytes()[14], b'7', "a UUIDv7");
    assert_eq!(events[0].timestamp.get(), NOW_MS.unsigned_abs());
    assert_eq!(events[0].info, None);
}

#[tokio::test]
async fn beyond_a_limit_is_413() {
    let ingest = Ingest::with(|config| {
        config.limits.event_bytes = 1_000;
        config.limits.request_bytes = 4_000;
        config.limits.events = 10;
    })
    .await;
    let event_of = |bytes: usize| {
        format!(
            r#"{{"eventName":"CI_STATS","data":{{"a":"{}"}}}}"#,
            "x".repeat(bytes - 42)
        )
    };
    ingest.post(event_of(1_000)).await.accepted();
    let answer = ingest
        .post(format!("[{},{}]", event_of(100), event_of(1_100)))
        .await;
    assert_eq!(
        (answer.status, answer.pointers()),
        (StatusCode::PAYLOAD_TOO_LARGE, vec!["/1"])
    );
    for body in [
        vec![event_of(900); 5].join("\n"),
        format!("[{}]", vec![event_of(60); 11].join(",")),
    ] {
        let answer = ingest.post(body).await;
        assert_eq!(answer.status, StatusCode::PAYLOAD_TOO_LARGE);
        assert_eq!(answer.body["type"], "urn:angarium:problem:too-large");
    }
    assert_eq!(ingest.events(ACCOUNT).await.len(), 1);
}

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

#[tokio::test]
async fn a_valid_traceparent_travels_with_the_record() {
    let ingest = Ingest::start().await;
    let trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    for sent in [trace, "nonsense"] {
        let request = Ingest::publish(ACCOUNT)
            .header("traceparent", sent)
            .body(Full::new(Bytes::from(event(sent))));
        ingest.request(request.unwrap()).await.accepted();
    }
    let headers: Vec<_> = ingest
        .records(ACCOUNT)
        .await
        .into_iter()
        .map(|record| record.headers)
        .collect();
    assert_eq!(
        headers,
        [vec![("traceparent".to_owned(), Bytes::from(trace))], vec![]]
    );
}

#[tokio::test]
async fn requests_beyond_the_bound_are_told_to_come_back() {
    let ingest = Ingest::with(|config| config.traffic.requests = 0).await;
    let answer = ingest.post(event("a")).await;
    assert_eq!(
        (answer.status, answer.header(header::RETRY_AFTER)),
        (StatusCode::SERVICE_UNAVAILABLE, "1")
    );
}

#[tokio::test]
async fn a_body_that_does_not_come_in_time_is_408() {
    let ingest = Ingest::with(|config| config.traffic.read_timeout = Duration::from_millis(200)).await;
    let mut stream = TcpStream::connect(ingest.handle.http()).await.unwrap();
    let head = format!(
        "POST /v1/accounts/{ACCOUNT}/events HTTP/1.1\r\nhost: ingest\r\nauthorization: Bearer {KEY}\r\n\
         content-type: application/json\r\ncontent-length: 100\r\n\r\n{{"
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut status_line = [0; "HTTP/1.1 408".len()];
    stream.read_exact(&mut status_line).await.unwrap();
    assert_eq!(&status_line, b"HTTP/1.1 408");
}

#[tokio::test]
async fn the_shutdown_ends_everything() {
    let ingest = Ingest::start().await;
    ingest.post(event("a")).await.accepted();
    ingest.tasks.shutdown().begin();
    ingest.tasks.join(Duration::from_secs(20)).await.unwrap();
    assert!(TcpStream::connect(ingest.handle.http()).await.is_err());
    assert!(TcpStream::connect(ingest.handle.grpc()).await.is_err());
}
