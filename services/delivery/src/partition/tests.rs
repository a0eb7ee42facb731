//! A partition step by step, under a clock that only the test moves; in `crate::simulation` whatever may happen happens.

mod catching_up;
mod clocks;
mod cut;
mod eager;
mod giving_up;
mod holding;
mod marks;
mod removed;
mod replay;
mod settings;
mod slots;
mod unordered;

use std::collections::BTreeMap;
use std::num::NonZeroU32;

use angarium_kafka::Watermarks;
use angarium_model::{AccountId, Revision, Webhook};
use angarium_policy::{ErrorClass, Failure, Verdict};

use self::eager::Eager;
use super::*;
use crate::checkpoint::Memories;
use crate::cursor::{Found, Head, Standing};
use crate::group::tests::delivery;
use crate::hook::Class;
use crate::simulation::fixtures;

const DAY_MS: i64 = 24 * 60 * 60 * 1_000;
const START_MS: i64 = 1_727_414_643_000;

fn webhook(number: u8, active: bool) -> Webhook {
    fixtures::webhook(number, active, 1)
}

fn rules(max_queued_bytes: usize) -> Rules {
    Rules {
        group: GroupLimit {
            events: 100,
            bytes: 1024 * 1024,
            around: 0,
        },
        backoff: Backoff::default(),
        honours_retry_after: true,
        disables_gone: true,
        reminders: Reminders::default(),
        max_queued_bytes,
    }
}

fn directory(webhooks: &[Webhook]) -> Directory {
    Directory::fixed([], webhooks.iter().cloned())
}

fn incoming(offset: i64, source: i64, accepted_at_ms: i64, webhooks: &[u8]) -> Incoming {
    Incoming {
        offset,
        delivery: delivery(source, accepted_at_ms, "{}"),
        webhooks: webhooks
            .iter()
            .map(|number| WebhookId::from_bytes([*number; 16]))
            .collect(),
    }
}

const NOTHING: Watermarks = Watermarks { low: 0, high: 0 };

/// Our clock is the broker's.
fn agreeing(now_ms: i64) -> Clocks {
    let mut clocks = Clocks::default();
    clocks.compare(now_ms, Some(now_ms));
    clocks
}

/// What the first owner starts from.
fn start() -> Start {
    Start {
        epoch: 7,
        found: None,
        memories: Memories::default(),
        is_anew: false,
        cut: None,
        ends: NOTHING,
        clocks: agreeing(START_MS),
        now_ms: START_MS,
        dice: 0.5,
    }
}

fn partition(lane: Lane, webhooks: &[Webhook]) -> Eager {
    Eager::take_over(lane, rules(64 << 20), directory(webhooks), start())
}

/// A partition whose next owner finds this cursor of the first webhook.
fn found(cursor: Cursor, place: i64, memories: Memories) -> Eager {
    let webhooks = [webhook(1, true)];
    let found = Found {
        epoch: 5,
        place,
        cursors: BTreeMap::from([(webhooks[0].id, cursor)]),
    };
    let start = Start {
        found: Some(found),
        memories,
        ends: Watermarks { low: 0, high: 100 },
        ..start()
    };
    Eager::take_over(Lane::Realtime, rules(64 << 20), directory(&webhooks), start)
}

fn behind(resume: i64, head: &[i64]) -> Cursor {
    Cursor {
        account: AccountId::new(1234).unwrap(),
        generation: 0,
        resume,
        done: None,
        newest_view: Revision::from_offset(1),
        standing: Standing::Behind {
            since_ms: if head.is_empty() { 0 } else { START_MS },
            head: Head::new(head.iter().copied()),
            slot_end: None,
            rested_at_ms: 0,
            replay: None,
            parked: Vec::new(),
        },
    }
}

fn calls(partition: &mut Eager) -> Vec<(u8, Vec<i64>, u32)> {
    calls_at(partition, START_MS)
}

