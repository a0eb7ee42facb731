//! Webhooks that take several groups at once: what fails waits for its own retry, and holds up no other (ADR 7).

use angarium_model::{DeadLetter, MaxAttempts, MaxGroupEvents, MaxInFlight, MaxRequestsPerSecond, Ordering};

use super::*;
use crate::cursor::Parked;
use crate::hook::Ordered;

const REFUSED: Verdict = Verdict::Refused;

fn id() -> WebhookId {
    WebhookId::from_bytes([1; 16])
}

/// A webhook that takes so many single events at once.
fn unordered(most: u32) -> Webhook {
    let mut webhook = webhook(1, true);
    webhook.ordering = Ordering::Unordered {
        max_in_flight: MaxInFlight::new(most).ok(),
    };
    webhook.limits.max_group_events = MaxGroupEvents::new(1).ok();
    webhook
}

/// A partition with one webhook, the log that it reads, and what is under way.
struct World {
    partition: Eager,
    log: Vec<Incoming>,
    calls: Vec<Arc<Group>>,
    /// Cursors that are to be acknowledged.
    cursors: Vec<Cursor>,
    aside: Vec<Arc<Group>>,
    now_ms: i64,
}

impl World {
    fn new(webhook: Webhook) -> Self {
        Self::of(partition(Lane::Realtime, &[webhook]))
    }

    fn of(partition: Eager) -> Self {
        Self {
            partition,
            log: Vec::new(),
            calls: Vec::new(),
            cursors: Vec::new(),
            aside: Vec::new(),
            now_ms: START_MS,
        }
    }

    /// The next owner, who finds the last cursor and what Redis remembers.
    fn followed(self, webhook: Webhook, resume: Option<i64>) -> Self {
        self.followed_by(webhook, resume, None)
    }

    fn followed_by(self, webhook: Webhook, resume: Option<i64>, cut: Option<Kept>) -> Self {
        let cursor = self.cursors.last().cloned().expect("a cursor was written");
        let remembered = resume.map(|resume| Remembered {
            epoch: 5,
            generation: cursor.generation,
            resume,
            done: None,
            retry: None,
            parked: Parked::digest(cursor.standing.parked()),
        });
        let start = Start {
            found: Some(Found {
                epoch: 5,
                place: self.partition.place(),
                cursors: BTreeMap::from([(id(), cursor)]),
            }),
            memories: Memories {
                own: Some(5),
                webhooks: remembered
                    .map(|remembered| (id(), remembered))
                    .into_iter()
                    .collect(),
            },
            ends: Watermarks { low: 0, high: 1_000 },
            cut,
            clocks: agreeing(self.now_ms),
            now_ms: self.now_ms,
            ..start()
        };
        let partition = Eager::take_over(Lane::Realtime, rules(64 << 20), directory(&[webhook]), start);
        Self {
            log: self.log,
            now_ms: self.now_ms,
            ..Self::of(partition)
        }
    }

    fn publish(&mut self, count: i64) {
        for _ in 0..count {
            let offset = i64::try_from(self.log.len()).unwrap();
            self.log.push(incoming(offset, offset, self.now_ms, &[1]));
            self.partition.live(&self.log[self.log.len() - 1], self.now_ms);
        }
        self.perform();
    }

    /// The next record is an order.
    fn order(&mut self, what: Ordered) {
        let at = i64::try_from(self.log.len()).unwrap();
        self.log.push(incoming(at, 99, self.now_ms, &[]));
        let of = (AccountId::new(1234).unwrap(), Revision::from_offset(1));
        self.partition.ordered(id(), of, Order { at, what }, self.now_ms);
        self.perform();
    }

