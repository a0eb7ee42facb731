//! W2: the secret of a webhook is handed out as JSON, replaced with an overlap in which both sign, ended when asked for, and
//! told to nobody else.

use std::fs;
use std::time::Duration;

use angarium_kafka::{Connection, From, Tail, TailEvent, topics};
use angarium_model::Lane;
use angarium_proto::registry::v1::{
    GetWebhookRequest, ListWebhooksRequest, RotateSecretRequest, RotateSecretResponse,
};
use angarium_runtime::{Shutdown, Tasks};
use angarium_signing::Secret;
use angarium_testkit::process;
use angarium_testkit::public_libraries::{ACCEPTED, Language, NO_MATCH, Request};
use angarium_testkit::receiver::{Answer, Received, Receiver};
use angarium_testkit::stack::{Backends, Stack};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::Value;
use tokio::time::timeout;

use crate::setup::{numbered, secret};

const ACCOUNT: u64 = 1234;
const EVENT: &str = "COURSE_ENROLLMENT";
const HOOK: &str = "secrets";
const LIMIT: Duration = Duration::from_secs(90);
const PASSWORD: &str = "open sesame: a password";
const VALUE: &str = "Bearer of-a-secret-header";

/// An account with a signed webhook, made on the command line.
struct World {
    stack: Stack,
    receiver: Receiver,
    webhook: String,
    /// Where secrets are put.
    dir: tempfile::TempDir,
    /// How many events were sent.
    sent: u64,
}

impl World {
    async fn start(settings: &[(&str, &str)]) -> Self {
        let receiver = Receiver::start().await.unwrap();
        let stack = Stack::start_with(&Backends::shared().unwrap(), settings)
            .await
            .unwrap();
        stack.create_account(ACCOUNT).await.unwrap();
        let mut world = Self {
            stack,
            receiver,
            webhook: String::new(),
            dir: tempfile::tempdir().unwrap(),
            sent: 0,
        };
        let (account, url) = (ACCOUNT.to_string(), world.receiver.hook(HOOK));
        let create = [
            &["webhook", "create", "--account", &account][..],
            &["--name", "HR", "--url", &url, "--events", EVENT, "--signature"],
            &["--secret-file", &world.file("first")],
        ];
        let shown = world.angarium(&create.concat());
        world.webhook = shown["id"].as_str().unwrap().to_owned();
        assert_eq!(shown["secret"], Value::Null, "it is in the file");
        world
    }

    /// Runs a command; what it shows.
    fn angarium(&self, arguments: &[&str]) -> Value {
        let arguments = [arguments, &["--output", "json"]].concat();
        serde_json::from_str(&process::run(&arguments, self.stack.env()).unwrap()).unwrap()
    }

    fn file(&self, name: &str) -> String {
        let path = self.dir.path().join(format!("{name}.json"));
        path.to_str().unwrap().to_owned()
    }

    /// The document that a command has put into a file.
    fn document(&self, name: &str) -> Value {
        serde_json::from_str(&fs::read_to_string(self.file(name)).unwrap()).unwrap()
    }

    fn secret(&self, name: &str) -> String {
        self.document(name)["secret"].as_str().unwrap().to_owned()
    }

    /// Replaces the secret; the new one is in the file of that name. Says when the one before ends, Unix milliseconds.
    fn rotate(&self, name: &str, overlap: &str) -> u64 {
        let account = ACCOUNT.to_string();
        let rotate = [
            &["webhook", "rotate-secret", "--account", &account, &self.webhook][..],
            &["--overlap", overlap, "--secret-file", &self.file(name)],
        ];
        let shown = self.angarium(&rotate.concat());
        assert_eq!(
            shown["secrets"][0]["fingerprint"],
            self.document(name)["fingerprint"]
        );
        shown["secrets"][1]["expiresAtMs"].as_u64().unwrap()
    }

    /// Adds a webhook whose calls carry something secret, which the command reads from a file.
    fn add_carrying(&self, hook: &str, flags: &[&str], secret: &str) {
        let file = self.file(hook);
        fs::write(&file, format!("{secret}\n")).unwrap();
        let (account, url) = (ACCOUNT.to_string(), self.receiver.hook(hook));
        let create = [
            &["webhook", "create", "--account", &account][..],
            &["--name", hook, "--url", &url, "--events", EVENT],
            flags,
            &[&file],
        ];
        self.angarium(&create.concat());
    }

    /// The same over gRPC.
    async fn rotate_to(&self, secret: &str) -> Result<RotateSecretResponse, tonic::Status> {
        let request = RotateSecretRequest {
            account_id: ACCOUNT,
            id: self.webhook.clone(),
            secret: secret.to_owned(),
            ..RotateSecretRequest::default()
        };
        let answer = self
            .stack
            .registry_client()
            .unwrap()
            .rotate_secret(request)
            .await?;
        Ok(answer.into_inner())
    }

