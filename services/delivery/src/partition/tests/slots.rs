//! E1: what waits goes at the slots of its timetable, and a slot at which it could not go is made up, once.

use angarium_model::TimetableSpec;

use super::*;
use crate::hook::Ordered;

/// The webhook of the tests has one every 30 s, on the half and the full minute: this is the first.
const SLOT_MS: i64 = START_MS + 27_000;
const EVERY_MS: i64 = 30_000;
const NOTHING_SENT: [i64; 0] = [];

/// A partition of the batch lane with one webhook, and the log that it reads.
struct World {
    partition: Eager,
    directory: Directory,
    log: Vec<Incoming>,
    now_ms: i64,
}

impl World {
    fn new() -> Self {
        let directory = directory(&[webhook(1, true)]);
        let partition = Eager::take_over(Lane::Batch, rules(64 << 20), directory.clone(), start());
        Self {
            partition,
            directory,
            log: Vec::new(),
            now_ms: START_MS,
        }
    }

    fn end(&self) -> i64 {
        i64::try_from(self.log.len()).unwrap()
    }

    /// An event with the number of its place.
    fn publish(&mut self) {
        let record = incoming(self.end(), self.end(), self.now_ms, &[1]);
        self.partition.live(&record, self.now_ms);
        self.log.push(record);
        self.begun();
    }

    fn order(&mut self, what: Ordered) {
        let (id, at) = (webhook(1, true).id, self.end());
        let of = (AccountId::new(1234).unwrap(), Revision::from_offset(1));
        self.log.push(incoming(at, 99, self.now_ms, &[]));
        self.partition.ordered(id, of, Order { at, what }, self.now_ms);
    }

    fn replay(&mut self) {
        let until = self.end();
        self.order(Ordered::Replay {
            from: 0,
            until,
            after: None,
        });
    }

    /// The webhook is changed.
    fn change(&mut self, revision: i64, change: impl FnOnce(&mut Webhook)) {
        let mut changed = webhook(1, true);
        changed.revision = Revision::from_offset(revision);
        change(&mut changed);
        self.directory.put(changed);
        self.partition.refresh(self.now_ms);
        self.begun();
    }

    /// It is that time.
    fn at(&mut self, now_ms: i64) {
        self.now_ms = now_ms;
        self.partition.tick(now_ms);
    }

    /// The events of the calls that begin.
    fn begun(&mut self) -> Vec<i64> {
        if let Some(from) = self.partition.wanted_read(self.now_ms) {
            let records = &self.log[usize::try_from(from).unwrap()..];
            self.partition.read_back(from, self.end(), records, self.now_ms);
        }
        let calls = calls_at(&mut self.partition, self.now_ms);
        calls.into_iter().flat_map(|(_, sources, _)| sources).collect()
    }

    fn answer(&mut self, verdict: Verdict) {
        answer(&mut self.partition, 1, verdict, self.now_ms);
    }

    /// All that is sent now and taken, also by what is due.
    fn delivered(&mut self) -> Vec<i64> {
        let mut all = Vec::new();
        loop {
            self.partition.tick(self.now_ms);
            let begun = self.begun();
            if begun.is_empty() {
                return all;
            }
            all.extend(begun);
            self.answer(Verdict::Delivered);
        }
    }

    fn next_due(&self) -> i64 {
        self.partition
            .next_due()
            .unwrap_or_else(|| panic!("{}", self.partition.waits()))
    }
}

#[test]
fn e1_nothing_goes_before_its_slot() {
    let mut world = World::new();
    world.publish();
    assert_eq!(world.next_due(), SLOT_MS);
    world.at(SLOT_MS);
    assert_eq!(world.delivered(), [0]);
    world.publish();
    assert_eq!(world.delivered(), NOTHING_SENT);
    assert_eq!(world.next_due(), SLOT_MS + EVERY_MS);
}

#[test]
fn e1_a_slot_that_comes_during_a_replay_is_made_up_behind_it() {
    let mut world = World::new();
    world.publish();
    world.at(SLOT_MS);
    assert_eq!(world.delivered(), [0]);
    world.publish();
    world.replay();
    assert_eq!(world.begun(), [0]);
    world.at(SLOT_MS + EVERY_MS + 1);
    world.answer(Verdict::Delivered);
    assert_eq!(world.delivered(), [1]);
}

