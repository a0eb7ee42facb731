//! DESIGN §7, isolation: one account's receivers may hang, and the calls that it has to wait for hold up no other account.

use std::time::Duration;

use angarium_testkit::receiver::{Answer, Received, Receiver};
use angarium_testkit::stack::{Backends, Stack};

use crate::setup::{numbered, unsigned_webhook};

const LIMIT: Duration = Duration::from_secs(60);
const EVENT: &str = "CI_STATS";
/// One account may have half of these.
const CALLS: &str = "32";
const ADMITTED: usize = 16;
/// More than are admitted, so that in every partition some wait.
const HANGING: usize = 60;
const WELL: usize = 6;

async fn publish(stack: &Stack, account: u64) {
    let reply = stack.publish(account, "application/x-ndjson", numbered(EVENT, 0));
    assert_eq!(reply.await.unwrap().status, 202);
}

#[tokio::test]
async fn d1_an_account_whose_receivers_hang_leaves_room_and_whom_it_has_wait_holds_up_no_other() {
    let settings = [("ANGARIUM_DELIVERY_MAX_IN_FLIGHT", CALLS)];
    let stack = Stack::start_with(&Backends::shared().unwrap(), &settings)
        .await
        .unwrap();
    let receiver = Receiver::start().await.unwrap();
    for (account, count) in [(1, HANGING), (2, WELL)] {
        stack.create_account(account).await.unwrap();
        for number in 0..count {
            let hook = format!("{account}-{number}");
            let webhook = unsigned_webhook(&stack, &receiver, account, &hook, &[EVENT]);
            webhook.await.unwrap();
        }
        let last = format!("{account}-{}", count - 1);
        let known = stack.wait_until_matched(&receiver, account, EVENT, &last);
        known.await.unwrap();
    }
    for number in 0..HANGING {
        receiver.always(&format!("1-{number}"), Answer::Hang);
    }
    publish(&stack, 1).await;
    receiver
        .wait_for("as many calls as are admitted", LIMIT, |all| {
            hanging(all) == ADMITTED
        })
        .await
        .unwrap_or_else(|error| panic!("{error}\n{}", stack.logs()));
    publish(&stack, 2).await;
    receiver
        .wait_for("the other account's calls", LIMIT, |all| well(all) == WELL)
        .await
        .unwrap_or_else(|error| panic!("{error}\n{}", stack.logs()));
    // None of them has ended, else another would have begun.
    assert_eq!(hanging(&receiver.received()), ADMITTED);
}

fn hanging(all: &[Received]) -> usize {
    let unanswered = all.iter().filter(|one| one.answered.is_none());
    unanswered.filter(|one| one.hook.starts_with("1-")).count()
}

/// Those of the other account that have the event, not a probe before it.
fn well(all: &[Received]) -> usize {
    let event = b"event-0";
    let has_event = |one: &&Received| one.body.windows(event.len()).any(|part| part == event);
    let of_other = all.iter().filter(|one| one.hook.starts_with("2-"));
    of_other.filter(has_event).count()
}
