//! Every method of every service, and the one HTTP call, with every kind of key: nobody gets in who does not belong, and
//! nobody sees another account.
//!
//! What is called comes from the definitions of the services: a method that has no request here fails the test.

mod anything;
mod requests;

use std::collections::BTreeMap;
use std::time::Duration;

use angarium_model::Scope;
use angarium_proto::METHOD_SCOPES;
use angarium_proto::access::v1::Role;
use angarium_proto::event::v1 as event;
use angarium_proto::event::v1::publish_stream_response::Outcome;
use angarium_proto::registry::v1::{self, ApiKey, api_key::Grant};
use angarium_runtime::Clock;
use angarium_runtime::access::OperatorKey;
use angarium_testkit::http;
use angarium_testkit::receiver::Receiver;
use angarium_testkit::stack::{Backends, Stack};
use prost::Message;
use tonic::{Code, Status};

use crate::setup::unsigned_webhook;
use anything::Anything;
use requests::{Things, requests};

/// The account whose things are asked for, and the account of a stranger.
const OWN: u64 = 1;
const OTHER: u64 = 2;
const EVENT: &str = "CI_STATS";
const GET_ACCOUNT: &str = "/angarium.registry.v1.RegistryService/GetAccount";

/// How a call with some key is to be answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Answer {
    /// Not let in.
    Stranger,
    /// Let in, and not allowed.
    Forbidden,
    /// As if there were no such account.
    Nothing,
    /// Neither of these: what becomes of the request is its own matter.
    Taken,
}

impl Answer {
    /// What an answer is, to a request about things of [`OWN`].
    fn of(answered: Result<Vec<u8>, Status>, method: &str) -> Self {
        let unseen = |message: &str| {
            message.contains(&format!("no account {OWN}"))
                || message.contains(&format!("account {OWN} does not exist"))
        };
        match answered {
            Err(status) => match status.code() {
                Code::Unauthenticated => Self::Stranger,
                Code::PermissionDenied => Self::Forbidden,
                Code::NotFound if unseen(status.message()) => Self::Nothing,
                _ => Self::Taken,
            },
            // A stream answers each event.
            Ok(message) if method.ends_with("/PublishStream") => {
                let answer = event::PublishStreamResponse::decode(message.as_slice()).unwrap();
                match answer.outcome.unwrap() {
                    Outcome::Refused(refused) if unseen(&refused.message) => Self::Nothing,
                    Outcome::Refused(_) | Outcome::Accepted(_) => Self::Taken,
                }
            }
            Ok(_) => Self::Taken,
        }
    }
}

/// Who calls.
#[derive(Clone, Copy, Debug)]
enum Caller {
    /// Without a key, or with one that is none, or none any more.
    Nobody,
    Viewer,
    Administrator,
    /// Of another account.
    Neighbour,
    /// With a key of the platform.
    Operator,
    /// One of Angarium's own services, or whoever has the key of the settings.
    Service,
}

impl Caller {
    fn is_to_be_answered(self, method: &str, scope: Scope) -> Answer {
        // They show what the caller may see, or nothing of any account.
        let lists_what_is_seen = ["/ListAccounts", "/TestFilter"]
            .iter()
            .any(|name| method.ends_with(name));
        match self {
            Self::Nobody => Answer::Stranger,
            Self::Viewer if scope != Scope::Read => Answer::Forbidden,
            Self::Administrator | Self::Neighbour if scope.is_of_platform() => Answer::Forbidden,
            Self::Operator if scope == Scope::Serve => Answer::Forbidden,
            Self::Neighbour if !lists_what_is_seen => Answer::Nothing,
            Self::Viewer | Self::Administrator | Self::Neighbour | Self::Operator | Self::Service => {
                Answer::Taken
            }
        }
    }
}

/// A key for callers of the account: its token.
async fn key(
    stack: &Stack,
    account_id: Option<u64>,
    role: Role,
    expires_at_ms: Option<i64>,
) -> (ApiKey, String) {
    let key = ApiKey {
        account_id,
        name: "a caller".into(),
        grant: Some(Grant::Role(role.into())),
        expires_at_ms,
        ..ApiKey::default()
    };
    let request = v1::CreateApiKeyRequest { api_key: Some(key) };
    let made = stack
        .registry_client()
        .unwrap()
        .create_api_key(request)
        .await
        .unwrap();
    let made = made.into_inner();
    (made.api_key.unwrap(), made.token)
}

async fn revoked(stack: &Stack) -> String {
    let (key, token) = key(stack, Some(OWN), Role::Administrator, None).await;
    let request = v1::DeleteApiKeyRequest {
        account_id: Some(OWN),
        id: key.id,
        revision: 0,
    };
    stack
        .registry_client()
        .unwrap()
        .delete_api_key(request)
        .await
        .unwrap();
    token
}

/// A key whose time is over.
async fn expired(stack: &mut Stack) -> String {
    let soon = Clock::system().now_ms() + 1_000;
    let (_, token) = key(stack, Some(OWN), Role::Administrator, Some(soon)).await;
    let registry = Anything::at(stack.registry_endpoint());
    let is_over = || async {
        let request = v1::GetAccountRequest { id: OWN }.encode_to_vec();
        let answered = registry.call(GET_ACCOUNT, Some(&token), request).await;
        answered.is_err_and(|status| status.code() == Code::Unauthenticated)
    };
    stack
        .registry
        .wait_until(Duration::from_secs(20), is_over)
        .await
        .unwrap();
    token
}

