use angarium_model::{AccountId, Event, EventId, EventName, JsonObject, Timestamp};
use proptest::prelude::*;

use super::*;

const DATA: &str = r#"{
    "loType": "course", "progressPercent": 50, "score": 72.5, "name": "Größe", "passed": true, "none": null,
    "large": 18446744073709551615, "dateCompleted": "2024-09-05T06:29:07.000Z", "tags": ["hr", "onboarding"],
    "users": [{"id": 1, "mail": "ada@example.com"}, {"id": 2, "mail": "bob@example.org"}],
    "object": {"id": "course:1", "dot.key": 1}
}"#;

fn event(data: &str) -> Event {
    Event {
        account: AccountId::new(1234).unwrap(),
        id: EventId::new("e-1").unwrap(),
        name: EventName::new("COURSE_COMPLETED").unwrap(),
        timestamp: Timestamp::new(1_725_604_147),
        info: None,
        data: JsonObject::parse(data.to_owned().into()).unwrap(),
    }
}

fn answer_on(text: &str, data: &str) -> Result<bool, String> {
    let filter = Filter::parse(text).unwrap_or_else(|problems| panic!("{text}: {problems:?}"));
    let event = event(data);
    filter
        .matches(&Subject::new(&event, "info-0"))
        .map_err(|failure| failure.to_string())
}

fn answer(text: &str) -> Result<bool, String> {
    answer_on(text, DATA)
}

fn problems(text: &str) -> Vec<String> {
    let problems = Filter::parse(text).err();
    let problems = problems.unwrap_or_else(|| panic!("{text} was taken"));
    problems.iter().map(ToString::to_string).collect()
}

#[test]
fn an_expression_sees_the_payload_and_the_event_as_receivers_get_them() {
    for (text, wanted) in [
        ("data.loType == \"course\" && data.progressPercent >= 50", true),
        (
            "data.loType == 'certification' || data.progressPercent > 50",
            false,
        ),
        (
            "data.progressPercent < 50.5 && data.score == 72.5 && data.score > 72",
            true,
        ),
        ("data.large > 9223372036854775807u", true),
        ("data.passed", true),
        ("!data.passed", false),
        ("data.none == null", true),
        ("has(data.loType) && !has(data.missing)", true),
        ("has(data.missing) && data.missing > 1", false),
        ("data.missing > 1 || data.passed", true),
        ("data.loType in ['course', 'certification']", true),
        ("'hr' in data.tags && 'loType' in data", true),
        (
            "data.tags == ['hr', 'onboarding'] && ['hr', 'onboarding'] == data.tags",
            true,
        ),
        ("data.users.exists(u, u.mail.endsWith('@example.org'))", true),
        ("data.users.all(u, u.id > 1)", false),
        ("data.users.exists_one(u, u.id == 2)", true),
        ("data.object.exists(key, key == 'id')", true),
        (
            "data.object['dot.key'] == 1 && data.tags[1] == 'onboarding'",
            true,
        ),
        ("data.users.size() == 2 && size(data.name) == 5", true),
        ("data.name.matches('^Gr.{2}e$')", true),
        ("data.name.upperAscii().contains('GR')", true),
        (
            "timestamp(data.dateCompleted) > timestamp('2024-01-01T00:00:00Z')",
            true,
        ),
        ("timestamp(data.dateCompleted).getFullYear() == 2024", true),
        (
            "data.progressPercent + 1 == 51 && data.progressPercent * 2 / 4 % 20 - 5 == 0",
            true,
        ),
        ("(data.passed ? data.score : data.missing) > 70.0", true),
        (
            "event.eventName == 'COURSE_COMPLETED' && event.eventId == 'e-1'",
            true,
        ),
        (
            "event.timestamp == 1725604147 && event.eventInfo == 'info-0'",
            true,
        ),
    ] {
        assert_eq!(answer(text), Ok(wanted), "{text}");
    }
}

