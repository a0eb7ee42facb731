//! When a webhook is reminded of, switched off, or has events put aside.

use angarium_model::{DeadLetter, DisabledReason, MaxAttempts};

use super::*;

const MINUTE_MS: i64 = 60_000;

fn settle(partition: &mut Eager, verdict: Verdict, now_ms: i64) -> Settled {
    // Place records tell the time, whatever happens.
    partition.compare_clocks(now_ms, Some(now_ms));
    settle_at(partition, verdict, now_ms)
}

/// The same under a clock that need not be right.
fn settle_at(partition: &mut Eager, verdict: Verdict, now_ms: i64) -> Settled {
    let answer = Answer {
        verdict,
        status: 422,
        took_ms: 5,
        jitter: 0.0,
    };
    let id = WebhookId::from_bytes([1; 16]);
    let group = partition.called(id).expect("a call is under way");
    let settled = partition.answered(id, &group, answer, now_ms);
    settled.expect("a call is under way")
}

/// A webhook whose first event is being sent.
fn calling(webhook: Webhook) -> Eager {
    let mut partition = partition(Lane::Realtime, &[webhook]);
    partition.live(&incoming(0, 0, START_MS, &[1]), START_MS);
    assert_eq!(calls(&mut partition), [(1, vec![0], 1)]);
    partition
}

/// Waits for the next attempt, reading back what it needs; the time of it.
fn next_attempt(partition: &mut Eager, log: &[Incoming]) -> i64 {
    let now_ms = partition.next_due().expect("an attempt is due");
    partition.tick(now_ms);
    partition.compare_clocks(now_ms, Some(now_ms));
    while let Some(from) = partition.wanted_read(now_ms) {
        let start = usize::try_from(from).unwrap();
        let end = i64::try_from(log.len()).unwrap();
        partition.read_back(from, end, &log[start..], now_ms);
    }
    now_ms
}

#[test]
fn d3_a_webhook_that_fails_for_all_of_seven_days_is_switched_off_and_not_a_moment_before() {
    let mut partition = calling(webhook(1, true));
    let mut now_ms = START_MS;
    // An event a day: those that expire are forgotten, and the webhook fails on.
    let mut log = vec![incoming(0, 0, START_MS, &[1])];
    loop {
        let settled = settle(&mut partition, FAILED, now_ms);
        let failing_for = now_ms - START_MS;
        if failing_for >= 7 * DAY_MS {
            assert_eq!(settled.disable, Some(DisabledReason::FailedForRetention));
            assert!(failing_for <= 7 * DAY_MS + 6 * MINUTE_MS, "{failing_for}");
            return;
        }
        assert_eq!(settled.disable, None, "after {failing_for} ms");
        let day = i64::try_from(log.len()).unwrap();
        if failing_for / DAY_MS >= day {
            log.push(incoming(day, day, now_ms, &[1]));
            partition.live(log.last().unwrap(), now_ms);
        }
        calls(&mut partition);
        now_ms = next_attempt(&mut partition, &log);
        assert_eq!(
            calls_at(&mut partition, now_ms).len(),
            1,
            "at {}",
            now_ms - START_MS
        );
    }
}

#[test]
fn d3_d5_a_clock_that_disagrees_with_the_brokers_switches_nothing_off_and_expires_nothing() {
    let mut partition = calling(webhook(1, true));
    let answer = Answer {
        verdict: FAILED,
        status: 0,
        took_ms: 5,
        jitter: 0.0,
    };
    let id = WebhookId::from_bytes([1; 16]);
    let group = partition.called(id).unwrap();
    partition.answered(id, &group, answer, START_MS);
    calls(&mut partition);
    let wrong = START_MS + 8 * DAY_MS;
    assert_eq!(partition.compare_clocks(wrong, Some(START_MS)), Some(8 * DAY_MS));
    partition.tick(wrong);
    assert_eq!(
        calls_at(&mut partition, wrong),
        [(1, vec![0], 2)],
        "it has not expired"
    );
    let group = partition.called(id).unwrap();
    let settled = partition.answered(id, &group, answer, wrong).unwrap();
    assert_eq!(settled.disable, None);
}

#[test]
fn d3_a_webhook_that_fails_under_a_wrong_clock_has_all_of_the_retention_once_it_is_put_right() {
    let mut partition = calling(webhook(1, true));
    let wrong = START_MS - 8 * DAY_MS;
    partition.compare_clocks(wrong, Some(START_MS));
    settle_at(&mut partition, FAILED, wrong);
    let right = START_MS + 60_000;
    partition.compare_clocks(right, Some(right));
    partition.tick(right);
    assert_eq!(calls_at(&mut partition, right), [(1, vec![0], 2)]);
    let settled = settle_at(&mut partition, FAILED, right);
    assert_eq!(settled.disable, None, "it has failed for a minute");
}

