//! What an administrator does about events that did not arrive, with the commands that there are for it: D2 (410), D8, and
//! what can be sent again.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use angarium_proto::registry::v1::authentication::Method;
use angarium_proto::registry::v1::{
    Authentication, DeadLetter, DisabledReason, GetWebhookRequest, Limits, NoAuthentication, Ordering,
    PayloadFormat, UpdateWebhookRequest, Webhook,
};
use angarium_testkit::poll::poll;
use angarium_testkit::process;
use angarium_testkit::receiver::{Answer, Gate, Received, Receiver};
use angarium_testkit::stack::Stack;
use serde_json::{Value, json};

use crate::setup::{numbered, stack_that_answers};

const LIMIT: Duration = Duration::from_secs(60);
const EVENT: &str = "CI_STATS";
const EVENTS: u64 = 30;

/// A stack whose delivery can be asked, and a receiver.
struct World {
    stack: Stack,
    receiver: Receiver,
    env: BTreeMap<String, String>,
}

impl World {
    async fn new() -> Self {
        let (stack, env) = stack_that_answers(&["DELIVERY"]).await.unwrap();
        Self {
            receiver: Receiver::start().await.unwrap(),
            env,
            stack,
        }
    }

    /// An account with a webhook that fanout knows of.
    async fn webhook(&self, account: u64, hook: &str, settings: Webhook) -> Webhook {
        let none = Method::None(NoAuthentication {});
        self.stack.create_account(account).await.unwrap();
        let webhook = Webhook {
            account_id: account,
            name: hook.to_owned(),
            target_url: self.receiver.hook(hook),
            authentication: Some(Authentication { method: Some(none) }),
            event_types: vec![EVENT.to_owned()],
            active: Some(true),
            ..settings
        };
        let webhook = self.stack.create_webhook(webhook).await.unwrap();
        let known = self
            .stack
            .wait_until_matched(&self.receiver, account, EVENT, hook);
        known.await.unwrap();
        webhook
    }

    async fn publish(&self, account: u64, numbers: std::ops::Range<u64>) {
        let lines: Vec<String> = numbers.map(|number| numbered(EVENT, number)).collect();
        let reply = self
            .stack
            .publish(account, "application/x-ndjson", lines.join("\n"));
        assert_eq!(reply.await.unwrap().status, 202);
    }

    /// Waits until a hook was sent so many requests that it took.
    async fn taken(&self, hook: &str, enough: impl Fn(&[Received]) -> bool) -> Vec<Received> {
        let taken = |all: &[Received]| -> Vec<Received> {
            let taken = all.iter().filter(|one| &*one.hook == hook && one.is_delivered());
            taken.cloned().collect()
        };
        let come = self
            .receiver
            .wait_for("what is taken", LIMIT, |all| enough(&taken(all)))
            .await;
        come.unwrap_or_else(|error| panic!("{error}\n{}", self.stack.logs()));
        taken(&self.receiver.received())
    }

    /// The same, when it must fail: what it says.
    fn refused(&self, arguments: &[&str]) -> String {
        let arguments = [&["webhook"], arguments].concat();
        let wrote = tokio::task::block_in_place(|| process::run(&arguments, &self.env));
        wrote.unwrap_err().to_string()
    }

    /// Runs `angarium webhook …` as an administrator does; its JSON.
    fn command(&self, arguments: &[&str]) -> Value {
        let arguments = [&["webhook"], arguments, &["--output", "json"]].concat();
        let wrote = tokio::task::block_in_place(|| process::run(&arguments, &self.env));
        let wrote = wrote.unwrap_or_else(|error| panic!("{error}\n{}", self.stack.logs()));
        serde_json::from_str(&wrote).unwrap_or(Value::Null)
    }