    /// Does what is to be done but acknowledge cursors, and reads back what is wanted.
    fn perform(&mut self) {
        loop {
            let begun = self.partition.take_calls().into_iter();
            self.calls.extend(begun.map(|call| call.group));
            for effect in self.partition.take_effects() {
                match effect {
                    Effect::Append { cursor, .. } => self.cursors.extend(cursor),
                    Effect::PutAside { group, .. } => self.aside.push(group),
                    Effect::Stands { .. } | Effect::Expired { .. } | Effect::Removed { .. } => {}
                }
            }
            let Some(from) = self.partition.wanted_read(self.now_ms) else {
                return;
            };
            let (start, end) = (
                usize::try_from(from).unwrap(),
                i64::try_from(self.log.len()).unwrap(),
            );
            self.partition
                .read_back(from, end, &self.log[start..], self.now_ms);
        }
    }

    fn acknowledge(&mut self) {
        let before = self.cursors.len();
        for _ in 0..before {
            self.partition.appended(id(), self.now_ms);
        }
        self.perform();
        let last = self.cursors.split_off(before.min(self.cursors.len()));
        if !last.is_empty() {
            self.cursors = last;
            self.acknowledge();
        }
    }

    /// Time passes until something is due.
    fn wait(&mut self) {
        self.now_ms = self
            .partition
            .next_due()
            .unwrap_or_else(|| panic!("{}", self.partition.waits()));
        self.partition.tick(self.now_ms);
        self.perform();
    }

    /// Whether all below is done and on record.
    fn is_at_rest(&mut self, end: i64) -> bool {
        let place = self.partition.place();
        self.partition.place_is(place);
        self.partition.is_at_rest(end)
    }

    fn under_way(&self) -> Vec<i64> {
        let sources = |group: &Arc<Group>| group.items[0].delivery.source.offset;
        let mut under_way: Vec<i64> = self.calls.iter().map(sources).collect();
        under_way.sort_unstable();
        under_way
    }

    /// The call that has this event ends.
    fn answer(&mut self, source: i64, verdict: Verdict) -> Settled {
        let has = |group: &Arc<Group>| {
            let mut items = group.items.iter();
            items.any(|item| item.delivery.source.offset == source)
        };
        let index = self.calls.iter().position(has).expect("it is under way");
        let group = self.calls.remove(index);
        let answer = Answer {
            verdict,
            status: 500,
            took_ms: 5,
            jitter: 0.0,
        };
        let settled = self.partition.answered(id(), &group, answer, self.now_ms);
        self.perform();
        settled.expect("it was under way")
    }

    /// All that is under way ends well, and what follows it, but for these events.
    fn take_all_but(&mut self, sources: &[i64]) {
        while let Some(source) = self
            .under_way()
            .into_iter()
            .find(|source| !sources.contains(source))
        {
            self.answer(source, Verdict::Delivered);
        }
    }

    fn parked(&self) -> Vec<Parked> {
        match &self.cursors.last().expect("a cursor was written").standing {
            Standing::Behind { parked, .. } => parked.clone(),
            Standing::Live => Vec::new(),
        }
    }
}

#[test]
fn an_unordered_webhook_has_as_many_posts_under_way_as_it_takes() {
    let mut world = World::new(unordered(3));
    world.publish(5);
    assert_eq!(world.under_way(), [0, 1, 2]);
    world.answer(1, Verdict::Delivered);
    assert_eq!(world.under_way(), [0, 2, 3]);
    assert_eq!(
        world.partition.place(),
        0,
        "what is done out of turn counts once all before it is"
    );
    world.answer(0, Verdict::Delivered);
    assert_eq!(world.partition.place(), 2);
}

#[test]
fn d1_a_post_that_hangs_holds_up_none_of_255_others_and_the_window_ends_there() {
    let mut world = World::new(unordered(4));
    for _ in 0..300 {
        world.publish(1);
        world.take_all_but(&[0]);
    }
    let got = world
        .partition
        .entries
        .iter()
        .next()
        .unwrap()
        .1
        .hook
        .queued_bytes();
    let weight = delivery(0, 0, "{}").weight();
    assert_eq!(got / weight, 44, "the 257th and those behind it wait");
    world.answer(0, Verdict::Delivered);
    world.take_all_but(&[]);
    assert_eq!(world.partition.place(), 300);
}

