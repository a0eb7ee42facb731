//! What we sign is verified by the public Standard Webhooks libraries for Python and JavaScript, and refused by them
//! once tampered with. `cargo xtask test` installs both and says where through `ANGARIUM_TEST_TOOLS`.

#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "helpers of a test fail it"
)]

use std::ffi::OsString;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{SystemTime, UNIX_EPOCH};

use angarium_signing::{Secret, Signer};
use serde_json::{Value, json};

const BODIES: [&str; 4] = [
    r#"{"accountId":1234,"events":[{"eventId":"1","eventName":"CI_STATS","data":{ "seatLimit" : 10.0 }}]}"#,
    r#"{"title":"Größe, 漢字, עברית, 🚚, \u0000"}"#,
    "\u{feff}no JSON at all\r\n\t",
    "",
];

/// Python and JavaScript word it alike.
const NO_MATCH: &str = "refused: No matching signature found";

#[test]
fn python_verifies_what_we_sign() {
    let mut python = Command::new("python3");
    python
        .env("PYTHONPATH", tools().join("python"))
        .arg(script("verify.py"));
    check(python);
}

#[test]
fn javascript_verifies_what_we_sign() {
    let mut node = Command::new("node");
    node.env("NODE_PATH", tools().join("node/node_modules"))
        .arg(script("verify.cjs"));
    check(node);
}

fn check(library: Command) {
    let cases = cases();
    let requests = cases.iter().map(|case| case.request.clone()).collect();
    let verdicts = ask(library, &Value::Array(requests));
    assert_eq!(verdicts.len(), cases.len());
    for (case, verdict) in cases.iter().zip(&verdicts) {
        assert_eq!(verdict, case.verdict, "{}: {}", case.what, case.request);
    }
}

struct Case {
    what: &'static str,
    request: Value,
    verdict: &'static str,
}

/// For each body: verified with either secret of a rotation, and refused after each kind of tampering.
fn cases() -> Vec<Case> {
    let [old, new, stranger] = [(); 3].map(|()| Secret::generate().unwrap());
    let signer = Signer::new(&[old.clone(), new.clone()]).unwrap();
    let now = unix_seconds();
    let request = |secret: &Secret, id: &str, timestamp: u64, signature: &str, body: &str| {
        json!({
            "secret": *secret.expose(),
            "id": id,
            "timestamp": timestamp.to_string(),
            "signature": signature,
            "body": body,
        })
    };
    let mut cases = Vec::new();
    for body in BODIES {
        let good = signer.sign("grp_1", now, body.as_bytes());
        let mut case = |what, verdict, request| {
            cases.push(Case {
                what,
                request,
                verdict,
            })
        };
        case(
            "the old secret",
            "accepted",
            request(&old, "grp_1", now, &good, body),
        );
        case(
            "the new secret",
            "accepted",
            request(&new, "grp_1", now, &good, body),
        );
        case(
            "a secret not ours",
            NO_MATCH,
            request(&stranger, "grp_1", now, &good, body),
        );
        case(
            "another body",
            NO_MATCH,
            request(&new, "grp_1", now, &good, &format!("{body} ")),
        );
        case("another id", NO_MATCH, request(&new, "grp_2", now, &good, body));
        case(
            "another timestamp",
            NO_MATCH,
            request(&new, "grp_1", now + 1, &good, body),
        );
        let long_ago = now - 3600;
        let stale = signer.sign("grp_1", long_ago, body.as_bytes());
        case(
            "replayed",
            "refused: Message timestamp too old",
            request(&new, "grp_1", long_ago, &stale, body),
        );
    }
    cases
}

/// Runs a script of ours over the requests and reads its verdicts.
fn ask(mut library: Command, requests: &Value) -> Vec<Value> {
    let mut child = library
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("{library:?} does not start ({error}): run `cargo xtask test`"));
    child
        .stdin
        .take()
        .unwrap()
        .write_all(requests.to_string().as_bytes())
        .unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(
        output.status.success(),
        "{library:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    serde_json::from_slice(&output.stdout).unwrap()
}

fn script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/public_libraries")
        .join(name)
}

#[expect(
    clippy::disallowed_methods,
    reason = "a test has no configuration: the runner names its tools here"
)]
fn tools() -> PathBuf {
    let tools: Option<OsString> = std::env::var_os("ANGARIUM_TEST_TOOLS");
    tools.map(PathBuf::from).expect(
        "ANGARIUM_TEST_TOOLS names the folder with the public libraries; `cargo xtask test` makes it and sets this: \
         run that",
    )
}

#[expect(
    clippy::disallowed_methods,
    reason = "the public libraries read the real clock"
)]
fn unix_seconds() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}