/// The calls among what is to be done: webhook number, source offsets, attempt. Appends are acknowledged at once.
fn calls_at(partition: &mut Eager, now_ms: i64) -> Vec<(u8, Vec<i64>, u32)> {
    let mut calls = Vec::new();
    loop {
        let begun = partition.take_calls();
        let effects = partition.take_effects();
        if effects.is_empty() && begun.is_empty() {
            return calls;
        }
        for call in begun {
            let sources = call.group.items.iter().map(|item| item.delivery.source.offset);
            calls.push((call.webhook.as_bytes()[0], sources.collect(), call.attempt));
        }
        for effect in effects {
            if let Effect::Append {
                webhook,
                cursor: Some(_),
            } = effect
            {
                partition.appended(webhook, now_ms);
            }
        }
    }
}

const FAILED: Verdict = Verdict::Retry {
    class: ErrorClass::NoAnswer(Failure::AnswerTimeout),
    not_before: None,
};

fn answer(partition: &mut Eager, number: u8, verdict: Verdict, now_ms: i64) -> Settled {
    let answer = Answer {
        verdict,
        status: 0,
        took_ms: 5,
        jitter: 0.0,
    };
    let id = WebhookId::from_bytes([number; 16]);
    let group = partition.called(id).expect("a call is under way");
    let settled = partition.answered(id, &group, answer, now_ms);
    settled.expect("the call was under way")
}

#[test]
fn d7_one_group_is_under_way_and_what_queues_up_is_the_next() {
    let mut partition = partition(Lane::Realtime, &[webhook(1, true)]);
    for offset in 0..4 {
        partition.live(&incoming(offset, offset, START_MS, &[1]), START_MS);
    }
    assert_eq!(calls(&mut partition), [(1, vec![0], 1)]);
    answer(&mut partition, 1, Verdict::Delivered, START_MS);
    assert_eq!(calls(&mut partition), [(1, vec![1, 2, 3], 1)]);
    assert_eq!(partition.place(), 1);
    answer(&mut partition, 1, Verdict::Delivered, START_MS);
    assert_eq!(partition.place(), 4);
}

#[test]
fn d2_a_failing_webhook_is_sent_the_same_group_again_and_holds_up_no_other() {
    let mut partition = partition(Lane::Realtime, &[webhook(1, true), webhook(2, true)]);
    partition.live(&incoming(0, 0, START_MS, &[1, 2]), START_MS);
    calls(&mut partition);
    answer(&mut partition, 1, FAILED, START_MS);
    answer(&mut partition, 2, Verdict::Delivered, START_MS);
    partition.live(&incoming(1, 1, START_MS, &[1, 2]), START_MS);
    assert_eq!(
        calls(&mut partition),
        [(2, vec![1], 1)],
        "the healthy one goes on"
    );
    for (attempt, wait_ms) in [(2, 5_000), (3, 10_000), (4, 20_000), (5, 40_000)] {
        let due = partition.next_due().unwrap();
        partition.tick(due - 1);
        assert_eq!(calls(&mut partition), [], "not before its back-off is over");
        partition.tick(due);
        assert_eq!(calls(&mut partition), [(1, vec![0], attempt)]);
        answer(&mut partition, 1, FAILED, due);
        assert_eq!(partition.next_due().unwrap() - due, wait_ms * 2);
    }
    assert_eq!(
        partition.place(),
        1,
        "its cursor leads to what is undone; the healthy one is being called"
    );
}

#[test]
fn d6_the_place_waits_for_the_cursor_of_a_webhook_that_fails() {
    let mut partition = partition(Lane::Realtime, &[webhook(1, true)]);
    partition.live(&incoming(0, 0, START_MS, &[1]), START_MS);
    calls(&mut partition);
    answer(&mut partition, 1, FAILED, START_MS);
    partition.live(&incoming(1, 1, START_MS, &[1]), START_MS);
    assert_eq!(partition.place(), 0, "its cursor is not acknowledged yet");
    let effects = partition.take_effects();
    let [
        Effect::Stands {
            now: State::Failing, ..
        },
        Effect::Append {
            cursor: Some(cursor), ..
        },
    ] = &effects[..]
    else {
        panic!("one cursor is to be written: {effects:?}");
    };
    assert_eq!(cursor, &behind(0, &[0]));
    partition.appended(WebhookId::from_bytes([1; 16]), START_MS);
    assert_eq!(partition.place(), 2);
}

