//! What a webhook asks for: the size of its groups, their rate, and where each stands.

use angarium_model::{Limits, MaxGroupBytes, MaxGroupEvents, MaxRequestsPerSecond, PayloadFormat, Position};

use super::*;
use crate::body::Body;

fn limited(limits: Limits) -> Webhook {
    Webhook {
        limits,
        ..webhook(1, true)
    }
}

/// The groups that a webhook gets of ten events that came while the first was under way.
fn groups_of_ten(webhook: Webhook) -> Vec<Vec<i64>> {
    let mut partition = partition(Lane::Realtime, &[webhook]);
    for offset in 0..10 {
        partition.live(&incoming(offset, offset, START_MS, &[1]), START_MS);
    }
    let mut groups = Vec::new();
    loop {
        let begun = calls(&mut partition);
        if begun.is_empty() {
            return groups;
        }
        groups.extend(begun.into_iter().map(|(_, sources, _)| sources));
        answer(&mut partition, 1, Verdict::Delivered, START_MS);
    }
}

#[test]
fn a_group_has_no_more_events_or_bytes_than_its_webhook_takes() {
    assert_eq!(groups_of_ten(webhook(1, true)), [vec![0], (1..10).collect()]);
    let events = Limits {
        max_group_events: MaxGroupEvents::new(4).ok(),
        ..Limits::default()
    };
    let in_fours: [Vec<i64>; 4] = [vec![0], (1..5).collect(), (5..9).collect(), vec![9]];
    assert_eq!(groups_of_ten(limited(events)), in_fours);
    let bytes = Limits {
        max_group_bytes: MaxGroupBytes::new(1_024).ok(),
        ..Limits::default()
    };
    let weight = delivery(0, 0, "{}").weight();
    let second = &groups_of_ten(limited(bytes))[1];
    assert_eq!(second.len(), 1_024 / weight);
}

#[test]
fn the_format_single_has_one_event_a_post() {
    let single = Webhook {
        payload_format: PayloadFormat::Single,
        ..webhook(1, true)
    };
    let groups: Vec<Vec<i64>> = (0..10).map(|source| vec![source]).collect();
    assert_eq!(groups_of_ten(single), groups);
}

#[test]
fn a_webhook_gets_no_more_posts_a_second_than_it_takes_and_what_waits_goes_together() {
    let twice = Limits {
        max_requests_per_second: MaxRequestsPerSecond::new(2).ok(),
        ..Limits::default()
    };
    let mut partition = partition(Lane::Realtime, &[limited(twice)]);
    let mut begun = Vec::new();
    for (source, now_ms) in (START_MS..START_MS + 2_000).step_by(100).enumerate() {
        let source = i64::try_from(source).unwrap();
        partition.live(&incoming(source, source, now_ms, &[1]), now_ms);
        partition.tick(now_ms);
        for (_, sources, _) in calls_at(&mut partition, now_ms) {
            begun.push((now_ms - START_MS, sources));
            answer(&mut partition, 1, Verdict::Delivered, now_ms);
        }
    }
    let expected = [
        (0, vec![0]),
        (500, (1..=5).collect()),
        (1_000, (6..=10).collect()),
        (1_500, (11..=15).collect()),
    ];
    assert_eq!(begun, expected);
    assert_eq!(
        partition.next_due(),
        Some(START_MS + 2_000),
        "nobody else needs to wake it"
    );
}

#[test]
fn a_group_that_failed_is_cut_when_its_webhook_comes_to_take_fewer() {
    let mut partition = partition(Lane::Realtime, &[webhook(1, true)]);
    for offset in 0..5 {
        partition.live(&incoming(offset, offset, START_MS, &[1]), START_MS);
    }
    calls(&mut partition);
    answer(&mut partition, 1, Verdict::Delivered, START_MS);
    assert_eq!(calls(&mut partition), [(1, vec![1, 2, 3, 4], 1)]);
    answer(&mut partition, 1, FAILED, START_MS);
    let fewer = Limits {
        max_group_events: MaxGroupEvents::new(2).ok(),
        ..Limits::default()
    };
    partition.directory.put(Webhook {
        revision: Revision::from_offset(2),
        ..limited(fewer)
    });
    partition.refresh(START_MS);
    assert_eq!(calls(&mut partition), []);
    let due = partition.next_due().unwrap();
    partition.tick(due);
    assert_eq!(calls(&mut partition), [(1, vec![1, 2], 2)]);
}

/// The position of the last event of each group that begins, and of the last one acknowledged before it.
fn sequence(partition: &mut Eager) -> Vec<(i64, Option<i64>)> {
    let begun = partition.take_calls();
    let groups = begun.iter().filter_map(|call| call.group.sequence);
    let offset = |position: Position| position.offset;
    groups
        .map(|sequence| (offset(sequence.position), sequence.previous.map(offset)))
        .collect()
}

#[test]
fn a_group_that_failed_is_cut_when_its_webhook_comes_to_take_fewer_bytes() {
    let mut partition = partition(Lane::Realtime, &[webhook(1, true)]);
    for offset in 0..20 {
        partition.live(&incoming(offset, offset, START_MS, &[1]), START_MS);
    }
    calls(&mut partition);
    answer(&mut partition, 1, Verdict::Delivered, START_MS);
    calls(&mut partition);
    answer(&mut partition, 1, FAILED, START_MS);
    let fewer = Limits {
        max_group_bytes: MaxGroupBytes::new(1_024).ok(),
        ..Limits::default()
    };
    partition.directory.put(Webhook {
        revision: Revision::from_offset(2),
        ..limited(fewer)
    });
    partition.refresh(START_MS);
    calls(&mut partition);
    let due = partition.next_due().unwrap();
    partition.tick(due);
    let begun = calls(&mut partition);
    assert_eq!(begun[0].1.len(), 1_024 / delivery(0, 0, "{}").weight());
}

/// What its own form adds to each event counts, too.
#[test]
fn a_body_of_cloud_events_is_no_larger_than_the_webhook_says() {
    const MOST: u32 = 2_048;
    let mut webhook = limited(Limits {
        max_group_bytes: MaxGroupBytes::new(MOST).ok(),
        ..Limits::default()
    });
    webhook.payload_format = PayloadFormat::CloudEvents;
    let mut partition = partition(Lane::Realtime, &[webhook]);
    for offset in 0..40 {
        partition.live(&incoming(offset, offset, START_MS, &[1]), START_MS);
    }
    calls(&mut partition);
    answer(&mut partition, 1, Verdict::Delivered, START_MS);
    calls(&mut partition);
    let group = partition.called(WebhookId::from_bytes([1; 16])).unwrap();
    let body = Body::of(&group, PayloadFormat::CloudEvents).bytes;
    assert!(group.items.len() > 3, "{}", group.items.len());
    assert!(body.len() <= usize::try_from(MOST).unwrap(), "{}", body.len());
}

#[test]
fn d8_a_group_names_its_last_event_and_the_last_one_acknowledged_before_it_at_every_attempt() {
    let mut partition = partition(Lane::Realtime, &[webhook(1, true)]);
    for offset in 0..4 {
        partition.live(&incoming(offset, offset + 70, START_MS, &[1]), START_MS);
    }
    assert_eq!(sequence(&mut partition), [(70, None)]);
    answer(&mut partition, 1, Verdict::Delivered, START_MS);
    assert_eq!(sequence(&mut partition), [(73, Some(70))]);
    answer(&mut partition, 1, FAILED, START_MS);
    calls(&mut partition);
    let due = partition.next_due().unwrap();
    partition.tick(due);
    assert_eq!(sequence(&mut partition), [(73, Some(70))]);
}
