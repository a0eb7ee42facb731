//! Who changed what of an account.

use angarium_model::AccountId;
use angarium_proto::audit::v1::actor::Kind;
use angarium_proto::audit::v1::list_audit_log_response::Entry;
use angarium_proto::audit::v1::{AuditRecord, ListAuditLogRequest};
use angarium_proto::registry::v1::registry_record::Entry as Subject;
use angarium_proto::registry::v1::{RegistryRecord, Webhook};
use askama::Template;
use axum::extract::State;
use axum::response::Response;
use http::Uri;

use super::App;
use super::answer::{encoded, ok};
use super::caller::{Caller, InAccount, query};
use super::failure::Failure;
use super::page::Page;
use crate::backend::request;
use crate::words::{self, Moment};

/// Changes of a page.
const PAGE: u32 = 50;

#[derive(Debug, Template)]
#[template(path = "audit.html")]
struct Audit {
    page: Page,
    account: AccountId,
    rows: Vec<Row>,
    subject: String,
    next: String,
}

#[derive(Debug)]
struct Row {
    at: Moment,
    who: String,
    what: String,
    /// What it is called, or its id.
    subject: String,
    /// Where its page is, if it has one.
    link: String,
    fields: String,
}

pub(super) async fn page(
    State(app): State<App>,
    caller: Caller,
    InAccount(account): InAccount,
    uri: Uri,
) -> Result<Response, Failure> {
    let name = caller.account(&app, account).await?;
    let subject = query(&uri, "subject");
    let asked = ListAuditLogRequest {
        account_id: Some(account.get()),
        subject: subject.clone(),
        page_size: PAGE,
        page_token: query(&uri, "page"),
    };
    let answer = app
        .backend()
        .audit(&caller.session.key)
        .list_audit_log(request(asked))
        .await?;
    let answer = answer.into_inner();
    Ok(ok(&Audit {
        page: Page::of(&app, &caller, "Changes").within("audit", account, &name),
        account,
        rows: answer
            .entries
            .into_iter()
            .map(|entry| row(account, entry))
            .collect(),
        subject: encoded(&subject),
        next: encoded(&answer.next_page_token),
    }))
}

fn row(account: AccountId, entry: Entry) -> Row {
    let record = entry.record.unwrap_or_default();
    let who = match record.actor.as_ref().and_then(|actor| actor.kind.as_ref()) {
        Some(Kind::ApiKeyId(id)) => format!("API key {id}"),
        Some(Kind::OperatorKey(_)) => "operator's key".to_owned(),
        None => "unknown".to_owned(),
    };
    let id = record.subject.strip_prefix("webhook/");
    let is_there = record.after.is_some() || record.asked.is_some();
    Row {
        at: words::moment(entry.at_ms),
        who,
        what: verb(&record.method),
        link: id
            .filter(|_| is_there)
            .map(|id| format!("/accounts/{account}/webhooks/{id}"))
            .unwrap_or_default(),
        fields: changed(&record).join(", "),
        subject: named(&record),
    }
}

/// `UpdateWebhook` as words.
fn verb(method: &str) -> String {
    let mut words = String::new();
    for (index, letter) in method.char_indices() {
        if letter.is_uppercase() && index > 0 {
            words.push(' ');
        }
        if index == 0 {
            words.push(letter);
        } else {
            words.extend(letter.to_lowercase());
        }
    }
    words
}

fn named(record: &AuditRecord) -> String {
    let entry = record
        .after
        .as_ref()
        .or(record.before.as_ref())
        .and_then(|record| record.entry.as_ref());
    let name = match entry {
        Some(Subject::Webhook(webhook)) => webhook.name.as_str(),
        Some(Subject::Account(account)) => account.name.as_str(),
        Some(Subject::ApiKey(key)) => key.name.as_str(),
        Some(Subject::EventType(kind)) => kind.name.as_str(),
        Some(
            Subject::Writer(_) | Subject::KeptWebhook(_) | Subject::Reservation(_) | Subject::ApiKeyUse(_),
        )
        | None => "",
    };
    if name.is_empty() {
        record.subject.clone()
    } else {
        name.to_owned()
    }
}

/// The fields of a webhook that differ.
fn changed(record: &AuditRecord) -> Vec<&'static str> {
    let webhook = |record: &Option<RegistryRecord>| match record.as_ref()?.entry.as_ref()? {
        Subject::Webhook(webhook) => Some(webhook.clone()),
        _ => None,
    };
    let (Some(before), Some(after)) = (webhook(&record.before), webhook(&record.after)) else {
        return Vec::new();
    };
    type Differs = fn(&Webhook, &Webhook) -> bool;
    let fields: [(&str, Differs); 15] = [
        ("name", |a, b| a.name != b.name),
        ("description", |a, b| a.description != b.description),
        ("URL", |a, b| a.target_url != b.target_url),
        ("authentication", |a, b| a.authentication != b.authentication),
        ("types", |a, b| a.event_types != b.event_types),
        ("on or off", |a, b| {
            a.active != b.active || a.disabled != b.disabled
        }),
        ("timetable", |a, b| a.timetable != b.timetable),
        ("order", |a, b| a.ordering != b.ordering),
        ("payload", |a, b| a.payload_format != b.payload_format),
        ("limits", |a, b| a.limits != b.limits),
        ("dead letters", |a, b| a.dead_letter != b.dead_letter),
        ("filter", |a, b| a.filter != b.filter),
        ("headers", |a, b| a.headers != b.headers),
        ("contacts", |a, b| a.contacts != b.contacts),
        ("tags", |a, b| a.tags != b.tags),
    ];
    fields
        .into_iter()
        .filter(|(_, differs)| differs(&before, &after))
        .map(|(name, _)| name)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_method_is_told_in_words() {
        assert_eq!(verb("UpdateWebhook"), "Update webhook");
        assert_eq!(verb("RotateSecret"), "Rotate secret");
    }
}
