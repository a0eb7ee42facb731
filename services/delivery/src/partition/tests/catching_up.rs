//! Many webhooks that catch up at once: memory is bounded, and Kafka is not read for each of them by itself.

use std::collections::VecDeque;

use super::*;

/// What the queues may hold.
const BOUND: usize = 256 * 1024;
const EVENTS: i64 = 2_000;

struct World {
    partition: Eager,
    log: Vec<Incoming>,
    /// Calls under way, in the order in which they began.
    under_way: VecDeque<Call>,
    /// What each has received.
    received: BTreeMap<WebhookId, Vec<i64>>,
    /// Webhooks that do not answer.
    silent: std::ops::Range<u8>,
    records_read: usize,
}

impl World {
    /// Webhooks that were down while events of a kilobyte came; every third event is for each of them.
    fn new(webhooks: u8, silent: std::ops::Range<u8>) -> Self {
        let data: &'static str = Box::leak(format!("\"{}\"", "x".repeat(1_000)).into_boxed_str());
        let log = (0..EVENTS).map(|offset| {
            let third = (1..=webhooks).filter(|number| (i64::from(*number) + offset) % 3 == 0);
            let ids = third.map(|number| WebhookId::from_bytes([number; 16]));
            Incoming {
                offset,
                delivery: delivery(offset, START_MS, data),
                webhooks: ids.collect(),
            }
        });
        let hooks: Vec<Webhook> = (1..=webhooks).map(|number| webhook(number, true)).collect();
        let cursors = hooks.iter().map(|webhook| (webhook.id, behind(0, &[])));
        let found = Found {
            epoch: 5,
            place: EVENTS,
            cursors: cursors.collect(),
        };
        let start = Start {
            found: Some(found),
            ends: Watermarks { low: 0, high: EVENTS },
            ..start()
        };
        Self {
            partition: Eager::take_over(Lane::Realtime, rules(BOUND), directory(&hooks), start),
            log: log.collect(),
            under_way: VecDeque::new(),
            received: BTreeMap::new(),
            silent,
            records_read: 0,
        }
    }

    fn is_silent(&self, id: WebhookId) -> bool {
        self.silent.contains(&id.as_bytes()[0])
    }

    /// A read, and the answers to some of the calls; whether anything happened.
    fn turn(&mut self) -> bool {
        let read = self.partition.wanted_read(START_MS);
        if let Some(from) = read {
            let start = usize::try_from(from).unwrap();
            let end = (start + self.partition.read_limit()).min(self.log.len());
            self.records_read += end - start;
            let next = i64::try_from(end).unwrap();
            self.partition
                .read_back(from, next, &self.log[start..end], START_MS);
        }
        assert!(
            self.partition.queued_bytes() <= BOUND,
            "{} bytes",
            self.partition.queued_bytes()
        );
        self.under_way.extend(self.partition.take_calls());
        let mut answered = 0;
        for _ in 0..self.under_way.len() {
            let Some(call) = self.under_way.pop_front() else {
                break;
            };
            if self.is_silent(call.webhook) || answered == 20 {
                self.under_way.push_back(call);
                continue;
            }
            answered += 1;
            self.answer(&call);
        }
        for effect in self.partition.take_effects() {
            if let Effect::Append {
                webhook,
                cursor: Some(_),
            } = effect
            {
                self.partition.appended(webhook, START_MS);
            }
        }
        read.is_some() || answered > 0
    }

    fn answer(&mut self, call: &Call) {
        let sources = call.group.items.iter().map(|item| item.delivery.source.offset);
        self.received.entry(call.webhook).or_default().extend(sources);
        answer(
            &mut self.partition,
            call.webhook.as_bytes()[0],
            Verdict::Delivered,
            START_MS,
        );
    }

    /// Those that have received all of their events, in order.
    fn complete(&self) -> usize {
        let owed = |id: &WebhookId| {
            let mine = self.log.iter().filter(|record| record.webhooks.contains(id));
            mine.map(|record| record.offset).collect::<Vec<_>>()
        };
        let received = self.received.iter();
        received.filter(|(id, got)| **got == owed(id)).count()
    }
}

#[test]
fn many_that_catch_up_are_read_for_together_within_the_bound() {
    let mut world = World::new(100, 0..0);
    while world.turn() {}
    assert_eq!(world.complete(), 100);
    // For each by itself it would be read a hundred times. All of them have 2,600 bytes of memory each.
    let times = world.records_read / world.log.len();
    assert!(times <= 6, "the log was read {times} times");
}

#[test]
fn those_that_do_not_answer_hold_up_none_that_catch_up_beside_them() {
    let mut world = World::new(100, 1..41);
    while world.turn() {}
    assert_eq!(world.complete(), 60);
    world.silent = 0..0;
    while world.turn() {}
    assert_eq!(world.complete(), 100);
}
