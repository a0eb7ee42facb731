//! What a body over HTTP may be: one event, an array, an envelope or lines, and what is said of one that is not right.

use angarium_model::samples::{AS_PUBLISHED, INTRODUCTION, INVALID, Sample};
use angarium_model::{Event, Position};
use bytes::Bytes;
use http::{StatusCode, header};
use http_body_util::Full;
use serde_json::Value;

use super::harness::{ACCOUNT, Answer, Ingest, NOW_MS, OTHER, event};

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
    assert_eq!(
        ingest.ids(ACCOUNT).await,
        ["0", "1", "2", "3", "4", "5", "6", "7", "8"]
    );
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
    assert_eq!(answer.body["badEvents"], Value::from(vec![1, 3]));
    let many = vec![bad; 200].join(",");
    for body in [
        format!("[{},{many}]", event("a")),
        format!("{{\"events\":[{},{many}]}}", event("a")),
    ] {
        let answer = ingest.post(body).await;
        assert_eq!(
            (answer.pointers().len(), &answer.body["errorCount"]),
            (100, &Value::from(400))
        );
        assert_eq!(
            answer.body["badEvents"],
            Value::from((1..=200).collect::<Vec<usize>>())
        );
    }
    let answer = ingest.post(bad).await;
    assert!(answer.body.get("badEvents").is_none(), "{}", answer.body);
    assert_eq!(ingest.events(ACCOUNT).await, []);
}

#[tokio::test]
async fn e7_every_event_whose_id_was_used_for_another_is_named() {
    let ingest = Ingest::start().await;
    ingest.post(event("used")).await.accepted();
    let other = r#"{"eventId":"used","eventName":"CI_STATS","data":{}}"#;
    let many = vec![other; 200].join(",");
    let answer = ingest.post(format!("[{},{many}]", event("a"))).await;
    assert_eq!(answer.status, StatusCode::CONFLICT);
    assert_eq!(answer.pointers()[0], "/1/eventId");
    assert_eq!(
        answer.body["badEvents"],
        Value::from(vec![1]),
        "the others are the same as it"
    );
    let each = |number: usize| {
        [
            format!(r#"{{"eventId":"{number}","eventName":"CI_STATS","data":{{"a":1}}}}"#),
            format!(r#"{{"eventId":"{number}","eventName":"CI_STATS","data":{{"a":2}}}}"#),
        ]
    };
    let pairs: Vec<String> = (0..200).flat_map(each).collect();
    let answer = ingest.post(format!("[{}]", pairs.join(","))).await;
    assert_eq!(answer.status, StatusCode::CONFLICT);
    let second: Vec<usize> = (0..200).map(|number| 2 * number + 1).collect();
    assert_eq!(answer.body["badEvents"], Value::from(second));
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
async fn data_may_nest_128_levels_and_deeper_is_refused_with_its_place_and_ends_nothing() {
    let ingest = Ingest::with(|config| config.limits.event_bytes = 1 << 20).await;
    // `data` is the first level.
    let nested = |levels: usize| {
        let (open, close) = ("[".repeat(levels - 1), "]".repeat(levels - 1));
        format!("{{\"eventName\":\"CI_STATS\",\n\"data\":{{\"a\":{open}{close}}}}}")
    };
    ingest.post(nested(128)).await.accepted();
    for levels in [129, 100_000] {
        let answer = ingest.post(nested(levels)).await;
        assert_eq!(
            (answer.status, answer.pointers()),
            (StatusCode::UNPROCESSABLE_ENTITY, vec!["/data"])
        );
        let error = &answer.body["errors"][0];
        let opened = "\"data\":{\"a\":".len() + 128;
        assert_eq!((&error["line"], &error["column"]), (&2.into(), &opened.into()));
        let detail = error["detail"].as_str().unwrap();
        assert!(detail.contains("more than 128 levels"), "{detail}");
    }
    // Nor does what is no event at all.
    for body in [
        "[".repeat(1_000_000),
        format!("{0}{1}", "[".repeat(100_000), "]".repeat(100_000)),
    ] {
        assert!(ingest.post(body).await.status.is_client_error());
    }
    assert_eq!(ingest.events(ACCOUNT).await.len(), 1);
}
