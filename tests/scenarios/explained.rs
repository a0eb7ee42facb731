//! W1, W7: a webhook with a filter gets the events that it wants, and an administrator is told why another did not come: as the
//! webhooks are now, and as they were when it was matched.

use std::collections::BTreeMap;
use std::time::Duration;

use angarium_proto::access::v1::Role;
use angarium_proto::registry::v1::api_key::Grant;
use angarium_proto::registry::v1::authentication::Method;
use angarium_proto::registry::v1::{
    ApiKey, Authentication, CreateApiKeyRequest, DeleteWebhookRequest, GetApiKeyRequest, NoAuthentication,
    UpdateWebhookRequest, Webhook,
};
use angarium_testkit::poll::poll;
use angarium_testkit::process;
use angarium_testkit::receiver::{Answer, Receiver};
use angarium_testkit::stack::Stack;
use serde_json::{Value, json};

use crate::setup::stack_that_answers;

const LIMIT: Duration = Duration::from_secs(60);
const ACCOUNT: u64 = 1;
const EVENT: &str = "COURSE_ENROLLMENT";

struct World {
    stack: Stack,
    receiver: Receiver,
    env: BTreeMap<String, String>,
}

impl World {
    async fn new() -> Self {
        let (stack, env) = stack_that_answers(&["FANOUT"]).await.unwrap();
        stack.create_account(ACCOUNT).await.unwrap();
        Self {
            receiver: Receiver::start().await.unwrap(),
            env,
            stack,
        }
    }

    async fn webhook(&self, name: &str, event_type: &str, filter: &str, active: bool) -> Webhook {
        let none = Method::None(NoAuthentication {});
        let webhook = Webhook {
            account_id: ACCOUNT,
            name: name.to_owned(),
            target_url: self.receiver.hook(name),
            authentication: Some(Authentication { method: Some(none) }),
            event_types: vec![event_type.to_owned()],
            filter: filter.to_owned(),
            active: Some(active),
            ..Webhook::default()
        };
        self.stack.create_webhook(webhook).await.unwrap()
    }

    /// Publishes the enrolment of a user; where it is then.
    async fn enrol(&self, user: u64) -> String {
        let event = json!({ "eventName": EVENT, "data": { "userId": user, "loType": "course" } });
        let reply = self.stack.publish(ACCOUNT, "application/json", event.to_string());
        let reply: Value = serde_json::from_slice(&reply.await.unwrap().body).unwrap();
        reply["accepted"][0]["position"].as_str().unwrap().to_owned()
    }

    fn explain(&self, arguments: &[&str]) -> Result<String, String> {
        ran(&[&["explain", "--account", "1"], arguments].concat(), &self.env)
    }

    /// Shows an event to whoever has this key, or to the operator.
    fn shown(&self, account: u64, position: &str, key: Option<&str>) -> Result<String, String> {
        let mut env = self.env.clone();
        env.extend(key.map(|key| ("ANGARIUM_API_KEY".to_owned(), key.to_owned())));
        let account = account.to_string();
        ran(
            &["event", position, "--account", &account, "--output", "json"],
            &env,
        )
    }

    async fn key(&self, account: u64, role: Role) -> String {
        let key = ApiKey {
            account_id: Some(account),
            name: "a caller".to_owned(),
            grant: Some(Grant::Role(role.into())),
            ..ApiKey::default()
        };
        let asked = CreateApiKeyRequest { api_key: Some(key) };
        let made = self.stack.registry_client().unwrap().create_api_key(asked).await;
        made.unwrap().into_inner().token
    }

    /// When a key was last used, as the registry knows.
    async fn last_used(&self, token: &str) -> Option<i64> {
        let id = token.rsplit_once('_').unwrap().0.to_owned();
        let asked = GetApiKeyRequest {
            account_id: Some(ACCOUNT),
            id,
        };
        let read = self.stack.registry_client().unwrap().get_api_key(asked).await;
        read.unwrap().into_inner().api_key.unwrap().last_used_at_ms
    }