#[test]
fn d2_d6_a_poison_group_waits_for_its_own_retry_and_keeps_its_id_when_the_worker_dies() {
    let mut world = World::new(unordered(4));
    world.publish(6);
    let poison = world.calls[1].id.clone();
    world.answer(0, Verdict::Delivered);
    let settled = world.answer(1, FAILED);
    assert!(matches!(settled.turn, Some(Turn::Fails(_))));
    let settled = world.answer(2, Verdict::Delivered);
    assert!(
        matches!(settled.turn, Some(Turn::Recovers(_))),
        "others are taken"
    );
    world.take_all_but(&[1]);
    world.acknowledge();
    assert_eq!(world.under_way(), [1], "tried again as soon as others are taken");
    assert!(world.answer(1, FAILED).turn.is_none(), "it is its own fault");
    world.publish(3);
    assert_eq!(world.under_way(), [6, 7, 8], "the stream goes on");
    world.take_all_but(&[]);
    world.acknowledge();
    world.partition.record_progress();
    world.perform();
    world.acknowledge();
    assert_eq!(world.parked().len(), 1);
    assert_eq!(world.partition.place(), 9, "its cursor leads to what is parked");

    let mut next = world.followed(unordered(4), None);
    next.perform();
    assert_eq!(next.under_way(), Vec::<i64>::new());
    next.wait();
    assert_eq!(next.calls[0].id, poison);
    assert_eq!(next.under_way(), [1]);
    next.answer(1, Verdict::Delivered);
    next.acknowledge();
    assert!(next.parked().is_empty());
}

#[test]
fn d2_a_receiver_that_is_down_gets_one_post_a_back_off() {
    let mut world = World::new(unordered(4));
    world.publish(20);
    for source in 0..4 {
        world.answer(source, FAILED);
    }
    world.acknowledge();
    let mut waits = Vec::new();
    for _ in 0..8 {
        assert_eq!(world.under_way(), Vec::<i64>::new());
        let before_ms = world.now_ms;
        world.wait();
        while world.calls.is_empty() {
            world.wait();
        }
        waits.push((world.now_ms - before_ms) / 1_000);
        let [source] = world.under_way()[..] else {
            panic!("one probe: {:?}", world.under_way());
        };
        world.answer(source, FAILED);
        world.acknowledge();
    }
    assert_eq!(waits, [5, 10, 20, 40, 80, 160, 300, 300]);
    // It is back: all arrives, and nothing else is under way while it comes back slowly.
    world.wait();
    let [source] = world.under_way()[..] else {
        panic!("one probe: {:?}", world.under_way());
    };
    world.answer(source, Verdict::Delivered);
    assert!(world.calls.len() <= 1);
    for _ in 0..100 {
        world.take_all_but(&[]);
        world.acknowledge();
        if world.partition.place() == 20 && world.partition.next_due().is_none() {
            break;
        }
        if world.partition.next_due().is_some() {
            world.wait();
        }
    }
    assert!(world.is_at_rest(20), "{}", world.partition.waits());
}

#[test]
fn d6_what_was_parked_and_taken_is_not_sent_with_the_stream_that_comes_to_it_later() {
    let mut world = World::new(unordered(4));
    world.publish(3);
    world.answer(1, FAILED);
    world.answer(2, Verdict::Delivered);
    world.acknowledge();
    assert_eq!(world.parked().len(), 1, "event 0 is under way still");

    // The retry comes before anything is read for the stream, which begins with event 0.
    let mut next = world.followed(unordered(4), None);
    next.now_ms = next.partition.next_due().unwrap();
    next.partition.tick(next.now_ms);
    assert_eq!(next.partition.wanted_read(next.now_ms), Some(1));
    let (parked, now_ms) = (&next.log[1..2], next.now_ms);
    next.partition.read_back(1, 2, parked, now_ms);
    let retry = next.partition.take_calls().into_iter().map(|call| call.group);
    next.calls.extend(retry);
    assert_eq!(next.under_way(), [1]);
    next.answer(1, Verdict::Delivered);
    next.take_all_but(&[0, 1]);
    assert_eq!(next.under_way(), [0], "event 1 was taken");
}

