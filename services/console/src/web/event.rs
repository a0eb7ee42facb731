//! One event by its id: whom it went to and why, what each receiver answered, and sending it once more.
//!
//! The log knows where Kafka holds the event; `Explain` says why it reaches a webhook or does not.

use std::collections::BTreeMap;

use angarium_model::AccountId;
use angarium_proto::delivery::v1::ResendEventRequest;
use angarium_proto::event::v1::Position;
use angarium_proto::explain::v1::explain_request::Event;
use angarium_proto::explain::v1::{
    ExplainRequest, ExplainResponse, Explanation, GetEventRequest, Outcome, Verdict,
};
use angarium_proto::journal::v1::journal_record::Entry;
use angarium_proto::journal::v1::{EventReference, Matched};
use askama::Template;
use axum::extract::State;
use axum::response::Response;
use http::Uri;
use tonic::Code;

use super::App;
use super::answer::{encoded, ok, see};
use super::caller::{At, Caller, InAccount, Submitted, query};
use super::detail::{Call, call};
use super::failure::{Failure, said};
use super::page::Page;
use crate::backend::request;
use crate::log::Entry as Record;
use crate::words::{self, Moment};

/// Records of one id that are looked at: a week of retries, and what was sent again.
const RECORDS: usize = 4_000;
/// Calls of an event to a webhook that are shown, the last of them.
const CALLS: usize = 50;
/// What is shown of a payload, in bytes.
const SHOWN: usize = 64 * 1024;
/// Events of one id: each type may have it, so that there can be a few.
const EVENTS: usize = 10;

#[derive(Debug, Template)]
#[template(path = "event.html")]
struct EventPage {
    page: Page,
    account: AccountId,
    id: String,
    events: Vec<Found>,
}

/// An event of this id.
#[derive(Debug)]
struct Found {
    name: String,
    position: Position,
    accepted: Option<Moment>,
    matched: Option<Moment>,
    lane: &'static str,
    /// Why there is no explanation.
    unexplained: String,
    payload: Payload,
    webhooks: Vec<Reached>,
}

/// What an event carries, for those who may see it.
#[derive(Debug)]
enum Payload {
    /// As it was published, whether it is cut, and how many bytes it has.
    Shown(String, bool, usize),
    /// Why not.
    Hidden(String),
}

/// What became of an event at a webhook.
#[derive(Debug)]
struct Reached {
    id: String,
    name: String,
    tone: &'static str,
    then: &'static str,
    /// Why, by what the webhook was like.
    reason_then: String,
    now: &'static str,
    reason: String,
    changed_since: bool,
    calls: Vec<Call>,
    /// Whether sending it once more may be asked for: the webhook is there.
    known: bool,
}

pub(super) async fn page(
    State(app): State<App>,
    caller: Caller,
    InAccount(account): InAccount,
    uri: Uri,
) -> Result<Response, Failure> {
    let name = caller.account(&app, account).await?;
    let id = query(&uri, "id").trim().to_owned();
    let wanted = id.clone();
    let records = app
        .log()
        .ask(move |store| store.event(account, &wanted, RECORDS))
        .await?;
    let mut events = Vec::new();
    for (position, of_event) in by_position(records, &id).into_iter().take(EVENTS) {
        events.push(found(&app, &caller, account, position, &of_event).await?);
    }
    let resent = (!query(&uri, "resent").is_empty()).then(|| {
        "It is sent once more, by itself and as soon as may be. The answer will be here in a moment."
            .to_owned()
    });
    Ok(ok(&EventPage {
        page: Page::of(&app, &caller, "Events")
            .within("events", account, &name)
            .done(resent),
        account,
        id,
        events,
    }))
}

