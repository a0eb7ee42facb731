//! W4, W7: what the registry has answered is in force: an event that is published right behind the answer is matched by
//! it, whatever happens to who matches (issue 5, Watch).

use std::collections::BTreeSet;
use std::time::Duration;

use angarium_proto::registry::v1::{UpdateWebhookRequest, Webhook};
use angarium_testkit::receiver::{Received, Receiver};
use angarium_testkit::stack::{Backends, Stack};
use futures::future::join_all;
use rustix::process::Signal;
use tokio::sync::watch;
use tokio::time::{Instant, timeout};

use crate::setup::{numbered, unsigned_webhook};

const EVENT: &str = "COURSE_ENROLLMENT";
const OTHER_EVENT: &str = "LEARNER_PROGRESS";
const LIMIT: Duration = Duration::from_secs(120);
/// How many write at once.
const LANES: u64 = 8;
/// How often each does.
const TURNS: u64 = 125;
/// Fanout is frozen in between for longer than its lease, and for less than Kafka's patience with it.
const FROZEN_FOR: Duration = Duration::from_secs(2);
const FREEZES: u64 = 3;

/// One account, its webhook and its event, right behind one another. Every fourth webhook is created off or for
/// another type, and changed. Returns how long the last write took.
async fn turn(stack: &Stack, receiver: &Receiver, number: u64) -> Duration {
    let account = 10_000 + number;
    let hook = hook(number);
    stack.create_account(account).await.unwrap();
    let begun = Instant::now();
    let (event, took) = match number % 4 {
        0 => {
            let webhook = unsigned_webhook(stack, receiver, account, &hook, &[OTHER_EVENT])
                .await
                .unwrap();
            let begun = Instant::now();
            change(stack, webhook, |webhook| {
                webhook.event_types = vec![EVENT.to_owned()]
            })
            .await;
            (EVENT, begun.elapsed())
        }
        1 => {
            let webhook = unsigned_webhook(stack, receiver, account, &hook, &[EVENT])
                .await
                .unwrap();
            let begun = Instant::now();
            change(stack, webhook, |webhook| webhook.active = Some(false)).await;
            (EVENT, begun.elapsed())
        }
        _ => {
            unsigned_webhook(stack, receiver, account, &hook, &[EVENT])
                .await
                .unwrap();
            (EVENT, begun.elapsed())
        }
    };
    // On a busy machine ingest may be without a lease for a moment: then it says nothing of accounts that it lacks.
    let status = loop {
        let body = numbered(event, number);
        match stack
            .publish(account, "application/json", body)
            .await
            .unwrap()
            .status
        {
            503 => {}
            status => break status,
        }
    };
    assert_eq!(status, 202, "the account is known at once");
    took
}

async fn change(stack: &Stack, mut webhook: Webhook, edit: impl FnOnce(&mut Webhook)) {
    edit(&mut webhook);
    let request = UpdateWebhookRequest {
        webhook: Some(webhook),
        update_mask: None,
    };
    stack
        .registry_client()
        .unwrap()
        .update_webhook(request)
        .await
        .unwrap();
}

fn hook(number: u64) -> String {
    format!("known-{number}")
}

/// Whether the webhook of this turn was switched off before its event.
const fn is_off(number: u64) -> bool {
    number % 4 == 1
}

#[tokio::test]
async fn w4_w7_an_event_published_right_behind_a_write_is_matched_by_it_with_fanout_frozen_in_between() {
    let receiver = Receiver::start().await.unwrap();
    let mut stack = Stack::start(&Backends::shared().unwrap()).await.unwrap();
    let fanout = stack.fanout.id();
    let done = watch::Sender::new(0_u64);
    let turns = async {
        let lane = async |lane: u64| {
            let mut took = Vec::new();
            for turn_number in 0..TURNS {
                took.push(turn(&stack, &receiver, turn_number * LANES + lane).await);
                done.send_modify(|done| *done += 1);
            }
            took
        };
        join_all((0..LANES).map(lane)).await.concat()
    };
    let freezes = async {
        let mut seen = done.subscribe();
        for freeze in 1..=FREEZES {
            let from = freeze * LANES * TURNS / (FREEZES + 1);
            seen.wait_for(|done| *done >= from).await.unwrap();
            signal(fanout, Signal::STOP);
            let before = *seen.borrow();
            // Writes are answered all the same, and their events published.
            let all_done = seen.wait_for(|done| *done == LANES * TURNS);
            let is_over = timeout(FROZEN_FOR, all_done).await.is_ok();
            assert!(
                is_over || *seen.borrow() > before,
                "writes wait for one that is frozen"
            );
            println!("{} writes while fanout was frozen", *seen.borrow() - before);
            signal(fanout, Signal::CONT);
        }
    };
    let (mut took, ()) = tokio::join!(turns, freezes);
    took.sort_unstable();
    let at = |share: usize| took[(took.len() - 1) * share / 100].as_millis();
    println!(
        "writes until they are in force everywhere: p50 {} ms, p99 {} ms, most {} ms",
        at(50),
        at(99),
        at(100)
    );

    assert_all_come(&stack, &receiver).await;
    stack.ready().await.unwrap();
}

/// Every webhook that wants its event gets it, and no other does.
async fn assert_all_come(stack: &Stack, receiver: &Receiver) {
    let expected: BTreeSet<String> = (0..LANES * TURNS)
        .filter(|number| !is_off(*number))
        .map(hook)
        .collect();
    let all = |received: &[Received]| {
        let come: BTreeSet<&str> = received.iter().map(|one| &*one.hook).collect();
        expected.iter().all(|hook| come.contains(hook.as_str()))
    };
    let come = receiver.wait_for("an event of every webhook", LIMIT, all).await;
    if come.is_err() {
        let received = receiver.received();
        let come: BTreeSet<&str> = received.iter().map(|one| &*one.hook).collect();
        let missed: Vec<_> = expected
            .iter()
            .filter(|hook| !come.contains(hook.as_str()))
            .collect();
        panic!(
            "{} of {} missed: {missed:?}\n{}",
            missed.len(),
            expected.len(),
            stack.logs()
        );
    }
    let off: Vec<_> = receiver
        .received()
        .into_iter()
        .filter(|one| !expected.contains(&*one.hook))
        .collect();
    assert!(
        off.is_empty(),
        "W7: {} came although they were off: {:?}",
        off.len(),
        off.first()
    );
}

fn signal(process: u32, signal: Signal) {
    let pid = rustix::process::Pid::from_raw(process.try_into().unwrap()).unwrap();
    rustix::process::kill_process(pid, signal).unwrap();
}