/// Everything that is called, and where.
struct World {
    stack: Stack,
    delivery: String,
    fanout: String,
    requests: BTreeMap<String, Vec<u8>>,
    _receiver: Receiver,
}

impl World {
    async fn new() -> Self {
        let [delivery, fanout] = angarium_local::free_ports()
            .unwrap()
            .map(|port| format!("127.0.0.1:{port}"));
        let settings = [
            ("ANGARIUM_DELIVERY_GRPC_LISTEN", delivery.as_str()),
            ("ANGARIUM_FANOUT_GRPC_LISTEN", fanout.as_str()),
        ];
        let mut stack = Stack::start_with(&Backends::shared().unwrap(), &settings)
            .await
            .unwrap();
        for account in [OWN, OTHER] {
            stack.create_account(account).await.unwrap();
        }
        let receiver = Receiver::start().await.unwrap();
        let webhook = unsigned_webhook(&stack, &receiver, OWN, "hook", &[EVENT])
            .await
            .unwrap();
        let (key, _) = key(&stack, Some(OWN), Role::Viewer, None).await;
        let (delivery, fanout) = (format!("http://{delivery}"), format!("http://{fanout}"));
        for (process, at) in [(&mut stack.delivery[0], &delivery), (&mut stack.fanout, &fanout)] {
            let probe = Anything::at(at);
            let serves = || async {
                let asked = probe.call("/grpc.health.v1.Health/Check", None, Vec::new()).await;
                asked.is_ok()
            };
            process.wait_until(Duration::from_secs(60), serves).await.unwrap();
        }
        Self {
            requests: requests(&Things { webhook, key }),
            stack,
            delivery,
            fanout,
            _receiver: receiver,
        }
    }

    /// Calls every method with this key.
    async fn try_all(&self, caller: Caller, key: Option<&str>) {
        let services = [
            (
                "/angarium.registry.",
                Anything::at(self.stack.registry_endpoint()),
            ),
            ("/angarium.audit.", Anything::at(self.stack.registry_endpoint())),
            ("/angarium.event.", Anything::at(self.stack.ingest_grpc())),
            ("/angarium.delivery.", Anything::at(&self.delivery)),
            ("/angarium.explain.", Anything::at(&self.fanout)),
            ("/angarium.journal.", Anything::at(&self.fanout)),
        ];
        for (method, scope) in METHOD_SCOPES {
            let request = self
                .requests
                .get(*method)
                .unwrap_or_else(|| panic!("no request is here for {method}"));
            let (_, service) = services
                .iter()
                .find(|(prefix, _)| method.starts_with(prefix))
                .unwrap();
            let answered = service.call(method, key, request.clone()).await;
            let told = format!("{caller:?} {method} {answered:?}");
            assert_eq!(
                Answer::of(answered, method),
                caller.is_to_be_answered(method, *scope),
                "{told}"
            );
        }
        let status = self.post(key).await;
        let expected = match caller.is_to_be_answered("", Scope::Publish) {
            Answer::Stranger => 401,
            Answer::Forbidden => 403,
            Answer::Nothing => 404,
            Answer::Taken => 202,
        };
        assert_eq!(status, expected, "{caller:?} over HTTP");
    }

    /// Publishes over HTTP; the status.
    async fn post(&self, key: Option<&str>) -> u16 {
        let body = format!(r#"{{"eventName":"{EVENT}","data":{{"n":1}}}}"#);
        let path = format!("/v1/accounts/{OWN}/events");
        let at = self.stack.ingest_http();
        let reply = http::post(
            at,
            &path,
            key.unwrap_or_default(),
            "application/json",
            body.into(),
        )
        .await;
        reply.unwrap().status
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_method_is_closed_to_who_does_not_belong_and_shows_nobody_another_account() {
    let mut world = World::new().await;
    world.try_all(Caller::Nobody, None).await;
    let wrong = OperatorKey::generate();
    world.try_all(Caller::Nobody, Some(wrong.expose())).await;
    let (_, viewer) = key(&world.stack, Some(OWN), Role::Viewer, None).await;
    let id_alone = viewer.rsplit_once('_').unwrap().0;
    world.try_all(Caller::Nobody, Some(id_alone)).await;
    let revoked = revoked(&world.stack).await;
    world.try_all(Caller::Nobody, Some(&revoked)).await;
    let expired = expired(&mut world.stack).await;
    world.try_all(Caller::Nobody, Some(&expired)).await;

    world.try_all(Caller::Viewer, Some(&viewer)).await;
    let (_, neighbour) = key(&world.stack, Some(OTHER), Role::Administrator, None).await;
    world.try_all(Caller::Neighbour, Some(&neighbour)).await;
    let (_, administrator) = key(&world.stack, Some(OWN), Role::Administrator, None).await;
    world.try_all(Caller::Administrator, Some(&administrator)).await;
    let (_, operator) = key(&world.stack, None, Role::Operator, None).await;
    world.try_all(Caller::Operator, Some(&operator)).await;
    let bootstrap = world.stack.key().clone();
    world.try_all(Caller::Service, Some(bootstrap.expose())).await;
}
