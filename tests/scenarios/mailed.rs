//! D3, D4: people are mailed of webhooks that fail, recover and are switched off, by a real mail server with TLS and a password, whatever is
//! killed meanwhile.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use angarium_proto::registry::v1::Webhook;
use angarium_testkit::http;
use angarium_testkit::poll::poll;
use angarium_testkit::process::Process;
use angarium_testkit::public_libraries::tools;
use angarium_testkit::receiver::{Answer, Receiver};
use angarium_testkit::stack::{Backends, Stack};
use serde_json::Value;

use crate::setup::unsigned_webhook_with;

const ACCOUNT: u64 = 63;
const EVENT: &str = "CI_STATS";
const LIMIT: Duration = Duration::from_secs(60);

/// A mail server; killed when it is dropped.
struct MailServer {
    child: Child,
    port: u16,
    dir: PathBuf,
}

impl MailServer {
    fn start(dir: &Path, port: u16) -> Self {
        Self {
            child: Self::launch(dir, port),
            port,
            dir: dir.to_owned(),
        }
    }

    fn launch(dir: &Path, port: u16) -> Child {
        Command::new("python3")
            .env("PYTHONPATH", tools().unwrap().join("smtp"))
            .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/scenarios/mailed/server.py"))
            .arg(port.to_string())
            .args([dir.join("mails"), dir.join("ca.pem")])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .unwrap()
    }

    fn stop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    fn start_again(&mut self) {
        self.child = Self::launch(&self.dir, self.port);
    }

    fn url(&self) -> String {
        format!(
            "smtp://angarium:a%20password%20for%20mails@localhost:{}?tls=required",
            self.port
        )
    }

    fn mails(&self) -> Vec<Value> {
        let mails = std::fs::read_to_string(self.dir.join("mails")).unwrap_or_default();
        mails
            .lines()
            .filter_map(|line| serde_json::from_str(line).ok())
            .collect()
    }

    /// Waits for a mail whose subject has this; all that have.
    async fn with(&self, subject: &str) -> Vec<Value> {
        let found = poll(LIMIT, async || {
            let mut mails = self.mails();
            mails.retain(|mail| mail["subject"].as_str().unwrap().contains(subject));
            Ok((!mails.is_empty()).then_some(mails))
        });
        found
            .await
            .unwrap()
            .unwrap_or_else(|| panic!("no mail has {subject:?}; there are {:#?}", self.mails()))
    }
}