#[test]
fn e1_a_replay_of_one_that_waits_for_nothing_does_not_bring_its_next_slot_forward() {
    let mut world = World::new();
    world.publish();
    world.at(SLOT_MS);
    assert_eq!(world.delivered(), [0]);
    world.at(SLOT_MS + 3 * EVERY_MS + 1);
    world.replay();
    assert_eq!(world.begun(), [0]);
    world.publish();
    world.answer(Verdict::Delivered);
    assert_eq!(world.delivered(), NOTHING_SENT);
    world.at(SLOT_MS + 4 * EVERY_MS);
    assert_eq!(world.delivered(), [2]);
}

#[test]
fn e1_a_slot_that_a_replay_interrupts_goes_on_behind_it() {
    let mut world = World::new();
    world.publish();
    world.publish();
    world.change(2, |webhook| {
        webhook.limits.max_group_events = angarium_model::MaxGroupEvents::new(1).ok()
    });
    world.at(SLOT_MS);
    assert_eq!(world.begun(), [0]);
    world.replay();
    world.answer(Verdict::Delivered);
    // Event 0 again, and what the slot had left.
    assert_eq!(world.delivered(), [0, 1]);
}

#[test]
fn e1_a_slot_that_passes_while_one_fails_is_made_up_once() {
    let mut world = World::new();
    world.publish();
    world.at(SLOT_MS);
    assert_eq!(world.begun(), [0]);
    world.answer(FAILED);
    world.publish();
    while world.now_ms < SLOT_MS + 3 * EVERY_MS {
        world.begun();
        world.at(world.next_due());
        assert_eq!(world.begun(), [0]);
        world.answer(FAILED);
    }
    world.begun();
    world.at(world.next_due());
    assert_eq!(world.delivered(), [0]);
    // It has just come back, and is not sent all at once.
    let back_ms = world.now_ms;
    let mut sent = NOTHING_SENT.to_vec();
    while sent.is_empty() {
        world.at(world.next_due());
        sent = world.delivered();
    }
    assert_eq!(sent, [1]);
    assert!(
        world.now_ms < back_ms + 2_000,
        "{} ms later",
        world.now_ms - back_ms
    );
    world.publish();
    assert_eq!(world.delivered(), NOTHING_SENT);
}

#[test]
fn e1_w7_a_slot_that_passes_while_the_webhook_is_off_is_made_up_when_it_is_on() {
    let mut world = World::new();
    world.publish();
    world.change(2, |webhook| webhook.active = false);
    world.at(SLOT_MS + 1);
    assert_eq!(world.delivered(), NOTHING_SENT);
    world.change(3, |_| {});
    assert_eq!(world.delivered(), [0]);
}

#[test]
fn e1_a_new_timetable_counts_from_then_on() {
    let mut world = World::new();
    world.publish();
    world.at(START_MS + 20_000);
    let cron = "10 * * * * *".to_owned();
    world.change(2, |webhook| {
        webhook.timetable = Some(TimetableSpec {
            cron,
            time_zone: "UTC".to_owned(),
        });
    });
    assert_eq!(
        world.delivered(),
        NOTHING_SENT,
        "it was the tenth second while another timetable counted"
    );
    for (at_ms, sent) in [
        (SLOT_MS, &NOTHING_SENT[..]),
        (START_MS + 66_999, &[]),
        (START_MS + 67_000, &[0]),
    ] {
        world.at(at_ms);
        assert_eq!(world.delivered(), sent);
    }
}

#[test]
fn e1_a_new_timetable_that_comes_during_a_slot_makes_none_of_its_own_up() {
    let mut world = World::new();
    world.publish();
    world.at(SLOT_MS);
    assert_eq!(world.begun(), [0]);
    world.publish();
    // 05:25:20, ten seconds behind the slot that the new timetable would have had.
    world.at(START_MS + 77_000);
    let cron = "10 * * * * *".to_owned();
    world.change(2, |webhook| {
        webhook.timetable = Some(TimetableSpec {
            cron,
            time_zone: "UTC".to_owned(),
        });
    });
    world.answer(Verdict::Delivered);
    assert_eq!(world.delivered(), NOTHING_SENT);
    world.at(START_MS + 127_000);
    assert_eq!(world.delivered(), [1]);
}