#[test]
fn d6_another_owner_sends_the_same_group_again_and_joins_the_live_stream() {
    let mut partition = found(behind(0, &[0, 2]), 5, Memories::default());
    assert_eq!(calls(&mut partition), []);
    assert_eq!(partition.place(), 5);
    let due = partition.next_due().unwrap();
    assert!(
        due <= START_MS + 5_000,
        "a lost attempt is due within its interval (D2)"
    );
    let log: Vec<Incoming> = (0..5)
        .map(|offset| incoming(offset, offset, START_MS, &[1]))
        .collect();
    partition.tick(due);
    assert_eq!(partition.wanted_read(due), Some(0));
    partition.read_back(0, 5, &log, due);
    assert_eq!(
        calls(&mut partition),
        [(1, vec![0, 2], 2)],
        "1 was a repetition when the group was made"
    );
    answer(&mut partition, 1, Verdict::Delivered, due);
    // Slowly: the next group a second later.
    assert_eq!(partition.wanted_read(due), Some(3));
    partition.read_back(3, 5, &log[3..], due);
    assert_eq!(calls(&mut partition), []);
    let due = partition.next_due().unwrap();
    partition.tick(due);
    assert_eq!(calls(&mut partition), [(1, vec![3, 4], 1)]);
    partition.live(&incoming(5, 5, START_MS, &[1]), due);
    assert_eq!(partition.place(), 5, "held by the join");
    answer(&mut partition, 1, Verdict::Delivered, due);
    assert_eq!(
        calls(&mut partition),
        [(1, vec![5], 1)],
        "live again, behind its cursor's acknowledgement"
    );
    answer(&mut partition, 1, Verdict::Delivered, due);
    assert_eq!(partition.place(), 6);
}

#[test]
fn d2_a_back_off_that_a_wrong_clock_wrote_is_cut() {
    let far = Remembered {
        epoch: 5,
        generation: 0,
        resume: 0,
        done: None,
        retry: Some((NonZeroU32::new(3).unwrap(), START_MS + 365 * DAY_MS)),
        parked: 0,
    };
    let memories = Memories {
        own: Some(5),
        webhooks: HashMap::from([(WebhookId::from_bytes([1; 16]), far)]),
    };
    let mut partition = found(behind(0, &[0]), 1, memories);
    assert_eq!(calls(&mut partition), []);
    let due = partition.next_due().unwrap();
    assert!(due <= START_MS + 3_600_000, "no wait is longer than an hour");
    partition.tick(due);
    partition.read_back(0, 1, &[incoming(0, 0, START_MS, &[1])], due);
    assert_eq!(calls(&mut partition), [(1, vec![0], 4)]);
}

/// An entry of an earlier owner says less than the cursor, and one of another generation nothing at all.
#[test]
fn d6_redis_refines_a_cursor_only_by_an_entry_that_is_not_older() {
    for (epoch, generation, expected) in [(5, 0, 40), (6, 0, 40), (4, 0, 3), (5, 1, 3)] {
        let entry = Remembered {
            epoch,
            generation,
            resume: 40,
            done: None,
            retry: None,
            parked: 0,
        };
        let memories = Memories {
            own: Some(6),
            webhooks: HashMap::from([(WebhookId::from_bytes([1; 16]), entry)]),
        };
        let mut partition = found(behind(3, &[]), 50, memories);
        assert_eq!(
            partition.wanted_read(START_MS),
            Some(expected),
            "epoch {epoch}, generation {generation}"
        );
    }
}

#[test]
fn a_group_that_times_out_three_times_is_halved() {
    const TIMES: u32 = 3;
    let mut partition = partition(Lane::Realtime, &[webhook(1, true)]);
    for offset in 0..6 {
        partition.live(&incoming(offset, offset, START_MS, &[1]), START_MS);
    }
    calls(&mut partition);
    answer(&mut partition, 1, Verdict::Delivered, START_MS);
    assert_eq!(calls(&mut partition), [(1, vec![1, 2, 3, 4, 5], 1)]);
    for time in 1..=TIMES {
        answer(&mut partition, 1, FAILED, START_MS);
        calls(&mut partition);
        let due = partition.next_due().unwrap();
        partition.tick(due);
        let expected = if time < TIMES {
            vec![1, 2, 3, 4, 5]
        } else {
            vec![1, 2, 3]
        };
        assert_eq!(calls(&mut partition), [(1, expected, time + 1)]);
    }
}