impl Drop for MailServer {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// The notifier, once its authority's certificate is there.
async fn notifier(stack: &Stack, mail: &MailServer, language: &str) -> Process {
    let ca = mail.dir.join("ca.pem");
    poll(LIMIT, async || Ok(ca.exists().then_some(())))
        .await
        .unwrap()
        .expect("the mail server starts");
    let [port] = angarium_local::free_ports().unwrap();
    let listen = format!("127.0.0.1:{port}");
    let mut env = stack.env().clone();
    for (name, value) in [
        ("ANGARIUM_NOTIFIER_LISTEN", listen.as_str()),
        ("ANGARIUM_NOTIFIER_SMTP_URL", &mail.url()),
        ("ANGARIUM_NOTIFIER_SMTP_CA_FILE", ca.to_str().unwrap()),
        ("ANGARIUM_NOTIFIER_FROM", "Angarium <webhooks@angarium.example>"),
        ("ANGARIUM_NOTIFIER_FALLBACK_CONTACTS", "operator@angarium.example"),
        ("ANGARIUM_NOTIFIER_LANGUAGE", language),
        (
            "ANGARIUM_NOTIFIER_PAGE",
            "https://console.example/a/{account}/w/{webhook}",
        ),
        ("ANGARIUM_NOTIFIER_SESSION_TIMEOUT", "6s"),
    ] {
        env.insert(name.to_owned(), value.to_owned());
    }
    let mut process = Process::start("notifier", env, stack.dir()).unwrap();
    let serves = || async {
        http::get(&listen, "/livez")
            .await
            .is_ok_and(|reply| reply.status == 200)
    };
    process.wait_until(LIMIT, serves).await.unwrap();
    process
}

async fn webhook(stack: &Stack, receiver: &Receiver, hook: &str, contacts: &[&str]) -> Webhook {
    let asked = Webhook {
        contacts: contacts.iter().map(ToString::to_string).collect(),
        ..Webhook::default()
    };
    unsigned_webhook_with(stack, receiver, ACCOUNT, hook, &[EVENT], asked)
        .await
        .unwrap()
}

/// Each contact gets a mail of its own that says all there is to say.
async fn each_contact_is_told(mail: &MailServer, ours: &Webhook) {
    poll(LIMIT, async || {
        let mails = mail.with("\"orders\" has failed since").await;
        Ok((mails.len() == 2).then_some(()))
    })
    .await
    .unwrap()
    .expect("each contact is told");
    let told = mail.with("\"orders\" has failed since").await;
    let to: Vec<_> = told.iter().map(|mail| mail["to"][0].as_str().unwrap()).collect();
    assert_eq!(to, ["ops@acme.example", "owner@acme.example"]);
    assert_ne!(told[0]["id"], told[1]["id"]);
    for part in ["text", "html"] {
        let part = told[0][part].as_str().unwrap();
        let page = format!("https://console.example/a/{ACCOUNT}/w/{}", ours.id);
        for said in [
            "answered 500",
            "account 63 (63)",
            "within 5 seconds",
            page.as_str(),
        ] {
            assert!(part.contains(said), "{said} is not in {part}");
        }
        assert!(!part.contains("/hook/"), "the path may be a secret: {part}");
    }
    assert_eq!(told[0]["from"], "Angarium <webhooks@angarium.example>");
    assert_eq!(told[0]["auto"], "auto-generated");
    let fallback = mail.with("\"nobody\" has failed since").await;
    assert_eq!(fallback[0]["to"][0], "operator@angarium.example");
}

#[tokio::test(flavor = "multi_thread")]
async fn d4_contacts_are_mailed_of_failure_and_recovery_once_though_server_and_notifier_are_killed() {
    let settings = [
        ("ANGARIUM_DELIVERY_REMINDER_FIRST", "1s"),
        ("ANGARIUM_DELIVERY_RETRY_FIRST", "500ms"),
    ];
    let stack = Stack::start_with(&Backends::shared().unwrap(), &settings)
        .await
        .unwrap();
    let receiver = Receiver::start().await.unwrap();
    stack.create_account(ACCOUNT).await.unwrap();
    let ours = webhook(
        &stack,
        &receiver,
        "orders",
        &["ops@acme.example", "owner@acme.example"],
    )
    .await;
    webhook(&stack, &receiver, "nobody", &[]).await;
    for hook in ["orders", "nobody"] {
        stack
            .wait_until_matched(&receiver, ACCOUNT, EVENT, hook)
            .await
            .unwrap();
        receiver.always(hook, Answer::Status(500));
    }
    let dir = tempfile::tempdir().unwrap();
    let [port] = angarium_local::free_ports().unwrap();
    let mut mail = MailServer::start(dir.path(), port);
    let mut notifier = notifier(&stack, &mail, "en").await;

    let event = format!(r#"{{"eventName":"{EVENT}","data":{{}}}}"#);
    stack.publish(ACCOUNT, "application/json", event).await.unwrap();
    each_contact_is_told(&mail, &ours).await;

    // The mail server is away when there is something to tell, and the notifier is killed while it waits.
    mail.stop();
    receiver.always("orders", Answer::Status(200));
    notifier
        .until_logged(LIMIT, &["a mail waits; trying again"])
        .await
        .unwrap();
    notifier.kill().unwrap();
    notifier.restart().unwrap();
    mail.start_again();
    let recovered = poll(LIMIT, async || {
        let mails = mail.with("\"orders\" answers again").await;
        Ok((mails.len() >= 2).then_some(mails))
    });
    let recovered = recovered.await.unwrap().expect("each contact is told");
    assert_eq!(recovered.len(), 2, "{recovered:#?}");
    // What was told before the crash is on record: nobody is told it again.
    assert_eq!(mail.with("\"orders\" has failed since").await.len(), 2);
    notifier.terminate(LIMIT).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn d3_of_a_webhook_that_is_gone_a_german_mail_comes_though_another_is_refused_and_the_notifier_killed_before_its_commit()
 {
    let stack = Stack::start(&Backends::shared().unwrap()).await.unwrap();
    let receiver = Receiver::start().await.unwrap();
    stack.create_account(ACCOUNT).await.unwrap();
    let contacts = ["refused@acme.example", "ops@acme.example"];
    let ours = webhook(&stack, &receiver, "orders", &contacts).await;
    stack
        .wait_until_matched(&receiver, ACCOUNT, EVENT, "orders")
        .await
        .unwrap();
    receiver.always("orders", Answer::Status(410));
    let dir = tempfile::tempdir().unwrap();
    let hold = dir.path().join("hold");
    std::fs::write(&hold, "").unwrap();
    let [port] = angarium_local::free_ports().unwrap();
    let mail = MailServer::start(dir.path(), port);
    let mut notifier = notifier(&stack, &mail, "de").await;
    let event = format!(r#"{{"eventName":"{EVENT}","data":{{}}}}"#);
    stack.publish(ACCOUNT, "application/json", event).await.unwrap();

    // The server has it, and the notifier dies before it hears so.
    let subject = "Webhook „orders“ wurde abgeschaltet";
    mail.with(subject).await;
    notifier
        .until_logged(LIMIT, &["a mail is refused for good"])
        .await
        .unwrap();
    notifier.kill().unwrap();
    std::fs::remove_file(&hold).unwrap();
    notifier.restart().unwrap();
    notifier.until_logged(LIMIT, &["a mail was sent"]).await.unwrap();
    notifier.terminate(LIMIT).await.unwrap();

    let told = mail.with(subject).await;
    assert_eq!(told.len(), 2, "one duplicate: {told:#?}");
    assert_eq!(told[0]["id"], told[1]["id"], "mail programs show one");
    assert_eq!(told[0]["to"][0], "ops@acme.example");
    for part in ["text", "html"] {
        let part = told[1][part].as_str().unwrap();
        for said in ["410 Gone", "gesund, schalten", &ours.id] {
            assert!(part.contains(said), "{said} is not in {part}");
        }
    }
    assert!(told[1]["html"].as_str().unwrap().contains("lang=\"de\""));
    assert_eq!(mail.mails().len(), 2, "nobody else is written to");
}
