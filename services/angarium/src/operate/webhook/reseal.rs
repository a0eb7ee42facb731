//! `angarium webhook reseal`: every secret under the newest key.

use angarium_proto::registry::v1::authentication::Method;
use angarium_proto::registry::v1::{ListWebhooksRequest, ResealWebhookRequest, Webhook};
use serde_json::json;
use tonic::Code;

use crate::cli::AtRegistry;
use crate::operate::registry::{Registry, request};
use crate::output::{Row, one, print};

const HEADERS: [&str; 2] = ["webhooks with secrets", "sealed anew"];

/// Goes through all webhooks of all accounts. May be repeated: what is sealed well stays as it is.
pub(super) async fn run(at: &AtRegistry) -> anyhow::Result<()> {
    let mut registry = Registry::at(at)?;
    let (mut with_secrets, mut resealed) = (0_u64, 0_u64);
    let accounts = registry.all_accounts().await;
    for account in registry.told(accounts)? {
        let all = ListWebhooksRequest {
            account_id: account.id,
            ..ListWebhooksRequest::default()
        };
        let webhooks = match registry.webhooks(all).await {
            // The account was deleted meanwhile.
            Err(status) if status.code() == Code::NotFound => continue,
            webhooks => registry.told(webhooks)?,
        };
        for webhook in webhooks {
            if !has_secrets(&webhook) {
                continue;
            }
            with_secrets += 1;
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
        cells: vec![with_secrets.to_string(), resealed.to_string()],
        json: json!({"withSecrets": with_secrets, "resealed": resealed}),
    };
    print(&one(at.reach.output, &HEADERS, row))
}

fn has_secrets(webhook: &Webhook) -> bool {
    let method = webhook.authentication.as_ref().and_then(|it| it.method.as_ref());
    matches!(
        method,
        Some(Method::Signature(_) | Method::Basic(_) | Method::Header(_))
    )
}