/// 413 says that the receiver is there: what it takes is found out at once, and not again and again (ADR 26).
#[test]
fn a_receiver_that_takes_ten_events_and_no_hundred_is_soon_sent_what_it_takes_and_does_not_fail() {
    const EVENTS: i64 = 4_000;
    let mut partition = partition(Lane::Realtime, &[webhook(1, true)]);
    let log: Vec<Incoming> = (0..EVENTS)
        .map(|offset| incoming(offset, offset, START_MS, &[1]))
        .collect();
    for record in &log {
        partition.live(record, START_MS);
    }
    let (mut refused, mut taken) = (0, Vec::new());
    loop {
        if let Some(from) = partition.wanted_read(START_MS) {
            partition.read_back(from, EVENTS, &log[usize::try_from(from).unwrap()..], START_MS);
        }
        let Some((_, sources, _)) = calls(&mut partition).pop() else {
            break;
        };
        let is_taken = sources.len() <= 10;
        let verdict = if is_taken {
            taken.extend(sources);
            Verdict::Delivered
        } else {
            refused += 1;
            Verdict::TooLarge
        };
        let settled = answer(&mut partition, 1, verdict, START_MS);
        assert_eq!(settled.turn, None, "nobody is told");
    }
    assert!(taken.into_iter().eq(0..EVENTS), "{}", partition.waits());
    // 100, 50, 25, 13; then 14 behind 10, 20, 40, … groups of 7.
    assert!((5..=10).contains(&refused), "{refused}");
}

/// Its worker dies before the half is taken: the next one sends it at once, and whether it fails is told as of any other.
#[test]
fn d4_one_that_was_sent_too_much_has_not_failed_for_the_next_owner() {
    let mut partition = partition(Lane::Realtime, &[webhook(1, true)]);
    for offset in 0..6 {
        partition.live(&incoming(offset, offset, START_MS, &[1]), START_MS);
    }
    calls(&mut partition);
    answer(&mut partition, 1, Verdict::Delivered, START_MS);
    assert_eq!(calls(&mut partition), [(1, vec![1, 2, 3, 4, 5], 1)]);
    answer(&mut partition, 1, Verdict::TooLarge, START_MS);
    let effects = partition.take_effects();
    let cursor = effects.into_iter().find_map(|effect| match effect {
        Effect::Append { cursor, .. } => cursor,
        _ => None,
    });
    let mut next = found(cursor.expect("the half is on record"), 6, Memories::default());
    let log: Vec<Incoming> = (0..6)
        .map(|offset| incoming(offset, offset, START_MS, &[1]))
        .collect();
    let from = next.wanted_read(START_MS).expect("it goes at once");
    next.read_back(from, 6, &log[usize::try_from(from).unwrap()..], START_MS);
    let [(1, sources, _)] = &calls(&mut next)[..] else {
        panic!("{}", next.waits());
    };
    assert_eq!(sources, &[1, 2, 3], "the half that is on record");
    let settled = answer(&mut next, 1, FAILED, START_MS);
    assert!(matches!(settled.turn, Some(Turn::Fails(_))), "{:?}", settled.turn);
}

#[test]
fn d2_one_event_that_is_too_large_waits_as_every_failure_does() {
    let mut partition = partition(Lane::Realtime, &[webhook(1, true)]);
    partition.live(&incoming(0, 0, START_MS, &[1]), START_MS);
    calls(&mut partition);
    let settled = answer(&mut partition, 1, Verdict::TooLarge, START_MS);
    assert!(matches!(settled.turn, Some(Turn::Fails(_))), "{:?}", settled.turn);
    assert_eq!(calls(&mut partition), []);
    assert_eq!(partition.next_due(), Some(START_MS + 5_000));
}

