//! The binary as its caller sees it: exit codes, and what is told on which stream.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

use std::io::{BufRead, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Command, Output, Stdio};

const KEY: &str = "0123456789abcdef";
/// Nothing listens there.
const NOWHERE: &str = "http://127.0.0.1:1";

fn angarium(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_angarium"));
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("ANGARIUM_")) {
        command.env_remove(name);
    }
    command.args(args);
    command
}

fn run(args: &[&str]) -> Output {
    angarium(args).output().unwrap()
}

fn told(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

#[test]
fn what_is_wrong_with_the_command_line_or_the_settings_exits_2() {
    for args in [
        &["nonsense"] as &[_],
        &["ingest", "--set", "no-value"],
        &["delivery"],
        &[
            "config",
            "check",
            "fanout",
            "--set",
            "fanout.commit_interval=never",
        ],
        &["webhook", "update", "wh_1", "--account", "1", "--key", KEY],
        &["webhook", "list", "--key", KEY],
        &["webhook", "list", "--profile", "a", "--profiles", "/nowhere"],
        &["apply", "-f", "/dev/null", "--prune"],
        &["listen", "--status", "100"],
    ] {
        let output = run(args);
        assert_eq!(output.status.code(), Some(2), "{args:?}: {}", told(&output));
        assert!(output.stdout.is_empty(), "{args:?}");
    }
}

#[test]
fn mistakes_in_the_settings_are_told_together_without_the_key() {
    let output = angarium(&["config", "check", "ingest", "--set", "ingest.max_event=huge"])
        .env("ANGARIUM_OPERATOR_KEY", "a b c d e f g h i")
        .env("ANGARIUM_INGEST_LISTN", "127.0.0.1:1")
        .output()
        .unwrap();
    let told = told(&output);
    assert!(
        told.starts_with("angarium: 3 mistakes in the settings:\n"),
        "{told}"
    );
    assert!(told.contains("did you mean ANGARIUM_INGEST_LISTEN?"), "{told}");
    assert!(!told.contains("a b c"), "{told}");
}

#[test]
fn settings_that_are_fine_exit_0() {
    let output = run(&[
        "config",
        "check",
        "delivery",
        "--set",
        &format!("operator.key={KEY}"),
    ]);
    assert_eq!(output.status.code(), Some(0), "{}", told(&output));
    assert_eq!(output.stdout, b"the settings of delivery are fine\n");
}

#[test]
fn a_service_that_cannot_be_reached_is_told_once_and_exits_4() {
    for args in [
        &["account", "list", "--key", KEY, "--registry", NOWHERE] as &[_],
        &[
            "webhook",
            "test",
            "wh_1",
            "--account",
            "1",
            "--key",
            KEY,
            "--delivery",
            NOWHERE,
        ],
        &[
            "publish",
            "--account",
            "1",
            "--key",
            KEY,
            "--ingest",
            NOWHERE,
            "/dev/null",
        ],
    ] {
        let output = run(args);
        let told = told(&output);
        assert_eq!(output.status.code(), Some(4), "{told}");
        assert!(
            told.contains(NOWHERE) && told.contains("Connection refused"),
            "{told}"
        );
        assert_eq!(told.lines().count(), 1, "{told}");
    }
}

#[test]
fn a_role_that_cannot_start_says_why_and_exits_1() {
    let output = run(&[
        "registry",
        "--set",
        &format!("operator.key={KEY}"),
        "--set",
        "seal.keys=none",
        "--set",
        "kafka.bootstrap=127.0.0.1:1",
        "--set",
        "registry.write_timeout=100ms",
    ]);
    let told = told(&output);
    assert_eq!(output.status.code(), Some(1), "{told}");
    assert!(
        told.contains("cannot start") && told.contains("127.0.0.1:1"),
        "{told}"
    );
}

#[test]
fn a_role_that_is_asked_to_end_drains_and_exits_0() {
    let mut child = angarium(&["ingest"])
        .env("ANGARIUM_OPERATOR_KEY", KEY)
        .env("ANGARIUM_KAFKA_BOOTSTRAP", "127.0.0.1:1")
        .env("ANGARIUM_REGISTRY_ENDPOINT", NOWHERE)
        .env("ANGARIUM_INGEST_LISTEN", "127.0.0.1:0")
        .env("ANGARIUM_INGEST_GRPC_LISTEN", "127.0.0.1:0")
        .env("ANGARIUM_INGEST_IDS", "memory")
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap())
        .lines()
        .map(Result::unwrap);
    let served = lines.find(|line| line.contains("ingest serves"));
    assert!(
        served.is_some(),
        "ingest ended before it served: {:?}",
        child.wait()
    );
    let killed = Command::new("kill")
        .args(["-TERM", &child.id().to_string()])
        .status()
        .unwrap();
    assert!(killed.success());
    // Read on to the end, or a full pipe would hold the process.
    let last = lines.last().unwrap();
    assert!(last.contains("ended"), "{last}");
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

#[test]
fn what_listen_takes_is_answered_as_asked_and_shown_and_it_ends_after_as_many_as_were_asked_for() {
    let listen = [
        "listen",
        "--listen",
        "127.0.0.1:0",
        "--status",
        "503",
        "--count",
        "1",
    ];
    let mut child = angarium(&listen)
        .stderr(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    let mut told = BufReader::new(child.stderr.take().unwrap());
    told.read_line(&mut line).unwrap();
    let address = line.split_once("http://").unwrap().1.split('/').next().unwrap();
    let mut connection = TcpStream::connect(address).unwrap();
    let call = "POST /hook HTTP/1.1\r\nhost: x\r\nconnection: close\r\nangarium-position: 0-7\r\n\
                content-length: 31\r\n\r\n{\"eventName\":\"A\",\"eventId\":\"e\"}";
    connection.write_all(call.as_bytes()).unwrap();
    let mut answer = String::new();
    connection.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 503"), "{answer}");
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    let shown = String::from_utf8(output.stdout).unwrap();
    assert!(
        shown.contains("POST /hook  503  not checked  0-7\n    A  e  null\n"),
        "{shown}"
    );
}

#[test]
fn the_doctor_names_all_that_is_away_and_no_password_and_exits_1() {
    let mut command = angarium(&["doctor", "--output", "json"]);
    command.env("ANGARIUM_OPERATOR_KEY", KEY);
    command.env("ANGARIUM_KAFKA_BOOTSTRAP", "127.0.0.1:1");
    command.env("ANGARIUM_REDIS_URL", "redis://:correct-horse@127.0.0.1:1");
    for service in ["REGISTRY", "INGEST", "FANOUT", "DELIVERY"] {
        command.env(format!("ANGARIUM_{service}_ENDPOINT"), NOWHERE);
    }
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", told(&output));
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(!text.contains("correct-horse") && !text.contains(KEY), "{text}");
    let findings: Vec<serde_json::Value> = serde_json::from_str(&text).unwrap();
    let wrong: Vec<_> = findings
        .iter()
        .filter(|finding| finding["verdict"] == "wrong" && finding["todo"].is_string())
        .map(|finding| finding["of"].as_str().unwrap())
        .collect();
    assert_eq!(
        wrong,
        ["kafka", "redis", "registry", "ingest", "fanout", "delivery"]
    );
}

#[test]
fn the_version_says_more_when_asked() {
    let text = |args| String::from_utf8(run(args).stdout).unwrap();
    assert_eq!(
        text(&["version"]),
        format!("angarium {}\n", env!("CARGO_PKG_VERSION"))
    );
    assert!(text(&["version", "--verbose"]).contains("librdkafka"));
}
