//! D7: many events to many webhooks, each once and in order.

use std::collections::BTreeMap;
use std::time::Duration;

use angarium_kafka::partition_of;
use angarium_model::{Catalogue, EventType, Lane, WebhookId};
use angarium_testkit::receiver::{Received, Receiver};
use angarium_testkit::stack::{Backends, PARTITIONS, Stack};
use angarium_testkit::tracker::{Count, FIRST_PROBE, Tracker};
use serde::Deserialize;

use crate::senders::{Group, Senders};
use crate::setup::{assert_all_verified, numbered, signed_webhook};

/// A stream of numbered events of all types, of both lanes, in some accounts, each account with five webhooks; every
/// event goes to one to three of them.
pub(crate) struct Stream {
    pub(crate) accounts: u64,
    types: Vec<EventType>,
    tracker: Tracker,
    senders: Senders,
    /// The deliveries partition of each webhook, by its hook.
    partitions: BTreeMap<String, i32>,
    /// What has been looked at, under the name of webhook and lane.
    seen: Vec<Received>,
    next: u64,
    expected: usize,
}

/// Webhooks of an account (W3).
pub(crate) const WEBHOOKS: usize = 5;

#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(borrow)]
    events: Vec<Typed<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Typed<'a> {
    event_name: &'a str,
    data: Numbered,
}

#[derive(Deserialize)]
struct Numbered {
    n: u64,
}

impl Stream {
    /// Creates accounts and webhooks.
    pub(crate) async fn set_up(stack: &Stack, receiver: &Receiver, accounts: u64) -> Self {
        let types: Vec<EventType> = Catalogue.types().collect();
        let mut partitions = BTreeMap::new();
        for account in 1..=accounts {
            stack.create_account(account).await.unwrap();
            for webhook in 0..WEBHOOKS {
                let wanted: Vec<&str> = types
                    .iter()
                    .enumerate()
                    .filter(|(index, _)| wants(webhook, *index))
                    .map(|(_, known)| known.name)
                    .collect();
                let hook = hook(account, webhook);
                let created = signed_webhook(stack, receiver, account, &hook, &wanted)
                    .await
                    .unwrap();
                let id: WebhookId = created.id.parse().unwrap();
                partitions.insert(hook, partition_of(id.as_bytes(), PARTITIONS));
            }
        }
        let last = hook(accounts, WEBHOOKS - 1);
        let index = (0..types.len())
            .find(|index| wants(WEBHOOKS - 1, *index))
            .unwrap();
        stack
            .wait_until_matched(receiver, accounts, types[index].name, &last)
            .await
            .unwrap();
        Self {
            accounts,
            types,
            tracker: Tracker::default(),
            senders: Senders::default(),
            partitions,
            seen: Vec::new(),
            next: 0,
            expected: 0,
        }
    }

    /// The next events of an account, as newline-delimited JSON; they are expected from now on.
    pub(crate) fn batch(&mut self, account: u64, events: usize) -> String {
        let mut lines = String::new();
        for _ in 0..events {
            let number = self.next;
            self.next += 1;
            let index = usize::try_from(number).unwrap() % self.types.len();
            let EventType { name, lane, .. } = self.types[index];
            lines.push_str(&numbered(name, number));
            lines.push('\n');
            for webhook in (0..WEBHOOKS).filter(|webhook| wants(*webhook, index)) {
                let hook = in_lane(&hook(account, webhook), lane);
                self.tracker.expect(&hook, number);
                self.expected += 1;
            }
        }
        lines
    }

    /// Looks at the requests that it has not seen yet; whether every expected event has come.
    pub(crate) fn look(&mut self, received: &[Received]) -> bool {
        for request in &received[self.seen.len()..] {
            let group = group(&request.body);
            let hook = in_lane(&request.hook, group.lane).into();
            let request = Received {
                hook,
                ..request.clone()
            };
            let partition = self.partitions[hook_of(&request.hook)];
            self.senders.look(&request, group, partition);
            self.seen.push(request);
        }
        self.tracker.look(&self.seen).unwrap()
    }

    /// The last events, so many, are published again, for their producer cannot know whether they were accepted.
    pub(crate) fn last_are_published_again(&mut self, events: u64) {
        self.senders.published_again(self.next - events..self.next);
    }

    /// The number that the next event gets.
    pub(crate) fn next(&self) -> u64 {
        self.next
    }

    /// Silences are measured from now on.
    pub(crate) fn hush(&mut self) {
        self.senders.hush();
    }

    /// Who has sent what.
    pub(crate) fn senders(&self) -> &Senders {
        &self.senders
    }

    /// How many receipts are expected of what was published so far, one for each event and webhook.
    pub(crate) fn expected(&self) -> usize {
        self.expected
    }

    /// First receipts so far.
    pub(crate) fn receipts(&self) -> usize {
        self.tracker.receipts()
    }

    /// What has been counted so far.
    pub(crate) fn count(&self) -> Count {
        self.tracker.count()
    }
}

/// The hook of an account's webhook.
pub(crate) fn hook(account: u64, webhook: usize) -> String {
    format!("{account}-{webhook}")
}

/// A webhook gets the events of each lane in their order, and the lanes independently of each other (D7, E8).
fn in_lane(hook: &str, lane: Lane) -> String {
    format!("{hook} {lane}")
}

/// The hook of [`in_lane`].
pub(crate) fn hook_of(in_lane: &str) -> &str {
    in_lane.split_once(' ').unwrap().0
}

/// What a request carries.
pub(crate) fn group(body: &[u8]) -> Group {
    let envelope: Envelope<'_> = serde_json::from_slice(body).unwrap();
    let lane = |event: &Typed<'_>| Catalogue.get(event.event_name).unwrap().lane;
    let first = lane(&envelope.events[0]);
    let same = envelope.events.iter().all(|event| lane(event) == first);
    assert!(same, "E8: a group holds events of one class");
    let numbers = envelope.events.iter().map(|event| event.data.n);
    Group {
        lane: first,
        numbers: numbers.filter(|number| *number < FIRST_PROBE).collect(),
    }
}

/// Type `i` goes to `i % 3 + 1` webhooks, beginning with number `i % 5`.
fn wants(webhook: usize, type_index: usize) -> bool {
    (webhook + WEBHOOKS - type_index % WEBHOOKS) % WEBHOOKS <= type_index % 3
}

#[tokio::test]
async fn d7_twenty_thousand_events_reach_fifty_webhooks_once_and_in_order() {
    const EVENTS: usize = 20_000;
    const BATCH: usize = 200;
    let receiver = Receiver::start().await.unwrap();
    let stack = Stack::start(&Backends::shared().unwrap()).await.unwrap();
    let mut stream = Stream::set_up(&stack, &receiver, 10).await;
    for batch in 0..EVENTS / BATCH {
        let account = u64::try_from(batch).unwrap() % stream.accounts + 1;
        let body = stream.batch(account, BATCH);
        let reply = stack
            .publish(account, "application/x-ndjson", body)
            .await
            .unwrap();
        assert_eq!(reply.status, 202, "{:?}", reply.json());
    }
    receiver
        .wait_for("every event", Duration::from_secs(120), |received| {
            stream.look(received)
        })
        .await
        .unwrap_or_else(|error| panic!("{}; {error}\n{}", stream.count(), stack.logs()));
    assert_eq!(stream.count(), Count::default());
    assert_all_verified(&receiver);
}