fn parked_at(offset: i64) -> Parked {
    Parked {
        head: Head::new([offset]),
        since_ms: START_MS,
        generation: 0,
        is_replay: false,
    }
}

/// What Redis has of a webhook of which these groups were parked.
fn told_with(parked: &[Parked]) -> Memories {
    let entry = Remembered {
        epoch: 5,
        generation: 0,
        resume: 40,
        done: None,
        retry: None,
        parked: Parked::digest(parked),
    };
    Memories {
        own: Some(5),
        webhooks: HashMap::from([(id(), entry)]),
    }
}

/// A zombie's cursors are not read any more, and what it tells Redis may be.
#[test]
fn d6_redis_counts_only_beside_the_list_of_what_is_parked_that_it_was_told_with() {
    let (none, one, other) = (&[][..], &[parked_at(3)][..], &[parked_at(4)][..]);
    for (listed, told) in [(none, none), (one, one), (none, one), (one, other), (one, none)] {
        let mut cursor = behind(3, &[]);
        if let Standing::Behind { parked, .. } = &mut cursor.standing {
            parked.extend_from_slice(listed);
        }
        let mut next = found(cursor, 50, told_with(told));
        let written = next.take_effects().into_iter().find_map(|effect| match effect {
            Effect::Append { cursor, .. } => cursor,
            _ => None,
        });
        let expected = if listed == told { 40 } else { 3 };
        assert_eq!(
            written.map(|cursor| cursor.resume),
            Some(expected),
            "{listed:?}, {told:?}"
        );
    }
}

#[test]
fn d6_redis_says_nothing_of_a_webhook_with_parked_groups_that_has_no_cursor() {
    for (told, is_called) in [(&[][..], false), (&[parked_at(3)][..], true)] {
        let start = Start {
            memories: told_with(told),
            ends: Watermarks { low: 0, high: 1_000 },
            ..start()
        };
        let mut next = Eager::take_over(
            Lane::Realtime,
            rules(64 << 20),
            directory(&[webhook(1, true)]),
            start,
        );
        next.live(&incoming(3, 3, START_MS, &[1]), START_MS);
        assert_eq!(!calls(&mut next).is_empty(), is_called, "{told:?}");
    }
}

#[test]
fn d6_the_place_and_redis_wait_for_the_cursor_that_has_what_is_parked() {
    let mut world = World::new(unordered(2));
    world.partition.take_checkpoint();
    world.publish(2);
    world.answer(0, FAILED);
    world.answer(1, Verdict::Delivered);
    assert_eq!(world.partition.place(), 0, "no cursor on record has it");
    let lag = world.partition.take_checkpoint().lag;
    assert_eq!(lag, [], "Redis knows of no exceptions");
    world.acknowledge();
    assert_eq!(world.partition.place(), 2);
    let lag = world.partition.take_checkpoint().lag;
    assert_eq!(lag[0].1.map(|state| state.resume), Some(2));

    // Redis is further than the cursor: what is parked still is.
    let mut next = world.followed(unordered(2), Some(2));
    next.wait();
    assert_eq!(next.under_way(), [0]);
}

#[test]
fn a_webhook_joins_the_live_stream_when_nothing_is_parked() {
    let mut world = World::new(unordered(2));
    world.publish(2);
    world.answer(0, FAILED);
    world.answer(1, Verdict::Delivered);
    world.acknowledge();
    assert!(
        world
            .partition
            .entries
            .iter()
            .next()
            .unwrap()
            .1
            .hook
            .is_detached()
    );
    world.take_all_but(&[]);
    world.acknowledge();
    assert!(world.partition.entries.iter().next().unwrap().1.hook.is_live());
}

