//! A partition in a small world: a log, receivers that fail, crashes, an administrator.
//!
//! The world picks what happens next by a seeded generator; a failure prints its seed, and the same seed does the same
//! again. In the end the faults stop, and every webhook must have received every event, first receipts in order.

use std::collections::VecDeque;

use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};

use super::*;

/// The world around a partition.
struct World {
    seed: u64,
    rng: SmallRng,
    lane: Lane,
    webhooks: Vec<Webhook>,
    directory: Directory,
    log: Vec<Incoming>,
    partition: Partition,
    /// Where the live stream stands.
    live: usize,
    under_way: VecDeque<(WebhookId, Arc<Group>)>,
    remembered: HashMap<WebhookId, RetryState>,
    committed: i64,
    received: HashMap<WebhookId, Vec<i64>>,
    groups: HashMap<String, Vec<i64>>,
    now_ms: i64,
}

impl World {
    fn new(seed: u64) -> Self {
        let mut rng = SmallRng::seed_from_u64(seed);
        let lane = if rng.random_bool(0.5) {
            Lane::Realtime
        } else {
            Lane::Batch
        };
        let webhooks: Vec<Webhook> = (1..=rng.random_range(1..5))
            .map(|number| webhook(number, true))
            .collect();
        let directory = directory(&webhooks);
        let partition = Partition::new(lane, rules(2_000), directory.clone(), 0, HashMap::new(), START_MS);
        Self {
            seed,
            rng,
            lane,
            webhooks,
            directory,
            log: Vec::new(),
            partition,
            live: 0,
            under_way: VecDeque::new(),
            remembered: HashMap::new(),
            committed: 0,
            received: HashMap::new(),
            groups: HashMap::new(),
            now_ms: START_MS,
        }
    }

    fn append(&mut self) {
        let webhooks: Vec<WebhookId> = self
            .webhooks
            .iter()
            .map(|w| w.id)
            .filter(|_| self.rng.random_bool(0.6))
            .collect();
        let offset = i64::try_from(self.log.len()).unwrap();
        // Now and then fanout has restarted, and says again what it said before.
        let again = self.log.len().saturating_sub(self.rng.random_range(1..8));
        let repeats = self.rng.random_bool(0.1) && !self.log.is_empty();
        if repeats {
            let rerun: Vec<(Arc<Delivery>, Vec<WebhookId>)> = self.log[again..]
                .iter()
                .map(|r| (Arc::clone(&r.delivery), r.webhooks.clone()))
                .collect();
            for (offset, (delivery, webhooks)) in (offset..).zip(rerun) {
                self.log.push(Incoming {
                    offset,
                    delivery,
                    webhooks,
                });
            }
        } else if !webhooks.is_empty() {
            let source = self
                .log
                .iter()
                .map(|r| r.delivery.source.offset)
                .max()
                .unwrap_or(0)
                + 1;
            self.log.push(Incoming {
                offset,
                delivery: delivery(source, self.now_ms, "{}"),
                webhooks,
            });
        }
    }

    fn advance_live(&mut self) {
        if let Some(record) = self.log.get(self.live) {
            self.partition.live(record, self.now_ms);
            self.live += 1;
        }
    }

    fn read_back(&mut self) {
        if let Some(from) = self.partition.wanted_read(self.now_ms) {
            let start = usize::try_from(from).unwrap();
            let end = (start + self.rng.random_range(1..20)).min(self.log.len());
            let next = i64::try_from(end).unwrap();
            self.partition
                .read_back(from, next, &self.log[start..end], self.now_ms);
        }
    }

    /// Takes up what the partition wants to send. The receiver gets it, unless it is down.
    fn collect(&mut self, down: bool) {
        for effect in self.partition.take_effects() {
            if let Effect::Call { webhook, group, .. } = effect {
                let sources: Vec<i64> = group.items.iter().map(|i| i.delivery.source.offset).collect();
                assert!(
                    self.under_way.iter().all(|(other, _)| *other != webhook),
                    "seed {}: two calls of one webhook at once",
                    self.seed
                );
                let before = self.groups.insert(group.id.clone(), sources.clone());
                assert!(
                    before.is_none_or(|b| b == sources),
                    "seed {}: one id for two groups",
                    self.seed
                );
                if !(down && self.rng.random_bool(0.3)) {
                    self.received.entry(webhook).or_default().extend(sources);
                    self.under_way.push_back((webhook, group));
                } else {
                    // Refused before it took anything.
                    self.partition
                        .answered(webhook, FAILED, self.rng.random(), self.now_ms);
                }
            }
        }
    }

