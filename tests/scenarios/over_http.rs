//! All that people and programs ask of an installation, over the HTTP of the registry, whichever service answers it: with one address,
//! one key, and the product's own id of the account (issue 5, W5, D8).

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use angarium_testkit::http::{self, Method, Reply};
use angarium_testkit::poll::poll;
use angarium_testkit::process;
use angarium_testkit::receiver::{Received, Receiver};
use angarium_testkit::stack::Stack;
use serde_json::{Value, json};

use crate::setup::stack_that_answers;

const LIMIT: Duration = Duration::from_secs(60);
const EVENT: &str = "COURSE_ENROLLMENT";
/// Of account 1.
const AT: &str = "/v1/accounts/ext:acme";

struct World {
    stack: Stack,
    env: BTreeMap<String, String>,
    receiver: Receiver,
    registry: String,
}

impl World {
    async fn new() -> Self {
        let (stack, env) = stack_that_answers(&["FANOUT", "DELIVERY"]).await.unwrap();
        Self {
            registry: stack.env()["ANGARIUM_REGISTRY_HTTP_LISTEN"].clone(),
            receiver: Receiver::start().await.unwrap(),
            env,
            stack,
        }
    }

    async fn call(&self, method: Method, path: &str, key: &str, body: Value) -> Reply {
        let body = (!body.is_null()).then_some(&body);
        http::call(&self.registry, method, path, key, body).await.unwrap()
    }

    /// What the operator is answered.
    async fn asked(&self, method: Method, path: &str, body: Value) -> Value {
        let reply = self.call(method, path, self.stack.key().expose(), body).await;
        let told = String::from_utf8_lossy(&reply.body).into_owned();
        assert!(
            (200..300).contains(&reply.status),
            "{path}: {} {told}",
            reply.status
        );
        if reply.body.is_empty() {
            Value::Null
        } else {
            reply.json().unwrap()
        }
    }

    async fn got(&self, path: &str) -> Value {
        self.asked(Method::GET, path, Value::Null).await
    }

    async fn status(&self, method: Method, path: &str, key: &str, body: Value) -> u16 {
        self.call(method, path, key, body).await.status
    }

    /// Waits until the receiver got a POST that was sent again for this reason, or for the first time.
    async fn comes(&self, what: &str, again: Option<&str>) {
        let is_it = |one: &Received| {
            one.headers
                .get("angarium-again")
                .map(|value| value.to_str().unwrap())
                == again
        };
        let came = self
            .receiver
            .wait_for(what, LIMIT, |all| all.iter().any(is_it))
            .await;
        came.unwrap_or_else(|error| panic!("{error}\n{}", self.stack.logs()));
    }

    /// A key of an account, for this role.
    async fn key(&self, account: &str, role: &str) -> String {
        let key = json!({ "name": role, "role": role });
        let made = self.asked(Method::POST, &format!("{account}/keys"), key).await;
        made["token"].as_str().unwrap().to_owned()
    }
}

fn position(text: &str) -> Value {
    let (partition, offset) = text.split_once('-').unwrap();
    json!({ "partition": partition.parse::<i32>().unwrap(), "offset": offset.parse::<i64>().unwrap() })
}

/// An account, a webhook of it, and an event that has reached it: the webhook's path, and the event's position.
async fn prepared(world: &World) -> (String, String) {
    let account = json!({ "id": 1, "externalId": "acme" });
    world.asked(Method::POST, "/v1/accounts", account).await;
    let webhook = json!({
        "name": "hr",
        "targetUrl": world.receiver.hook("hr"),
        "authentication": {"none": {}},
        "eventTypes": [EVENT],
    });
    let created = world
        .asked(Method::POST, &format!("{AT}/webhooks"), webhook)
        .await;
    let id = created["webhook"]["id"].as_str().unwrap();
    let event = json!({ "eventName": EVENT, "data": { "userId": 1 } }).to_string();
    let (ingest, key) = (world.stack.ingest_http(), world.stack.key().expose());
    let path = format!("{AT}/events");
    let published = http::post(ingest, &path, key, "application/json", event.into());
    let published = published.await.unwrap().json().unwrap();
    let at = published["accepted"][0]["position"].as_str().unwrap().to_owned();
    world.comes("the event", None).await;
    (format!("{AT}/webhooks/{id}"), at)
}