/// Sends an event to a webhook once more.
pub(super) async fn resend(State(app): State<App>, at: At, sent: Submitted) -> Result<Response, Failure> {
    let field = |name: &str| sent.fields.one(name);
    let (Ok(partition), Ok(offset)) = (field("partition").parse(), field("offset").parse()) else {
        return Err(Failure::not_found("event"));
    };
    let asked = ResendEventRequest {
        account_id: at.account.get(),
        webhook_id: at.webhook.to_string(),
        position: Some(Position { partition, offset }),
    };
    app.backend()
        .replay(&sent.caller.session.key)
        .resend_event(request(asked))
        .await?;
    let id = encoded(field("id"));
    Ok(see(&format!("/accounts/{}/events?id={id}&resent=1", at.account)))
}

/// The records of each event that has the id, by where Kafka holds it.
fn by_position(records: Vec<Record>, id: &str) -> BTreeMap<(i32, i64), Vec<(EventReference, Record)>> {
    let mut found: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for record in records {
        let named: &[EventReference] = match &record.entry {
            Some(Entry::Matched(matched)) => matched.event.as_slice(),
            Some(Entry::Attempt(attempt)) => &attempt.events,
            Some(Entry::PutAside(aside)) => aside.event.as_slice(),
            Some(Entry::Expired(_) | Entry::StateChanged(_)) | None => &[],
        };
        let this = named.iter().find(|event| event.event_id == id).cloned();
        if let Some(event) = this
            && let Some(at) = event.position
        {
            found
                .entry((at.partition, at.offset))
                .or_default()
                .push((event, record));
        }
    }
    found
}

async fn found(
    app: &App,
    caller: &Caller,
    account: AccountId,
    (partition, offset): (i32, i64),
    records: &[(EventReference, Record)],
) -> Result<Found, Failure> {
    let position = Position { partition, offset };
    let asked = ExplainRequest {
        account_id: account.get(),
        webhook_id: String::new(),
        event: Some(Event::Position(position)),
        // They are in the log here.
        with_calls: false,
    };
    let answer = app
        .backend()
        .explain(&caller.session.key)
        .explain(request(asked))
        .await;
    let (explained, unexplained) = match answer {
        Ok(answer) => (answer.into_inner(), String::new()),
        Err(status) if status.code() == Code::Unauthenticated => return Err(status.into()),
        Err(status) => (ExplainResponse::default(), said(&status)),
    };
    let payload = payload(app, caller, account, position).await?;
    let matched = records.iter().find_map(|(_, record)| match &record.entry {
        Some(Entry::Matched(matched)) => Some((matched, record.at_ms)),
        _ => None,
    });
    let accepted = explained
        .accepted_at_ms
        .or(matched.map(|(matched, _)| matched.accepted_at_ms));
    Ok(Found {
        name: records
            .first()
            .map(|(event, _)| event.event_name.clone())
            .unwrap_or_default(),
        position,
        accepted: accepted.map(words::moment),
        matched: matched.map(|(_, at_ms)| words::moment(at_ms)),
        lane: matched.map_or("", |(matched, _)| words::lane(matched.lane())),
        unexplained,
        payload,
        webhooks: reached(explained, matched.map(|(matched, _)| matched), records),
    })
}

async fn payload(
    app: &App,
    caller: &Caller,
    account: AccountId,
    position: Position,
) -> Result<Payload, Failure> {
    let asked = GetEventRequest {
        account_id: account.get(),
        position: Some(position),
    };
    let answer = app
        .backend()
        .explain(&caller.session.key)
        .get_event(request(asked))
        .await;
    match answer {
        Ok(answer) => {
            let mut data = answer.into_inner().data;
            let bytes = data.len();
            data.truncate(data.floor_char_boundary(SHOWN));
            Ok(Payload::Shown(data, bytes > SHOWN, bytes))
        }
        Err(status) if status.code() == Code::Unauthenticated => Err(status.into()),
        Err(status) if status.code() == Code::PermissionDenied => Ok(Payload::Hidden(
            "Your key does not allow to see what events carry: that takes one with the scope payloads:read."
                .to_owned(),
        )),
        Err(status) => Ok(Payload::Hidden(said(&status))),
    }
}