    fn answer(&mut self, faults: bool) {
        if let Some((webhook, _)) = self.under_way.pop_front() {
            // The receiver has taken it, but its answer may be lost (D6).
            let lost = faults && self.rng.random_bool(0.2);
            let verdict = if lost { FAILED } else { Verdict::Delivered };
            self.partition
                .answered(webhook, verdict, self.rng.random(), self.now_ms);
        }
    }

    fn advance_time(&mut self) {
        self.now_ms = self.partition.next_due().unwrap_or(self.now_ms).max(self.now_ms);
        self.partition.tick(self.now_ms);
    }

    fn remember(&mut self) {
        for (id, state) in self.partition.take_changed() {
            match state {
                Some(state) => self.remembered.insert(id, state),
                None => self.remembered.remove(&id),
            };
        }
    }

    fn commit(&mut self) {
        let lowest = self.partition.lowest_undone();
        assert!(
            lowest >= self.committed,
            "seed {}: the place to read from went back",
            self.seed
        );
        self.committed = lowest;
    }

    /// The worker dies; another takes over with what was committed and, unless Redis was wiped, remembered.
    fn crash(&mut self) {
        if self.rng.random_bool(0.3) {
            self.remembered.clear();
        }
        let stored = self.remembered.clone();
        self.partition = Partition::new(
            self.lane,
            rules(2_000),
            self.directory.clone(),
            self.committed,
            stored,
            self.now_ms,
        );
        self.live = usize::try_from(self.committed).unwrap();
        self.under_way.clear();
    }

    /// An administrator switches a webhook off, or on again (W7).
    fn switch(&mut self, number: usize, active: bool) {
        let webhook = &mut self.webhooks[number];
        webhook.active = active;
        webhook.revision = Revision::from_offset(webhook.revision.offset() + 1);
        self.directory.put(webhook.clone());
        self.partition.refresh(self.now_ms);
    }

    fn step(&mut self) {
        match self.rng.random_range(0..102) {
            100..102 => {
                let number = self.rng.random_range(0..self.webhooks.len());
                self.switch(number, !self.webhooks[number].active);
            }
            0..30 => self.append(),
            30..55 => self.advance_live(),
            55..70 => self.answer(true),
            70..80 => self.read_back(),
            80..88 => self.advance_time(),
            88..93 => self.remember(),
            93..98 => self.commit(),
            _ => self.crash(),
        }
        self.collect(true);
    }

    /// Without faults, until nothing is left to do.
    fn settle(&mut self) {
        for number in 0..self.webhooks.len() {
            self.switch(number, true);
        }
        for _ in 0..50_000 {
            self.advance_live();
            self.answer(false);
            self.read_back();
            self.advance_time();
            self.collect(false);
            let all_live = self.live == self.log.len();
            if all_live && self.under_way.is_empty() && self.partition.lowest_undone() >= self.end() {
                return;
            }
        }
        panic!(
            "seed {}: not everything is sent once the faults have stopped: {:?}",
            self.seed, self.partition
        );
    }

    fn end(&self) -> i64 {
        i64::try_from(self.log.len()).unwrap()
    }

    fn check(&self) {
        for webhook in &self.webhooks {
            let mut wanted: Vec<i64> = self
                .log
                .iter()
                .filter(|record| record.webhooks.contains(&webhook.id))
                .map(|record| record.delivery.source.offset)
                .collect();
            wanted.sort_unstable();
            wanted.dedup();
            let mut first_receipts = Vec::new();
            for source in self.received.get(&webhook.id).into_iter().flatten() {
                if !first_receipts.contains(source) {
                    first_receipts.push(*source);
                }
            }
            assert_eq!(
                first_receipts, wanted,
                "seed {}: first receipts of {}",
                self.seed, webhook.name
            );
        }
    }
}

#[test]
fn d6_d7_whatever_fails_every_event_arrives_and_first_receipts_are_in_order() {
    for seed in 0..1_000 {
        let mut world = World::new(seed);
        for _ in 0..400 {
            world.step();
        }
        world.settle();
        world.check();
    }
}