#[test]
fn what_is_parked_is_read_back_when_memory_was_short() {
    let mut world = World::new(unordered(2));
    world.publish(2);
    let parked = world.calls[0].id.clone();
    world.answer(0, FAILED);
    world.answer(1, FAILED);
    world.acknowledge();
    assert!(world.partition.entries.queued_bytes() > 0);
    world.partition.rules.max_queued_bytes = 0;
    world.partition.relieve_memory(world.now_ms);
    assert_eq!(world.partition.entries.queued_bytes(), 0);
    world.partition.rules.max_queued_bytes = 64 << 20;
    world.wait();
    assert_eq!(world.calls[0].id, parked);
}

#[test]
fn of_many_that_failed_64_kib_are_kept_and_the_others_are_read_back() {
    const DATA: &str = str_of_8_kib();
    let mut world = World::new(unordered(32));
    for offset in 0..32 {
        let mut record = incoming(offset, offset, START_MS, &[1]);
        record.delivery = delivery(offset, START_MS, DATA);
        world.partition.live(&record, START_MS);
        world.log.push(record);
    }
    world.perform();
    for source in 0..32 {
        world.answer(source, FAILED);
    }
    world.acknowledge();
    assert!(world.partition.entries.queued_bytes() <= 64 * 1024);
    world.wait();
    world.answer(0, Verdict::Delivered);
    for _ in 0..100 {
        world.take_all_but(&[]);
        world.acknowledge();
        if world.is_at_rest(32) {
            return;
        }
        if world.calls.is_empty() {
            world.wait();
        }
    }
    panic!("{}", world.partition.waits());
}

const fn str_of_8_kib() -> &'static str {
    const SPACES: [u8; 8 * 1024] = [b' '; 8 * 1024];
    match std::str::from_utf8(&SPACES) {
        Ok(spaces) => spaces,
        Err(_) => "",
    }
}

#[test]
fn d6_what_is_parked_is_looked_for_in_a_log_that_was_created_anew() {
    let mut world = World::new(unordered(2));
    world.publish(2);
    world.answer(0, FAILED);
    world.answer(1, FAILED);
    world.acknowledge();
    let kept = world.partition.kept();
    let mut world = world.followed_by(unordered(2), None, Some(kept));
    world.perform();
    world.acknowledge();
    for record in &world.log {
        world.partition.live(record, world.now_ms);
    }
    world.wait();
    world.take_all_but(&[]);
    for _ in 0..10 {
        world.acknowledge();
        world.take_all_but(&[]);
        if world.is_at_rest(2) {
            return;
        }
        world.wait();
    }
    panic!("{}", world.partition.waits());
}

#[test]
fn d7_one_that_becomes_ordered_first_ends_what_is_parked() {
    let mut world = World::new(unordered(2));
    world.publish(3);
    world.answer(0, FAILED);
    let mut ordered = unordered(2);
    ordered.ordering = Ordering::Ordered;
    ordered.revision = Revision::from_offset(2);
    world.partition.directory.put(ordered);
    world.partition.refresh(world.now_ms);
    world.answer(1, Verdict::Delivered);
    world.acknowledge();
    assert_eq!(world.under_way(), [0], "and nothing else");
    world.answer(0, Verdict::Delivered);
    world.acknowledge();
    world.publish(1);
    assert_eq!(world.under_way(), [2], "one after the other");
    world.answer(2, FAILED);
    assert_eq!(
        world.under_way(),
        Vec::<i64>::new(),
        "what fails holds up the next"
    );
}

