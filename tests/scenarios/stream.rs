//! D7: many events to many webhooks, each once and in order.

use std::time::Duration;

use angarium_model::{Catalogue, Lane};
use angarium_testkit::receiver::Receiver;
use angarium_testkit::stack::{Backends, Stack};
use angarium_testkit::tracker::{Count, Tracker};

use crate::setup::{assert_all_verified, numbered, signed_webhook};

/// A stream of numbered events of all real-time types in some accounts, each account with five webhooks; every event
/// goes to one to three of them.
pub(crate) struct Stream {
    pub(crate) accounts: u64,
    types: Vec<&'static str>,
    pub(crate) tracker: Tracker,
    next: u64,
}

/// Webhooks of an account (W3).
const WEBHOOKS: usize = 5;

impl Stream {
    /// Creates accounts and webhooks.
    pub(crate) async fn set_up(stack: &Stack, receiver: &Receiver, accounts: u64) -> Self {
        let types: Vec<&str> = Catalogue
            .types()
            .filter(|t| t.lane == Lane::Realtime)
            .map(|t| t.name)
            .collect();
        for account in 1..=accounts {
            stack.create_account(account).await.unwrap();
            for webhook in 0..WEBHOOKS {
                let wanted: Vec<&str> = types
                    .iter()
                    .enumerate()
                    .filter(|(index, _)| wants(webhook, *index))
                    .map(|(_, name)| *name)
                    .collect();
                signed_webhook(stack, receiver, account, &hook(account, webhook), &wanted)
                    .await
                    .unwrap();
            }
        }
        let last = hook(accounts, WEBHOOKS - 1);
        let index = (0..types.len())
            .find(|index| wants(WEBHOOKS - 1, *index))
            .unwrap();
        stack
            .wait_until_matched(receiver, accounts, types[index], &last)
            .await
            .unwrap();
        Self {
            accounts,
            types,
            tracker: Tracker::default(),
            next: 0,
        }
    }

    /// The next events of an account, as newline-delimited JSON; they are expected from now on.
    pub(crate) fn batch(&mut self, account: u64, events: usize) -> String {
        let mut lines = String::new();
        for _ in 0..events {
            let number = self.next;
            self.next += 1;
            let index = usize::try_from(number).unwrap() % self.types.len();
            lines.push_str(&numbered(self.types[index], number));
            lines.push('\n');
            for webhook in (0..WEBHOOKS).filter(|webhook| wants(*webhook, index)) {
                self.tracker.expect(&hook(account, webhook), number);
            }
        }
        lines
    }
}

fn hook(account: u64, webhook: usize) -> String {
    format!("{account}-{webhook}")
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
    let tracker = &mut stream.tracker;
    receiver
        .wait_for("every event", Duration::from_secs(120), |received| {
            tracker.look(received).unwrap()
        })
        .await
        .unwrap_or_else(|error| panic!("{}; {error}\n{}", tracker.count(), stack.logs()));
    assert_eq!(tracker.count(), Count::default());
    assert_all_verified(&receiver);
}