    /// Publishes an event, and waits for the POST that brings it.
    async fn send(&mut self) -> Received {
        self.sent += 1;
        let body = numbered(EVENT, self.sent);
        // On a busy machine ingest may be without a lease for a moment: then it says nothing of accounts that it lacks.
        while self
            .stack
            .publish(ACCOUNT, "application/json", body.clone())
            .await
            .unwrap()
            .status
            == 503
        {}
        let id = format!(r#""event-{}""#, self.sent);
        // The other webhooks get it as well, and one of them may be the first.
        let brings =
            |post: &Received| &*post.hook == HOOK && String::from_utf8_lossy(&post.body).contains(&id);
        let came = self
            .receiver
            .wait_for("the event", LIMIT, |all| all.iter().any(brings))
            .await;
        came.unwrap();
        let all = self.receiver.received_by(HOOK);
        all.into_iter().find(brings).unwrap()
    }
}

fn signatures(post: &Received) -> usize {
    post.webhook_signature.split(' ').count()
}

/// What both public libraries say to a receiver that knows this secret.
fn verdict(secret: &str, post: &Received) -> String {
    let request = Request {
        secret: secret.to_owned(),
        id: post.webhook_id.clone(),
        timestamp: post.webhook_timestamp.clone(),
        signature: post.webhook_signature.clone(),
        body: String::from_utf8(post.body.to_vec()).unwrap(),
    };
    let said = Language::ALL.map(|library| {
        library
            .verdicts(std::slice::from_ref(&request))
            .unwrap()
            .remove(0)
    });
    assert_eq!(said[0], said[1]);
    said[0].clone()
}

#[tokio::test]
async fn w2_in_an_overlap_either_secret_verifies_every_post_and_after_it_the_new_one_alone() {
    let mut world = World::start(&[]).await;
    let first = world.secret("first");
    let post = world.send().await;
    assert_eq!(
        (signatures(&post), verdict(&first, &post)),
        (1, ACCEPTED.to_owned())
    );

    let until_ms = world.rotate("second", "8s");
    let second = world.secret("second");
    world.receiver.forget();
    let during = world.send().await;
    for secret in [&first, &second] {
        assert_eq!(verdict(secret, &during), ACCEPTED);
    }
    // Nobody tells delivery that the overlap has ended: its own clock does.
    let ended = timeout(LIMIT, async {
        loop {
            let post = world.send().await;
            if signatures(&post) == 1 {
                return post;
            }
        }
    });
    let after = ended.await.unwrap();
    assert_eq!(verdict(&first, &after), NO_MATCH);
    assert_eq!(verdict(&second, &after), ACCEPTED);
    for post in world.receiver.received_by(HOOK) {
        // Of the time of an attempt a POST tells whole seconds.
        let from_ms = post.webhook_timestamp.parse::<u64>().unwrap() * 1_000;
        match signatures(&post) {
            1 => assert!(from_ms + 999 >= until_ms, "{from_ms} is before {until_ms}"),
            2 => assert!(from_ms < until_ms, "{from_ms} is after {until_ms}"),
            others => panic!("{others} signatures"),
        }
    }

    world.rotate("third", "7d");
    let third = world.secret("third");
    let during = world.send().await;
    assert_eq!(signatures(&during), 2, "the first one has ended");
    let account = ACCOUNT.to_string();
    let revoked = world.angarium(&["webhook", "revoke-secret", "--account", &account, &world.webhook]);
    assert_eq!(revoked["secrets"].as_array().unwrap().len(), 1);
    let after = world.send().await;
    assert_eq!(
        (verdict(&second, &after), verdict(&third, &after)),
        (NO_MATCH.to_owned(), ACCEPTED.to_owned()),
        "what is published once the end is answered is signed with the current secret alone"
    );
}

/// All that the topics hold.
async fn topics(world: &World) -> Vec<u8> {
    let env = world.stack.env();
    let connection = Connection::new(env["ANGARIUM_KAFKA_BOOTSTRAP"].as_str());
    let names = topics::Names::new(&env["ANGARIUM_KAFKA_PREFIX"]);
    let all = [
        names.registry(),
        names.events(),
        names.deliveries(Lane::Realtime),
        names.cursors(),
        names.journal(),
        names.journal_ok(),
        names.notices(),
        names.audit(),
    ];
    let tasks = Tasks::new(Shutdown::new());
    let mut bytes = Vec::new();
    for topic in all {
        let (_tail, mut events) =
            Tail::open(&connection, topic, From::Beginning, "secrets-test", &tasks).unwrap();
        while let Some(TailEvent::Record(record)) = events.recv().await {
            bytes.extend(record.key);
            bytes.extend(record.value.unwrap_or_default());
        }
    }
    tasks.shutdown().begin();
    bytes
}

/// All that the services have written to their standard output and error.
fn logs(world: &World) -> Vec<u8> {
    let mut bytes = Vec::new();
    for entry in fs::read_dir(world.stack.dir()).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "log") {
            bytes.extend(fs::read(path).unwrap());
        }
    }
    bytes
}