#[test]
fn of_a_group_that_is_refused_the_poison_event_is_put_aside_and_the_others_arrive() {
    let mut webhook = unordered(3);
    webhook.limits.max_group_events = None;
    webhook.dead_letter = Some(DeadLetter {
        after_attempts: MaxAttempts::new(1).unwrap(),
    });
    let mut world = World::new(webhook);
    world.publish(1);
    let mut others = Vec::new();
    for _ in 0..2 {
        world.publish(1);
        others.push(i64::try_from(world.log.len()).unwrap() - 1);
    }
    world.publish(4);
    world.answer(0, Verdict::Delivered);
    assert_eq!(world.under_way(), [1, 2, 3]);
    world.answer(3, REFUSED);
    for _ in 0..10 {
        for source in world.under_way() {
            let verdict = if source == 5 { REFUSED } else { Verdict::Delivered };
            world.answer(source, verdict);
        }
    }
    let [aside] = &world.aside[..] else {
        panic!("{:?}", world.aside);
    };
    assert_eq!(aside.items[0].delivery.source.offset, 5);
    let aside = Arc::clone(aside);
    world.acknowledge();
    assert!(!world.is_at_rest(7), "it is not on record yet");
    world.partition.was_put_aside(id(), &aside, world.now_ms);
    world.perform();
    world.acknowledge();
    assert!(world.is_at_rest(7), "{}", world.partition.waits());
}

/// It was ordered when it was sent too much: it is told as little then as before, and its first failure is the first.
#[test]
fn d4_one_that_is_halved_again_after_it_became_unordered_does_not_fail() {
    for (verdict, is_told) in [(Verdict::TooLarge, false), (REFUSED, true)] {
        let mut ordered = webhook(1, true);
        ordered.limits.max_group_events = MaxGroupEvents::new(8).ok();
        ordered.limits.max_requests_per_second = MaxRequestsPerSecond::new(1).ok();
        let directory = directory(&[ordered.clone()]);
        let partition = Eager::take_over(Lane::Realtime, rules(64 << 20), directory.clone(), start());
        let mut world = World::of(partition);
        world.publish(9);
        world.answer(0, Verdict::Delivered);
        world.wait();
        assert_eq!(world.answer(1, Verdict::TooLarge).turn, None);
        world.acknowledge();
        directory.put(Webhook {
            revision: Revision::from_offset(2),
            ordering: Ordering::Unordered {
                max_in_flight: MaxInFlight::new(2).ok(),
            },
            ..ordered
        });
        world.partition.refresh(world.now_ms);
        while world.calls.is_empty() {
            world.wait();
        }
        assert_eq!(world.calls[0].items.len(), 4);
        let turn = world.answer(1, verdict).turn;
        let told = turn.map(|turn| match turn {
            Turn::Fails(failed) => failed.attempts.get(),
            other => panic!("{other:?}"),
        });
        assert_eq!(told, is_told.then_some(1));
    }
}

/// Poison events hold up no other, until all that may be sent at once is parked with them.
#[test]
fn d4_one_that_has_room_for_nothing_else_fails_and_that_is_told() {
    const EVENTS: i64 = 600;
    let mut webhook = unordered(8);
    webhook.limits.max_group_events = MaxGroupEvents::new(100).ok();
    let mut world = World::new(webhook);
    world.publish(EVENTS);
    let is_poison = |source: i64| source % 10 == 5;
    let mut taken = 0;
    let mut fails = Vec::new();
    for _step in 0..300 {
        let Some(group) = world.calls.first().cloned() else {
            world.acknowledge();
            if world.calls.is_empty() {
                world.wait();
            }
            continue;
        };
        let mut sources = group.items.iter().map(|item| item.delivery.source.offset);
        let first = group.items[0].delivery.source.offset;
        let verdict = if sources.any(is_poison) {
            REFUSED
        } else {
            taken += group.items.len();
            Verdict::Delivered
        };
        let turn = world.answer(first, verdict).turn;
        fails.extend(turn.map(|turn| matches!(turn, Turn::Fails(_) | Turn::StillFails(_))));
    }
    assert!(taken > 0 && taken < 300, "{taken}");
    assert_eq!(fails.last(), Some(&true), "{fails:?}");
    let look = world.partition.look(id()).unwrap();
    assert!(look.is_failing, "{}", world.partition.waits());
}