    /// By the name of each webhook: what becomes of the event now, and what became of it.
    fn explained(&self, arguments: &[&str]) -> BTreeMap<String, [String; 2]> {
        let wrote = self
            .explain(&[arguments, &["--output", "json"]].concat())
            .unwrap();
        let rows: Vec<Value> = serde_json::from_str(&wrote).unwrap();
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let then = |row: &Value| row["then"]["outcome"].as_str().unwrap_or("not known").to_owned();
        rows.iter()
            .map(|row| (text(&row["name"]), [text(&row["now"]["outcome"]), then(row)]))
            .collect()
    }

    /// The same once the journal has it, which is written a moment later.
    async fn explained_with_the_past(&self, position: &str) -> BTreeMap<String, [String; 2]> {
        let asked = ["--position", position];
        let known = poll(LIMIT, async || {
            let explained = self.explained(&asked);
            let is_known = explained.values().all(|[_, then]| then != "not known");
            Ok(is_known.then_some(explained))
        });
        let known = known.await.unwrap();
        known.unwrap_or_else(|| panic!("the journal has no record of {position}\n{}", self.stack.logs()))
    }
}

fn ran(arguments: &[&str], env: &BTreeMap<String, String>) -> Result<String, String> {
    let wrote = tokio::task::block_in_place(|| process::run(arguments, env));
    wrote.map_err(|error| error.to_string())
}

fn outcomes(expected: &[(&str, &str, &str)]) -> BTreeMap<String, [String; 2]> {
    let outcome = |(name, now, then): &(&str, &str, &str)| {
        ((*name).to_owned(), [(*now).to_owned(), (*then).to_owned()])
    };
    expected.iter().map(outcome).collect()
}

/// E4: as it was published. Payloads are shown to keys that allow it, and of their own account.
async fn shows_what_events_carry_to_those_who_may(world: &World, position: &str) {
    const OTHER: u64 = 2;
    world.stack.create_account(OTHER).await.unwrap();
    let administrator = world.key(ACCOUNT, Role::Administrator).await;
    for key in [None, Some(administrator.as_str())] {
        let shown: Value = serde_json::from_str(&world.shown(ACCOUNT, position, key).unwrap()).unwrap();
        assert_eq!(shown["event"]["data"], json!({ "userId": 1, "loType": "course" }));
        assert_eq!(
            (&shown["position"], &shown["event"]["eventName"]),
            (&json!(position), &json!(EVENT))
        );
    }
    let viewer = world.key(ACCOUNT, Role::Viewer).await;
    assert_eq!(world.last_used(&viewer).await, None);
    let refused = world.shown(ACCOUNT, position, Some(&viewer)).unwrap_err();
    assert!(refused.contains("payloads:read"), "{refused}");
    // Fanout has let its bearer in, and tells.
    let noted = poll(LIMIT, async || Ok(world.last_used(&viewer).await)).await;
    noted.unwrap().expect("the use of a key is noted");
    let stranger = world.key(OTHER, Role::Administrator).await;
    for account in [ACCOUNT, OTHER] {
        let refused = world.shown(account, position, Some(&stranger)).unwrap_err();
        assert!(!refused.contains("loType"), "{refused}");
        let unseen = [
            format!("account {ACCOUNT}"),
            format!("account {OTHER} has no event at {position}"),
        ];
        assert!(unseen.iter().any(|unseen| refused.contains(unseen)), "{refused}");
    }
}

/// D2: that a receiver refuses what it is sent, and when it is sent again.
async fn how_calls_go_is_told(world: &World, wants: &Webhook) {
    world.receiver.always("wants", Answer::Status(500));
    let third = world.enrol(3).await;
    let told = poll(LIMIT, async || {
        let told = world.explain(&[&wants.id, "--position", &third]).unwrap();
        let lines = ["  event ", "failed with 500", "; again at "];
        Ok(lines.iter().all(|line| told.contains(line)).then_some(told))
    });
    let told = told.await.unwrap();
    assert!(
        told.is_some(),
        "{}",
        world.explain(&[&wants.id, "--position", &third]).unwrap()
    );
}

