//! What the journal says, on the pages.

use angarium_kafka::topics::Layout;
use angarium_kafka::{Outgoing, Producer, ProducerConfig};
use angarium_model::WebhookId;
use angarium_proto::event::v1::Position;
use angarium_proto::journal::v1::journal_record::Entry;
use angarium_proto::journal::v1::{
    Attempt, DeliveryState, EventReference, JournalRecord, Lane, Matched, StateChanged,
};
use angarium_proto::registry::v1::authentication::Method;
use angarium_proto::registry::v1::{Authentication, CreateWebhookRequest, NoAuthentication, Webhook};
use angarium_runtime::Clock;
use angarium_testkit::poll::poll;
use prost::Message as _;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::harness::{Console, HOSTILE, PATIENCE};

/// Writes to the journal of a console.
struct Writer(Producer);

impl Writer {
    fn of(console: &Console) -> Self {
        let config = ProducerConfig {
            client_id: "test".to_owned(),
            max_queued: 100,
            max_queued_kib: 1_024,
            delivery_timeout: Some(PATIENCE),
            gapless: false,
            linger: Duration::ZERO,
        };
        Self(Producer::open(&console.broker.connection(), &config).unwrap())
    }

    async fn write(&self, topic: &str, entry: Entry) {
        let record = JournalRecord {
            account_id: 1234,
            at_ms: Clock::system().now_ms(),
            entry: Some(entry),
        };
        let value = record.encode_to_vec();
        let outgoing = Outgoing {
            topic,
            partition: 3,
            key: b"1234",
            value: Some(&value),
            headers: &[],
        };
        self.0.send(outgoing).unwrap().await.unwrap();
    }
}

async fn webhook(console: &Console) -> WebhookId {
    let webhook = Webhook {
        account_id: 1234,
        name: "Orders".to_owned(),
        target_url: "https://receiver.example/hook".to_owned(),
        authentication: Some(Authentication {
            method: Some(Method::None(NoAuthentication {})),
        }),
        event_types: vec!["CI_STATS".to_owned()],
        active: Some(true),
        ..Webhook::default()
    };
    let asked = CreateWebhookRequest {
        webhook: Some(webhook),
        ..CreateWebhookRequest::default()
    };
    let created = console
        .registry
        .clone()
        .create_webhook(asked)
        .await
        .unwrap()
        .into_inner();
    created.webhook.unwrap().id.parse().unwrap()
}

fn event(id: &str) -> EventReference {
    EventReference {
        position: Some(Position {
            partition: 5,
            offset: 77,
        }),
        event_id: id.to_owned(),
        event_name: "CI_STATS".to_owned(),
    }
}

fn attempt(webhook: WebhookId, class: &str, status: u32) -> Entry {
    Entry::Attempt(Attempt {
        webhook_id: webhook.to_string(),
        lane: Lane::Realtime.into(),
        group_id: format!("msg_{}", "7".repeat(32)),
        events: vec![event(HOSTILE)],
        attempt: 2,
        status,
        error_class: class.to_owned(),
        error_detail: if class.is_empty() {
            String::new()
        } else {
            HOSTILE.to_owned()
        },
        duration_us: 34_500,
        ..Attempt::default()
    })
}

fn state(webhook: WebhookId, state: DeliveryState) -> Entry {
    Entry::StateChanged(StateChanged {
        webhook_id: webhook.to_string(),
        lane: Lane::Realtime.into(),
        state: state.into(),
        before: DeliveryState::Live.into(),
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn d4_what_fails_shows_on_every_page_and_what_recovers_too() {
    let console = Console::local().await;
    let (webhook, writer, names) = (
        webhook(&console).await,
        Writer::of(&console),
        Layout::default().names(),
    );
    let matched = Matched {
        event: Some(event(HOSTILE)),
        ..Matched::default()
    };
    writer.write(names.journal(), Entry::Matched(matched)).await;
    writer
        .write(names.journal(), attempt(webhook, "server_error", 500))
        .await;
    writer
        .write(names.journal(), state(webhook, DeliveryState::Failing))
        .await;

    let path = format!("/accounts/1234/webhooks/{webhook}");
    let page = until(&console, &path, "Failing").await;
    for text in [
        "500 Internal Server Error",
        "It had an error of its own",
        "34.5 ms",
        "0 %",
    ] {
        page.assert_has(text);
    }
    page.assert_lacks("<script>alert");
    let list = until(&console, "/accounts/1234/webhooks", "Failing").await;
    list.assert_has("1 failed");
    let id = url::form_urlencoded::byte_serialize(HOSTILE.as_bytes()).collect::<String>();
    let of_event = until(&console, &format!("/accounts/1234/events?id={id}"), "5-77").await;
    of_event.assert_has("500 Internal Server Error");
    of_event.assert_has("cannot be told now");
    of_event.assert_lacks("<script>alert");

    writer.write(names.journal_ok(), attempt(webhook, "", 200)).await;
    writer
        .write(names.journal(), state(webhook, DeliveryState::Live))
        .await;
    let well = until(&console, "/accounts/1234/webhooks", "200 OK").await;
    well.assert_has("50 %");
    until(&console, &path, "Delivering (real-time events)").await;
    console.stop().await;
}

/// The page once it has a text.
async fn until(console: &Console, path: &str, text: &str) -> crate::browser::Page {
    let found = poll(PATIENCE, async || {
        let page = console.browser().get(path).await;
        Ok(page.body.contains(text).then_some(page))
    });
    found
        .await
        .unwrap()
        .unwrap_or_else(|| panic!("{path} never has `{text}`"))
}

#[tokio::test(flavor = "multi_thread")]
async fn an_open_page_hears_of_what_concerns_it() {
    let console = Console::local().await;
    let (webhook, writer, names) = (
        webhook(&console).await,
        Writer::of(&console),
        Layout::default().names(),
    );
    let mut stream = TcpStream::connect(console.address()).await.unwrap();
    let request = format!("GET /accounts/1234/live?webhook={webhook} HTTP/1.1\r\nhost: localhost\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut told = String::new();
    read_until(&mut stream, &mut told, "here").await;
    writer
        .write(names.journal(), attempt(webhook, "connect", 0))
        .await;
    read_until(&mut stream, &mut told, "event: news").await;
    assert!(told.contains("content-type: text/event-stream"), "{told}");
    assert!(!told.contains("Orders"), "{told}");
    console.stop().await;
}

async fn read_until(stream: &mut TcpStream, told: &mut String, text: &str) {
    let mut bytes = [0; 4_096];
    while !told.contains(text) {
        let read = tokio::time::timeout(PATIENCE, stream.read(&mut bytes))
            .await
            .unwrap()
            .unwrap();
        assert!(read > 0, "it ended: {told}");
        told.push_str(std::str::from_utf8(&bytes[..read]).unwrap());
    }
}
