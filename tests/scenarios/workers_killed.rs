//! D6, D7: delivery workers may be killed again and again, whatever the receivers do meanwhile.

use angarium_testkit::stack::{Backends, DELIVERY_SESSION, Stack};

use crate::load::{LIMIT, Load, REMEMBERED_EVERY, Victim, start, taken_over_after};
use crate::senders::Senders;

const ACCOUNTS: u64 = 10;
/// Both workers, one after the other, alone; then both at once, so that nobody is left. Six kills.
const ROUNDS: [&[usize]; 4] = [&[0], &[1], &[0, 1], &[1, 0]];
/// Issue 4: takeover after kill -9, of which the session is 20 s here.
const TAKEOVER: f64 = 30.0;

/// Kills these workers, each once the others are seen to go on without those before it; starts them again, and waits
/// until they have their share again.
async fn round(load: &Load<'_>, stack: &mut Stack, victims: &[usize]) -> Vec<Victim> {
    let mut killed: Vec<Victim> = Vec::new();
    let mut orphans = Vec::new();
    for index in victims {
        let victim = Victim::kill(stack, *index);
        orphans.extend(load.healthy(|worker| worker == victim.worker));
        killed.push(victim);
        let is_alive = |worker| !killed.iter().any(|victim| victim.worker == worker);
        // Nobody has taken the killed one's partitions yet, for the group waits for it as long.
        load.until_served(stack, DELIVERY_SESSION, &load.healthy(is_alive))
            .await;
    }
    let is_alive = |worker| !killed.iter().any(|victim| victim.worker == worker);
    let others = load.healthy(is_alive);
    load.hush();
    for index in victims {
        stack.delivery[*index].restart().unwrap();
    }
    let is_dead = |worker| killed.iter().any(|victim| victim.worker == worker);
    let taken_over = |senders: &Senders| {
        let mut owners = senders.targets().filter_map(|(_, target)| target.owner);
        !owners.any(is_dead)
    };
    load.until(stack, "other owners of all webhooks", LIMIT, taken_over)
        .await;
    let last = killed.last().unwrap();
    let (first, all) = taken_over_after(load, last.at, &orphans);
    println!(
        "takeover after kill -9 of {} of 2 workers: first webhook {first:.1} s, all {all:.1} s",
        killed.len()
    );
    if killed.len() == 1 {
        print_silence(load, &others);
        assert!(all <= TAKEOVER, "takeover took {all:.1} s\n{}", stack.logs());
    }
    load.until_shared_out(stack).await;
    killed
}

/// Prints how long webhooks of the worker that stayed waited for a call at most. Measured, not asserted: a busy machine
/// is no fault.
fn print_silence(load: &Load<'_>, others: &[String]) {
    let senders = load.senders();
    let silences = others.iter().map(|hook| senders.target(hook).silence());
    let longest = silences.max().unwrap_or_default().as_secs_f64();
    println!("longest silence until then of webhooks whose worker was not killed: {longest:.1} s");
}

#[tokio::test]
async fn d6_d7_workers_killed_in_a_loop_while_a_fifth_of_the_webhooks_fails_lose_nothing_and_keep_the_order()
{
    let (receiver, mut stack) = start(&Backends::shared().unwrap(), 2).await;
    let load = Load::set_up(&stack, &receiver, ACCOUNTS).await;
    load.a_fifth_answers(500);
    let scenario = async {
        load.until_shared_out(&stack).await;
        let mut killed = Vec::new();
        for victims in ROUNDS {
            // One is killed out of a steady stream, two while they still catch up.
            if victims.len() == 1 {
                load.until_served(&stack, LIMIT, &load.healthy(|_| true)).await;
            }
            killed.extend(round(&load, &mut stack, victims).await);
        }
        load.a_fifth_answers(200);
        load.stop();
        killed
    };
    let ((), killed) = tokio::join!(load.run(), scenario);
    load.assert_all_arrived(&stack, &killed, REMEMBERED_EVERY).await;
}

/// The group waits 20 s for a worker that was killed. If one that takes its place joined meanwhile, so would the others
/// have to, anew, and wait as long.
#[tokio::test]
async fn d7_a_worker_goes_on_while_the_group_waits_for_another_that_was_killed_and_started_again() {
    /// Of two seconds each, together several heartbeats: whom the new one held up would be seen to stand still.
    const CYCLES: u32 = 3;
    let (receiver, mut stack) = start(&Backends::shared().unwrap(), 2).await;
    let load = Load::set_up(&stack, &receiver, ACCOUNTS).await;
    let scenario = async {
        load.until_shared_out(&stack).await;
        let victim = Victim::kill(&mut stack, 0);
        stack.delivery[0].restart().unwrap();
        let waits = ["has not left the group", "delivery.realtime"];
        stack.delivery[0]
            .until_logged(DELIVERY_SESSION, &waits)
            .await
            .unwrap();
        let others = load.healthy(|worker| worker != victim.worker);
        for cycle in 1..=CYCLES {
            load.until_published(usize::try_from(ACCOUNTS).unwrap()).await;
            load.until_served(&stack, LIMIT, &others).await;
            let orphans = load.healthy(|worker| worker == victim.worker);
            assert!(
                !orphans.is_empty(),
                "only {cycle} times were new events taken before the killed worker was replaced\n{}",
                stack.logs()
            );
        }
        load.stop();
        victim
    };
    let ((), victim) = tokio::join!(load.run(), scenario);
    load.assert_all_arrived(&stack, &[victim], REMEMBERED_EVERY).await;
}
