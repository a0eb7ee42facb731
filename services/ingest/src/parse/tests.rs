use angarium_model::Strictness;
use angarium_model::samples::{AS_PUBLISHED, INTRODUCTION, INVALID, Sample};
use proptest::prelude::{Just, Strategy, any, prop_assert_eq, prop_oneof, proptest};

use super::*;

const LIMITS: crate::config::Limits = crate::config::Limits {
    event_bytes: 256 * 1024,
    request_bytes: 5 * 1024 * 1024,
    events: 1_000,
};

fn read(body: impl Into<Bytes>, format: Format) -> Result<Submission, Problems> {
    let rules = Rules {
        limits: LIMITS,
        strictness: Strictness::default(),
        types: crate::own_types::tests::own_types(vec![]),
    };
    parse(&body.into(), format, AccountId::new(1234).unwrap(), &rules)
}

fn json(body: impl Into<Bytes>) -> Result<Submission, Problems> {
    read(body, Format::Json)
}

/// Each problem as path and detail.
fn problems(result: Result<Submission, Problems>) -> Vec<(String, String)> {
    let problems = result.unwrap_err();
    problems
        .listed
        .iter()
        .map(|p| (problems.shape.path(&p.part), p.detail.clone()))
        .collect()
}

/// The text of the sample's `data`, found without a JSON reader.
fn published_data(sample: Sample) -> &'static str {
    let start = sample.text.find("\"data\":").unwrap() + "\"data\":".len();
    let rest = sample.text[start..].trim_start();
    &rest[..=rest.find('}').unwrap()]
}

#[test]
fn e4_e5_e7_of_27_published_samples_25_are_read_and_their_data_stays_byte_for_byte() {
    let mut read = 0;
    for sample in AS_PUBLISHED
        .into_iter()
        .filter(|sample| !INVALID.contains(&sample.title))
    {
        let submission = json(sample.text).unwrap_or_else(|e| panic!("{}: {}", sample.title, e.summary()));
        let [event] = submission.events.as_slice() else {
            panic!("{}: one event", sample.title)
        };
        assert_eq!(event.data.bytes(), published_data(sample), "{}", sample.title);
        let timestamp = event.timestamp.unwrap().to_string();
        assert!(
            sample.text.contains(&format!("\"timestamp\": {timestamp},")),
            "{}",
            sample.title
        );
        assert!(
            sample
                .text
                .contains(&format!("\"{}\"", event.id.as_ref().unwrap())),
            "{}",
            sample.title
        );
        read += 1;
    }
    assert_eq!(read, 25);
}

#[test]
fn e7_a_trailing_comma_is_named_with_line_column_and_the_line() {
    for (title, line, column, closing, text) in [
        (
            "COURSE_UNENROLLMENT",
            14,
            43,
            15,
            "\"enrollmentSource\": \"ADMIN_ENROLL\",",
        ),
        (
            "LEARNING_PATH_UNENROLLMENT",
            14,
            42,
            16,
            "\"enrollmentSource\": \"SELF_ENROLL\",",
        ),
    ] {
        let sample = AS_PUBLISHED
            .into_iter()
            .find(|sample| sample.title == title)
            .unwrap();
        let problems = json(sample.text).unwrap_err();
        assert_eq!((problems.kind, problems.total), (Kind::Syntax, 1), "{title}");
        let place = problems.listed[0].place.as_ref().unwrap();
        assert_eq!(
            (place.line, place.column, place.text.trim()),
            (line, column, text),
            "{title}"
        );
        let comma = sample.text.lines().nth(line - 1).unwrap().chars().nth(column - 1);
        assert_eq!(comma, Some(','), "{title}");
        let detail = &problems.listed[0].detail;
        assert!(
            detail.contains(&format!("`}}` of line {closing}: remove the comma")),
            "{detail}"
        );
    }
}

#[test]
fn e4_the_introduction_is_of_another_account_and_says_so() {
    let problems = problems(json(INTRODUCTION.text));
    assert_eq!(problems.len(), 1);
    assert_eq!(problems[0].0, "/accountId");
    assert!(
        problems[0].1.contains("1010") && problems[0].1.contains("1234"),
        "{}",
        problems[0].1
    );
}

