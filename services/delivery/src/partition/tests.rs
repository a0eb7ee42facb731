//! A partition step by step, under a clock that only the test moves; in `world` whatever may happen happens.

mod world;

use angarium_model::{
    AccountId, Authentication, EventName, Generation, Limits, Ordering, PayloadFormat, Revision, TargetUrl,
    TimetableSpec, TypePattern, Webhook,
};
use angarium_policy::{ErrorClass, Failure};

use super::*;
use crate::group::tests::delivery;

const DAY_MS: i64 = 24 * 60 * 60 * 1_000;
const START_MS: i64 = 1_727_414_643_000;

fn webhook(number: u8, active: bool) -> Webhook {
    Webhook {
        id: WebhookId::from_bytes([number; 16]),
        account: AccountId::new(1234).unwrap(),
        name: format!("hook {number}"),
        description: String::new(),
        target_url: TargetUrl::parse("http://127.0.0.1:1/").unwrap(),
        authentication: Authentication::None,
        event_types: vec![TypePattern::Exact(EventName::new("CI_STATS").unwrap())],
        active,
        timetable: Some(TimetableSpec {
            cron: "*/30 * * * * *".into(),
            time_zone: String::new(),
        }),
        ordering: Ordering::default(),
        payload_format: PayloadFormat::default(),
        limits: Limits::default(),
        dead_letter: None,
        disabled: None,
        generation: Generation::default(),
        revision: Revision::from_offset(1),
        created_at_ms: 0,
    }
}

