//! The receivers in `deploy/receivers` take what the real delivery service sends, and nothing else (W2, G1, G5).

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use angarium_runtime::Clock;
use angarium_signing::{Secret, Signer};
use angarium_testkit::poll::poll;
use angarium_testkit::process;
use angarium_testkit::public_libraries::tools;
use angarium_testkit::stack::{Backends, Stack};
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

const ACCOUNT: u64 = 64;
const LIMIT: Duration = Duration::from_secs(60);

/// A receiver; killed when it is dropped.
struct Receiver {
    child: Child,
    told: std::path::PathBuf,
    address: String,
}

impl Receiver {
    fn python(secret_file: &Path, dir: &Path, address: &str) -> Self {
        let told = dir.join("told");
        let child = Command::new("python3")
            .env("PYTHONPATH", tools().unwrap().join("python"))
            .arg(concat!(
                env!("CARGO_MANIFEST_DIR"),
                "/../deploy/receivers/python/receiver.py"
            ))
            .arg(secret_file)
            .stdin(Stdio::null())
            .stdout(std::fs::File::create(&told).unwrap())
            .spawn()
            .unwrap();
        Self {
            child,
            told,
            address: address.to_owned(),
        }
    }

    /// Waits until it tells this; all that it has told.
    async fn tells(&self, line: &str) -> String {
        let told = poll(LIMIT, async || {
            let told = std::fs::read_to_string(&self.told)?;
            Ok(told.lines().any(|one| one.starts_with(line)).then_some(told))
        });
        let told = told.await.unwrap();
        told.unwrap_or_else(|| {
            panic!(
                "it does not tell {line:?}: {:?}",
                std::fs::read_to_string(&self.told)
            )
        })
    }

    /// Posts a group that is signed with this secret; the status of the answer.
    async fn post(&self, secret: &Secret, id: &str, body: &str) -> u16 {
        let seconds = u64::try_from(Clock::system().now_ms() / 1_000).unwrap();
        let signature = Signer::new(std::slice::from_ref(secret))
            .unwrap()
            .sign(id, seconds, body.as_bytes());
        let request = format!(
            "POST / HTTP/1.1\r\nhost: {}\r\nconnection: close\r\ncontent-length: {}\r\nwebhook-id: {id}\r\nwebhook-timestamp: {seconds}\r\nwebhook-signature: {signature}\r\n\r\n{body}",
            self.address,
            body.len()
        );
        let mut stream = TcpStream::connect(&self.address).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer.split(' ').nth(1).unwrap().parse().unwrap()
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn w2_g1_the_receiver_in_python_takes_each_event_once_and_refuses_who_does_not_know_the_secret() {
    let stack = Stack::start(&Backends::shared().unwrap()).await.unwrap();
    stack.create_account(ACCOUNT).await.unwrap();
    let dir = tempfile::tempdir().unwrap();
    let (file, [port]) = (
        dir.path().join("mine.json"),
        angarium_local::free_ports().unwrap(),
    );
    let address = format!("127.0.0.1:{port}");
    let (account, url) = (ACCOUNT.to_string(), format!("http://{address}/hook"));
    let path = file.to_str().unwrap();
    let create = [
        "webhook",
        "create",
        "--account",
        &account,
        "--name",
        "python",
        "--url",
        &url,
        "--events",
        "CI_STATS",
        "--signature",
        "--secret-file",
        path,
    ];
    process::run(&create, stack.env()).unwrap();
    let receiver = Receiver::python(&file, dir.path(), &address);
    receiver.tells("listening").await;

    let event = r#"{"eventId":"e-1","eventName":"CI_STATS","data":{}}"#;
    assert_eq!(
        stack
            .publish(ACCOUNT, "application/json", event)
            .await
            .unwrap()
            .status,
        202
    );
    receiver.tells("take CI_STATS e-1").await;

    // What an answer that was lost on its way brings: the same group once more.
    let written: Value = serde_json::from_str(&std::fs::read_to_string(&file).unwrap()).unwrap();
    let secret: Secret = written["secret"].as_str().unwrap().parse().unwrap();
    let group = format!(r#"{{"accountId":{ACCOUNT},"events":[{{"eventId":"e-1","eventName":"CI_STATS"}}]}}"#);
    assert_eq!(receiver.post(&secret, "msg_1", &group).await, 204);
    let told = receiver.tells("duplicate CI_STATS e-1").await;
    assert_eq!(told.matches("take CI_STATS e-1").count(), 1, "{told}");

    let other = Secret::generate().unwrap();
    assert_eq!(receiver.post(&other, "msg_2", &group).await, 401);
}