#[test]
fn d3_a_webhook_that_is_switched_on_again_has_all_of_the_retention_to_answer() {
    let mut partition = calling(webhook(1, true));
    settle(&mut partition, FAILED, START_MS);
    calls(&mut partition);
    let switched = |active, revision| Webhook {
        revision: Revision::from_offset(revision),
        ..webhook(1, active)
    };
    let later = START_MS + 6 * DAY_MS;
    partition.compare_clocks(later, Some(later));
    for (active, revision) in [(false, 2), (true, 3)] {
        partition.directory.put(switched(active, revision));
        partition.refresh(later);
    }
    let log = [incoming(0, 0, START_MS, &[1])];
    partition.read_back(0, 1, &log, later);
    let effects = partition.take_effects();
    let since = effects.iter().find_map(|effect| match effect {
        Effect::Append {
            cursor: Some(cursor), ..
        } => match &cursor.standing {
            Standing::Behind { since_ms, .. } => Some(*since_ms),
            Standing::Live => None,
        },
        _ => None,
    });
    assert_eq!(since, Some(later), "and it is on record");
}

#[test]
fn d2_gone_switches_a_webhook_off_unless_the_setting_says_otherwise() {
    for disables_gone in [true, false] {
        let mut partition = calling(webhook(1, true));
        partition.rules.disables_gone = disables_gone;
        let settled = settle(&mut partition, Verdict::Gone, START_MS);
        assert_eq!(settled.disable.is_some(), disables_gone);
        assert_eq!(
            settled.next_attempt_at_ms,
            Some(START_MS + 5_000),
            "until it is off"
        );
    }
}

#[test]
fn d2_retry_after_lengthens_a_wait_unless_the_setting_says_otherwise() {
    for (honours_retry_after, wait_ms) in [(true, 60_000), (false, 5_000)] {
        let mut partition = calling(webhook(1, true));
        partition.rules.honours_retry_after = honours_retry_after;
        let throttled = Verdict::Retry {
            class: ErrorClass::Throttled,
            not_before: Some(std::time::Duration::from_secs(60)),
        };
        let settled = settle(&mut partition, throttled, START_MS);
        assert_eq!(settled.next_attempt_at_ms, Some(START_MS + wait_ms));
    }
}

#[test]
fn d4_a_webhook_that_fails_is_told_once_reminded_of_after_15_minutes_and_told_when_it_recovers() {
    let mut partition = calling(webhook(1, true));
    let log = [incoming(0, 0, START_MS, &[1])];
    let mut turns = Vec::new();
    let mut now_ms = START_MS;
    while now_ms < START_MS + 20 * MINUTE_MS {
        turns.extend(
            settle(&mut partition, FAILED, now_ms)
                .turn
                .map(|turn| (now_ms, turn)),
        );
        calls(&mut partition);
        now_ms = next_attempt(&mut partition, &log);
        calls_at(&mut partition, now_ms);
    }
    let [
        (START_MS, Turn::Fails(first)),
        (reminded, Turn::StillFails(second)),
    ] = turns[..]
    else {
        panic!("{turns:?}");
    };
    assert_eq!((first.since_ms, first.attempts.get()), (START_MS, 1));
    assert!((15 * MINUTE_MS..=20 * MINUTE_MS).contains(&(reminded - START_MS)));
    assert_eq!(second.since_ms, START_MS);
    let recovered = settle(&mut partition, Verdict::Delivered, now_ms).turn;
    assert!(matches!(recovered, Some(Turn::Recovers(failed)) if failed.since_ms == START_MS));
}

fn giving_up_after(attempts: u32) -> Webhook {
    Webhook {
        dead_letter: Some(DeadLetter {
            after_attempts: MaxAttempts::new(attempts).unwrap(),
        }),
        ..webhook(1, true)
    }
}

/// What is to be put aside: source offset, attempts, status.
fn put_aside(partition: &mut Eager) -> Vec<(i64, u32, u16)> {
    let effects = partition.take_effects();
    let put_aside = effects.iter().filter_map(|effect| match effect {
        Effect::PutAside {
            group,
            attempts,
            status,
            ..
        } => Some((group.items[0].delivery.source.offset, attempts.get(), *status)),
        _ => None,
    });
    put_aside.collect()
}

