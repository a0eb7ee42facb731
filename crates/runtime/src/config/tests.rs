use std::io::Write;
use std::net::SocketAddr;
use std::time::Duration;

use proptest::prelude::*;
use tempfile::NamedTempFile;

use super::value::{format_bytes, format_duration, parse_bytes, parse_duration};
use super::*;
use crate::access::OperatorKey;

const SECOND: Duration = Duration::from_secs(1);

fn file(text: &str) -> NamedTempFile {
    let mut file = NamedTempFile::new().unwrap();
    file.write_all(text.as_bytes()).unwrap();
    file
}

fn environment(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect()
}

/// Reads three settings of `ingest` and the operator's key, as a role does.
fn read(reader: &mut Reader) -> (SocketAddr, u32, Duration, Option<OperatorKey>) {
    let mut ingest = reader.section("ingest");
    let listen = ingest.address("listen", ([127, 0, 0, 1], 8080), "Where HTTP is served");
    let events = ingest.integer("max_events", 1_000, 1..=10_000, "Events in a request");
    let wait = ingest.duration("wait", SECOND, SECOND..=60 * SECOND, "How long to wait");
    let key = reader
        .section("operator")
        .secret("key", "Opens everything", OperatorKey::new);
    (listen, events, wait, key)
}

fn lines(reader: &Reader) -> Vec<String> {
    reader
        .finish()
        .unwrap_err()
        .iter()
        .map(ToString::to_string)
        .collect()
}

#[test]
fn the_command_line_beats_the_environment_beats_the_file_beats_the_default() {
    let file = file(
        "[ingest]\nmax_events = 1\nwait = '2s'\nlisten = '[::1]:1'\n[operator]\nkey = 'from-the-file-0000'\n",
    );
    let given = [
        ("ANGARIUM_INGEST_MAX_EVENTS", "2"),
        ("ANGARIUM_INGEST_WAIT", "3s"),
        ("ANGARIUM_INGEST_LISTEN", ""),
    ];
    let mut reader = Reader::new(Some(file.path()), environment(&given));
    reader.set("ingest.max_events", "3");
    let (listen, events, wait, key) = read(&mut reader);
    reader.finish().unwrap();
    assert_eq!((listen.port(), events, wait), (1, 3, 3 * SECOND));
    assert_eq!(key.unwrap().expose(), "from-the-file-0000");

    let mut reader = Reader::new(
        None,
        environment(&[("ANGARIUM_OPERATOR_KEY", "0123456789abcdef")]),
    );
    let (listen, events, wait, _key) = read(&mut reader);
    reader.finish().unwrap();
    assert_eq!((listen.port(), events, wait), (8080, 1_000, SECOND));
}

#[test]
fn all_mistakes_are_reported_together_with_their_place_and_what_is_allowed() {
    let file = file("[ingest]\nmax_events = 0\n\nlissten = 'a'\nwait = ['1s']\n");
    let given = [
        ("ANGARIUM_INGEST_LISTEN", "localhost"),
        ("ANGARIUM_INGEST_WIAT", "1s"),
        ("ANGARIUM_TEST_KAFKA", "x"),
    ];
    let mut reader = Reader::new(Some(file.path()), environment(&given));
    reader.set("ingest.max_event", "9");
    read(&mut reader);
    let place = |line| format!("{} line {line}", file.path().display());
    assert_eq!(
        lines(&reader),
        [
            "ingest.listen (ANGARIUM_INGEST_LISTEN): `localhost` is not an IP address and port such as 0.0.0.0:8080 \
             or [::]:8080"
                .to_owned(),
            format!("ingest.max_events ({}): `0` is less than 1; allowed: 1 to 10000", place(2)),
            format!("ingest.wait ({}): a list cannot be its value; allowed: 1s to 1m", place(5)),
            "operator.key is missing (Opens everything): set it in the file, or set ANGARIUM_OPERATOR_KEY".to_owned(),
            format!("ingest.lissten ({}) is not a setting; did you mean ingest.listen?", place(4)),
            "ANGARIUM_INGEST_WIAT (the environment) is not a setting; did you mean ANGARIUM_INGEST_WAIT?".to_owned(),
            "ingest.max_event (the command line) is not a setting; did you mean ingest.max_events?".to_owned(),
        ]
    );
    let whole = reader.finish().unwrap_err().to_string();
    assert!(
        whole.starts_with("7 mistakes in the settings:\n  - ingest.listen"),
        "{whole}"
    );
}

