//! The accounts that a caller may see.

use angarium_proto::registry::v1::{Account, ListAccountsRequest};
use askama::Template;
use axum::extract::State;
use axum::response::Response;
use http::Uri;

use super::App;
use super::answer::{ok, see};
use super::caller::{Caller, query};
use super::failure::Failure;
use super::page::Page;
use crate::backend::request;
use crate::words::{self, Moment};

/// Accounts of a page.
const PAGE: u32 = 100;

#[derive(Debug, Template)]
#[template(path = "accounts.html")]
struct Accounts {
    page: Page,
    rows: Vec<Row>,
    next: String,
}

#[derive(Debug)]
struct Row {
    id: u64,
    external_id: String,
    name: String,
    created: Moment,
}

async fn list(app: &App, caller: &Caller, page_token: String) -> Result<(Vec<Account>, String), Failure> {
    let asked = ListAccountsRequest {
        page_size: PAGE,
        page_token,
        external_id: String::new(),
    };
    let answer = app
        .backend()
        .registry(&caller.session.key)
        .list_accounts(request(asked))
        .await?;
    let answer = answer.into_inner();
    Ok((answer.accounts, answer.next_page_token))
}

/// Leads whoever has one account to its webhooks, and others to their accounts.
pub(super) async fn home(State(app): State<App>, caller: Caller) -> Result<Response, Failure> {
    let (accounts, _) = list(&app, &caller, String::new()).await?;
    Ok(match accounts.as_slice() {
        [only] => see(&format!("/accounts/{}/webhooks", only.id)),
        _ => see("/accounts"),
    })
}

pub(super) async fn all(State(app): State<App>, caller: Caller, uri: Uri) -> Result<Response, Failure> {
    let (accounts, next) = list(&app, &caller, query(&uri, "page")).await?;
    let row = |account: Account| Row {
        id: account.id,
        external_id: account.external_id,
        created: words::moment(account.created_at_ms),
        name: account.name,
    };
    Ok(ok(&Accounts {
        page: Page::of(&app, &caller, "Accounts"),
        rows: accounts.into_iter().map(row).collect(),
        next: super::answer::encoded(&next),
    }))
}
