//! Webhooks tested over gRPC, as callers do, at receivers that behave in every way.

use std::net::SocketAddr;
use std::time::Duration;

use angarium_directory::Keep;
use angarium_model::{Account, AccountId, Revision, SecretText, TargetUrl, TypePattern, WebhookId};
use angarium_policy::egress::Rules;
use angarium_proto::delivery::v1::delivery_service_client::DeliveryServiceClient;
use angarium_proto::delivery::v1::test_webhook_request::Target as Wanted;
use angarium_proto::delivery::v1::test_webhook_response::Outcome;
use angarium_proto::delivery::v1::{
    CallFailure, ReceivedAnswer, SentRequest, TestWebhookRequest, TestWebhookResponse,
};
use angarium_proto::registry::v1 as registry;
use angarium_proto::registry::v1::authentication::Method;
use angarium_runtime::access::OperatorKey;
use angarium_runtime::{Shutdown, grpc};
use angarium_signing::{DEFAULT_TOLERANCE, Secret, Verifier};
use angarium_testkit::described;
use angarium_testkit::receiver::{Answer, Gate, Receiver};
use tonic::Code;
use tonic_types::StatusExt as _;

use super::*;
use crate::call::Authorities;
use crate::server;

const ACCOUNT: u64 = 1234;
const HOOK: &str = "hook";
const SECRET: &str = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
const SOON: Duration = Duration::from_secs(30);

/// Enough for a machine of tests, short enough to wait for.
const PATIENCE: Patience = Patience {
    connect: Duration::from_secs(10),
    answer: Duration::from_millis(500),
};

/// A tester that serves, and a receiver.
struct World {
    receiver: Receiver,
    channel: grpc::Client,
    tasks: Tasks,
}

impl World {
    /// Account 1234 has webhook 1, whose calls are signed and which is switched off.
    async fn new() -> Self {
        Self::with(Rules::this_machine(), PATIENCE).await
    }

    async fn with(rules: Rules, patience: Patience) -> Self {
        let receiver = Receiver::start().await.unwrap();
        receiver.verify(HOOK, &[SECRET.parse().unwrap()]).unwrap();
        let stored = stored(&receiver.hook(HOOK), Some(SECRET));
        let directory = Directory::fixed([1234, 1, 2].map(account), [stored]);
        Self::over(receiver, directory, rules, patience).await
    }

    async fn over(receiver: Receiver, directory: Directory, rules: Rules, patience: Patience) -> Self {
        let tasks = Tasks::new(Shutdown::new());
        let means = Means {
            policy: Arc::new(Policy::new(rules)),
            tls: TlsSetup::trusting(&Authorities::default()).unwrap(),
            patience,
        };
        let key = OperatorKey::generate();
        let keys = Arc::new(directory.clone());
        let gate = angarium_runtime::access::Gate::new(key.clone(), keys, Clock::system());
        let tester = Tester::new(directory, means, Clock::system(), &tasks);
        let loopback = SocketAddr::from(([127, 0, 0, 1], 0));
        let address = server::serve(loopback, gate, tester, None, &tasks).await.unwrap();
        Self {
            receiver,
            channel: grpc::client(&format!("http://{address}"), &key).unwrap(),
            tasks,
        }
    }

    async fn send(&self, request: TestWebhookRequest) -> Result<TestWebhookResponse, Status> {
        let mut client = DeliveryServiceClient::new(self.channel.clone());
        client.test_webhook(request).await.map(Response::into_inner)
    }

    /// Tests the stored webhook, whose receiver answers so.
    async fn test_answered(&self, answer: &Answer) -> TestWebhookResponse {
        self.receiver.next(HOOK, 1, answer);
        self.send(stored_one(1)).await.unwrap()
    }

    /// Tests a webhook that is not stored.
    async fn test_draft(&self, draft: registry::Webhook) -> TestWebhookResponse {
        let request = TestWebhookRequest {
            account_id: ACCOUNT,
            target: Some(Wanted::Webhook(draft)),
            event_type: String::new(),
        };
        self.send(request).await.unwrap()
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.tasks.shutdown().begin();
    }
}

fn account(id: u64) -> Account {
    Account::new(AccountId::new(id).unwrap())
}

fn id(number: u8) -> WebhookId {
    WebhookId::from_bytes([number; 16])
}