async fn is_explained_and_shown(world: &World, at: &str) {
    let shown = world.got(&format!("{AT}/events/{at}")).await;
    assert_eq!(shown["data"], json!({ "userId": 1 }).to_string());
    let asked = json!({ "position": position(at) });
    let explained = world.asked(Method::POST, &format!("{AT}/explain"), asked).await;
    assert_eq!(
        explained["explanations"][0]["now"]["outcome"], "matches",
        "{explained}"
    );
    let sample = json!({ "eventType": "CI_STATS" });
    let explained = world.asked(Method::POST, &format!("{AT}/explain"), sample).await;
    assert_eq!(explained["explanations"][0]["now"]["outcome"], "other_type");
}

async fn w5_is_tested(world: &World, webhook: &str) {
    let stored = world
        .asked(Method::POST, &format!("{webhook}/test"), json!({}))
        .await;
    assert_eq!(stored["delivered"], true, "{stored}");
    let other = json!({ "webhook": {
        "name": "new",
        "targetUrl": world.receiver.hook("new"),
        "authentication": {"signature": {}},
        "eventTypes": ["*"],
    }});
    let tested = world
        .asked(Method::POST, &format!("{AT}/test-webhook"), other)
        .await;
    assert_eq!(tested["delivered"], true, "{tested}");
    assert!(tested["generatedSecret"].as_str().unwrap().starts_with("whsec_"));
}

async fn d8_is_sent_again(world: &World, webhook: &str, at: &str) {
    let replays = format!("{webhook}/replays");
    let dry = json!({ "lane": "realtime", "fromMs": 0, "dryRun": true });
    let counted = world.asked(Method::POST, &replays, dry).await;
    assert_eq!(counted["events"], 1, "{counted}");
    let order = json!({ "lane": "realtime", "fromMs": 0 });
    let ordered = world.asked(Method::POST, &replays, order).await;
    let replay = format!("{webhook}/replays/{}?lane=realtime", ordered["replayId"]);
    world.comes("the replay", Some("replay")).await;
    let done = poll(LIMIT, async || {
        let replay = world.got(&replay).await;
        Ok((replay["state"] == "done").then_some(()))
    });
    assert!(done.await.unwrap().is_some(), "the replay is not done");
    assert!(world.asked(Method::DELETE, &replay, Value::Null).await.is_null());
    let again = json!({ "position": position(at) });
    world
        .asked(Method::POST, &format!("{webhook}/resend"), again)
        .await;
    world.comes("the event once more", Some("resend")).await;
    let aside = world.got(&format!("{webhook}/dead-letters")).await;
    assert_eq!(aside["deadLetters"], json!([]));
}

/// What the journal has, in pages of this size, by the kind of each entry.
async fn journal(world: &World, query: &str, size: u32) -> Vec<Value> {
    let (mut all, mut token) = (Vec::new(), String::new());
    loop {
        let page = world
            .got(&format!("{AT}/journal?{query}&pageSize={size}&pageToken={token}"))
            .await;
        let entries = page["entries"].as_array().unwrap();
        assert!(entries.len() <= usize::try_from(size).unwrap());
        all.extend(entries.iter().cloned());
        match page["nextPageToken"].as_str() {
            None | Some("") => return all,
            Some(next) => next.clone_into(&mut token),
        }
    }
}