#[test]
fn every_function_that_is_listed_is_there() {
    for text in [
        "size(data.tags) == data.tags.size()",
        "data.name.contains('a') || data.name.startsWith('G') || data.name.endsWith('x')",
        "data.name.lowerAscii() == data.name.trim().lowerAscii()",
        "int('1') == 1 && uint('1') == 1u && double('1') == 1.0 && string(1) == '1' && bool('true')",
        "duration('1h') > duration('59m')",
        "timestamp(data.dateCompleted).getMonth() == 8 && timestamp(data.dateCompleted).getMonth('UTC') == 8",
        "timestamp(data.dateCompleted).getDate() == 5 && timestamp(data.dateCompleted).getDate('UTC') == 5",
        "timestamp(data.dateCompleted).getDayOfMonth() == 4 && timestamp(data.dateCompleted).getDayOfMonth('UTC') == 4",
        "timestamp(data.dateCompleted).getDayOfWeek() == 4 && timestamp(data.dateCompleted).getDayOfWeek('UTC') == 4",
        "timestamp(data.dateCompleted).getHours() == 6 && timestamp(data.dateCompleted).getHours('Europe/Berlin') == 8",
        "timestamp(data.dateCompleted).getMinutes() == 29 && timestamp(data.dateCompleted).getMinutes('UTC') == 29",
        "timestamp(data.dateCompleted).getSeconds() == 7",
        "timestamp(data.dateCompleted).getFullYear('UTC') == 2024",
    ] {
        assert_eq!(answer(text), Ok(true), "{text}");
    }
}

#[test]
fn what_an_expression_looks_up_is_told_as_it_is_written() {
    let text = "data.loType == 'x' && has(data.missing) || data.users[0].id > 1 && data.object['dot.key'] == 1 \
        || data.loType in ['a'] || event.timestamp > 1 || data.tags.exists(t, t == data.none)";
    let event = event(DATA);
    let found = Filter::parse(text).unwrap().lookups(&Subject::new(&event, ""));
    let told: Vec<_> = found
        .iter()
        .map(|lookup| format!("{} = {}", lookup.path, lookup.value.as_deref().unwrap_or("-")))
        .collect();
    let expected = [
        "data.loType = \"course\"",
        "data.missing = -",
        "data.users[0].id = 1",
        "data.object[\"dot.key\"] = 1",
        "event.timestamp = 1725604147",
        "data.tags = [\"hr\",\"onboarding\"]",
    ];
    assert_eq!(told, expected);
}

#[test]
fn what_has_no_answer_says_why_and_nothing_of_the_payload() {
    for (text, why) in [
        (
            "data.missing == 1",
            "line 1, column 5: there is no field missing; has(…) tells whether there is one",
        ),
        (
            "data.loType == 'x' ||\n  data.missing > 1",
            "line 2, column 7: there is no field missing; has(…) tells whether there is one",
        ),
        (
            "data[data.loType] == 1",
            "a field that the expression looks up is not there",
        ),
        ("data.loType > 5", "> does not take (string, int)"),
        (
            "data.loType.size() > 5 && data.progressPercent.contains('5')",
            "contains does not take (int, string)",
        ),
        ("data.progressPercent / 0 == 1", "a number is divided by zero"),
        (
            "data.large * data.large == 1u",
            "a result is too large for a number",
        ),
        ("data.tags[7] == 'x'", "a list is shorter than the index says"),
        (
            "timestamp(data.name) > timestamp('2024-01-01T00:00:00Z')",
            "timestamp cannot take this value",
        ),
        (
            "data.loType",
            "the answer is of type string; a filter answers true or false",
        ),
    ] {
        assert_eq!(answer(text), Err(why.to_owned()), "{text}");
    }
}

/// An expression, and the beginning of what is told of it.
const WRONG: [(&str, &str); 24] = [
    ("data.x ==", "line 1, column 10: syntax: unexpected the end"),
    ("", "line 1, column 1: syntax: unexpected the end"),
    (
        "data.name == 'ö' && loType == 'x'",
        "line 1, column 21: there is no loType; a filter sees data and event, so perhaps data.loType",
    ),
    (
        "data.x == 1 &&\n upper(data.y) == 'A'",
        "line 2, column 7: there is no function upper; there are size, ",
    ),
    (
        "data.name.startsWith('a', 'b')",
        "line 1, column 21: startsWith takes 1 values in its parentheses, not 2",
    ),
    (
        "startsWith(data.name, 'b')",
        "line 1, column 11: startsWith is called on a value: value.startsWith(…)",
    ),
    (
        "data.x.int() == 1",
        "line 1, column 11: int is called as int(value)",
    ),
    (
        "event.name == 'x'",
        "line 1, column 6: event has no field name; it has eventName, eventId, timestamp, eventInfo",
    ),
    (
        "event.data.x == 1",
        "line 1, column 6: event has no field data; it has eventName, eventId, timestamp, eventInfo; write data alone",
    ),
    (
        "data.x + 1",
        "line 1, column 8: the whole must answer true or false; compare its value with something",
    ),
    ("data", "line 1, column 1: the whole must answer true or false"),
    ("'yes'", "line 1, column 1: the whole must answer true or false"),
    (
        "data.a && 5",
        "line 1, column 11: && takes true or false, and this is something else",
    ),
    (
        "data.name.matches(data.pattern)",
        "line 1, column 23: the pattern of matches must be written out",
    ),
    (
        "data.name.matches('(')",
        "line 1, column 19: the pattern is wrong: unclosed group",
    ),
    (
        "data.name.matches('(a{1000}){1000}')",
        "line 1, column 19: the pattern is wrong: compiled, it takes more than 65536 bytes",
    ),
    (
        "data.l.exists(x, x.exists(y, y == 1))",
        "line 1, column 26: all, exists and exists_one must not be within one another",
    ),
    (
        "data.l.map(x, x.y) == data.l",
        "line 1, column 11: map and filter make lists",
    ),
    (
        "data.l.filter(x, x.y == 1).size() > 1",
        "line 1, column 14: map and filter make lists",
    ),
    (
        "data.l.exists(x, y, x == 1)",
        "line 1, column 14: exists is called in another way",
    ),
    (
        "data.x == {'a': 1}",
        "line 1, column 11: objects cannot be written in a filter",
    ),
    (
        "data.x in [data.y]",
        "line 1, column 16: a list may have only values that are written out",
    ),
    (
        "data.?x == 1",
        "line 1, column 5: syntax: unsupported syntax '.?'",
    ),
    (
        "x == 1 && data.l.exists(x, x == 1)",
        "line 1, column 1: there is no x;",
    ),
];

