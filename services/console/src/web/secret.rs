//! A secret, shown once, with its JSON to keep (W2).

use angarium_model::AccountId;
use angarium_proto::registry::v1::Webhook;
use askama::Template;
use url::form_urlencoded;

use super::App;
use super::caller::Caller;
use super::page::Page;

#[derive(Debug, Template)]
#[template(path = "secret.html")]
pub(super) struct Secret {
    page: Page,
    account: AccountId,
    id: String,
    name: String,
    text: &'static str,
    json: String,
    /// The JSON as an address, which the link saves without asking us again: we do not have it any more.
    address: String,
}

/// The page that shows what the registry answered; nobody keeps it.
pub(super) fn shown(
    app: &App,
    caller: &Caller,
    (account, account_name): (AccountId, &str),
    webhook: &Webhook,
    json: String,
    text: &'static str,
) -> Secret {
    let escaped: String = form_urlencoded::byte_serialize(json.as_bytes()).collect();
    Secret {
        page: Page::of(app, caller, "The webhook's secret").within("webhooks", account, account_name),
        account,
        id: webhook.id.clone(),
        name: webhook.name.clone(),
        text,
        // In an address a plus is a plus.
        address: format!(
            "data:application/json;charset=utf-8,{}",
            escaped.replace('+', "%20")
        ),
        json,
    }
}