async fn what_a_deleted_webhook_was_like_is_told(world: &World, deleted: &Webhook, position: &str) {
    let delete = DeleteWebhookRequest {
        account_id: ACCOUNT,
        id: deleted.id.clone(),
        revision: 0,
    };
    let mut registry = world.stack.registry_client().unwrap();
    registry.delete_webhook(delete).await.unwrap();
    for one in [&[][..], &[&*deleted.id]] {
        let told = world.explain(&[one, &["--position", position]].concat()).unwrap();
        was_undecided(deleted, &told);
    }
}

fn was_undecided(deleted: &Webhook, told: &str) {
    let expected = format!(
        "{} undecided\n  now   deleted\n  then  filter has no answer: its filter had no answer for this event: ",
        deleted.id
    );
    assert!(told.contains(&expected), "{expected} is not in\n{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn w1_w7_why_an_event_reaches_a_webhook_or_not_is_told_as_it_is_and_as_it_was() {
    let world = World::new().await;
    let wants = world.webhook("wants", EVENT, "data.userId >= 2", true).await;
    world.webhook("off", "*", "", false).await;
    world.webhook("other", "CI_STATS", "", true).await;
    let undecided = world
        .webhook("undecided", "*", "data.enrollmentSource == 'SELF_ENROLL'", true)
        .await;

    // In this order: once the second has come, the first has been passed over.
    let (first, second) = (world.enrol(1).await, world.enrol(2).await);
    let of_wants =
        |all: &[angarium_testkit::receiver::Received]| all.iter().filter(|one| &*one.hook == "wants").count();
    let come = world
        .receiver
        .wait_for("the second event", LIMIT, |all| of_wants(all) > 0)
        .await;
    come.unwrap_or_else(|error| panic!("{error}\n{}", world.stack.logs()));
    let received = world.receiver.received();
    assert_eq!(received.len(), 1, "one event for one webhook");
    let body: Value = serde_json::from_slice(&received[0].body).unwrap();
    assert_eq!(body["events"][0]["data"]["userId"], 2);

    let rest = [
        ("off", "switched off", "switched off"),
        ("other", "takes other types", "takes other types"),
        ("undecided", "filter has no answer", "filter has no answer"),
    ];
    let of_first = [&rest[..], &[("wants", "filtered out", "filtered out")]].concat();
    assert_eq!(world.explained_with_the_past(&first).await, outcomes(&of_first));
    let of_second = [&rest[..], &[("wants", "gets it", "gets it")]].concat();
    assert_eq!(world.explained_with_the_past(&second).await, outcomes(&of_second));

    shows_what_events_carry_to_those_who_may(&world, &first).await;

    let mut change = UpdateWebhookRequest {
        webhook: Some(Webhook {
            id: wants.id.clone(),
            account_id: ACCOUNT,
            ..Webhook::default()
        }),
        update_mask: None,
    };
    change.update_mask.get_or_insert_default().paths = vec!["filter".into()];
    world
        .stack
        .registry_client()
        .unwrap()
        .update_webhook(change)
        .await
        .unwrap();
    let told = world.explain(&[&wants.id, "--position", &first]).unwrap();
    for part in [
        "gets it",
        "it takes COURSE_ENROLLMENT",
        "filtered out: its filter was not true of this event (data.userId is 1); created or changed since",
    ] {
        assert!(told.contains(part), "{part} is not in\n{told}");
    }

    how_calls_go_is_told(&world, &wants).await;
    what_a_deleted_webhook_was_like_is_told(&world, &undecided, &first).await;

    let sample = world.explained(&["--event-type", EVENT]);
    assert_eq!(sample["wants"], ["gets it", "not known"]);
    let refused = world.explain(&["--position", "0-1000000"]).unwrap_err();
    for part in ["exit status: 5", "account 1 has no event at 0-1000000"] {
        assert!(refused.contains(part), "{refused}");
    }
}