#[test]
fn what_is_wrong_is_told_with_its_place_before_any_event() {
    for (text, wrong) in WRONG {
        let told = problems(text).join(" | ");
        assert!(told.contains(wrong), "{text}\n told: {told}\n not:  {wrong}");
    }
    let both = problems("lo == 1 && event.x == 2");
    assert_eq!(both.len(), 2, "every mistake at once: {both:?}");
}

#[test]
fn what_the_language_does_by_itself_in_a_loop_needs_no_name() {
    assert_eq!(
        answer("data.tags.all(t, t != 'x') && data.users.exists(t, t.id == 1)"),
        Ok(true)
    );
    assert!(problems("data.tags.all(t, t != 'x') && t == 1")[0].contains("there is no t"));
}

/// What is made to be slow, deep or large.
fn hostile() -> [String; 20] {
    let n = |text: &str, times: usize| text.repeat(times);
    [
        n("(", 2_000),
        n("!", 2_000) + "data.a",
        n("[", 1_000),
        vec!["data.a"; 300].join("&&"),
        vec!["data.a"; 120].join("&&"),
        vec!["data.a"; 300].join(" + ") + " == 1",
        n("data.a?", 300) + "data.a",
        n("data.a?data.a:", 60) + "data.a",
        format!("data{}", n(".b", 1_000)),
        format!("data{}", n("[0]", 600)),
        format!("{}0{} == 1", n("data[", 30), n("]", 30)),
        n("\u{1}\\\"'`", 400),
        n("(", 31) + "data.a" + &n(")", 31),
        format!("{}x{}", n("data.a.exists(x,", 90), n(")", 90)),
        n("{1:", 300),
        format!("'''{}", n("a", 1_000)),
        n("-", 2_000) + "1 == data.a",
        format!("data.text.matches('{}')", n("(a*)*", 50)),
        n("\u{10ffff}", 500),
        n("data.wide.exists(x, x == data) || ", 10) + "data.a",
    ]
}

/// Run on a stack a quarter of what the runtime's threads have.
fn on_a_small_stack(work: impl FnOnce() + Send + 'static) {
    std::thread::Builder::new()
        .stack_size(512 << 10)
        .spawn(work)
        .unwrap()
        .join()
        .unwrap();
}

#[test]
fn a_hostile_expression_neither_panics_nor_hangs_nor_overflows_the_stack() {
    on_a_small_stack(|| {
        let deep = format!("{}1{}", "[".repeat(126), "]".repeat(126));
        let wide = format!("[{}]", vec!["0"; 100_000].join(","));
        let data = format!(
            r#"{{"a": true, "deep": {deep}, "wide": {wide}, "text": "{}"}}"#,
            "a".repeat(100_000)
        );
        let event = event(&data);
        for text in hostile() {
            let _taken_or_not = Filter::parse(&text).map(|filter| filter.matches(&Subject::new(&event, "")));
        }
    });
}

