//! D6, D7: a worker may be frozen for longer than its session, and thaw: it sends nothing for which it has no lease, not to
//! those that fail either.

use std::collections::BTreeMap;

use angarium_model::Lane;
use angarium_testkit::stack::{Backends, DELIVERY_SESSION};
use rustix::process::Signal;

use crate::load::{LIMIT, Load, REMEMBERED_EVERY, Victim, start, taken_over_after};
use crate::senders::{Senders, Sent, Worker};

const ACCOUNTS: u64 = 8;

/// A worker's webhooks of the real-time lane, by hook and lane.
fn realtime_of(load: &Load<'_>, worker: Worker) -> Vec<String> {
    let senders = load.senders();
    let its = senders
        .targets()
        .filter(|(_, target)| target.partition.0 == Lane::Realtime && target.owner == Some(worker));
    its.map(|(hook, _)| hook.to_owned()).collect()
}

/// A partition's calls come from one worker, then from the next, which is the one that has thawed and joined again: no
/// call of one that another has followed.
fn assert_one_after_the_other(sent: &[Sent], thawed: Worker) {
    let mut owners: BTreeMap<_, Vec<Option<Worker>>> = BTreeMap::new();
    for call in sent.iter().filter(|sent| sent.partition.0 == Lane::Realtime) {
        let owners = owners.entry(call.partition).or_default();
        if owners.last() != Some(&call.by) {
            owners.push(call.by);
        }
    }
    for ((lane, partition), owners) in owners {
        let is_followed_by_thawed = owners.get(1).is_none_or(|owner| *owner == Some(thawed));
        assert!(
            owners.len() <= 2 && is_followed_by_thawed,
            "{lane} {partition} was called by one after the other: {owners:?}"
        );
    }
}

#[tokio::test]
async fn d6_d7_a_worker_frozen_past_its_session_sends_nothing_when_it_thaws_until_it_owns_again() {
    let (receiver, mut stack) = start(&Backends::shared().unwrap(), 2).await;
    let load = Load::set_up(&stack, &receiver, ACCOUNTS).await;
    let scenario = async {
        load.until_shared_out(&stack).await;
        // All that was published has arrived: no call is between the check of its lease and its first byte. What comes
        // right behind is in the buffers of the frozen one when it thaws.
        load.pause_until_all_arrived(&stack).await;
        let victim = Victim::signal(&mut stack, 0, Signal::STOP);
        load.a_fifth_answers(500);
        load.resume();
        let others = load.healthy(|worker| worker != victim.worker);
        load.until_served(&stack, DELIVERY_SESSION, &others).await;
        let orphans = realtime_of(&load, victim.worker);
        let taken_over = |senders: &Senders| {
            let mut owners = senders.targets().map(|(_, target)| target.owner);
            owners.all(|owner| owner != Some(victim.worker))
        };
        load.until(&stack, "another owner of all webhooks", LIMIT, taken_over)
            .await;
        let (first, all) = taken_over_after(&load, victim.at, &orphans);
        println!("takeover after SIGSTOP: first webhook {first:.1} s, all {all:.1} s");
        let before = load.senders().sent().len();
        stack.delivery[0].signal(Signal::CONT).unwrap();
        load.until_shared_out(&stack).await;
        load.a_fifth_answers(200);
        load.stop();
        (victim, before)
    };
    let ((), (victim, before)) = tokio::join!(load.run(), scenario);
    let thawed = victim.worker;
    load.assert_all_arrived(&stack, &[victim], REMEMBERED_EVERY).await;
    assert_one_after_the_other(&load.senders().sent()[before..], thawed);
}