fn stored(url: &str, secret: Option<&str>) -> Webhook {
    Webhook {
        authentication: Authentication::Signature(Signing {
            secret: secret.map(|text| SecretText::new(text.into())),
            ..Signing::default()
        }),
        event_types: ["COURSE_*", "LEARNER_PROGRESS", "CI_STATS"]
            .map(|text| TypePattern::parse(text).unwrap())
            .to_vec(),
        active: false,
        revision: Revision::from_offset(1),
        ..Webhook::new(
            id(1),
            AccountId::new(ACCOUNT).unwrap(),
            "HR",
            TargetUrl::parse(url).unwrap(),
        )
    }
}

fn stored_one(number: u8) -> TestWebhookRequest {
    TestWebhookRequest {
        account_id: ACCOUNT,
        target: Some(Wanted::WebhookId(id(number).to_string())),
        event_type: String::new(),
    }
}

/// As the registry would take it.
fn draft(url: String, secret: &str) -> registry::Webhook {
    registry::Webhook {
        name: "HR".into(),
        target_url: url,
        authentication: Some(registry::Authentication {
            method: Some(Method::Signature(registry::Signature {
                secret: secret.into(),
                ..registry::Signature::default()
            })),
        }),
        event_types: vec!["*".into()],
        ..registry::Webhook::default()
    }
}

fn answer(response: &TestWebhookResponse) -> &ReceivedAnswer {
    match response.outcome.as_ref().unwrap() {
        Outcome::Answer(answer) => answer,
        Outcome::Failure(failure) => panic!("no answer: {failure:?}"),
    }
}

fn failure(response: &TestWebhookResponse) -> &CallFailure {
    match response.outcome.as_ref().unwrap() {
        Outcome::Failure(failure) => failure,
        Outcome::Answer(answer) => panic!("an answer: {answer:?}"),
    }
}

fn header<'a>(request: &'a SentRequest, name: &str) -> &'a str {
    let header = request.headers.iter().find(|header| header.name == name);
    header.map_or("", |header| &header.value)
}

#[tokio::test]
async fn w2_w5_a_password_and_a_header_reach_the_receiver_and_are_not_told() {
    let world = World::new().await;
    for (method, name, expected) in [
        (
            Method::Basic(registry::BasicAuthentication {
                username: "Aladdin".into(),
                password: "open sesame".into(),
                sealed: None,
            }),
            "authorization",
            "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==",
        ),
        (
            Method::Header(registry::HeaderAuthentication {
                name: "X-Key".into(),
                value: "open sesame".into(),
                sealed: None,
            }),
            "x-key",
            "open sesame",
        ),
    ] {
        world.receiver.forget();
        let mut draft = draft(world.receiver.hook("other"), "");
        draft.authentication = Some(registry::Authentication { method: Some(method) });
        let response = world.test_draft(draft).await;
        assert!(response.delivered, "{response:?}");
        let received = world.receiver.received_by("other").remove(0);
        assert_eq!(received.headers[name], expected);
        assert_eq!(received.webhook_signature, "");
        assert_eq!(header(response.request.as_ref().unwrap(), name), "(hidden)");
        assert_eq!(response.generated_secret, "");
    }
}

#[tokio::test]
async fn w1_w5_every_call_carries_the_headers_of_its_webhook() {
    let world = World::new().await;
    let mut draft = draft(world.receiver.hook("other"), "");
    draft.headers = vec![registry::Header {
        name: "X-Team".into(),
        value: "payroll".into(),
    }];
    let response = world.test_draft(draft).await;
    let received = world.receiver.received_by("other").remove(0);
    assert_eq!(received.headers["x-team"], "payroll");
    assert_eq!(header(response.request.as_ref().unwrap(), "x-team"), "payroll");
}

#[tokio::test]
async fn w2_w5_a_draft_without_its_password_is_refused_with_the_field() {
    let world = World::new().await;
    let mut draft = draft(world.receiver.hook(HOOK), "");
    let basic = registry::BasicAuthentication {
        username: "Aladdin".into(),
        ..registry::BasicAuthentication::default()
    };
    draft.authentication = Some(registry::Authentication {
        method: Some(Method::Basic(basic)),
    });
    let request = TestWebhookRequest {
        account_id: ACCOUNT,
        target: Some(Wanted::Webhook(draft)),
        event_type: String::new(),
    };
    let refused = world.send(request).await.unwrap_err();
    assert!(
        refused
            .message()
            .starts_with("webhook.authentication.basic.password"),
        "{refused}"
    );
}

