use angarium_proto::event::v1 as event;

use super::*;

const POSITION: Position = Position {
    partition: 3,
    offset: 9,
};

fn story() -> Story {
    Story::new(vec![("wh_b".to_owned(), "every 3 s")])
}

fn reference() -> EventReference {
    EventReference {
        position: Some(event::Position {
            partition: 3,
            offset: 9,
        }),
        event_id: "e".to_owned(),
        event_name: "CI_STATS".to_owned(),
    }
}

fn published(position: Position) -> Happening {
    let accepted = Accepted {
        name: "CI_STATS".to_owned(),
        position,
        duplicate: false,
    };
    Happening::Published(Published {
        number: 1,
        title: "CI_STATS",
        answer: Answer::Accepted(vec![accepted]),
    })
}

fn matched(lane: Lane, webhook: &str) -> Happening {
    Happening::Matched(Matched {
        event: Some(reference()),
        lane: lane.into(),
        webhook_ids: vec![webhook.to_owned()],
        accepted_at_ms: 1_000,
        ..Matched::default()
    })
}

fn received(name: &str) -> Happening {
    let verdict = Ok(vec![(name.to_owned(), "e".to_owned())]);
    Happening::Received(Receipt {
        group: "g".to_owned(),
        at_ms: 1_007,
        verdict,
    })
}

fn attempted(error: &str) -> Happening {
    let attempt = Attempt {
        group_id: "g".to_owned(),
        events: vec![reference()],
        attempt: 1,
        status: if error.is_empty() { 204 } else { 0 },
        error_class: error.to_owned(),
        error_detail: error.to_owned(),
        next_attempt_at_ms: if error.is_empty() { 0 } else { 6_000 },
        ..Attempt::default()
    };
    Happening::Attempted(attempt, 1_000)
}

#[test]
fn a_delivery_is_told_once_the_match_is_known_in_whatever_order_they_come() {
    let tellings = [
        [
            published(POSITION),
            matched(Lane::Realtime, "wh_r"),
            received("CI_STATS"),
            attempted(""),
        ],
        [
            received("CI_STATS"),
            attempted(""),
            matched(Lane::Realtime, "wh_r"),
            published(POSITION),
        ],
    ];
    for telling in tellings {
        let mut story = story();
        let rows: Vec<_> = telling
            .into_iter()
            .flat_map(|happening| story.hear(happening))
            .collect();
        let [Row::Confirmed(confirmed)] = rows.as_slice() else {
            panic!("{rows:?}")
        };
        assert_eq!(
            (confirmed.signature, confirmed.took_ms),
            (Signature::Verified, Some(7))
        );
        assert!(story.tally.is_told(1));
        assert_eq!(story.tally.realtime_ms(), [7]);
    }
}

#[test]
fn e1_a_batch_event_is_told_when_it_waits_and_when_it_has_arrived() {
    let mut story = story();
    let mut rows = Vec::new();
    for happening in [published(POSITION), matched(Lane::Batch, "wh_b")] {
        rows.extend(story.hear(happening));
    }
    assert!(
        matches!(
            rows.as_slice(),
            [Row::Waiting {
                every: Some("every 3 s"),
                ..
            }]
        ),
        "{rows:?}"
    );
    assert!(story.tally.is_told(1) && !story.tally.is_verified(1));
    for happening in [received("CI_STATS"), attempted("")] {
        rows.extend(story.hear(happening));
    }
    assert!(matches!(rows.as_slice(), [_, Row::Confirmed(_)]), "{rows:?}");
    assert!(story.tally.is_verified(1));
    assert!(story.tally.realtime_ms().is_empty());
}

#[test]
fn e7_a_request_that_holds_another_event_verifies_nothing() {
    let mut story = story();
    for happening in [
        published(POSITION),
        matched(Lane::Realtime, "wh_r"),
        received("OTHER"),
        attempted(""),
    ] {
        story.hear(happening);
    }
    assert!(!story.tally.is_verified(1));
    assert_eq!(
        story.tally.not_as_promised()[0],
        "CI_STATS: was delivered and not verified"
    );
}

#[test]
fn d2_a_failure_says_why_and_when_it_is_tried_again() {
    let mut story = story();
    let verdict = Err("no signature matches".to_owned());
    story.hear(Happening::Received(Receipt {
        group: "g".to_owned(),
        at_ms: 0,
        verdict,
    }));
    let rows = story.hear(attempted("answered 401"));
    let [
        Row::Failed {
            why,
            again_in_ms,
            others,
            ..
        },
    ] = rows.as_slice()
    else {
        panic!("{rows:?}")
    };
    assert_eq!(why, "answered 401: no signature matches");
    assert_eq!((*again_in_ms, *others), (Some(5_000), 0));
}

#[test]
fn an_event_that_no_webhook_wants_is_told_at_once() {
    let mut story = story();
    let rows = story.hear(Happening::Matched(Matched {
        event: Some(reference()),
        inactive_webhook_ids: vec!["wh_x".to_owned()],
        ..Matched::default()
    }));
    assert!(
        matches!(rows.as_slice(), [Row::Unmatched { inactive: 1, .. }]),
        "{rows:?}"
    );
}
