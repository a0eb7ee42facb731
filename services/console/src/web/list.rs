//! The webhooks of an account: what each is, and how it is, at a glance.

use angarium_model::AccountId;
use angarium_proto::journal::v1::journal_record::Entry;
use angarium_proto::registry::v1::{ListWebhooksRequest, Webhook};
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
use crate::log::{Entry as Record, Hour, Standing};
use crate::spark::{self, Attempts, Figures};
use crate::words::{self, Glance, Moment};

/// Webhooks of a page: five are usual (W3), thousands are possible.
const PAGE: u32 = 50;
/// Deleted webhooks that are offered to be brought back.
const DELETED: u32 = 10;

#[derive(Debug, Template)]
#[template(path = "list.html")]
struct List {
    page: Page,
    account: AccountId,
    cards: Vec<Card>,
    deleted: Vec<Deleted>,
    text: String,
    /// The text as part of a query.
    query: String,
    next: String,
}

/// A webhook as the list shows it.
#[derive(Debug)]
struct Card {
    id: String,
    name: String,
    url: String,
    on: bool,
    types: String,
    glance: Glance,
    attempts: Attempts,
    figures: Figures,
    last: Option<Last>,
}

/// The last answer of a receiver.
#[derive(Debug)]
pub(super) struct Last {
    pub(super) at: Moment,
    pub(super) tone: &'static str,
    pub(super) text: String,
}

#[derive(Debug)]
struct Deleted {
    id: String,
    name: String,
    until: Moment,
}

/// What the log knows of a webhook.
#[derive(Debug, Default)]
struct Known {
    hour: Hour,
    standings: Vec<Standing>,
    last: Option<Record>,
}

pub(super) async fn page(
    State(app): State<App>,
    caller: Caller,
    InAccount(account): InAccount,
    uri: Uri,
) -> Result<Response, Failure> {
    let name = caller.account(&app, account).await?;
    let text = query(&uri, "text");
    let asked = ListWebhooksRequest {
        account_id: account.get(),
        page_size: PAGE,
        page_token: query(&uri, "page"),
        text: text.clone(),
        ..ListWebhooksRequest::default()
    };
    let mut registry = app.backend().registry(&caller.session.key);
    let listed = registry.list_webhooks(request(asked)).await?.into_inner();
    let gone = ListWebhooksRequest {
        account_id: account.get(),
        page_size: DELETED,
        deleted: true,
        ..ListWebhooksRequest::default()
    };
    let deleted = registry.list_webhooks(request(gone)).await?.into_inner().webhooks;
    let known = known(&app, account, &listed.webhooks).await?;
    let cards = listed.webhooks.into_iter().zip(known).map(card);
    let done = match query(&uri, "done").as_str() {
        "deleted" => Some("Deleted. Nothing more is sent to it; below it can be brought back."),
        "undeleted" => Some("It is back, as it was. It gets the events that are accepted from now on."),
        other => words::switched(other),
    };
    Ok(ok(&List {
        page: Page::of(&app, &caller, "Webhooks")
            .within("webhooks", account, &name)
            .done(done.map(str::to_owned)),
        account,
        cards: cards.collect(),
        deleted: deleted.into_iter().map(undoable).collect(),
        query: encoded(&text),
        text,
        next: encoded(&listed.next_page_token),
    }))
}

async fn known(app: &App, account: AccountId, webhooks: &[Webhook]) -> Result<Vec<Known>, Failure> {
    let now_ms = app.clock().now_ms();
    let ids: Vec<_> = webhooks.iter().map(|webhook| webhook.id.parse().ok()).collect();
    let asked = app.log().ask(move |store| {
        let know = |id: Option<_>| {
            let Some(id) = id else {
                return Ok(Known::default());
            };
            Ok(Known {
                hour: store.hour(id, now_ms)?,
                standings: store.standing(id)?,
                last: store.attempts(account, id, 1)?.pop(),
            })
        };
        ids.into_iter().map(know).collect()
    });
    Ok(asked.await?)
}

fn card((webhook, known): (Webhook, Known)) -> Card {
    Card {
        glance: words::glance(&webhook, &known.standings),
        attempts: spark::attempts(&known.hour),
        figures: spark::figures(&known.hour),
        last: known.last.as_ref().and_then(last),
        on: webhook.active != Some(false),
        types: types(&webhook.event_types),
        id: webhook.id,
        name: webhook.name,
        url: webhook.target_url,
    }
}

/// The first types, and how many more there are.
fn types(all: &[String]) -> String {
    const SHOWN: usize = 3;
    if all.iter().any(|name| name == "*") {
        return "all types".to_owned();
    }
    let first = all.iter().take(SHOWN).cloned().collect::<Vec<_>>().join(", ");
    match all.len().saturating_sub(SHOWN) {
        0 => first,
        more => format!("{first} and {more} more"),
    }
}

/// What a receiver answered last.
pub(super) fn last(record: &Record) -> Option<Last> {
    let Some(Entry::Attempt(attempt)) = &record.entry else {
        return None;
    };
    let status = words::status(attempt.status);
    let text = if status.is_empty() {
        words::mistake(&attempt.error_class).to_owned()
    } else {
        status
    };
    Some(Last {
        at: words::moment(record.at_ms),
        tone: words::answered(&attempt.error_class),
        text,
    })
}

fn undoable(webhook: Webhook) -> Deleted {
    Deleted {
        id: webhook.id,
        name: webhook.name,
        until: words::moment(webhook.deleted_until_ms.unwrap_or_default()),
    }
}