#[tokio::test]
async fn w5_a_stored_webhook_gets_a_sample_and_the_whole_answer_is_told() {
    let world = World::new().await;
    let says = Answer::Says(200, &[("x-tea", "green"), ("x-tea", "black")], "thanks".into());
    let response = world.test_answered(&says).await;
    assert!(response.delivered, "{response:?}");
    assert!(
        response
            .verdict
            .starts_with("The receiver answered 200 OK: a delivery would count as delivered")
    );
    assert_eq!(response.generated_secret, "");

    let answer = answer(&response);
    assert_eq!((answer.status, answer.error_class.as_str()), (200, ""));
    assert_eq!((&answer.body[..], answer.body_truncated), (&b"thanks"[..], false));
    let teas = answer.headers.iter().filter(|header| header.name == "x-tea");
    assert_eq!(
        teas.map(|header| header.value.as_str()).collect::<Vec<_>>(),
        ["green", "black"]
    );
    assert!(
        world.receiver.hook(HOOK).contains(&answer.address),
        "{}",
        answer.address
    );
    let timings = answer.timings.unwrap();
    assert!(timings.connect_us > 0 && timings.first_byte_us > 0, "{timings:?}");
    assert!(timings.dns_us + timings.connect_us + timings.first_byte_us <= timings.total_us);
    assert_eq!(timings.tls_us, None);

    let request = response.request.as_ref().unwrap();
    let received = &world.receiver.received_by(HOOK)[0];
    assert_eq!(received.verified, Some(Ok(())));
    assert!(
        received.webhook_id.starts_with("msg_test_"),
        "{}",
        received.webhook_id
    );
    assert_eq!(request.url, world.receiver.hook(HOOK));
    assert_eq!(request.body, received.body);
    for (name, value) in [
        ("webhook-id", &received.webhook_id),
        ("webhook-timestamp", &received.webhook_timestamp),
        ("webhook-signature", &received.webhook_signature),
        ("content-type", &received.content_type),
    ] {
        assert_eq!(header(request, name), value, "{name}");
    }
    let sent: serde_json::Value = serde_json::from_slice(&received.body).unwrap();
    assert_eq!(sent["accountId"], ACCOUNT);
    assert_eq!(
        sent["events"][0]["eventName"], "LEARNER_PROGRESS",
        "the first that it names in full"
    );
}

#[tokio::test]
async fn w5_each_test_makes_a_connection_of_its_own_so_that_every_phase_is_timed() {
    let world = World::new().await;
    for _ in 0..2 {
        let response = world.test_answered(&Answer::Status(204)).await;
        assert!(answer(&response).timings.unwrap().connect_us > 0, "{response:?}");
    }
}

#[tokio::test]
async fn w5_any_type_of_the_catalogue_may_be_sent_also_one_that_the_webhook_does_not_take() {
    let world = World::new().await;
    let request = TestWebhookRequest {
        event_type: "CERTIFICATION_COMPLETED_BATCH".into(),
        ..stored_one(1)
    };
    world.send(request).await.unwrap();
    let sent: serde_json::Value = serde_json::from_slice(&world.receiver.received()[0].body).unwrap();
    assert_eq!(sent["events"][0]["eventName"], "CERTIFICATION_COMPLETED_BATCH");
}

#[tokio::test]
async fn w5_a_receiver_that_refuses_is_an_answer_with_what_it_said() {
    let world = World::new().await;
    for (status, class) in [
        (500, "server_error"),
        (302, "redirect"),
        (401, "refused"),
        (410, "gone"),
    ] {
        let response = world
            .test_answered(&Answer::Says(status, &[], "broken".into()))
            .await;
        assert!(
            !response.delivered && response.verdict.contains("would count as failed"),
            "{response:?}"
        );
        let answer = answer(&response);
        assert_eq!(
            (answer.status, answer.error_class.as_str()),
            (status.into(), class)
        );
        assert_eq!(&answer.body[..], b"broken");
    }
    assert_eq!(world.receiver.requests(HOOK), 4, "nothing is sent again");
}

#[tokio::test]
async fn w5_d1_a_receiver_that_hangs_is_told_when_its_time_is_up() {
    let world = World::new().await;
    let response = world.test_answered(&Answer::Hang).await;
    assert!(!response.delivered);
    assert!(
        response
            .verdict
            .starts_with("There is no answer: no answer within 500ms"),
        "{response:?}"
    );
    let failure = failure(&response);
    assert_eq!(failure.error_class, "answer_timeout");
    assert!(
        Duration::from_micros(failure.total_us) >= PATIENCE.answer,
        "{failure:?}"
    );
    assert!(!header(response.request.as_ref().unwrap(), "webhook-signature").is_empty());
}