#[test]
fn an_event_that_is_too_large_for_what_the_expression_does_is_not_begun() {
    let list = format!("[{}]", vec!["0"; 50_000].join(","));
    let text = "a".repeat(50_000);
    let data = format!(r#"{{"list": {list}, "text": "{text}"}}"#);
    for costly in [
        "data.list.exists(x, data.text.contains('b'))",
        "data.list.all(x, data.list != data.text)",
        "data.list.exists(x, x > 1 && x > 2 && x > 3)",
        "data.list.exists(x, x + 1 == 5) || data.list.exists(x, x in data.list)",
    ] {
        let failed = answer_on(costly, &data).unwrap_err();
        assert!(
            failed.starts_with("the event is too large for this expression: its data has "),
            "{costly}: {failed}"
        );
    }
    for cheap in [
        "data.text.contains('b')",
        "7 in data.list",
        "size(data.list) == 1",
        "data.text.matches('b$')",
    ] {
        assert_eq!(answer_on(cheap, &data), Ok(false), "{cheap}");
    }
}

#[test]
fn a_usual_filter_takes_a_large_event() {
    let user = r#"{"id": 7, "mail": "somebody@example.com", "about": "some two hundred bytes of text, as there may be ... "}"#;
    let data = format!(
        r#"{{"loType": "course", "users": [{}]}}"#,
        vec![user; 2_000].join(",")
    );
    assert!(data.len() > 200_000);
    for text in [
        "data.loType == 'course' && data.users.exists(u, u.id >= 8)",
        "data.users.exists(u, u.mail.endsWith('@example.org'))",
    ] {
        assert_eq!(answer_on(text, &data), Ok(false), "{text}");
    }
}

#[test]
fn data_that_cannot_be_read_is_told_as_such() {
    let deep = format!(r#"{{"a": {}1{}}}"#, "[".repeat(200), "]".repeat(200));
    assert!(
        answer_on("has(data.a)", &deep)
            .unwrap_err()
            .starts_with("data cannot be read")
    );
    let twice = r#"{"a": 1, "a": 2, "\u0062": "\u00e4"}"#;
    assert_eq!(
        answer_on("data.a == 2 && data.b == 'ä'", twice),
        Ok(true),
        "the last counts"
    );
}

#[test]
fn a_failure_is_short() {
    let field = "f".repeat(1_000);
    let failed = answer(&format!("data.{field} == 1")).unwrap_err();
    assert!(failed.len() <= Failure::MAX_BYTES, "{} bytes", failed.len());
}

fn value() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just("data.a".to_owned()),
        Just("data.b.c".to_owned()),
        Just("data['d'][0]".to_owned()),
        Just("x".to_owned()),
        Just("event.timestamp".to_owned()),
        Just("1".to_owned()),
        Just("-9223372036854775808".to_owned()),
        Just("1.5".to_owned()),
        Just("7u".to_owned()),
        Just("'text'".to_owned()),
        Just("true".to_owned()),
        Just("null".to_owned()),
        Just("[1, 'a']".to_owned()),
        Just("data".to_owned()),
        Just("timestamp('9999-12-31T23:59:59Z')".to_owned()),
        Just("duration('1h')".to_owned()),
    ];
    leaf.prop_recursive(5, 40, 3, |inner| {
        let two = (inner.clone(), inner.clone());
        prop_oneof![
            (
                two.clone(),
                prop::sample::select(vec![
                    "+", "-", "*", "/", "%", "==", "!=", "<", ">=", "in", "&&", "||"
                ])
            )
                .prop_map(|((left, right), operator)| format!("({left} {operator} {right})")),
            inner.clone().prop_map(|of| format!("!{of}")),
            inner.clone().prop_map(|of| format!("-{of}")),
            inner.clone().prop_map(|of| format!("size({of})")),
            (
                inner.clone(),
                prop::sample::select(vec![
                    "int",
                    "uint",
                    "double",
                    "string",
                    "timestamp",
                    "duration",
                    "bool"
                ])
            )
                .prop_map(|(of, function)| format!("{function}({of})")),
            two.clone()
                .prop_map(|(of, with)| format!("{of}.contains({with})")),
            two.clone().prop_map(|(of, with)| format!("{of}[{with}]")),
            inner.clone().prop_map(|of| format!("{of}.matches('^a')")),
            two.clone()
                .prop_map(|(of, each)| format!("{of}.exists(x, {each})")),
            two.clone().prop_map(|(of, each)| format!("{of}.all(x, {each})")),
            (two, inner).prop_map(|((condition, yes), no)| format!("({condition} ? {yes} : {no})")),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

    /// Nothing of what the walk lets through makes the crate panic: that it is caught is the last resort.
    #[test]
    fn no_expression_that_is_taken_panics(text in value().prop_map(|value| format!("{value} == true"))) {
        let data = r#"{"a": -9223372036854775808, "b": {"c": "äb"}, "d": [[1], {"e": 1e308}], "x": 18446744073709551615}"#;
        if let Ok(filter) = Filter::parse(&text) {
            let event = event(data);
            let subject = Subject::new(&event, "");
            let _answer = filter.evaluate(subject.read().unwrap());
        }
    }
}