#[test]
fn a_secret_is_never_shown() {
    let secret = "hunter2 hunter2";
    let broken = file(&format!("[operator]\nkey = \"{secret}\nother = '{secret}'\n"));
    let unquoted = file(&format!("[operator]\nkey = {secret} = {secret}\n{secret} = 1\n"));
    let wrong = file(&format!("[operator]\nkey = '{secret}'\nkey_fil = '{secret}'\n"));
    for file in [&broken, &unquoted, &wrong] {
        let mut reader = Reader::new(
            Some(file.path()),
            environment(&[("ANGARIUM_OPERATOR_KYE", secret)]),
        );
        read(&mut reader);
        let mistakes = reader.finish().unwrap_err();
        assert!(mistakes.iter().count() >= 2, "{mistakes}");
        assert!(
            !format!("{mistakes} {mistakes:?}").contains("hunter2"),
            "{mistakes}"
        );
    }
    assert!(!format!("{:?}", Secret(secret.to_owned())).contains("hunter2"));
}

#[test]
fn a_secret_can_be_in_a_file_of_its_own() {
    let key = file("0123456789abcdef\n");
    let path = key.path().to_str().unwrap();
    let mut reader = Reader::new(None, environment(&[("ANGARIUM_OPERATOR_KEY_FILE", path)]));
    assert_eq!(read(&mut reader).3.unwrap().expose(), "0123456789abcdef");
    reader.finish().unwrap();

    let both = [
        ("ANGARIUM_OPERATOR_KEY_FILE", path),
        ("ANGARIUM_OPERATOR_KEY", "0123456789abcdef"),
    ];
    let mut reader = Reader::new(None, environment(&both));
    assert!(read(&mut reader).3.is_none());
    assert_eq!(
        lines(&reader),
        ["operator.key (ANGARIUM_OPERATOR_KEY): operator.key_file is given too: keep one of them"]
    );

    let mut reader = Reader::new(
        None,
        environment(&[("ANGARIUM_OPERATOR_KEY_FILE", "/no/such/file")]),
    );
    assert!(read(&mut reader).3.is_none());
    assert!(
        lines(&reader)[0]
            .starts_with("operator.key_file (ANGARIUM_OPERATOR_KEY_FILE): cannot read /no/such/file")
    );
}

#[test]
fn a_role_is_not_held_up_by_the_settings_of_another() {
    let mut reader = Reader::new(None, environment(&[("ANGARIUM_INGEST_WAIT", "soon")]));
    read(&mut reader);
    reader.finish_for(&["fanout"]).unwrap();
    assert_eq!(reader.finish_for(&["ingest"]).unwrap_err().iter().count(), 1);
    assert_eq!(
        reader
            .finish_for(&["ingest", "operator"])
            .unwrap_err()
            .iter()
            .count(),
        2
    );
}

#[test]
fn a_file_that_cannot_be_read_or_is_not_toml_is_named_with_the_line() {
    let mut reader = Reader::new(Some(Path::new("/no/such.toml")), []);
    reader.section("log").flag("colour", true, "Colours");
    assert!(lines(&reader)[0].starts_with("/no/such.toml: cannot be read: "));

    let file = file("[log]\ncolour = true\ncolour = false\n");
    let mut reader = Reader::new(Some(file.path()), []);
    reader.section("log").flag("colour", true, "Colours");
    assert!(
        lines(&reader)[0].contains(" line 3: not TOML: duplicate key"),
        "{:?}",
        lines(&reader)
    );
}

#[test]
fn a_setting_that_two_roles_share_is_reported_and_documented_once() {
    let mut reader = Reader::new(None, environment(&[("ANGARIUM_KAFKA_TLS", "yes")]));
    for _role in 0..2 {
        reader.section("kafka").flag("tls", false, "Whether to use TLS");
    }
    assert_eq!(
        lines(&reader),
        ["kafka.tls (ANGARIUM_KAFKA_TLS): `yes` is no flag; allowed: true, false"]
    );
    assert_eq!(reader.reference().matches("kafka.tls").count(), 1);
}

#[test]
fn words_and_parsed_texts_say_what_is_allowed() {
    let given = [("ANGARIUM_LOG_FORMAT", "yaml"), ("ANGARIUM_LOG_RATE", "fast")];
    let mut reader = Reader::new(None, environment(&given));
    let format = reader
        .section("log")
        .choice("format", &("text", 1), &[("json", 2)], "How lines look");
    let rate = reader.section("log").parsed("rate", 7_u8, "Lines a second");
    assert_eq!((format, rate), (1, 7));
    assert_eq!(
        lines(&reader),
        [
            "log.format (ANGARIUM_LOG_FORMAT): `yaml` is not a known word; allowed: text, json",
            "log.rate (ANGARIUM_LOG_RATE): `fast` is wrong: invalid digit found in string",
        ]
    );
}