#[test]
fn a_group_that_is_too_large_is_parked_in_halves() {
    let mut webhook = unordered(2);
    webhook.limits.max_group_events = None;
    let mut world = World::new(webhook);
    world.publish(2);
    world.publish(5);
    world.answer(0, Verdict::Delivered);
    world.answer(2, Verdict::TooLarge);
    let parked: Vec<usize> = world.parked().iter().map(|parked| parked.head.len()).collect();
    assert_eq!(parked, [3, 2]);
}

fn replay(from: i64, until: i64) -> Ordered {
    Ordered::Replay {
        from,
        until,
        after: None,
    }
}

#[test]
fn a_replay_leaves_what_is_parked_to_its_own_retry_under_its_own_id() {
    let mut world = World::new(unordered(2));
    world.publish(3);
    let parked = world.calls[0].id.clone();
    world.answer(0, FAILED);
    for source in [1, 2] {
        world.answer(source, Verdict::Delivered);
    }
    world.acknowledge();
    // Tried again at once, as others were taken.
    world.answer(0, FAILED);
    world.order(replay(1, 3));
    world.acknowledge();
    assert_eq!(world.under_way(), [1, 2]);
    world.take_all_but(&[]);
    world.acknowledge();
    world.publish(1);
    assert_eq!(world.under_way(), [3 + 1]);
    world.take_all_but(&[]);
    while world.calls.is_empty() {
        world.wait();
    }
    let again = world.calls.iter().find(|group| group.id == parked);
    assert!(again.is_some());
    world.take_all_but(&[]);
    world.acknowledge();
    assert!(world.is_at_rest(5), "{}", world.partition.waits());
}

/// It comes again with the order, which holds the place itself.
#[test]
fn what_is_parked_of_a_replay_does_not_take_the_place_back() {
    let mut world = World::new(unordered(2));
    world.publish(3);
    world.take_all_but(&[]);
    assert_eq!(world.partition.place(), 3);
    world.order(replay(0, 3));
    assert_eq!(world.under_way(), [0, 1]);
    world.answer(0, FAILED);
    assert_eq!(world.partition.place(), 3, "no cursor of it is acknowledged yet");
    world.acknowledge();
    assert_eq!(world.partition.place(), 4);
}

/// Of the first replay a group waits for its retry when the second begins, and so does one of the second when it is cancelled.
#[test]
fn a_cancelled_replay_takes_its_own_parked_groups_with_it_and_none_of_another_replay() {
    for (of, kept) in [(Some(3 + 1), 1), (None, 0)] {
        let mut world = World::new(unordered(2));
        world.publish(3);
        world.take_all_but(&[]);
        for from in [0, 1] {
            world.order(replay(from, 3));
            world.acknowledge();
            world.answer(from, FAILED);
            world.take_all_but(&[0, from]);
            world.acknowledge();
            // What failed is tried again at once, as others were taken.
            while let Some(source) = world.under_way().first().copied() {
                world.answer(source, FAILED);
                world.acknowledge();
            }
        }
        let parked: Vec<i64> = world.parked().iter().map(|parked| parked.generation).collect();
        assert_eq!(parked, [3, 4]);
        world.order(Ordered::Cancel { of });
        let left: Vec<i64> = world.parked().iter().map(|parked| parked.generation).collect();
        assert_eq!(left, [3].into_iter().take(kept).collect::<Vec<_>>());
        world.acknowledge();
        assert_eq!(world.partition.place(), 6);
    }
}

