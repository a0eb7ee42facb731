//! Fanout over an in-process Kafka: what it promises to those who read the deliveries (DESIGN §3, §6).

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests fail the test"
)]

mod world;

use std::collections::BTreeMap;
use std::time::Duration;

use angarium_directory::Directory;
use angarium_fanout::Config;
use angarium_model::{Catalogue, FilterText, Lane, Webhook};
use angarium_proto::journal::v1::journal_record::Entry;
use world::{World, account, webhook};

// Webhooks by what they want.
const EVERYTHING: u8 = 1;
const COURSES: u8 = 2;
const PROGRESS: u8 = 3;
const SWITCHED_OFF: u8 = 4;
const OTHER_ACCOUNT: u8 = 5;
const REFUSES: u8 = 6;
const UNDECIDED: u8 = 7;

/// The in-process Kafka gives the partitions of a worker to the next only after this time.
const SESSION: Duration = Duration::from_secs(6);

fn config() -> Config {
    Config {
        session_timeout: SESSION,
        ..Config::default()
    }
}

/// A worker that commits only when it gives its partitions back.
fn never_commits() -> Config {
    Config {
        commit_interval: Duration::from_secs(3_600),
        ..config()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn e1_e2_e3_e8_w7_each_event_goes_to_exactly_the_webhooks_that_want_it_in_the_lane_of_its_class() {
    let mut world = World::start();
    let names: Vec<_> = Catalogue.types().map(|known| known.name).collect();
    for name in &names {
        world.publish(account(1234), name, None, b"{}").await;
        world.publish(account(1010), name, None, b"{}").await;
    }
    let worker = world.fanout(
        config(),
        [
            webhook(EVERYTHING, 1234, &["*"], true),
            webhook(COURSES, 1234, &["COURSE_*"], true),
            webhook(PROGRESS, 1234, &["LEARNER_PROGRESS", "CI_STATS"], true),
            webhook(SWITCHED_OFF, 1234, &["*"], false),
            webhook(OTHER_ACCOUNT, 1010, &["LEARNING_OBJECT_*"], true),
        ],
    );
    let courses = names.iter().filter(|name| name.starts_with("COURSE_")).count();
    let objects = names
        .iter()
        .filter(|name| name.starts_with("LEARNING_OBJECT_"))
        .count();
    let deliveries = world.deliveries(names.len() + courses + 2 + objects).await;

    let mut got: BTreeMap<(u64, String), Vec<u8>> = BTreeMap::new();
    for delivery in &deliveries {
        // E2 and E3 by the published names alone.
        let batch = delivery.name.ends_with("_BATCH") || delivery.name == "LEARNER_PROGRESS";
        assert_eq!(delivery.lane == Lane::Batch, batch, "{}", delivery.name);
        let key = (delivery.account, delivery.name.clone());
        got.entry(key).or_default().push(delivery.webhook);
    }
    for name in names {
        let mut wanted = vec![EVERYTHING];
        wanted.extend(name.starts_with("COURSE_").then_some(COURSES));
        wanted.extend(matches!(name, "LEARNER_PROGRESS" | "CI_STATS").then_some(PROGRESS));
        let mut mine = got.remove(&(1234, name.to_owned())).unwrap_or_default();
        mine.sort_unstable();
        assert_eq!(mine, wanted, "{name}");
        let others = got.remove(&(1010, name.to_owned())).unwrap_or_default();
        let wanted: &[u8] = if name.starts_with("LEARNING_OBJECT_") {
            &[OTHER_ACCOUNT]
        } else {
            &[]
        };
        assert_eq!(others, wanted, "{name}");
    }
    worker.close().await;
    assert_eq!(
        world.produced().await,
        deliveries.len(),
        "nothing beside that was produced"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn d7_events_of_a_webhook_stay_in_order_and_a_worker_that_ends_well_leaves_nothing_to_repeat() {
    const ACCOUNTS: u64 = 5;
    const EVENTS: usize = 400;
    let mut world = World::start();
    let webhooks: Vec<_> = (1..=10)
        .map(|number| webhook(number, u64::from(number) % ACCOUNTS, &["*"], true))
        .collect();
    for number in 0..EVENTS {
        for id in 0..ACCOUNTS {
            let data = format!("{{\"seq\":{number}}}");
            world
                .publish(account(id), "CI_STATS", None, data.as_bytes())
                .await;
        }
    }
    // Small limits, so that the window fills again and again.
    let tight = Config {
        max_pending_events: 7.try_into().unwrap(),
        ..never_commits()
    };
    let worker = world.fanout(tight, webhooks.clone());
    let deliveries = world.deliveries(EVENTS * webhooks.len()).await;
    let mut of_webhook: BTreeMap<u8, Vec<String>> = BTreeMap::new();
    for delivery in deliveries {
        of_webhook
            .entry(delivery.webhook)
            .or_default()
            .push(delivery.data);
    }
    let in_order: Vec<_> = (0..EVENTS)
        .map(|number| format!("{{\"seq\":{number}}}"))
        .collect();
    assert_eq!(of_webhook.len(), webhooks.len());
    for (webhook, data) in of_webhook {
        assert_eq!(data, in_order, "webhook {webhook}");
    }
    worker.close().await;

    world
        .publish(account(1), "CI_STATS", None, b"{\"seq\":\"last\"}")
        .await;
    let worker = world.fanout(config(), webhooks);
    let after: Vec<_> = world.deliveries(2).await.into_iter().map(|d| d.data).collect();
    assert_eq!(after, ["{\"seq\":\"last\"}"; 2]);
    worker.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crash_repeats_and_never_skips_and_what_is_repeated_is_the_same() {
    const EVENTS: usize = 2_000;
    let mut world = World::start();
    for number in 0..EVENTS {
        let data = format!("{{\"seq\":{number}}}");
        world
            .publish(account(1234), "CI_STATS", None, data.as_bytes())
            .await;
    }
    let webhooks = [webhook(EVERYTHING, 1234, &["*"], true)];
    let worker = world.fanout(never_commits(), webhooks.clone());
    let first = world.deliveries(EVENTS / 4).await;
    worker.crash().await;

    let worker = world.fanout(config(), webhooks);
    let all = world
        .deliveries_until(first, |all| {
            all.last()
                .is_some_and(|last| last.data == format!("{{\"seq\":{}}}", EVENTS - 1))
                && all
                    .iter()
                    .filter(|delivery| delivery.data == "{\"seq\":0}")
                    .count()
                    == 2
        })
        .await;
    let mut infos: BTreeMap<String, String> = BTreeMap::new();
    let mut firsts = Vec::new();
    for delivery in &all {
        match infos.get(&delivery.data) {
            Some(info) => assert_eq!(&delivery.info, info, "derived anew for {}", delivery.data),
            None => {
                infos.insert(delivery.data.clone(), delivery.info.clone());
                firsts.push(delivery.data.clone());
            }
        }
    }
    let in_order: Vec<_> = (0..EVENTS)
        .map(|number| format!("{{\"seq\":{number}}}"))
        .collect();
    assert_eq!(firsts, in_order, "first receipts, in order");
    assert!(
        infos.values().all(|info| info.ends_with("-0")),
        "made of the place"
    );
    worker.close().await;
}

/// Finding 1 of docs/model-findings.md: what was decided under one view must not be decided again under the next.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn d6_a_changed_webhook_gets_no_event_that_was_decided_before_the_change_though_fanout_crashes() {
    let mut world = World::start();
    let directory = Directory::fixed([], [webhook(EVERYTHING, 1234, &["CI_STATS"], true)]);
    let worker = world.fanout_following(never_commits(), directory.clone());
    let (wanted, unwanted) = ("CI_STATS", "LEARNER_PROGRESS");
    world.publish(account(1234), unwanted, None, b"{\"n\":0}").await;
    world.publish(account(1234), wanted, None, b"{\"n\":1}").await;
    let mut all = world.deliveries(1).await;
    directory.put(webhook(PROGRESS, 1234, &[unwanted], true));
    world.publish(account(1234), unwanted, None, b"{\"n\":2}").await;
    all.extend(world.deliveries(1).await);
    worker.crash().await;

    let worker = world.fanout_following(config(), directory);
    world.publish(account(1234), wanted, None, b"{\"n\":3}").await;
    let all = world
        .deliveries_until(all, |all| all.iter().any(|delivery| delivery.data == "{\"n\":3}"))
        .await;
    let mut got: Vec<_> = all.iter().map(|d| (d.webhook, d.data.as_str())).collect();
    // What the crash left uncommitted, if anything, comes twice.
    got.sort_unstable();
    got.dedup();
    assert_eq!(
        got,
        [
            (EVERYTHING, "{\"n\":1}"),
            (EVERYTHING, "{\"n\":3}"),
            (PROGRESS, "{\"n\":2}")
        ]
    );
    worker.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_outage_of_kafka_delays_deliveries_and_skips_none() {
    const EVENTS: usize = 2_000;
    let mut world = World::start();
    for number in 0..EVENTS {
        let data = format!("{{\"seq\":{number}}}");
        world
            .publish(account(1234), "CI_STATS", None, data.as_bytes())
            .await;
    }
    // So few pending events that the outage falls into the middle.
    let tight = Config {
        max_pending_events: 10.try_into().unwrap(),
        ..config()
    };
    let worker = world.fanout(tight, [webhook(EVERYTHING, 1234, &["*"], true)]);
    let before = world.deliveries(EVENTS / 10).await;
    world.interrupt();
    let all = world
        .deliveries_until(before, |all| {
            all.last()
                .is_some_and(|last| last.data == format!("{{\"seq\":{}}}", EVENTS - 1))
        })
        .await;
    let mut firsts: Vec<_> = Vec::new();
    for delivery in all {
        if !firsts.contains(&delivery.data) {
            firsts.push(delivery.data);
        }
    }
    let in_order: Vec<_> = (0..EVENTS)
        .map(|number| format!("{{\"seq\":{number}}}"))
        .collect();
    assert_eq!(firsts, in_order, "first receipts, in order");
    worker.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn records_that_kafka_refuses_throw_partitions_back_and_none_skips() {
    const ACCOUNTS: u8 = 6;
    const EVENTS: usize = 60;
    let mut world = World::start();
    for number in 0..EVENTS {
        for id in 1..=ACCOUNTS {
            let data = format!("{{\"seq\":{number}}}");
            world
                .publish(account(id.into()), "CI_STATS", None, data.as_bytes())
                .await;
        }
    }
    // One event of a partition under way: the in-process Kafka would write one behind a refused one.
    let tight = Config {
        max_pending_events: 1.try_into().unwrap(),
        ..config()
    };
    let webhooks = (1..=ACCOUNTS).map(|id| webhook(id, id.into(), &["*"], true));
    let worker = world.fanout(tight, webhooks);
    let before = world.deliveries(usize::from(ACCOUNTS) * EVENTS / 4).await;
    // More than there are partitions, so that some fail again and again.
    world.refuse_writes(30);
    let last = format!("{{\"seq\":{}}}", EVENTS - 1);
    let all = world
        .deliveries_until(before, |all| {
            (1..=ACCOUNTS).all(|id| all.iter().any(|one| one.webhook == id && one.data == last))
        })
        .await;
    let in_order: Vec<_> = (0..EVENTS)
        .map(|number| format!("{{\"seq\":{number}}}"))
        .collect();
    for id in 1..=ACCOUNTS {
        let mut firsts: Vec<&str> = Vec::new();
        for delivery in all.iter().filter(|delivery| delivery.webhook == id) {
            if !firsts.contains(&delivery.data.as_str()) {
                firsts.push(&delivery.data);
            }
        }
        assert_eq!(firsts, in_order, "first receipts of webhook {id}, in order");
    }
    worker.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_delivery_that_kafka_does_not_take_stops_its_partition_until_the_cause_is_mended() {
    let mut world = World::start();
    // With the ids of so many webhooks the record is larger than Kafka takes; with those of one it is not.
    let large = format!("{{\"x\":\"{}\"}}", "x".repeat(990_000));
    world
        .publish(account(1234), "CI_STATS", None, b"{\"seq\":0}")
        .await;
    world
        .publish(account(1234), "CI_STATS", None, large.as_bytes())
        .await;
    world
        .publish(account(1234), "CI_STATS", None, b"{\"seq\":2}")
        .await;
    let many = world::webhooks_in_one_partition(1_000, 1234);
    let one = many.first().cloned().unwrap();

    let worker = world.fanout(config(), many);
    let before = world.deliveries(1_000).await;
    assert!(before.iter().all(|delivery| delivery.data == "{\"seq\":0}"));
    worker.close().await;
    assert_eq!(
        world.produced().await,
        1_000,
        "nothing behind the large event was produced"
    );

    let worker = world.fanout(config(), [one]);
    let after: Vec<_> = world.deliveries(2).await.into_iter().map(|d| d.data).collect();
    assert_eq!(after, [large.as_str(), "{\"seq\":2}"]);
    worker.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_record_that_cannot_be_read_is_passed_and_the_trace_of_the_others_is_kept() {
    let mut world = World::start();
    let trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    world.publish_raw(account(1234), b"\xff\xff").await;
    world.publish(account(1234), "CI_STATS", Some(trace), b"{}").await;
    let worker = world.fanout(config(), [webhook(EVERYTHING, 1234, &["*"], true)]);
    let delivery = world.deliveries(1).await.remove(0);
    assert_eq!(delivery.trace.as_deref(), Some(trace));
    worker.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_journal_tells_who_gets_an_event_and_who_would_have() {
    let mut world = World::start();
    world
        .publish(account(1234), "CI_STATS", None, b"{\"secret\":1}")
        .await;
    world.publish(account(7), "LEARNER_PROGRESS", None, b"{}").await;
    let (on, off) = (
        webhook(EVERYTHING, 1234, &["*"], true),
        webhook(SWITCHED_OFF, 1234, &["*"], false),
    );
    let filtered = |number, text| Webhook {
        filter: Some(FilterText::new(text).unwrap()),
        ..webhook(number, 1234, &["*"], true)
    };
    let (refuses, undecided) = (
        filtered(REFUSES, "data.secret != 1"),
        filtered(UNDECIDED, "data.secret == data.none"),
    );
    let all = [on.clone(), off.clone(), refuses.clone(), undecided.clone()];
    let worker = world.fanout(config(), all);
    let mut journal = world.journal(2).await;
    journal.sort_by_key(|record| std::cmp::Reverse(record.account_id));
    let Some(Entry::Matched(matched)) = &journal[0].entry else {
        panic!("{journal:?}")
    };
    assert_eq!(matched.webhook_ids, [on.id.to_string()]);
    assert_eq!(matched.inactive_webhook_ids, [off.id.to_string()]);
    assert_eq!(matched.filtered_webhook_ids, [refuses.id.to_string()]);
    let told: Vec<_> = matched
        .undecided
        .iter()
        .map(|told| (told.webhook_id.as_str(), told.reason.as_str()))
        .collect();
    let reason = "line 1, column 20: there is no field none; has(…) tells whether there is one";
    assert_eq!(told, [(undecided.id.to_string().as_str(), reason)]);
    assert_eq!(matched.event.as_ref().unwrap().event_name, "CI_STATS");
    let Some(Entry::Matched(nobody)) = &journal[1].entry else {
        panic!("{journal:?}")
    };
    assert_eq!((nobody.webhook_ids.len(), journal[1].account_id), (0, 7));
    worker.close().await;
}
