//! `angarium dev`, as the README runs it.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot run the program has failed"
)]

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::Duration;

/// Runs the real program. It ends by itself: every wait in it has a bound.
fn dev(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_angarium"))
        .arg("dev")
        .args(args)
        .output()
        .unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// E1–E7: the 27 samples go in as they are published; two are no JSON, 25 arrive signed, those that share an
/// eventId with another type among them.
#[test]
fn the_published_samples_arrive_verified_and_two_are_refused_with_their_place() {
    let output = dev(&[
        "--once",
        "--http-port=0",
        "--grpc-port=0",
        "--registry-port=0",
        "--registry-http-port=0",
        "--fanout-port=0",
        "--delivery-port=0",
        "--console-port=0",
        "--metrics-port=0",
    ]);
    let (told, log) = (text(&output.stdout), text(&output.stderr));
    assert!(output.status.success(), "{told}\n{log}");
    let counts = "accepted 25   refused 2   delivered 25   verified 25   as promised";
    assert!(told.contains(counts), "{told}");

    let lines: Vec<_> = told.lines().collect();
    for (title, column, line) in [
        (
            "COURSE_UNENROLLMENT",
            43,
            r#""enrollmentSource": "ADMIN_ENROLL","#,
        ),
        (
            "LEARNING_PATH_UNENROLLMENT",
            42,
            r#""enrollmentSource": "SELF_ENROLL","#,
        ),
    ] {
        let refused = |told: &&str| told.contains(&format!("✗ {title} ")) && told.contains("refused, 400");
        let at = lines.iter().position(refused).unwrap();
        let place = format!("line 14, column {column}: a comma must not come before");
        assert!(lines[at + 1].trim().starts_with(&place), "{told}");
        assert!(lines[at + 2].ends_with(line), "{told}");
        assert_eq!(lines[at + 3].find('^'), lines[at + 2].rfind(','), "{told}");
    }
    assert!(told.contains("Webhooks may lead to this machine"), "{told}");
    let verified = |name: &str| lines.iter().any(|line| line.contains(&format!("✓ {name} ")));
    for shared in [
        "COURSE_COMPLETED",
        "CERTIFICATION_COMPLETED",
        "CERTIFICATION_UNENROLLMENT",
    ] {
        let both = verified(shared) && verified(&format!("{shared}_BATCH"));
        assert!(both, "{shared}:\n{told}");
    }
    assert!(!told.contains('\u{1b}'), "colours are for terminals");
    for line in lines {
        assert!(line.chars().count() <= 100, "{line}");
    }
}

/// The program while it stays up; killed when a test fails.
struct Running {
    child: Child,
    lines: Receiver<String>,
}

impl Running {
    fn start(args: &[&str]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_angarium"))
            .arg("dev")
            .args(args)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let told = BufReader::new(child.stdout.take().unwrap());
        let (sender, lines) = sync_channel(10_000);
        // A thread, so that a line that never comes fails the test instead of holding it.
        std::thread::spawn(move || {
            for line in told.lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        Self { child, lines }
    }

    /// What is told up to the first line that holds this text.
    fn told_until(&self, text: &str) -> String {
        const LIMIT: Duration = Duration::from_secs(150);
        let mut told = String::new();
        loop {
            match self.lines.recv_timeout(LIMIT) {
                Ok(line) => told += &format!("{line}\n"),
                Err(error) => panic!("no line with `{text}` ({error}) after\n{told}"),
            }
            if told.lines().last().is_some_and(|line| line.contains(text)) {
                return told;
            }
        }
    }

    /// Ctrl-C.
    fn interrupt(mut self) -> ExitStatus {
        let sent = Command::new("kill")
            .args(["-INT", &self.child.id().to_string()])
            .status();
        assert!(sent.unwrap().success());
        self.child.wait().unwrap()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended already.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// The words of a command as a shell takes them: with quotes, and lines that go on.
fn words(command: &str) -> Vec<String> {
    let joined = command.replace("\\\n", " ");
    let mut words = Vec::new();
    // Every second part stands in quotes.
    for (part, quoted) in joined.split('\'').zip([false, true].into_iter().cycle()) {
        if quoted {
            words.push(part.to_owned());
        } else {
            words.extend(part.split_whitespace().map(str::to_owned));
        }
    }
    words
}

/// Sends what this `curl` would send; the answer.
fn as_curl_does(command: &str) -> String {
    let words = words(command);
    let [curl, url, options @ ..] = words.as_slice() else {
        panic!("not a command: {command}")
    };
    assert_eq!(curl, "curl");
    let (host, path) = url.strip_prefix("http://").unwrap().split_once('/').unwrap();
    let (mut headers, mut body) = (String::new(), "");
    for option in options.chunks(2) {
        match option {
            [flag, value] if flag == "-H" => headers += &format!("{value}\r\n"),
            [flag, value] if flag == "-d" => body = value,
            other => panic!("{other:?}"),
        }
    }
    let length = body.len();
    let request = format!(
        "POST /{path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\ncontent-length: {length}\r\n{headers}\r\n{body}"
    );
    let mut stream = TcpStream::connect(host).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

/// The part of the text from `start` up to the next empty line.
fn paragraph<'a>(told: &'a str, start: &str) -> &'a str {
    let from = told.find(start).unwrap_or_else(|| panic!("no {start} in {told}"));
    let rest = &told[from..];
    &rest[..rest.find("\n\n").unwrap()]
}

#[test]
fn it_stays_up_and_what_it_tells_to_try_works_until_ctrl_c_ends_it_well() {
    let dev = Running::start(&[
        "--http-port=0",
        "--grpc-port=0",
        "--registry-port=0",
        "--registry-http-port=0",
        "--fanout-port=0",
        "--delivery-port=0",
        "--console-port=0",
        "--metrics-port=0",
    ]);
    let told = dev.told_until("Ctrl-C ends it.");

    let answer = as_curl_does(paragraph(&told, "curl http://"));
    assert!(answer.starts_with("HTTP/1.1 202 "), "{answer}");
    dev.told_until("✓ COURSE_ENROLLMENT ");

    let list = words(paragraph(&told, env!("CARGO_BIN_EXE_angarium")));
    let listed = Command::new(&list[0]).args(&list[1..]).output().unwrap();
    let (listed, log) = (text(&listed.stdout), text(&listed.stderr));
    assert!(
        listed.contains("dev real-time") && listed.contains("dev batch"),
        "{listed}{log}"
    );
    let mut addresses = 0;
    for address in paragraph(&told, "   ingest").split([' ', ',', '/', '\n']) {
        if address.starts_with("127.0.0.1:") {
            TcpStream::connect(address).unwrap_or_else(|error| panic!("{address}: {error}\n{told}"));
            addresses += 1;
        }
    }
    assert_eq!(
        addresses, 9,
        "ingest's and the registry's two, fanout's, delivery's, the console's, the receiver's and that of metrics: {told}"
    );

    // W5: the sample receiver takes it for what it is, and its signature is good.
    let test = words(paragraph(
        &told,
        &format!("{} webhook test", env!("CARGO_BIN_EXE_angarium")),
    ));
    let tested = Command::new(&test[0]).args(&test[1..]).output().unwrap();
    let (shown, log) = (text(&tested.stdout), text(&tested.stderr));
    assert_eq!(tested.status.code(), Some(0), "{shown}{log}");
    for part in ["status      204 from 127.0.0.1:", "webhook-id  msg_test_"] {
        assert!(shown.contains(part), "{shown}{log}");
    }
    let mut unknown = Command::new(&test[0]);
    unknown.args(&test[1..]).args(["--event-type", "CI_STAT"]);
    let refused = unknown.output().unwrap();
    let log = text(&refused.stderr);
    assert_eq!(refused.status.code(), Some(1), "{log}");
    assert!(log.contains("did you mean CI_STATS?"), "{log}");

    assert_eq!(dev.interrupt().code(), Some(0));
}

#[test]
fn a_port_that_was_asked_for_and_is_taken_is_told_before_anything_starts() {
    let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let output = dev(&["--once", "--http-port", &port]);
    assert_eq!(output.status.code(), Some(1));
    let log = text(&output.stderr);
    let problem = format!("--http-port {port}: cannot listen there");
    assert!(log.contains(&problem), "{log}");
    assert!(output.stdout.is_empty());
}