#[tokio::test]
async fn w5_of_a_long_body_64_kib_are_told() {
    let world = World::new().await;
    for (length, truncated) in [(65_536, false), (65_537, true)] {
        let says = Answer::Says(200, &[], vec![b'x'; length].into());
        let response = world.test_answered(&says).await;
        let answer = answer(&response);
        assert_eq!((answer.body.len(), answer.body_truncated), (65_536, truncated));
        assert_eq!(response.verdict.contains("longer than 64 KiB"), truncated);
        assert!(response.delivered, "the receiver has decided with its head (D1)");
    }
}

#[tokio::test]
async fn w5_a_test_goes_where_deliveries_may_and_nowhere_else() {
    let world = World::with(Rules::default(), PATIENCE).await;
    let response = world.send(stored_one(1)).await.unwrap();
    let failure = failure(&response);
    assert_eq!(failure.error_class, "egress_refused");
    assert!(failure.detail.contains("egress policy refuses"), "{failure:?}");
    assert_eq!(world.receiver.requests(HOOK), 0);
}

#[tokio::test]
async fn w5_w2_a_webhook_that_is_not_stored_is_signed_with_its_secret_or_one_made_for_the_test() {
    let world = World::new().await;
    let response = world.test_draft(draft(world.receiver.hook(HOOK), SECRET)).await;
    assert!(
        response.delivered && response.generated_secret.is_empty(),
        "{response:?}"
    );
    let sent: serde_json::Value = serde_json::from_slice(&response.request.unwrap().body).unwrap();
    assert_eq!(
        sent["events"][0]["eventName"], "CI_STATS",
        "it names no type in full"
    );
    assert_eq!(world.receiver.received()[0].verified, Some(Ok(())));

    let response = world.test_draft(draft(world.receiver.hook("other"), "")).await;
    let secret: Secret = response.generated_secret.parse().unwrap();
    let got = &world.receiver.received_by("other")[0];
    let verifier = Verifier::new(&[secret], DEFAULT_TOLERANCE).unwrap();
    let (id, time, signature) = (&got.webhook_id, &got.webhook_timestamp, &got.webhook_signature);
    verifier
        .verify(id, time, signature, &got.body, time.parse().unwrap())
        .unwrap();

    let unsigned = registry::Webhook {
        authentication: Some(registry::Authentication {
            method: Some(Method::None(registry::NoAuthentication {})),
        }),
        ..draft(world.receiver.hook("plain"), "")
    };
    assert_eq!(world.test_draft(unsigned).await.generated_secret, "");
    assert_eq!(world.receiver.received_by("plain")[0].webhook_signature, "");
}

fn wrong_fields(status: &Status) -> Vec<String> {
    assert_eq!(status.code(), Code::InvalidArgument, "{status:?}");
    let violations = status.get_details_bad_request().unwrap().field_violations;
    violations.into_iter().map(|violation| violation.field).collect()
}

#[tokio::test]
async fn w5_every_mistake_of_a_request_is_told_at_once_as_the_registry_tells_it() {
    let world = World::new().await;
    let wrong = registry::Webhook {
        account_id: 7,
        event_types: vec!["CI_STATS".into(), "CI_STAT".into()],
        timetable: Some(registry::Timetable {
            cron: "never".into(),
            time_zone: String::new(),
        }),
        ..draft("ftp://example.com".into(), "whsec_short")
    };
    let request = TestWebhookRequest {
        account_id: ACCOUNT,
        target: Some(Wanted::Webhook(wrong)),
        event_type: "CI_STAT".into(),
    };
    let status = world.send(request).await.unwrap_err();
    assert_eq!(
        wrong_fields(&status),
        [
            "webhook.account_id",
            "webhook.target_url",
            "webhook.authentication.signature.secret",
            "webhook.timetable.cron",
            "webhook.event_types[1]",
            "event_type",
        ]
    );
    let told = status.get_details_bad_request().unwrap().field_violations;
    assert!(told[5].description.contains("did you mean CI_STATS?"), "{told:?}");

    let request = TestWebhookRequest {
        account_id: u64::MAX,
        target: Some(Wanted::WebhookId("wh_1".into())),
        event_type: "x".into(),
    };
    let status = world.send(request).await.unwrap_err();
    assert_eq!(wrong_fields(&status), ["account_id", "webhook_id", "event_type"]);
    let request = TestWebhookRequest {
        account_id: u64::MAX,
        target: Some(Wanted::Webhook(draft("ftp://example.com".into(), ""))),
        event_type: String::new(),
    };
    let status = world.send(request).await.unwrap_err();
    assert_eq!(wrong_fields(&status), ["account_id", "webhook.target_url"]);
    let status = world.send(TestWebhookRequest::default()).await.unwrap_err();
    assert_eq!(wrong_fields(&status), ["target"]);
}