/// The webhooks of the account as they are explained, and those that are gone but were sent the event.
fn reached(
    explained: ExplainResponse,
    matched: Option<&Matched>,
    records: &[(EventReference, Record)],
) -> Vec<Reached> {
    let mut calls: BTreeMap<String, Vec<Call>> = BTreeMap::new();
    for (_, record) in records.iter().rev() {
        if let (Some(Entry::Attempt(attempt)), Some(row)) = (&record.entry, call(record)) {
            let of_webhook = calls.entry(attempt.webhook_id.clone()).or_default();
            if of_webhook.len() < CALLS {
                of_webhook.push(row);
            }
        }
    }
    let mut all: Vec<Reached> = explained
        .explanations
        .into_iter()
        .map(|explanation| {
            let then = recorded(&explanation, matched);
            let reason_then = explanation.then.map(|then| then.reason).unwrap_or_default();
            let known = explanation.now.is_some();
            let now = explanation.now.unwrap_or_default();
            let calls = calls.remove(&explanation.webhook_id).unwrap_or_default();
            let name = if explanation.webhook_name.is_empty() {
                explanation.webhook_id.clone()
            } else {
                explanation.webhook_name
            };
            Reached {
                tone: if calls.is_empty() { "off" } else { "good" },
                id: explanation.webhook_id,
                name,
                then: match then {
                    // A record names only webhooks that wanted the type.
                    Outcome::Unspecified if matched.is_some() => {
                        "not matched: it did not take this type, or was not there"
                    }
                    then => outcome(then),
                },
                reason_then: words::sentence(&reason_then),
                now: outcome(now.outcome()),
                reason: words::sentence(&now.reason),
                changed_since: explanation.changed_since,
                calls,
                known,
            }
        })
        .collect();
    all.extend(calls.into_iter().map(|(id, calls)| Reached {
        name: id.clone(),
        id,
        tone: "off",
        then: "it was sent",
        reason_then: String::new(),
        now: "",
        reason: String::new(),
        changed_since: false,
        calls,
        known: false,
    }));
    for webhook in &mut all {
        if let Some(last) = webhook.calls.first() {
            webhook.tone = last.tone;
        }
    }
    // Those that it went to come first.
    all.sort_by_key(|webhook| webhook.calls.is_empty());
    all
}

/// What became of an event at a webhook when it was matched: as fanout explains it, or by the record in the log here.
fn recorded(explanation: &Explanation, matched: Option<&Matched>) -> Outcome {
    let explained = explanation
        .then
        .as_ref()
        .map_or(Outcome::Unspecified, Verdict::outcome);
    match (explained, matched) {
        (Outcome::Unspecified, Some(matched)) => then(matched, &explanation.webhook_id),
        (explained, _) => explained,
    }
}

fn then(matched: &Matched, webhook: &str) -> Outcome {
    let among = |ids: &[String]| ids.iter().any(|id| id == webhook);
    if among(&matched.webhook_ids) {
        Outcome::Matches
    } else if among(&matched.inactive_webhook_ids) {
        Outcome::Inactive
    } else if among(&matched.filtered_webhook_ids) {
        Outcome::Filtered
    } else if matched
        .undecided
        .iter()
        .any(|undecided| undecided.webhook_id == webhook)
    {
        Outcome::Undecided
    } else {
        Outcome::Unspecified
    }
}

const fn outcome(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Unspecified => "not recorded",
        Outcome::Matches => "matched",
        Outcome::OtherType => "not matched: it does not take this type",
        Outcome::Inactive => "not matched: switched off",
        Outcome::Filtered => "not matched: filtered out",
        Outcome::Undecided => "not matched: the filter had no answer",
        Outcome::NotThere => "not matched: it was not there",
    }
}