#[test]
fn an_event_that_is_refused_often_enough_is_put_aside_on_record_before_the_next_one_goes() {
    let mut partition = calling(giving_up_after(2));
    partition.live(&incoming(1, 1, START_MS, &[1]), START_MS);
    let log = [incoming(0, 0, START_MS, &[1]), incoming(1, 1, START_MS, &[1])];
    let settled = settle(&mut partition, Verdict::Refused, START_MS);
    assert_eq!(settled.next_attempt_at_ms, Some(START_MS + 5_000));
    calls(&mut partition);
    let due = next_attempt(&mut partition, &log);
    assert_eq!(calls_at(&mut partition, due), [(1, vec![0], 2)]);
    let settled = settle(&mut partition, Verdict::Refused, due);
    assert_eq!(settled.next_attempt_at_ms, None);
    assert_eq!(put_aside(&mut partition), [(0, 2, 422)]);
    next_read(&mut partition, &log, due);
    assert_eq!(calls_at(&mut partition, due), [], "it is not on record yet");
    assert_eq!(
        partition.entries.iter().next().unwrap().1.hook.resume(2),
        0,
        "nor done"
    );
    let id = WebhookId::from_bytes([1; 16]);
    let group = partition.called(id).unwrap();
    partition.was_put_aside(id, &group, due);
    next_read(&mut partition, &log, due);
    assert_eq!(calls_at(&mut partition, due), [(1, vec![1], 1)]);
}

fn next_read(partition: &mut Eager, log: &[Incoming], now_ms: i64) {
    if let Some(from) = partition.wanted_read(now_ms) {
        let end = i64::try_from(log.len()).unwrap();
        partition.read_back(from, end, &log[usize::try_from(from).unwrap()..], now_ms);
    }
}

#[test]
fn of_a_group_that_is_refused_the_poison_event_is_found_and_the_others_arrive() {
    let mut partition = calling(giving_up_after(1));
    let log: Vec<Incoming> = (0..6)
        .map(|offset| incoming(offset, offset, START_MS, &[1]))
        .collect();
    for record in &log[1..] {
        partition.live(record, START_MS);
    }
    settle(&mut partition, Verdict::Delivered, START_MS);
    assert_eq!(calls(&mut partition), [(1, (1..6).collect(), 1)]);
    settle(&mut partition, Verdict::Refused, START_MS);
    let id = WebhookId::from_bytes([1; 16]);
    let mut now_ms = START_MS;
    let mut arrived = Vec::new();
    let mut aside = Vec::new();
    for _ in 0..100 {
        next_read(&mut partition, &log, now_ms);
        let begun = calls_at(&mut partition, now_ms);
        for (_, sources, _) in &begun {
            if sources.contains(&3) {
                settle(&mut partition, Verdict::Refused, now_ms);
                aside.extend(put_aside(&mut partition).into_iter().map(|(source, ..)| source));
                let group = partition.called(id).unwrap();
                partition.was_put_aside(id, &group, now_ms);
            } else {
                settle(&mut partition, Verdict::Delivered, now_ms);
                arrived.push(sources.clone());
            }
        }
        if begun.is_empty() {
            match partition.next_due() {
                Some(due) => now_ms = due.max(now_ms),
                None => break,
            }
            partition.tick(now_ms);
        }
    }
    assert_eq!(arrived, [vec![1], vec![2], vec![4], vec![5]]);
    assert_eq!(aside, [3]);
    assert!(
        now_ms < START_MS + 5_000,
        "no back-off for a receiver that answers"
    );
}

#[test]
fn without_the_policy_what_is_refused_is_retried() {
    let mut partition = calling(webhook(1, true));
    let settled = settle(&mut partition, Verdict::Refused, START_MS);
    assert_eq!(settled.next_attempt_at_ms, Some(START_MS + 5_000));
}

#[test]
fn a_receiver_that_was_away_for_long_and_refuses_once_as_it_comes_back_has_nothing_put_aside() {
    let mut partition = calling(giving_up_after(2));
    let log = [incoming(0, 0, START_MS, &[1])];
    let mut now_ms = START_MS;
    for verdict in [FAILED, FAILED, FAILED, Verdict::Refused] {
        let settled = settle(&mut partition, verdict, now_ms);
        assert!(settled.next_attempt_at_ms.is_some(), "{verdict:?}");
        calls(&mut partition);
        now_ms = next_attempt(&mut partition, &log);
        assert_eq!(calls_at(&mut partition, now_ms).len(), 1);
    }
    settle(&mut partition, Verdict::Refused, now_ms);
    assert_eq!(
        put_aside(&mut partition),
        [(0, 5, 422)],
        "the second refusal in a row"
    );
}
