//! DESIGN §8: Redis restarts, is wiped, is away: no loss, no disorder. It only saves time.

use std::time::Duration;

use angarium_local::{Group, Parts, Redis, cache_dir};
use angarium_testkit::poll::poll;
use angarium_testkit::stack::{Backends, Stack};

use crate::load::{LIMIT, Load, Victim, start, taken_over_after};
use crate::retry_state::RetryState;
use crate::senders::Senders;

const ACCOUNTS: u64 = 8;
/// DESIGN §8: of a killed worker, with Redis lost too, at most what came since the last place comes again, which is on
/// record every second (`delivery.commit_interval`); of webhooks that catch up, the last 5 s (§7, their cursors). Each
/// has 1 s to be acknowledged.
const REMEMBERED_EVERY: Duration = Duration::from_secs(5 + 1);

/// Waits until Redis knows of webhooks that are behind: some fail all the time.
async fn until_known(redis: &Redis) {
    let known = poll(LIMIT, async || {
        let lag = RetryState::at(&redis.url()).await?.lag().await;
        Ok((lag.fields > 0).then_some(()))
    });
    known.await.unwrap().expect("Redis is told of failing webhooks");
}

/// Kills the one worker, starts it again, and waits until it has all webhooks.
async fn kill(load: &Load<'_>, stack: &mut Stack, redis_is: &str) -> Victim {
    let victim = Victim::kill(stack, 0);
    let orphans = load.healthy(|_| true);
    stack.delivery[0].restart().unwrap();
    let worker = stack.delivery[0].id();
    let taken_over = |senders: &Senders| {
        let mut owners = senders.targets().map(|(_, target)| target.owner);
        owners.all(|owner| owner == Some(worker))
    };
    load.until(stack, "all webhooks called again", LIMIT, taken_over)
        .await;
    let (first, all) = taken_over_after(load, victim.at, &orphans);
    println!("takeover after kill -9, Redis {redis_is}: first webhook {first:.1} s, all {all:.1} s");
    victim
}

#[tokio::test(flavor = "multi_thread")]
async fn d6_d7_redis_wiped_stopped_and_started_again_and_workers_killed_meanwhile_lose_nothing_and_keep_the_order()
 {
    let dir = tempfile::tempdir().unwrap();
    let parts = Parts::ensure(&cache_dir(), &mut |line| eprintln!("{line}")).unwrap();
    let mut redis = Redis::start(&parts, dir.path(), Group::Shared).unwrap();
    let mut backends = Backends::shared().unwrap();
    backends.redis = redis.url();
    let (receiver, mut stack) = start(&backends, 1).await;
    let load = Load::set_up(&stack, &receiver, ACCOUNTS).await;
    load.a_fifth_answers(500);
    let scenario = async {
        load.until_shared_out(&stack).await;
        let healthy = load.healthy(|_| true);
        let mut killed = Vec::new();

        until_known(&redis).await;
        let mut state = RetryState::at(&redis.url()).await.unwrap();
        state.flush_all().await;
        load.until_served(&stack, LIMIT, &healthy).await;
        until_known(&redis).await;
        state.flush_all().await;
        killed.push(kill(&load, &mut stack, "wiped").await);

        until_known(&redis).await;
        redis.stop().unwrap();
        load.until_served(&stack, LIMIT, &healthy).await;
        killed.push(kill(&load, &mut stack, "away").await);
        load.until_served(&stack, LIMIT, &healthy).await;
        redis.restart().unwrap();
        until_known(&redis).await;
        load.until_served(&stack, LIMIT, &healthy).await;

        load.a_fifth_answers(200);
        load.stop();
        killed
    };
    let ((), killed) = tokio::join!(load.run(), scenario);
    load.assert_all_arrived(&stack, &killed, REMEMBERED_EVERY).await;
}
