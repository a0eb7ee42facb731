//! Who asks, and what they send.

use std::sync::Arc;

use angarium_model::{AccountId, AccountRef, ExternalId, WebhookId};
use angarium_proto::registry::v1::{GetAccountRequest, GetWebhookRequest, ListAccountsRequest, Webhook};
use axum::extract::{FromRequest, FromRequestParts, Request};
use http::header::COOKIE;
use http::request::Parts;
use http::{HeaderMap, Uri};

use super::App;
use super::failure::Failure;
use crate::backend::request;
use crate::session::{Session, same};

/// Someone who is signed in, or the local operator.
#[derive(Debug)]
pub(super) struct Caller {
    pub(super) session: Arc<Session>,
}

impl FromRequestParts<App> for Caller {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Failure> {
        let sessions = app.sessions();
        let session = sessions.local().cloned().or_else(|| {
            let cookie = cookie(&parts.headers, sessions.cookie_name())?;
            sessions.find(cookie)
        });
        let session = session.ok_or_else(|| Failure::SignIn(wanted(parts)))?;
        Ok(Self { session })
    }
}

/// Where they wanted to go; a change is not repeated by itself.
fn wanted(parts: &Parts) -> String {
    if parts.method != http::Method::GET {
        return "/".to_owned();
    }
    parts
        .uri
        .path_and_query()
        .map_or_else(String::new, ToString::to_string)
}

impl Caller {
    /// An account that the caller may see: what its name is.
    ///
    /// # Errors
    /// When there is none, or not for them.
    pub(super) async fn account(&self, app: &App, id: AccountId) -> Result<String, Failure> {
        let asked = GetAccountRequest { id: id.get() };
        let answer = app
            .backend()
            .registry(&self.session.key)
            .get_account(request(asked))
            .await?;
        let account = answer.into_inner().account.unwrap_or_default();
        Ok(if account.name.is_empty() {
            format!("Account {id}")
        } else {
            account.name
        })
    }

    /// The account that has an external id.
    ///
    /// # Errors
    /// When there is none, or not for them.
    async fn account_of(&self, app: &App, external_id: &ExternalId) -> Result<AccountId, Failure> {
        let asked = ListAccountsRequest {
            external_id: external_id.to_string(),
            ..ListAccountsRequest::default()
        };
        let answer = app
            .backend()
            .registry(&self.session.key)
            .list_accounts(request(asked))
            .await?;
        let found = answer.into_inner().accounts;
        let id = found.first().and_then(|account| AccountId::new(account.id).ok());
        id.ok_or_else(|| Failure::not_found("account"))
    }

    /// A webhook that the caller may see.
    ///
    /// # Errors
    /// When there is none, or not for them.
    pub(super) async fn webhook(&self, app: &App, at: At) -> Result<Webhook, Failure> {
        let asked = GetWebhookRequest {
            account_id: at.account.get(),
            id: at.webhook.to_string(),
        };
        let answer = app
            .backend()
            .registry(&self.session.key)
            .get_webhook(request(asked))
            .await?;
        answer
            .into_inner()
            .webhook
            .ok_or_else(|| Failure::not_found("webhook"))
    }
}

/// A webhook, as the path names it.
#[derive(Clone, Copy, Debug)]
pub(super) struct At {
    pub(super) account: AccountId,
    pub(super) webhook: WebhookId,
}

impl At {
    /// Where its page is.
    pub(super) fn path(self) -> String {
        format!("/accounts/{}/webhooks/{}", self.account, self.webhook)
    }
}

impl FromRequestParts<App> for At {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Failure> {
        let InAccount(account) = InAccount::from_request_parts(parts, app).await?;
        let webhook = segment(parts, 3).and_then(|id| id.parse().ok());
        let webhook = webhook.ok_or_else(|| Failure::not_found("webhook"))?;
        Ok(Self { account, webhook })
    }
}

/// An account, as the path names it: by its id, or by `ext:` and its external id.
#[derive(Clone, Copy, Debug)]
pub(super) struct InAccount(pub(super) AccountId);

impl FromRequestParts<App> for InAccount {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Failure> {
        let account = segment(parts, 1).and_then(|text| text.parse().ok());
        match account.ok_or_else(|| Failure::not_found("account"))? {
            AccountRef::Id(id) => Ok(Self(id)),
            AccountRef::External(external_id) => {
                let caller = Caller::from_request_parts(parts, app).await?;
                caller.account_of(app, &external_id).await.map(Self)
            }
        }
    }
}

/// A part of `/accounts/{account}/webhooks/{webhook}/…`; ids have nothing in them that a path escapes.
fn segment(parts: &Parts, number: usize) -> Option<&str> {
    parts.uri.path().split('/').nth(number + 1)
}

/// What the query of a path says.
pub(super) fn query(uri: &Uri, name: &str) -> String {
    let query = uri.query().unwrap_or_default();
    url::form_urlencoded::parse(query.as_bytes())
        .find(|(key, _)| key == name)
        .map(|(_, value)| value.into_owned())
        .unwrap_or_default()
}

/// The value of a cookie.
pub(super) fn cookie<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    headers
        .get_all(COOKIE)
        .iter()
        .filter_map(|line| line.to_str().ok())
        .flat_map(|line| line.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find_map(|(key, value)| (key == name).then_some(value))
}

/// The fields of a form.
#[derive(Debug, Default)]
pub(super) struct Fields(Vec<(String, String)>);

impl Fields {
    /// A field that is there once; empty if it is not there.
    pub(super) fn one(&self, name: &str) -> &str {
        self.all(name).next().unwrap_or_default()
    }

    /// A field that may be there several times.
    pub(super) fn all<'f>(&'f self, name: &str) -> impl Iterator<Item = &'f str> {
        self.0
            .iter()
            .filter(move |(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    }

    /// Reads them, whoever sent them.
    ///
    /// # Errors
    /// When there are more than a form has.
    pub(super) async fn read(app: &App, sent: Request) -> Result<Self, Failure> {
        let body = axum::body::Bytes::from_request(sent, app)
            .await
            .map_err(|_refused| {
                Failure::said(
                    http::StatusCode::PAYLOAD_TOO_LARGE,
                    "That is more than a form can carry",
                    "Make what you typed shorter.",
                )
            })?;
        let pairs = url::form_urlencoded::parse(&body);
        Ok(Self(
            pairs
                .map(|(name, value)| (name.into_owned(), value.into_owned()))
                .collect(),
        ))
    }
}

#[cfg(test)]
impl<const N: usize> From<[(&str, &str); N]> for Fields {
    fn from(pairs: [(&str, &str); N]) -> Self {
        Self(
            pairs
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .into(),
        )
    }
}

/// A form that someone sent from a page of ours: its token shows it.
#[derive(Debug)]
pub(super) struct Submitted {
    pub(super) caller: Caller,
    pub(super) fields: Fields,
}

impl FromRequest<App> for Submitted {
    type Rejection = Failure;

    async fn from_request(sent: Request, app: &App) -> Result<Self, Failure> {
        let (mut parts, body) = sent.into_parts();
        let caller = Caller::from_request_parts(&mut parts, app).await?;
        let fields = Fields::read(app, Request::from_parts(parts, body)).await?;
        if !same(fields.one("csrf"), &caller.session.csrf) {
            return Err(Failure::refused(
                "This form is too old",
                "It was opened before you signed in. Go back, load the page again, and repeat it.",
            ));
        }
        Ok(Self { caller, fields })
    }
}