#[test]
fn one_event_an_array_an_envelope_and_lines_hold_the_same_events() {
    let event = r#"{"eventName":"CI_STATS","data":{"a": 1}}"#;
    let single = json(event).unwrap();
    for (body, format) in [
        (format!("[{event}]"), Format::Json),
        (
            format!("{{\"accountId\":1234,\"events\":[{event}]}}"),
            Format::Json,
        ),
        (format!("{{\"events\":[{event}]}}"), Format::Json),
        (event.to_owned(), Format::Lines),
        (format!("\r\n{event}\r\n\r\n"), Format::Lines),
    ] {
        assert_eq!(read(body, format).unwrap().events, single.events);
    }
}

#[test]
fn every_problem_of_every_event_is_reported_at_once_with_its_pointer() {
    let found = problems(json(
        r#"[{"eventName":"CI_STATS","data":{}},
            {"eventName":"CI_STAT","data":[1],"timestamp":"1","eventId":7},
            17,
            {"evntName":"CI_STATS","timestamp":-1,"eventInfo":null,"data":{},"data":{}}]"#,
    ));
    let paths: Vec<&str> = found.iter().map(|(path, _)| path.as_str()).collect();
    assert_eq!(
        paths,
        [
            "/1/eventName",
            "/1/eventId",
            "/1/timestamp",
            "/1/data",
            "/2",
            "/3/evntName",
            "/3/data",
            "/3/eventInfo",
            "/3/timestamp",
            "/3/eventName",
        ]
    );
    let detail = |path: &str| found.iter().find(|(other, _)| other == path).unwrap().1.as_str();
    assert!(detail("/1/eventName").contains("did you mean CI_STATS?"));
    assert!(detail("/3/evntName").contains("did you mean \"eventName\"?"));
    assert!(detail("/3/data").contains("twice"));
    assert!(detail("/1/data").contains("must be a JSON object, not an array"));
    assert!(detail("/3/eventInfo").contains("leave it out"));
}

