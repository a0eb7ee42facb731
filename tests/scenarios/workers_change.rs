//! D7: workers come and go under load; only the partitions that move pause.

use std::collections::BTreeMap;
use std::time::Duration;

use angarium_testkit::receiver::{Answer, Gate, Receiver};
use angarium_testkit::stack::{Backends, Stack};
use rustix::process::Signal;
use tokio::time::Instant;

use crate::load::{LIMIT, Load, Victim, start, taken_over_after, workers};
use crate::senders::{Senders, Worker};
use crate::stream::hook_of;

const ACCOUNTS: u64 = 8;
/// Takeover after SIGTERM, beyond the drain: issue 4 wants 2 s, and half a second is the rule, which is printed. This much
/// only a hang takes.
const TAKEOVER: f64 = 5.0;

fn owners(load: &Load<'_>) -> BTreeMap<String, Option<Worker>> {
    let senders = load.senders();
    let targets = senders.targets();
    targets
        .map(|(hook, target)| (hook.to_owned(), target.owner))
        .collect()
}

/// Prints how long webhooks waited for a call at most, those whose worker has changed beside the others. Measured, not
/// asserted: a busy machine is no fault.
fn print_silences(load: &Load<'_>, what: &str, before: &BTreeMap<String, Option<Worker>>) {
    let (mut moved, mut stayed) = (Duration::ZERO, Duration::ZERO);
    for hook in load.healthy(|_| true) {
        let senders = load.senders();
        let target = senders.target(&hook);
        let longest = if before.get(&hook) == Some(&target.owner) {
            &mut stayed
        } else {
            &mut moved
        };
        *longest = target.silence().max(*longest);
    }
    let (moved, stayed) = (moved.as_secs_f64(), stayed.as_secs_f64());
    println!("longest silence while {what}: moved webhooks {moved:.1} s, all others {stayed:.1} s");
}

/// A worker comes: it gets partitions, and no other partition changes hands.
async fn one_comes(load: &Load<'_>, stack: &mut Stack) {
    let before = owners(load);
    load.hush();
    stack.add_delivery().unwrap();
    load.until_shared_out(stack).await;
    let new = stack.delivery.last().unwrap().id();
    let after = owners(load);
    for (hook, owner) in &before {
        assert!(
            after[hook] == *owner || after[hook] == Some(new),
            "{hook} was moved from {owner:?} to {:?} although the new worker is {new}",
            after[hook]
        );
    }
    print_silences(load, "a worker comes", &before);
}

/// A worker is asked to go while a receiver holds back its answer: all webhooks of other workers are served meanwhile.
async fn one_goes(load: &Load<'_>, stack: &mut Stack, receiver: &Receiver, index: usize) -> Victim {
    let worker = workers(stack)[index];
    let its = load.healthy(|owner| owner == worker);
    let others = load.healthy(|owner| owner != worker);
    let (gate, slow, from) = (Gate::closed(), &its[0], Instant::now());
    receiver.always(hook_of(slow), Answer::Gated(gate.clone(), 200));
    let held = |senders: &Senders| senders.target(slow).last_at > from;
    load.until(stack, "a call without an answer", LIMIT, held).await;
    let before = owners(load);
    load.hush();
    let victim = Victim::signal(stack, index, Signal::TERM);
    // Without times: the worker waits for the gate, which waits for this. What D1 lets it wait is the most that a slow
    // machine can take from it.
    load.until_served(stack, LIMIT, &others).await;
    receiver.always(hook_of(slow), Answer::Status(200));
    gate.open();
    let drained = Instant::now();
    let left = |senders: &Senders| {
        let mut owners = senders.targets().map(|(_, target)| target.owner);
        owners.all(|owner| owner != Some(worker))
    };
    load.until(stack, "another owner of all webhooks", LIMIT, left)
        .await;
    let (first, all) = taken_over_after(load, drained, &its);
    println!("takeover after SIGTERM, beyond the drain: first webhook {first:.1} s, all {all:.1} s");
    let ended = stack.delivery[index].ended(LIMIT).await.unwrap();
    assert!(ended.success(), "{ended}; {}", stack.logs());
    print_silences(load, "a worker goes", &before);
    assert!(all <= TAKEOVER, "takeover took {all:.1} s\n{}", stack.logs());
    stack.delivery.remove(index);
    load.until_shared_out(stack).await;
    victim
}

#[tokio::test]
async fn d7_of_three_workers_one_more_comes_and_one_goes_under_load_and_nothing_is_lost_or_out_of_order() {
    let (receiver, mut stack) = start(&Backends::shared().unwrap(), 3).await;
    let load = Load::set_up(&stack, &receiver, ACCOUNTS).await;
    load.a_fifth_answers(500);
    let scenario = async {
        load.until_shared_out(&stack).await;
        one_comes(&load, &mut stack).await;
        one_goes(&load, &mut stack, &receiver, 0).await;
        load.a_fifth_answers(200);
        load.stop();
    };
    tokio::join!(load.run(), scenario);
    // Who hands over finishes its calls and remembers what is done (DESIGN §7, rebalance): nothing comes again, unless
    // the call that was held back took longer than D1 allows.
    load.assert_all_arrived(&stack, &[], Duration::ZERO).await;
}