#[tokio::test]
async fn w5_what_the_registry_does_not_have_is_not_found() {
    let world = World::new().await;
    let of_another = TestWebhookRequest {
        account_id: 1,
        ..stored_one(1)
    };
    let nobodys = TestWebhookRequest {
        account_id: 99,
        target: Some(Wanted::Webhook(draft(world.receiver.hook(HOOK), ""))),
        event_type: String::new(),
    };
    for (request, what) in [
        (stored_one(2), "webhook"),
        (of_another, "webhook"),
        (nobodys, "account"),
    ] {
        let status = world.send(request).await.unwrap_err();
        assert_eq!(status.code(), Code::NotFound, "{status:?}");
        assert_eq!(status.get_details_resource_info().unwrap().resource_type, what);
    }
    assert_eq!(world.receiver.requests(HOOK), 0);
}

#[tokio::test]
async fn w5_a_webhook_whose_secret_is_not_known_is_our_trouble_and_not_called() {
    let receiver = Receiver::start().await.unwrap();
    let directory = Directory::fixed([account(ACCOUNT)], [stored(&receiver.hook(HOOK), None)]);
    let world = World::over(receiver, directory, Rules::this_machine(), PATIENCE).await;
    let status = world.send(stored_one(1)).await.unwrap_err();
    assert_eq!(status.code(), Code::FailedPrecondition, "{status:?}");
    assert_eq!(
        status.get_details_error_info().unwrap().reason,
        "WEBHOOK_UNUSABLE"
    );
    assert_eq!(world.receiver.requests(HOOK), 0);
}

#[tokio::test]
async fn w5_before_the_registry_was_heard_from_callers_are_told_to_come_back() {
    let tasks = Tasks::new(Shutdown::new());
    let nowhere = grpc::Address::new("http://127.0.0.1:1", &OperatorKey::generate()).unwrap();
    let directory = Directory::follow(nowhere, Keep::Everything, Clock::system(), &tasks);
    let receiver = Receiver::start().await.unwrap();
    let world = World::over(receiver, directory, Rules::this_machine(), PATIENCE).await;
    let status = world.send(stored_one(1)).await.unwrap_err();
    assert_eq!(status.code(), Code::Unavailable, "{status:?}");
    assert!(status.get_details_retry_info().is_some());
    tasks.shutdown().begin();
}

#[tokio::test]
async fn w5_a_third_test_of_an_account_is_refused_until_one_of_the_two_has_ended() {
    let world = World::with(Rules::this_machine(), Patience::D1).await;
    let gate = Gate::closed();
    world.receiver.next(HOOK, 2, &Answer::Gated(gate.clone(), 200));
    let open = async {
        let both = world.receiver.wait_for("two tests", SOON, |all| all.len() == 2);
        both.await.unwrap();
        let status = world.send(stored_one(1)).await.unwrap_err();
        assert_eq!(status.code(), Code::ResourceExhausted, "{status:?}");
        assert!(
            status
                .message()
                .starts_with("2 such calls of this account are under way"),
            "{status:?}"
        );
        assert!(status.get_details_retry_info().unwrap().retry_delay.is_some());
        let of_another = TestWebhookRequest {
            account_id: 1,
            target: Some(Wanted::Webhook(draft(world.receiver.hook("other"), ""))),
            event_type: String::new(),
        };
        assert!(
            world.send(of_another).await.unwrap().delivered,
            "others may still test"
        );
        gate.open();
    };
    let (first, second, ()) = tokio::join!(world.send(stored_one(1)), world.send(stored_one(1)), open);
    assert!(first.unwrap().delivered && second.unwrap().delivered);
    assert!(world.send(stored_one(1)).await.unwrap().delivered);
}

#[tokio::test]
async fn health_and_both_versions_of_reflection_tell_what_is_served_and_how_errors_are_written() {
    let world = World::new().await;
    described::check(world.channel.clone(), "angarium.delivery.v1.DeliveryService")
        .await
        .unwrap();
}