fn rules(max_queued_bytes: usize) -> Rules {
    Rules {
        group: GroupLimit {
            events: 100,
            bytes: 1024 * 1024,
        },
        backoff: Backoff::default(),
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

fn partition(lane: Lane, webhooks: &[Webhook]) -> Partition {
    Partition::new(
        lane,
        rules(64 << 20),
        directory(webhooks),
        0,
        HashMap::new(),
        START_MS,
    )
}

/// The calls among what is to be done: webhook number, source offsets, attempt.
fn calls(partition: &mut Partition) -> Vec<(u8, Vec<i64>, u32)> {
    let call = |effect| match effect {
        Effect::Call {
            webhook,
            group,
            attempt,
            ..
        } => {
            let sources = group
                .items
                .iter()
                .map(|item| item.delivery.source.offset)
                .collect();
            Some((webhook.as_bytes()[0], sources, attempt))
        }
        Effect::Expired { .. } => None,
    };
    partition.take_effects().into_iter().filter_map(call).collect()
}

const FAILED: Verdict = Verdict::Retry {
    class: ErrorClass::NoAnswer(Failure::AnswerTimeout),
    not_before: None,
};

fn answer(partition: &mut Partition, number: u8, verdict: Verdict, now_ms: i64) {
    assert!(
        partition
            .answered(WebhookId::from_bytes([number; 16]), verdict, 0.0, now_ms)
            .is_some()
    );
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
    assert_eq!(partition.lowest_undone(), 1);
    answer(&mut partition, 1, Verdict::Delivered, START_MS);
    assert_eq!(partition.lowest_undone(), 4);
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
        partition.lowest_undone(),
        0,
        "nothing is committed that is undone"
    );
}

#[test]
fn d2_a_back_off_that_a_wrong_clock_wrote_is_cut() {
    let far = RetryState {
        source_offset: -1,
        registry_revision: 1,
        failing: Some(angarium_proto::delivery::v1::retry_state::Failing {
            attempts: 3,
            since_ms: START_MS,
            next_at_ms: START_MS + 365 * DAY_MS,
            head_events: 1,
            head_last_source_offset: 0,
        }),
    };
    let webhooks = [webhook(1, true)];
    let stored = HashMap::from([(webhooks[0].id, far)]);
    let mut partition = Partition::new(
        Lane::Realtime,
        rules(64 << 20),
        directory(&webhooks),
        0,
        stored,
        START_MS,
    );
    partition.live(&incoming(0, 0, START_MS, &[1]), START_MS);
    assert_eq!(calls(&mut partition), []);
    let due = partition.next_due().unwrap();
    assert!(due <= START_MS + 3_600_000, "no wait is longer than an hour");
    partition.tick(due);
    assert_eq!(calls(&mut partition), [(1, vec![0], 4)]);
}

#[test]
fn d5_what_is_older_than_seven_days_is_skipped_and_told() {
    let mut partition = partition(Lane::Realtime, &[webhook(1, true)]);
    let now = START_MS + 8 * DAY_MS;
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
    assert_eq!(calls(&mut partition), [(1, (0..100).collect(), 1)]);
    answer(&mut partition, 1, Verdict::Delivered, slot);
    assert_eq!(
        calls(&mut partition),
        [(1, (100..149).collect(), 1)],
        "what came after the slot began waits"
    );
    answer(&mut partition, 1, Verdict::Delivered, slot);
    assert_eq!(calls(&mut partition), []);
    assert_eq!(partition.lowest_undone(), 149);
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
    assert_eq!(partition.lowest_undone(), 1);

    partition.directory.put(webhook(1, true));
    partition.refresh(START_MS);
    partition.live(&log[2], START_MS);
    let from = partition.wanted_read(START_MS).unwrap();
    partition.read_back(from, 3, &log[usize::try_from(from).unwrap()..], START_MS);
    assert_eq!(calls(&mut partition), [(1, vec![1, 2], 1)]);
}

#[test]
fn a_deleted_webhook_is_forgotten_and_an_unknown_one_is_waited_for() {
    let mut known = partition(Lane::Realtime, &[webhook(1, true)]);
    known.live(&incoming(0, 0, START_MS, &[9]), START_MS);
    assert_eq!(
        known.lowest_undone(),
        1,
        "the view has revision 1, as the record: it was deleted"
    );

    let mut behind = partition(Lane::Realtime, &[]);
    behind.live(&incoming(0, 0, START_MS, &[9]), START_MS);
    assert_eq!(
        behind.lowest_undone(),
        0,
        "the view is older than the record: it may yet come"
    );
}

#[test]
fn what_fanout_produced_twice_is_sent_once() {
    let mut partition = partition(Lane::Realtime, &[webhook(1, true)]);
    partition.live(&incoming(0, 5, START_MS, &[1]), START_MS);
    partition.live(&incoming(1, 5, START_MS, &[1]), START_MS);
    assert_eq!(calls(&mut partition), [(1, vec![5], 1)]);
    answer(&mut partition, 1, Verdict::Delivered, START_MS);
    partition.live(&incoming(2, 5, START_MS, &[1]), START_MS);
    assert_eq!(calls(&mut partition), []);
    assert_eq!(partition.lowest_undone(), 3);
}

/// An event that a fanout with the view `revision` matched.
fn seen_by(revision: i64, offset: i64, source: i64) -> Incoming {
    let mut record = incoming(offset, source, START_MS, &[1]);
    Arc::get_mut(&mut record.delivery).unwrap().revision = Revision::from_offset(revision);
    record
}

fn changed(revision: i64) -> Webhook {
    Webhook {
        revision: Revision::from_offset(revision),
        ..webhook(1, true)
    }
}

/// Event 2 came late, of a frozen fanout with an old view, and is done: the mark is at (2, r1).
fn with_late_event() -> (Directory, Partition) {
    let directory = directory(&[changed(1)]);
    let mut partition = Partition::new(
        Lane::Realtime,
        rules(64 << 20),
        directory.clone(),
        0,
        HashMap::new(),
        START_MS,
    );
    partition.live(&seen_by(1, 0, 2), START_MS);
    assert_eq!(calls(&mut partition), [(1, vec![2], 1)]);
    answer(&mut partition, 1, Verdict::Delivered, START_MS);
    (directory, partition)
}

/// Finding 2 of docs/model-findings.md.
#[test]
fn d6_an_event_before_the_mark_is_sent_though_its_webhook_was_changed_twice_since() {
    let (directory, mut partition) = with_late_event();
    for revision in [2, 3] {
        directory.put(changed(revision));
        partition.refresh(START_MS);
    }
    partition.live(&seen_by(2, 1, 1), START_MS);
    assert_eq!(calls(&mut partition), [(1, vec![1], 1)]);
}

/// Finding 3: delivery learns of the change later than it reads the record that was made under it.
#[test]
fn d6_an_event_before_the_mark_is_sent_though_its_view_is_not_known_here_yet() {
    let (_directory, mut partition) = with_late_event();
    partition.live(&seen_by(2, 1, 1), START_MS);
    assert_eq!(calls(&mut partition), [(1, vec![1], 1)]);
}

#[test]
fn an_event_before_the_mark_is_a_repetition_if_it_was_another_webhook_that_changed() {
    let (directory, mut partition) = with_late_event();
    directory.put(Webhook {
        revision: Revision::from_offset(2),
        ..webhook(2, true)
    });
    partition.refresh(START_MS);
    partition.live(&seen_by(2, 1, 1), START_MS);
    assert_eq!(calls(&mut partition), []);
}