async fn the_journal_tells_it(world: &World, webhook: &str, at: &str) {
    let id = webhook.rsplit('/').next().unwrap();
    let of_webhook = format!("webhookId={id}");
    let count = |all: &[Value], kind: &str| all.iter().filter(|entry| !entry[kind].is_null()).count();
    // The event, its replay and its resend: three attempts, the last of which is in the journal a moment later.
    let known = poll(LIMIT, async || {
        let all = journal(world, &of_webhook, 1_000).await;
        Ok((count(&all, "attempt") >= 3 && count(&all, "matched") == 1).then_some(all))
    });
    let all = known.await.unwrap().expect("the journal tells of the attempts");
    let times: Vec<i64> = all.iter().map(|entry| entry["atMs"].as_i64().unwrap()).collect();
    let kinds = |all: &[Value]| all.iter().map(ToString::to_string).collect::<BTreeSet<_>>().len();
    assert!(times.first() >= times.last(), "the latest comes first: {times:?}");
    assert_eq!(kinds(&all), all.len(), "none is there twice");
    assert_eq!(
        journal(world, &of_webhook, 1).await,
        all,
        "pages of one are the same"
    );
    let of_event = journal(world, &format!("position={at}"), 1_000).await;
    assert_eq!((count(&of_event, "attempt"), count(&of_event, "matched")), (3, 1));
    assert!(journal(world, "untilMs=1", 1_000).await.is_empty());
    assert_eq!(
        journal(world, &format!("{of_webhook}&fromMs=1"), 1_000).await,
        all
    );

    let mut env = world.env.clone();
    env.insert(
        "ANGARIUM_REGISTRY_ENDPOINT".to_owned(),
        world.stack.registry_endpoint().to_owned(),
    );
    let told = tokio::task::block_in_place(|| {
        process::run(&["journal", "--account", "ext:acme", "--event", at], &env).unwrap()
    });
    assert!(told.contains(&format!("matched {EVENT}")), "{told}");
    assert_eq!(told.matches("delivered with 200").count(), 3, "{told}");
    let refused = tokio::task::block_in_place(|| process::run(&["journal", "--account", "ext:acm"], &env));
    let refused = refused.unwrap_err().to_string();
    assert!(
        refused.contains("no account with the external id acm"),
        "{refused}"
    );
}

async fn nobody_else_is_told(world: &World, webhook: &str, at: &str) {
    world
        .asked(
            Method::POST,
            "/v1/accounts",
            json!({ "id": 2, "externalId": "other" }),
        )
        .await;
    let stranger = world.key("/v1/accounts/2", "administrator").await;
    let viewer = world.key(AT, "viewer").await;
    for (path, body) in [
        (format!("GET {AT}/events/{at}"), Value::Null),
        (format!("GET {AT}/journal"), Value::Null),
        ("GET /v1/accounts/1/journal".to_owned(), Value::Null),
        (format!("POST {AT}/explain"), json!({ "eventType": EVENT })),
        (format!("POST {webhook}/test"), json!({})),
    ] {
        let (method, path) = path.split_once(' ').unwrap();
        let method: Method = method.parse().unwrap();
        let status = world.status(method, path, &stranger, body).await;
        assert_eq!(status, 404, "{path}");
    }
    let (test, event) = (format!("{webhook}/test"), format!("{AT}/events/{at}"));
    assert_eq!(world.status(Method::POST, &test, &viewer, json!({})).await, 403);
    assert_eq!(world.status(Method::GET, &event, &viewer, Value::Null).await, 403);
    assert_eq!(
        world
            .status(Method::GET, &event, "nobody-who-is-known", Value::Null)
            .await,
        401
    );
    let journal = format!("{AT}/journal");
    assert_eq!(
        world.status(Method::GET, &journal, &viewer, Value::Null).await,
        200
    );
    for wrong in ["journal?webhookId=wh_1", "journal?position=3", "events/3"] {
        let path = format!("{AT}/{wrong}");
        assert_eq!(
            world.status(Method::GET, &path, &viewer, Value::Null).await,
            422,
            "{wrong}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn d8_w5_what_fanout_and_delivery_answer_is_asked_at_the_registry_as_well() {
    let mut world = World::new().await;
    let (webhook, at) = prepared(&world).await;
    is_explained_and_shown(&world, &at).await;
    w5_is_tested(&world, &webhook).await;
    d8_is_sent_again(&world, &webhook, &at).await;
    the_journal_tells_it(&world, &webhook, &at).await;
    nobody_else_is_told(&world, &webhook, &at).await;

    world.stack.delivery[0].kill().unwrap();
    let key = world.stack.key().expose().to_owned();
    let away = world
        .call(Method::POST, &format!("{webhook}/test"), &key, json!({}))
        .await;
    assert_eq!(away.status, 503, "{:?}", away.body);
    assert!(away.headers.contains_key("retry-after"));
    let told = away.json().unwrap();
    assert!(
        told["detail"]
            .as_str()
            .unwrap()
            .contains("delivery cannot be reached"),
        "{told}"
    );
}