    /// What delivery was asked for of a webhook, by the audit log, the latest first.
    fn asked_for(&self, account: u64, webhook: &Webhook) -> Vec<Value> {
        let of = format!("webhook/{}", webhook.id);
        let account = account.to_string();
        let arguments = ["audit", "--account", &account, "--of", &of, "--output", "json"];
        let mut env = self.env.clone();
        let registry = "ANGARIUM_REGISTRY_ENDPOINT";
        env.insert(registry.to_owned(), self.stack.registry_endpoint().to_owned());
        let wrote = tokio::task::block_in_place(|| process::run(&arguments, &env)).unwrap();
        let all: Vec<Value> = serde_json::from_str(&wrote).unwrap();
        all.into_iter().filter(|told| !told["asked"].is_null()).collect()
    }

    async fn stored(&self, webhook: &Webhook) -> Webhook {
        let mut registry = self.stack.registry_client().unwrap();
        let asked = GetWebhookRequest {
            account_id: webhook.account_id,
            id: webhook.id.clone(),
        };
        let answer = registry.get_webhook(asked).await.unwrap().into_inner();
        answer.webhook.unwrap()
    }
}

/// The numbers of the events of a request.
fn numbers(request: &Received) -> Vec<u64> {
    let body: Value = serde_json::from_slice(&request.body).unwrap();
    match body.get("events") {
        Some(Value::Array(events)) => events
            .iter()
            .map(|event| event["data"]["n"].as_u64().unwrap())
            .collect(),
        _ => vec![body["data"]["n"].as_u64().unwrap()],
    }
}

fn all_numbers(requests: &[Received]) -> Vec<u64> {
    requests.iter().flat_map(numbers).collect()
}