#[test]
fn what_is_missing_is_named() {
    let found = problems(json("{}"));
    let paths: Vec<&str> = found.iter().map(|(path, _)| path.as_str()).collect();
    assert_eq!(paths, ["/eventName", "/data"]);
    assert!(
        found
            .iter()
            .all(|(_, detail)| detail.starts_with("is required: "))
    );
    assert_eq!(problems(json(r#"{"accountId":1234}"#))[0].0, "/events");
    assert_eq!(problems(json("[]"))[0].1, "holds no events: send at least one");
    assert_eq!(problems(json(r#"{"events":[]}"#))[0].0, "/events");
}

#[test]
fn fields_of_the_envelope_are_checked_too() {
    let found = problems(json(
        r#"{"accountID":1234,"events":{},"events":[{"eventName":"CI_STATS","data":{}}]}"#,
    ));
    assert_eq!(found[0].0, "/accountID");
    assert!(found[0].1.contains("did you mean \"accountId\"?"));
    assert_eq!(
        found[1],
        ("/events".to_owned(), "is there twice: keep one".to_owned())
    );
    let found = problems(json(r#"{"eventName":"CI_STATS","data":{},"accountId":1234}"#));
    assert_eq!(found[0].0, "/accountId");
    assert!(found[0].1.contains("leave it out"));
}

#[test]
fn e5_a_timestamp_is_an_integer_of_seconds_or_milliseconds() {
    let with = |timestamp: &str| {
        json(format!(
            r#"{{"eventName":"CI_STATS","data":{{}},"timestamp":{timestamp}}}"#
        ))
    };
    for good in ["0", "1725604147", "1727414643000"] {
        assert_eq!(with(good).unwrap().events[0].timestamp.unwrap().to_string(), good);
    }
    for bad in [
        "-1",
        "-0",
        "1.0",
        "1e3",
        "\"1725604147\"",
        "null",
        "true",
        "[]",
        "18446744073709551616",
    ] {
        let found = problems(with(bad));
        assert_eq!(found.len(), 1, "{bad}");
        assert_eq!(found[0].0, "/timestamp", "{bad}");
    }
}

#[test]
fn a_wrong_line_is_named_by_its_number_and_the_others_are_still_read() {
    let body = "{\"eventName\":\"CI_STATS\",\"data\":{}}\n\n{\"eventName\":\"CI_STATS\",\"data\":{,}}\n{\"eventName\":1,\"data\":{}}\n";
    let problems = read(body, Format::Lines).unwrap_err();
    assert_eq!((problems.kind, problems.total), (Kind::Syntax, 2));
    let place = problems.listed[0].place.as_ref().unwrap();
    assert_eq!((place.line, place.column), (3, 33));
    let part = &problems.listed[1].part;
    assert_eq!(problems.shape.path(part), "/2/eventName");
    assert_eq!(problems.shape.line(part), Some(4));
}

#[test]
fn limits_are_on_the_size_of_an_event_and_the_number_of_events() {
    let event = |bytes: usize| {
        let frame = r#"{"eventName":"CI_STATS","data":{"a":""}}"#;
        frame.replace("\"\"", &format!("\"{}\"", "x".repeat(bytes - frame.len())))
    };
    assert!(json(event(LIMITS.event_bytes)).is_ok());
    let problems = json(format!("[{},{}]", event(100), event(LIMITS.event_bytes + 1))).unwrap_err();
    assert_eq!((problems.kind, problems.total), (Kind::TooLarge, 1));
    assert_eq!(
        problems.summary(),
        "/1: has 262145 bytes; at most 262144 are allowed for an event"
    );
    let many = |count: usize| vec![r#"{"eventName":"CI_STATS","data":{}}"#; count];
    assert!(json(format!("[{}]", many(LIMITS.events).join(","))).is_ok());
    for result in [
        json(format!("[{}]", many(LIMITS.events + 1).join(","))),
        read(many(LIMITS.events + 1).join("\n"), Format::Lines),
    ] {
        assert_eq!(result.unwrap_err().kind, Kind::TooLarge);
    }
}

#[test]
fn a_syntax_error_has_its_line_its_column_in_characters_and_a_bounded_piece_of_the_line() {
    let at = |body: &str| {
        let problems = json(body.to_owned()).unwrap_err();
        assert_eq!(problems.kind, Kind::Syntax, "{body}");
        let problem = problems.listed[0].clone();
        (problem.place.unwrap(), problem.detail)
    };
    let (place, _) = at("{\n\"ä\": \"öü\" x}");
    assert_eq!(
        (place.line, place.column, place.text.as_str()),
        (2, 11, "\"ä\": \"öü\" x}")
    );
    let (place, detail) = at("{\"a\": 1");
    assert_eq!((place.line, place.column), (1, 8));
    assert!(detail.contains("ends too early"), "{detail}");
    let (place, _) = at("{\"a\": \"line\nfeed\"}");
    assert_eq!(place.line, 1, "the line feed ends line 1");
    let (_, detail) = at("{'a': 1}");
    assert!(detail.contains("double quotes"), "{detail}");
    for several in ["{\"a\":1}\n{\"a\":2}\n", "{\"a\":1} {\"a\":2}", "[]{}"] {
        let (_, detail) = at(several);
        assert!(
            detail.contains("send content-type application/x-ndjson"),
            "{detail}"
        );
    }
    let (_, detail) = at("{\"a\":1} x");
    assert!(!detail.contains("ndjson"), "{detail}");
    let (_, detail) = at("\u{feff}{}");
    assert!(detail.contains("byte order mark"), "{detail}");
    let long = format!("{{\"a\":\"{}\" x \"{}\"}}", "ä".repeat(5_000), "ö".repeat(5_000));
    let (place, _) = at(&long);
    assert!(
        place.text.len() <= 200 + 2 * '…'.len_utf8() && place.text.contains("\" x \""),
        "{}",
        place.text
    );
    assert!(!place.text.contains('\u{fffd}'));
    assert_eq!(place.column, 5_009);
    at("nonsense");
    assert_eq!(json("").unwrap_err().kind, Kind::Syntax);
    at("[1,]");
}

#[test]
fn a_body_that_is_not_utf8_says_where() {
    let problems = json(&b"{\n  \"a\": \"\xff\"}"[..]).unwrap_err();
    assert_eq!(problems.kind, Kind::Syntax);
    let place = problems.listed[0].place.as_ref().unwrap();
    assert_eq!((place.line, place.column), (2, 9));
}

#[test]
fn half_a_surrogate_pair_is_refused_where_a_text_is_read_and_kept_where_it_is_not() {
    assert_eq!(
        problems(json(r#"{"eventName":"CI_STATS","data":{},"eventId":"\ud800"}"#))[0].0,
        "/eventId"
    );
    assert!(json(r#"{"eventName":"CI_STATS","data":{},"\ud800":1}"#).is_err());
    assert!(json(r#"[{"eventName":"CI_STATS","data":{},"\ud800":1}]"#).is_err());
    let kept = json(r#"{"eventName":"CI_STATS","data":{"a":"\ud800"}}"#).unwrap();
    assert_eq!(kept.events[0].data.bytes(), r#"{"a":"\ud800"}"#);
}

/// JSON as odd as it may be: white space anywhere, repeated keys, any spelling of numbers and texts.
fn odd_value() -> impl Strategy<Value = String> {
    let space = || prop_oneof![Just(""), Just(" "), Just("\n\t"), Just("\r\n")];
    let text = || "\"([a-zäß€😀 ]|\\\\u[0-9a-fA-F]{4}|\\\\[nrt\"/\\\\]){0,8}\"";
    let leaf = prop_oneof![
        Just("null".to_owned()),
        Just("true".to_owned()),
        "-?(0|[1-9][0-9]{0,20})(\\.[0-9]{1,9})?([eE][+-]?[0-9]{1,3})?",
        text(),
    ];
    leaf.prop_recursive(4, 48, 6, move |inner| {
        let key = prop_oneof![Just("\"a\"".to_owned()), text()];
        let array = proptest::collection::vec(inner.clone(), 0..6);
        let object = proptest::collection::vec((key, inner), 0..6);
        prop_oneof![
            (space(), array)
                .prop_map(|(space, items)| format!("[{space}{}]", items.join(&format!("{space},")))),
            (space(), object).prop_map(|(space, entries)| object_text(space, &entries)),
        ]
    })
}

fn object_text(space: &str, entries: &[(String, String)]) -> String {
    let entries: Vec<String> = entries
        .iter()
        .map(|(key, value)| format!("{space}{key}{space}:{value}"))
        .collect();
    format!("{{{}{space}}}", entries.join(","))
}

proptest! {
    #[test]
    fn e4_any_object_comes_out_as_data_byte_for_byte(entries in proptest::collection::vec(("\"[a-c]\"", odd_value()), 0..5)) {
        let data = object_text(" ", &entries);
        let event = format!("{{\"data\" :\n {data} , \"eventName\":\"CI_STATS\"}}");
        for body in [event.clone(), format!("[{event}]"), format!("{{\"events\": [{event}\n]}}")] {
            let submission = json(body).unwrap();
            prop_assert_eq!(submission.events[0].data.bytes(), data.as_bytes());
        }
        let on_one_line = |text: &str| text.replace(['\n', '\r'], " ");
        let submission = read(on_one_line(&event), Format::Lines).unwrap();
        let expected = on_one_line(&data);
        prop_assert_eq!(submission.events[0].data.bytes(), expected.as_bytes());
    }

    #[test]
    fn arbitrary_bytes_never_panic(body in proptest::collection::vec(any::<u8>(), 0..256)) {
        for format in [Format::Json, Format::Lines] {
            drop(read(body.clone(), format).map_err(|problems| problems.summary()));
        }
    }

    #[test]
    fn a_published_sample_with_bytes_changed_never_panics(
        sample in 0..27_usize, at in any::<proptest::sample::Index>(), byte in any::<u8>(), cut in any::<proptest::sample::Index>(),
    ) {
        let mut body = AS_PUBLISHED[sample].text.as_bytes().to_vec();
        let at = at.index(body.len());
        body[at] = byte;
        body.truncate(cut.index(body.len()).max(at));
        for format in [Format::Json, Format::Lines] {
            drop(read(body.clone(), format).map_err(|problems| problems.summary()));
        }
    }
}