/// A secret, without what others begin and end with too.
fn core(secret: &str) -> &str {
    let start = secret.trim_start_matches("whsec_").trim_start_matches("Basic ");
    start.trim_end_matches(['=', '~'])
}

fn has(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|window| window == text.as_bytes())
}

/// Two webhooks whose calls carry something secret, each with a POST that fails and one that arrives.
async fn send_what_calls_carry(world: &mut World) {
    world.add_carrying("basic", &["--basic", "us", "--password-file"], PASSWORD);
    world.add_carrying("header", &["--header", "x-key", "--header-file"], VALUE);
    for hook in ["basic", "header"] {
        world.receiver.next(hook, 1, &Answer::Status(401));
    }
    world.send().await;
    for (hook, name, expected) in [
        ("basic", "authorization", basic()),
        ("header", "x-key", VALUE.to_owned()),
    ] {
        let has_arrived =
            |all: &[Received]| all.iter().any(|post| &*post.hook == hook && post.is_delivered());
        world.receiver.wait_for(hook, LIMIT, has_arrived).await.unwrap();
        let posts = world.receiver.received_by(hook);
        assert_eq!(posts.len(), 2);
        for post in posts {
            assert_eq!(post.headers[name], expected, "at every attempt");
            assert_eq!(post.webhook_signature, "");
        }
    }
}

/// As RFC 7617 has it.
fn basic() -> String {
    format!("Basic {}", BASE64_STANDARD.encode(format!("us:{PASSWORD}")))
}

/// All that is told of the webhook, and of what went wrong.
async fn told(world: &World, errors: &[tonic::Status]) -> String {
    let mut told = String::new();
    for error in errors {
        told += &format!("{error} {error:?} {error:#?}");
    }
    let mut registry = world.stack.registry_client().unwrap();
    let get = GetWebhookRequest {
        account_id: ACCOUNT,
        id: world.webhook.clone(),
    };
    told += &format!("{:?}", registry.get_webhook(get).await.unwrap());
    let list = ListWebhooksRequest {
        account_id: ACCOUNT,
        ..ListWebhooksRequest::default()
    };
    told += &format!("{:?}", registry.list_webhooks(list).await.unwrap());
    let account = ACCOUNT.to_string();
    let get = ["webhook", "get", "--account", &account, &world.webhook];
    let list = ["webhook", "list", "--account", &account];
    let audit = ["audit", "--account", &account];
    for command in [&get[..], &list[..], &audit[..]] {
        told += &process::run(command, world.stack.env()).unwrap();
        told += &world.angarium(command).to_string();
    }
    told
}

#[tokio::test]
async fn w2_a_secret_is_in_no_log_topic_list_or_error_after_a_scenario_full_of_them() {
    let mut world = World::start(&[("ANGARIUM_LOG", "debug")]).await;
    // Failures are what services write most about.
    world.receiver.next(HOOK, 1, &Answer::Status(500));
    world.send().await;
    world.rotate("second", "24h");
    world.send().await;
    let brought = Secret::generate().unwrap().expose().to_string();
    let rotated = world.rotate_to(&brought).await.unwrap();
    assert_eq!(
        *secret(rotated.webhook.as_ref().unwrap()).unwrap().expose(),
        brought
    );
    send_what_calls_carry(&mut world).await;
    let (short, odd) = ("whsec_dGhpcyBpcyB0b28gc2hvcnQ=", "whsec_bm90IGJhc2U2NA~~");
    let errors = [
        world.rotate_to(&brought).await.unwrap_err(),
        world.rotate_to(short).await.unwrap_err(),
        world.rotate_to(odd).await.unwrap_err(),
        world.rotate_to("").await.unwrap_err(),
    ];

    let told = told(&world, &errors).await;
    let (logs, topics) = (logs(&world), topics(&world).await);
    // What is looked through is what it should be.
    assert!(has(&logs, &world.webhook) && has(&topics, &world.webhook) && told.contains(&world.webhook));
    let (first, second, encoded) = (world.secret("first"), world.secret("second"), basic());
    let shown = fs::read(world.file("first")).unwrap();
    assert!(has(&shown, core(&first)), "it is found where it is");
    for secret in [&first, &second, &brought, short, odd, PASSWORD, VALUE, &encoded] {
        let secret = core(secret);
        assert!(!has(&logs, secret), "a log has a secret");
        assert!(!has(&topics, secret), "a topic has a secret");
        assert!(
            !has(told.as_bytes(), secret),
            "an answer or an error has a secret"
        );
    }
}