#[test]
fn d5_nothing_that_is_too_old_is_sent_whatever_is_under_way() {
    let mut world = World::new(unordered(2));
    world.publish(1);
    world.publish(1);
    world.answer(1, FAILED);
    world.acknowledge();
    let later = START_MS + 8 * DAY_MS;
    world.partition.compare_clocks(later, Some(later));
    world.now_ms = later;
    // Behind the one that is under way there is one that came too late.
    let old = incoming(2, 2, START_MS, &[1]);
    world.partition.live(&old, later);
    world.log.push(old);
    world.partition.tick(later);
    world.perform();
    assert_eq!(
        world.under_way(),
        [0],
        "what is parked and what is queued has expired"
    );
    world.answer(0, Verdict::Delivered);
    world.acknowledge();
    assert!(world.is_at_rest(3), "{}", world.partition.waits());
}

#[test]
fn a_group_that_was_not_sent_goes_as_it_is_and_counts_as_no_failure() {
    let mut world = World::new(unordered(2));
    world.publish(3);
    let group = world.calls.remove(0);
    world.partition.not_sent(id(), &group, world.now_ms);
    world.perform();
    assert_eq!(world.under_way(), [0, 1]);
    let again = world.calls.iter().find(|again| again.id == group.id);
    assert!(again.is_some());
    let settled = world.answer(0, Verdict::Delivered);
    assert!(settled.turn.is_none());
}

#[test]
fn e1_the_slots_of_a_batch_webhook_go_on_beside_what_is_parked() {
    let mut world = World::of(partition(Lane::Batch, &[unordered(2)]));
    world.publish(2);
    world.acknowledge();
    world.wait();
    world.acknowledge();
    assert_eq!(world.under_way(), [0, 1]);
    world.answer(0, FAILED);
    world.answer(1, Verdict::Delivered);
    world.acknowledge();
    // Tried again, and refused while others were taken.
    while world.calls.is_empty() {
        world.wait();
    }
    world.answer(0, FAILED);
    world.acknowledge();
    world.publish(1);
    for _ in 0..20 {
        world.take_all_but(&[0]);
        if world.under_way() == [0] {
            world.answer(0, FAILED);
        }
        world.acknowledge();
        if world.partition.entries.iter().next().unwrap().1.hook.resume(3) == 3 {
            return;
        }
        if world.calls.is_empty() {
            world.wait();
        }
    }
    panic!("the next slot did not come: {}", world.partition.waits());
}

#[test]
fn d8_a_group_names_the_last_event_before_any_that_is_not_acknowledged() {
    let mut world = World::new(unordered(2));
    world.publish(5);
    let previous = |world: &World, source: i64| {
        let has = |group: &&Arc<Group>| group.items[0].delivery.source.offset == source;
        let sequence = world.calls.iter().find(has).and_then(|group| group.sequence);
        sequence
            .and_then(|sequence| sequence.previous)
            .map(|previous| previous.offset)
    };
    world.answer(0, Verdict::Delivered);
    assert_eq!(previous(&world, 2), Some(0));
    world.answer(2, Verdict::Delivered);
    assert_eq!(previous(&world, 3), Some(0), "1 is under way");
    world.answer(1, FAILED);
    world.answer(3, Verdict::Delivered);
    assert_eq!(world.under_way(), [1, 4]);
    assert_eq!(previous(&world, 4), None, "1 waits for its retry");
}

#[test]
fn w4_one_that_is_deleted_is_forgotten_when_all_its_calls_have_ended() {
    let mut world = World::new(unordered(3));
    world.publish(4);
    world.answer(0, FAILED);
    // The view has the account's revision, and not the webhook.
    world.partition.directory = directory(&[webhook(2, true)]);
    world.partition.refresh(world.now_ms);
    world.answer(1, Verdict::Delivered);
    assert_eq!(world.partition.entries.ids().len(), 1, "a call is under way");
    world.answer(2, FAILED);
    assert!(world.partition.entries.ids().is_empty());
    assert_eq!(world.partition.place(), 4);
}
