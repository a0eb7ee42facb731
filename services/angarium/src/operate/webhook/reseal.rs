//! `angarium webhook reseal`: every secret under the newest key.

use angarium_proto::registry::v1::authentication::Method;
use angarium_proto::registry::v1::{
    Account, ListAccountsRequest, ListWebhooksRequest, ResealWebhookRequest, Webhook,
};
use serde_json::json;
use tonic::Code;

use crate::cli::AtRegistry;
use crate::operate::registry::{PAGE, Registry, request};
use crate::output::{Row, one, print};

const HEADERS: [&str; 2] = ["webhooks that sign", "sealed anew"];

/// Goes through all webhooks of all accounts. May be repeated: what is sealed well stays as it is.
pub(super) async fn run(at: &AtRegistry) -> anyhow::Result<()> {
    let mut registry = Registry::at(at)?;
    let (mut signing, mut resealed) = (0_u64, 0_u64);
    for account in accounts(&mut registry).await? {
        for webhook in webhooks(&mut registry, account.id).await? {
            if !signs(&webhook) {
                continue;
            }
            signing += 1;
            let asked = ResealWebhookRequest {
                account_id: account.id,
                id: webhook.id,
            };
            match registry.calls.reseal_webhook(request(asked)).await {
                // Deleted meanwhile.
                Err(status) if status.code() == Code::NotFound => {}
                answer => resealed += u64::from(registry.answer(answer)?.resealed),
            }
        }
    }
    let row = Row {
        cells: vec![signing.to_string(), resealed.to_string()],
        json: json!({"signing": signing, "resealed": resealed}),
    };
    print(&one(at.reach.output, &HEADERS, row))
}

async fn accounts(registry: &mut Registry) -> anyhow::Result<Vec<Account>> {
    let mut all = Vec::new();
    let mut page_token = String::new();
    loop {
        let page = ListAccountsRequest {
            page_size: PAGE,
            page_token,
        };
        let sent = registry.calls.list_accounts(request(page)).await;
        let answer = registry.answer(sent)?;
        all.extend(answer.accounts);
        page_token = answer.next_page_token;
        if page_token.is_empty() {
            return Ok(all);
        }
    }
}

async fn webhooks(registry: &mut Registry, account_id: u64) -> anyhow::Result<Vec<Webhook>> {
    let mut all = Vec::new();
    let mut page_token = String::new();
    loop {
        let page = ListWebhooksRequest {
            account_id,
            page_size: PAGE,
            page_token,
        };
        match registry.calls.list_webhooks(request(page)).await {
            // The account was deleted meanwhile.
            Err(status) if status.code() == Code::NotFound => return Ok(all),
            answer => {
                let answer = registry.answer(answer)?;
                all.extend(answer.webhooks);
                page_token = answer.next_page_token;
            }
        }
        if page_token.is_empty() {
            return Ok(all);
        }
    }
}

fn signs(webhook: &Webhook) -> bool {
    let method = webhook.authentication.as_ref().and_then(|it| it.method.as_ref());
    matches!(method, Some(Method::Signature(_)))
}
