//! One webhook: how it is, what it was sent, and how it came to be so.

use angarium_proto::journal::v1::journal_record::Entry;
use angarium_proto::registry::v1::Webhook;
use angarium_proto::registry::v1::authentication::Method;
use askama::Template;
use axum::extract::State;
use axum::response::Response;
use http::Uri;

use super::App;
use super::answer::{encoded, ok};
use super::caller::{At, Caller, query};
use super::failure::Failure;
use super::page::Page;
use crate::log::{Entry as Record, Hour, Standing};
use crate::spark::{self, Attempts, Figures, Times};
use crate::words::{self, Glance, Moment};

/// Calls that are shown; those before are found by their events.
const ATTEMPTS: usize = 50;
/// Changes of state that are shown.
const TURNS: usize = 30;
/// Events of a group that are named.
const NAMED: usize = 3;

#[derive(Debug, Template)]
#[template(path = "detail.html")]
struct Detail {
    page: Page,
    path: String,
    account: u64,
    webhook: Webhook,
    on: bool,
    signs: bool,
    authentication: String,
    glance: Glance,
    attempts: Attempts,
    times: Times,
    figures: Figures,
    calls: Vec<Call>,
    turns: Vec<Turn>,
    samples: Vec<String>,
}

/// A call of a receiver, as a row.
#[derive(Debug)]
pub(super) struct Call {
    pub(super) at: Moment,
    pub(super) tone: &'static str,
    pub(super) lane: &'static str,
    pub(super) group: String,
    pub(super) events: Vec<Named>,
    pub(super) more: usize,
    pub(super) status: String,
    pub(super) meaning: &'static str,
    pub(super) detail: String,
    pub(super) duration: String,
    pub(super) attempt: u32,
    pub(super) next: Option<Moment>,
}

/// An event and where its page is.
#[derive(Debug)]
pub(super) struct Named {
    pub(super) id: String,
    pub(super) name: String,
    /// The id as part of a query.
    pub(super) query: String,
}

/// A step of a webhook's history.
#[derive(Debug)]
struct Turn {
    at: Moment,
    tone: &'static str,
    text: String,
}

pub(super) async fn page(
    State(app): State<App>,
    caller: Caller,
    at: At,
    uri: Uri,
) -> Result<Response, Failure> {
    let name = caller.account(&app, at.account).await?;
    let webhook = caller.webhook(&app, at).await?;
    let known = Known::of(&app, at).await?;
    let done = match query(&uri, "done").as_str() {
        "saved" => Some("Saved. It is in force from now on."),
        other => words::switched(other),
    };
    let named_in_full = |name: &&String| !name.contains('*');
    Ok(ok(&Detail {
        page: Page::of(&app, &caller, &webhook.name)
            .within("webhooks", at.account, &name)
            .done(done.map(str::to_owned)),
        path: at.path(),
        account: at.account.get(),
        on: webhook.active != Some(false),
        signs: matches!(method(&webhook), Some(Method::Signature(_))),
        authentication: authentication(&webhook),
        glance: words::glance(&webhook, &known.standings),
        attempts: spark::attempts(&known.hour),
        times: spark::times(&known.hour),
        figures: spark::figures(&known.hour),
        calls: known.attempts.iter().filter_map(call).collect(),
        turns: known.turns.iter().filter_map(turn).collect(),
        samples: webhook
            .event_types
            .iter()
            .filter(named_in_full)
            .cloned()
            .collect(),
        webhook,
    }))
}

struct Known {
    hour: Hour,
    standings: Vec<Standing>,
    attempts: Vec<Record>,
    turns: Vec<Record>,
}

impl Known {
    async fn of(app: &App, At { account, webhook }: At) -> Result<Self, Failure> {
        let now_ms = app.clock().now_ms();
        let asked = app.log().ask(move |store| {
            Ok(Self {
                hour: store.hour(webhook, now_ms)?,
                standings: store.standing(webhook)?,
                attempts: store.attempts(account, webhook, ATTEMPTS)?,
                turns: store.turns(account, webhook, TURNS)?,
            })
        });
        Ok(asked.await?)
    }
}

pub(super) fn method(webhook: &Webhook) -> Option<&Method> {
    webhook.authentication.as_ref()?.method.as_ref()
}

fn authentication(webhook: &Webhook) -> String {
    match method(webhook) {
        None | Some(Method::None(_)) => "none".to_owned(),
        Some(Method::Signature(signature)) if signature.previous.is_empty() => {
            format!("signature, secret {}", signature.fingerprint)
        }
        Some(Method::Signature(signature)) => {
            let previous = words::count(signature.previous.len().try_into().unwrap_or(0), "earlier secret");
            format!(
                "signature, secret {}; {previous} still signs beside it",
                signature.fingerprint
            )
        }
        Some(Method::Basic(basic)) => format!("basic, as {}", basic.username),
        Some(Method::Header(header)) => format!("header {}", header.name),
    }
}

/// A record of a call as a row; `None` of another.
pub(super) fn call(record: &Record) -> Option<Call> {
    let Some(Entry::Attempt(attempt)) = &record.entry else {
        return None;
    };
    let event = |event: &angarium_proto::journal::v1::EventReference| Named {
        id: event.event_id.clone(),
        name: event.event_name.clone(),
        query: encoded(&event.event_id),
    };
    Some(Call {
        at: words::moment(record.at_ms),
        tone: words::answered(&attempt.error_class),
        lane: words::lane(attempt.lane()),
        group: attempt.group_id.clone(),
        events: attempt.events.iter().take(NAMED).map(event).collect(),
        more: attempt.events.len().saturating_sub(NAMED),
        status: words::status(attempt.status),
        meaning: words::mistake(&attempt.error_class),
        detail: detail(attempt),
        duration: words::duration(attempt.duration_us),
        attempt: attempt.attempt,
        next: (attempt.next_attempt_at_ms > 0).then(|| words::moment(attempt.next_attempt_at_ms)),
    })
}

/// What the class does not say already.
fn detail(attempt: &angarium_proto::journal::v1::Attempt) -> String {
    let told = &attempt.error_detail;
    let repeats =
        attempt.status > 0 && told.strip_prefix("answered ") == Some(&words::status(attempt.status));
    if repeats {
        String::new()
    } else {
        words::sentence(told)
    }
}

fn turn(record: &Record) -> Option<Turn> {
    let (tone, text) = match record.entry.as_ref()? {
        Entry::StateChanged(changed) => {
            let (lane, state) = (words::lane(changed.lane()), changed.state());
            (
                words::tone(state),
                format!("{} ({lane} events)", words::state(state)),
            )
        }
        Entry::PutAside(aside) => {
            let id = aside.event.as_ref().map_or("", |event| event.event_id.as_str());
            let status = words::status(aside.status);
            (
                "bad",
                format!("Event {id} was refused for good ({status}) and put aside"),
            )
        }
        Entry::Expired(expired) => {
            let (most, lane) = (
                if expired.removed.is_some() { "at most " } else { "" },
                words::lane(expired.lane()),
            );
            let events = words::count(expired.count, &format!("{lane} event"));
            ("bad", format!("{most}{events} given up: older than 7 days"))
        }
        Entry::Attempt(_) | Entry::Matched(_) => return None,
    };
    Some(Turn {
        at: words::moment(record.at_ms),
        tone,
        text,
    })
}