fn header(request: &Received, name: &str) -> Option<String> {
    let value = request.headers.get(name)?;
    Some(value.to_str().unwrap().to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_is_refused_for_good_is_put_aside_listed_and_resent_by_its_position() {
    let world = World::new().await;
    let settings = Webhook {
        payload_format: PayloadFormat::Single.into(),
        dead_letter: Some(DeadLetter { after_attempts: 1 }),
        ..Webhook::default()
    };
    let webhook = world.webhook(1, "picky", settings).await;
    world.receiver.next("picky", 1, &Answer::Status(200));
    world.receiver.next("picky", 1, &Answer::Status(422));
    world.publish(1, 1..4).await;
    let taken = world.taken("picky", |taken| taken.len() == 2).await;
    assert_eq!(
        all_numbers(&taken),
        [1, 3],
        "what comes behind the refused one goes on"
    );

    let listed = world.command(&["dead-letters", &webhook.id, "--account", "1"]);
    let [letter] = listed.as_array().unwrap().as_slice() else {
        panic!("one event was put aside: {listed}");
    };
    assert_eq!(
        (&letter["eventId"], &letter["status"]),
        (&"event-2".into(), &422.into())
    );
    let position = letter["position"].as_str().unwrap();
    world.command(&["resend", &webhook.id, position, "--account", "1"]);
    let taken = world.taken("picky", |taken| taken.len() == 3).await;
    assert_eq!(numbers(&taken[2]), [2]);
    assert_eq!(header(&taken[2], "angarium-again").as_deref(), Some("resend"));
    assert_eq!(header(&taken[2], "angarium-position").as_deref(), Some(position));

    let all = [
        "replay",
        "--account",
        "1",
        &webhook.id,
        "--from",
        "2020-01-01T00:00:00Z",
        "--dead-letters",
    ];
    let counted = world.command(&[&all[..], &["--dry-run"]].concat());
    assert_eq!(counted["events"], 1);
    assert_eq!(world.command(&all)["events"], 1);
    let taken = world.taken("picky", |taken| taken.len() == 4).await;
    assert_eq!(numbers(&taken[3]), [2], "what was put aside is sent again");

    let refused = world.refused(&["resend", &webhook.id, "99-0", "--account", "1"]);
    assert!(refused.contains("has no event at 99-0"), "{refused}");
}

#[tokio::test(flavor = "multi_thread")]
async fn d6_an_event_that_fails_of_an_unordered_webhook_holds_up_no_other_and_comes_again_under_its_id() {
    let world = World::new().await;
    let settings = Webhook {
        ordering: Ordering::Unordered.into(),
        payload_format: PayloadFormat::Single.into(),
        ..Webhook::default()
    };
    world.webhook(4, "loose", settings).await;
    world.receiver.next("loose", 1, &Answer::Status(500));
    world.publish(4, 0..EVENTS).await;
    let all = usize::try_from(EVENTS).unwrap();
    let taken = world.taken("loose", |taken| taken.len() == all).await;
    let mut each = all_numbers(&taken);
    each.sort_unstable();
    assert_eq!(each, (0..EVENTS).collect::<Vec<_>>(), "each came once");

    let received = world.receiver.received();
    let mine: Vec<&Received> = received.iter().filter(|one| &*one.hook == "loose").collect();
    let failed = mine.iter().find(|one| !one.is_delivered()).unwrap();
    let again = taken
        .iter()
        .position(|one| numbers(one) == numbers(failed))
        .unwrap();
    assert!(again > 0, "others come before its retry");
    assert_eq!(header(failed, "webhook-id"), header(&taken[again], "webhook-id"));
}

#[tokio::test(flavor = "multi_thread")]
async fn d8_a_replay_counts_first_sends_all_again_in_order_and_says_so_and_positions_show_no_gap() {
    let world = World::new().await;
    let webhook = world.webhook(2, "replayed", Webhook::default()).await;
    world.publish(2, 0..EVENTS).await;
    let expected: Vec<u64> = (0..EVENTS).collect();
    let first = world
        .taken("replayed", |taken| all_numbers(taken).len() == expected.len())
        .await;
    assert_eq!(all_numbers(&first), expected);
    let follows =
        |pair: &[Received]| header(&pair[1], "angarium-previous") == header(&pair[0], "angarium-position");
    assert!(first.windows(2).all(follows), "D8: each names the one before it");

    let position = header(&first[0], "angarium-position").unwrap();
    let first_group = numbers(&first[0]).len();
    let from = [
        "replay",
        "--account",
        "2",
        &webhook.id,
        "--from-position",
        &position,
    ];
    // From the last event of the first group on.
    let again = expected.len() - first_group + 1;
    let counted = world.command(&[&from[..], &["--dry-run"]].concat());
    assert_eq!(counted["events"], again);
    let ordered = world.command(&from);
    let replay = ordered["replay"].as_i64().unwrap().to_string();
    let taken = world
        .taken("replayed", |taken| {
            all_numbers(taken).len() == expected.len() + again
        })
        .await;
    let replayed = &taken[first.len()..];
    assert_eq!(all_numbers(replayed), expected[first_group - 1..]);
    let says_so = |request: &Received| header(request, "angarium-again").as_deref() == Some("replay");
    assert!(replayed.iter().all(says_so));
    let done = poll(LIMIT, async || {
        let status = world.command(&["replay-status", &webhook.id, &replay, "--account", "2"]);
        Ok((status["state"] == "done").then_some(()))
    });
    done.await.unwrap().expect("the replay is done");
    // Who asked for it is told; that it was counted first changes nothing, and is not.
    let asked: Vec<_> = world.asked_for(2, &webhook);
    assert_eq!(asked.len(), 1, "{asked:?}");
    assert_eq!(
        (&asked[0]["method"], &asked[0]["who"]),
        (&json!("ReplayWebhook"), &json!("operator key"))
    );
    assert_eq!(asked[0]["asked"]["fromPosition"], position);

    world.publish(2, EVENTS..EVENTS + 1).await;
    let taken = world
        .taken("replayed", |taken| all_numbers(taken).last() == Some(&EVENTS))
        .await;
    let last = taken.last().unwrap();
    assert_eq!(header(last, "angarium-again"), None);
    assert_eq!(
        header(last, "angarium-previous"),
        header(first.last().unwrap(), "angarium-position"),
        "it goes on where it was"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replay_by_time_that_is_cancelled_ends_and_what_is_new_goes_on() {
    let world = World::new().await;
    let limits = Limits {
        max_group_events: Some(5),
        ..Limits::default()
    };
    let settings = Webhook {
        limits: Some(limits),
        ..Webhook::default()
    };
    let webhook = world.webhook(5, "cancelled", settings).await;
    world.publish(5, 0..EVENTS).await;
    let all: Vec<u64> = (0..EVENTS).collect();
    let first = world
        .taken("cancelled", |taken| all_numbers(taken).len() == all.len())
        .await;

    let of = ["--account", "5", &webhook.id];
    let by_time = [&["replay"], &of[..], &["--from", "2020-01-01T00:00:00Z"]].concat();
    let counted = world.command(&[&by_time[..], &["--dry-run"]].concat());
    // With the event that showed that the webhook is known.
    assert!(counted["events"].as_u64().unwrap() >= EVENTS, "{counted}");
    let none = world.command(&[&by_time[..], &["--until", "2020-01-02T00:00:00Z", "--dry-run"]].concat());
    assert_eq!(none["events"], 0);

    // Its receiver keeps it waiting: no second group is sent before the first is answered.
    let gate = Gate::closed();
    world
        .receiver
        .always("cancelled", Answer::Gated(gate.clone(), 200));
    let replay = world.command(&by_time)["replay"].as_i64().unwrap().to_string();
    let state_is = async |state: &str| {
        let reached = poll(LIMIT, async || {
            let status = world.command(&["replay-status", &webhook.id, &replay, "--account", "5"]);
            Ok((status["state"] == state).then_some(()))
        });
        let reached = reached.await.unwrap();
        reached.unwrap_or_else(|| panic!("the replay is not {state}\n{}", world.stack.logs()));
    };
    state_is("running").await;
    world.command(&[&["replay-cancel"], &of[..]].concat());
    state_is("replaced").await;
    gate.open();
    world.publish(5, EVENTS..EVENTS + 1).await;
    let taken = world
        .taken("cancelled", |taken| all_numbers(taken).last() == Some(&EVENTS))
        .await;
    let replayed: Vec<_> = taken[first.len()..]
        .iter()
        .filter(|request| header(request, "angarium-again").as_deref() == Some("replay"))
        .collect();
    let ids: BTreeSet<_> = replayed.iter().map(|request| &request.webhook_id).collect();
    assert_eq!(
        ids.len(),
        1,
        "of what was to be replayed only the group that was under way"
    );
    let last = taken.last().unwrap();
    assert_eq!(
        header(last, "angarium-previous"),
        header(first.last().unwrap(), "angarium-position"),
        "it goes on where it was"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn d2_a_receiver_that_is_gone_has_its_webhook_switched_off_and_what_waited_comes_when_it_is_on() {
    let world = World::new().await;
    let webhook = world.webhook(3, "gone", Webhook::default()).await;
    world.receiver.always("gone", Answer::Status(410));
    world.publish(3, 0..1).await;
    let off = poll(LIMIT, async || {
        let stored = world.stored(&webhook).await;
        Ok((stored.active == Some(false)).then_some(stored))
    });
    let stored = off.await.unwrap().expect("it is switched off");
    let disabled = stored.disabled.unwrap();
    assert_eq!(disabled.reason(), DisabledReason::Gone);
    assert!(disabled.detail.contains("410"), "{}", disabled.detail);

    world.receiver.always("gone", Answer::Status(200));
    let mut registry = world.stack.registry_client().unwrap();
    let mut on = UpdateWebhookRequest {
        webhook: Some(Webhook {
            active: Some(true),
            ..world.stored(&webhook).await
        }),
        update_mask: None,
    };
    on.update_mask.get_or_insert_default().paths = vec!["active".to_owned()];
    registry.update_webhook(on).await.unwrap();
    let taken = world.taken("gone", |taken| !taken.is_empty()).await;
    assert_eq!(all_numbers(&taken), [0]);
}