#[test]
fn d5_what_is_older_than_seven_days_is_skipped_and_told() {
    let mut partition = partition(Lane::Realtime, &[webhook(1, true)]);
    let now = START_MS + 8 * DAY_MS;
    partition.compare_clocks(now, Some(now));
    partition.live(&incoming(0, 0, START_MS, &[1]), now);
    let effects = partition.take_effects();
    assert!(
        matches!(&effects[..], [Effect::Expired { events, .. }] if events.len() == 1),
        "{effects:?}"
    );
    partition.live(&incoming(1, 1, now, &[1]), now);
    assert_eq!(calls(&mut partition), [(1, vec![1], 1)]);
}

#[test]
fn e1_the_batch_lane_waits_for_its_slot_and_then_sends_all_in_groups() {
    let mut partition = partition(Lane::Batch, &[webhook(1, true)]);
    let log: Vec<Incoming> = (0..150)
        .map(|offset| incoming(offset, offset, START_MS, &[1]))
        .collect();
    for record in &log[..149] {
        partition.live(record, START_MS);
    }
    assert_eq!(calls(&mut partition), []);
    assert_eq!(partition.wanted_read(START_MS), None);
    let slot = partition.next_due().unwrap();
    partition.tick(slot);
    partition.live(&log[149], slot);
    assert_eq!(partition.wanted_read(slot), Some(0));
    partition.read_back(0, 150, &log, slot);
    assert_eq!(calls_at(&mut partition, slot), [(1, (0..100).collect(), 1)]);
    answer(&mut partition, 1, Verdict::Delivered, slot);
    assert_eq!(
        calls_at(&mut partition, slot),
        [(1, (100..149).collect(), 1)],
        "what came after the slot began waits"
    );
    answer(&mut partition, 1, Verdict::Delivered, slot);
    assert_eq!(calls_at(&mut partition, slot), []);
    assert_eq!(partition.place(), 150, "its cursor leads to the last one");
    assert!(partition.next_due().unwrap() > slot);
}

#[test]
fn w7_what_was_matched_waits_while_a_webhook_is_off_and_goes_first_when_it_is_on() {
    let mut partition = partition(Lane::Realtime, &[webhook(1, true)]);
    let log: Vec<Incoming> = (0..3)
        .map(|offset| incoming(offset, offset, START_MS, &[1]))
        .collect();
    partition.live(&log[0], START_MS);
    assert_eq!(calls(&mut partition), [(1, vec![0], 1)]);
    partition.directory.put(webhook(1, false));
    partition.refresh(START_MS);
    partition.live(&log[1], START_MS);
    answer(&mut partition, 1, Verdict::Delivered, START_MS);
    assert_eq!(calls(&mut partition), [], "it is off");
    assert_eq!(partition.place(), 2, "its cursor leads to what waits");

    partition.directory.put(webhook(1, true));
    partition.refresh(START_MS);
    partition.live(&log[2], START_MS);
    let from = partition.wanted_read(START_MS).unwrap();
    partition.read_back(from, 3, &log[usize::try_from(from).unwrap()..], START_MS);
    assert_eq!(calls(&mut partition), [(1, vec![1], 1)]);
    answer(&mut partition, 1, Verdict::Delivered, START_MS);
    assert_eq!(calls(&mut partition), [(1, vec![2], 1)]);
}

#[test]
fn a_deleted_webhook_is_forgotten_and_an_unknown_one_is_waited_for() {
    let mut known = partition(Lane::Realtime, &[webhook(1, true)]);
    known.live(&incoming(0, 0, START_MS, &[9]), START_MS);
    assert_eq!(calls(&mut known), []);
    assert_eq!(
        known.place(),
        1,
        "the view has revision 1, as the record: it was deleted"
    );

    let mut unknown = partition(Lane::Realtime, &[]);
    unknown.live(&incoming(0, 0, START_MS, &[9]), START_MS);
    assert_eq!(
        unknown.place(),
        0,
        "the view is older than the record: it may yet come"
    );
    let effects = unknown.take_effects();
    assert!(
        matches!(effects[..], [Effect::Append { cursor: Some(_), .. }]),
        "{effects:?}"
    );
}