#[test]
fn values_that_do_not_go_together_are_a_mistake_of_the_one_that_is_named() {
    let mut reader = Reader::new(None, environment(&[("ANGARIUM_RETRY_FIRST", "9")]));
    let mut retry = reader.section("retry");
    let (first, last) = (
        retry.integer("first", 1_u8, 1..=9, "First wait"),
        retry.integer("last", 5_u8, 1..=9, "Last wait"),
    );
    assert!(first > last);
    retry.reject("first", "is more than retry.last");
    retry.reject("last", "is less than retry.first");
    assert_eq!(
        lines(&reader),
        [
            "retry.first (ANGARIUM_RETRY_FIRST): is more than retry.last",
            "retry.last (its default): is less than retry.first",
        ]
    );
}

#[test]
fn a_default_out_of_its_own_bounds_is_a_mistake() {
    let mut reader = Reader::new(None, []);
    reader.section("retry").integer("first", 10, 1..=9, "First wait");
    assert_eq!(lines(&reader), ["retry.first (its default): `10` is more than 9"]);
}

#[test]
fn the_reference_is_a_table_of_everything_that_was_asked_for() {
    let mut reader = Reader::new(None, []);
    read(&mut reader);
    reader
        .section("ingest")
        .bytes("max_request", 5 << 20, 1024..=64 << 20, "Body | whole");
    reader.section("ingest").optional_text("zone", "Where it runs");
    reader.foreign("ANGARIUM_LOG", "Filter of the log");
    assert_eq!(
        reader.reference(),
        "## `ingest`\n\n\
         | Setting | Variable | Kind | Default | Allowed | Meaning |\n\
         |---|---|---|---|---|---|\n\
         | `ingest.listen` | `ANGARIUM_INGEST_LISTEN` | address | `127.0.0.1:8080` |  | Where HTTP is served |\n\
         | `ingest.max_events` | `ANGARIUM_INGEST_MAX_EVENTS` | number | `1000` | 1 to 10000 | Events in a request |\n\
         | `ingest.wait` | `ANGARIUM_INGEST_WAIT` | time | `1s` | 1s to 1m | How long to wait |\n\
         | `ingest.max_request` | `ANGARIUM_INGEST_MAX_REQUEST` | size | `5MiB` | 1KiB to 64MiB | Body \\| whole |\n\
         | `ingest.zone` | `ANGARIUM_INGEST_ZONE` | text | none |  | Where it runs |\n\
         \n## `operator`\n\n\
         | Setting | Variable | Kind | Default | Allowed | Meaning |\n\
         |---|---|---|---|---|---|\n\
         | `operator.key` | `ANGARIUM_OPERATOR_KEY` | secret | **required** | or `operator.key_file`: a file that holds it \
         | Opens everything |\n\
         \n## Other variables\n\n| Variable | Meaning |\n|---|---|\n| `ANGARIUM_LOG` | Filter of the log |\n"
    );
}

#[test]
fn sizes_need_a_known_unit_and_must_fit() {
    assert_eq!(parse_bytes("5 MiB"), Some(5 << 20));
    assert_eq!(parse_bytes("100kB"), Some(100_000));
    assert_eq!(parse_bytes("77"), Some(77));
    for bad in ["", "MiB", "5mib", "5 M", "-1", "1.5MiB", "99999999999GiB"] {
        assert_eq!(parse_bytes(bad), None, "{bad}");
    }
}

proptest! {
    #[test]
    fn a_size_or_time_in_the_reference_reads_back_as_itself(number in any::<u64>(), shift in 0_u32..40) {
        let bytes = usize::try_from(number >> 24 << shift).unwrap();
        prop_assert_eq!(parse_bytes(&format_bytes(bytes)), Some(bytes));
        let time = Duration::from_millis(number >> 20);
        prop_assert_eq!(parse_duration(&format_duration(time)), Some(time));
    }

    #[test]
    fn no_value_of_a_secret_appears_in_a_report(secret in "[a-zA-Z]{20,40} [a-z]") {
        let mut reader = Reader::new(None, environment(&[("ANGARIUM_OPERATOR_KEY", &secret)]));
        read(&mut reader);
        prop_assert!(!reader.finish().unwrap_err().to_string().contains(&secret));
    }

    #[test]
    fn any_file_yields_a_report_or_settings_but_no_panic(text in ".{0,200}") {
        let file = file(&text);
        let mut reader = Reader::new(Some(file.path()), []);
        read(&mut reader);
        prop_assert!(reader.finish().is_err());
    }
}
