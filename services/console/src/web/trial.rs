//! A test of a webhook: what was sent, what the receiver answered, and how long each part took (W5).

use angarium_model::AccountId;
use angarium_proto::delivery::v1::test_webhook_request::Target;
use angarium_proto::delivery::v1::test_webhook_response::Outcome;
use angarium_proto::delivery::v1::{CallTimings, Header, TestWebhookRequest, TestWebhookResponse};
use angarium_proto::registry::v1::Webhook;
use askama::Template;
use axum::extract::State;
use axum::response::Response;
use tonic::Status;

use super::App;
use super::answer::ok;
use super::caller::{At, Caller, Submitted};
use super::failure::Failure;
use super::page::Page;
use crate::backend::request;
use crate::words;

/// What came of a test, as part of a page.
#[derive(Debug, Template)]
#[template(path = "trial.html")]
pub(super) struct Trial {
    tone: &'static str,
    verdict: String,
    /// The status, or what kept it from coming.
    answer: String,
    detail: String,
    address: String,
    phases: Vec<Phase>,
    total: String,
    answer_headers: Vec<Header>,
    answer_body: String,
    truncated: bool,
    url: String,
    headers: Vec<Header>,
    body: String,
}

impl askama::filters::HtmlSafe for Trial {}

/// A part of a call.
#[derive(Debug)]
struct Phase {
    name: &'static str,
    time: String,
    us: u64,
}

#[derive(Debug, Template)]
#[template(path = "tested.html")]
struct Tested {
    page: Page,
    path: String,
    name: String,
    trial: Trial,
}

/// Tests a webhook as it is stored.
pub(super) async fn stored(State(app): State<App>, at: At, sent: Submitted) -> Result<Response, Failure> {
    let account = sent.caller.account(&app, at.account).await?;
    let webhook = sent.caller.webhook(&app, at).await?;
    let asked = TestWebhookRequest {
        account_id: at.account.get(),
        target: Some(Target::WebhookId(at.webhook.to_string())),
        event_type: sent.fields.one("event_type").to_owned(),
    };
    let mut delivery = app.backend().delivery(&sent.caller.session.key);
    let answer = delivery.test_webhook(request(asked)).await?.into_inner();
    Ok(ok(&Tested {
        page: Page::of(&app, &sent.caller, "Test of a webhook").within("webhooks", at.account, &account),
        path: at.path(),
        name: webhook.name,
        trial: Trial::of(answer).0,
    }))
}

/// Tests one that is not; also the secret that was made for the test, if any.
pub(super) async fn draft(
    app: &App,
    caller: &Caller,
    account: AccountId,
    webhook: Webhook,
) -> Result<(Trial, String), Status> {
    let asked = TestWebhookRequest {
        account_id: account.get(),
        target: Some(Target::Webhook(webhook)),
        event_type: String::new(),
    };
    let mut delivery = app.backend().delivery(&caller.session.key);
    let answer = delivery.test_webhook(request(asked)).await?.into_inner();
    Ok(Trial::of(answer))
}

impl Trial {
    /// What the bar of a phase is measured by.
    fn phases_max(&self) -> u64 {
        self.phases.iter().map(|phase| phase.us).sum::<u64>().max(1)
    }

    fn of(answer: TestWebhookResponse) -> (Self, String) {
        let sent = answer.request.unwrap_or_default();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let mut trial = Self {
            tone: if answer.delivered { "good" } else { "bad" },
            verdict: answer.verdict,
            answer: String::new(),
            detail: String::new(),
            address: String::new(),
            phases: Vec::new(),
            total: String::new(),
            answer_headers: Vec::new(),
            answer_body: String::new(),
            truncated: false,
            url: sent.url,
            headers: sent.headers,
            body: text(&sent.body),
        };
        match answer.outcome {
            Some(Outcome::Answer(answer)) => {
                let timings = answer.timings.unwrap_or_default();
                trial.answer = words::status(answer.status);
                trial.address = answer.address;
                trial.phases = phases(&timings);
                trial.total = words::duration(timings.total_us);
                trial.answer_headers = answer.headers;
                trial.answer_body = text(&answer.body);
                trial.truncated = answer.body_truncated;
            }
            Some(Outcome::Failure(failure)) => {
                words::mistake(&failure.error_class).clone_into(&mut trial.answer);
                trial.detail = failure.detail;
                trial.total = words::duration(failure.total_us);
            }
            None => {}
        }
        (trial, answer.generated_secret)
    }
}

fn phases(timings: &CallTimings) -> Vec<Phase> {
    let before =
        timings.dns_us + timings.connect_us + timings.tls_us.unwrap_or_default() + timings.first_byte_us;
    let phase = |name, us| Phase {
        name,
        time: words::duration(us),
        us,
    };
    let mut phases = vec![
        phase("Finding the host", timings.dns_us),
        phase("Connecting", timings.connect_us),
    ];
    phases.extend(timings.tls_us.map(|us| phase("TLS", us)));
    phases.push(phase("Waiting for the answer", timings.first_byte_us));
    phases.push(phase("Reading it", timings.total_us.saturating_sub(before)));
    phases
}
