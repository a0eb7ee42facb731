//! Webhooks that were deleted, and brought back; creations that were asked for twice.

use angarium_proto::audit::v1::ListAuditLogRequest;
use angarium_proto::audit::v1::audit_service_client::AuditServiceClient;
use angarium_proto::registry::v1::{
    CreateWebhookRequest, DeleteAccountRequest, DeleteWebhookRequest, ListWebhooksRequest,
    UndeleteWebhookRequest, Webhook,
};
use tonic::{Code, Status};
use tonic_types::StatusExt as _;

use crate::harness::{NOW_MS, Registry, get, shown_secret, signature, webhook, wrong_fields};

const KEYS: &str = "k1:QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUE=";
const DAY_MS: i64 = 24 * 60 * 60 * 1_000;

async fn delete(registry: &Registry, webhook: &Webhook) -> i64 {
    let request = DeleteWebhookRequest {
        account_id: webhook.account_id,
        id: webhook.id.clone(),
        revision: 0,
    };
    let deleted = registry.client.clone().delete_webhook(request).await.unwrap();
    deleted.into_inner().deleted_until_ms
}

async fn undelete(registry: &Registry, webhook: &Webhook) -> Result<Webhook, Status> {
    let request = UndeleteWebhookRequest {
        account_id: webhook.account_id,
        id: webhook.id.clone(),
    };
    let back = registry.client.clone().undelete_webhook(request).await?;
    Ok(back.into_inner().webhook.unwrap())
}

async fn listed(registry: &Registry, deleted: bool) -> Vec<(String, Option<i64>)> {
    let request = ListWebhooksRequest {
        account_id: 1234,
        page_size: 1_000,
        deleted,
        ..ListWebhooksRequest::default()
    };
    let all = registry.client.clone().list_webhooks(request).await.unwrap();
    let all = all.into_inner().webhooks.into_iter();
    all.map(|webhook| (webhook.id, webhook.deleted_until_ms))
        .collect()
}

async fn create(registry: &Registry, request_id: &str, webhook: Webhook) -> Result<Webhook, Status> {
    let request = CreateWebhookRequest {
        webhook: Some(webhook),
        request_id: request_id.into(),
    };
    let created = registry.client.clone().create_webhook(request).await?;
    Ok(created.into_inner().webhook.unwrap())
}

#[tokio::test]
async fn w2_a_deleted_webhook_comes_back_within_a_day_with_the_secret_it_had() {
    let registry = Registry::with_account().await.with_keys(KEYS).await;
    let created = registry.create_signed().await;
    let secret = shown_secret(&created).to_owned();
    assert_eq!(delete(&registry, &created).await, NOW_MS + DAY_MS);
    let refused = registry
        .client
        .clone()
        .get_webhook(get(&created))
        .await
        .unwrap_err();
    assert_eq!(refused.code(), Code::NotFound);
    assert!(refused.message().contains("until 2024-09-07T"), "{refused}");
    assert!(
        refused.message().contains("UndeleteWebhook brings it back"),
        "{refused}"
    );
    assert_eq!(listed(&registry, false).await, []);
    let kept = [(created.id.clone(), Some(NOW_MS + DAY_MS))];
    assert_eq!(listed(&registry, true).await, kept);
    let topic = registry.topic().await;
    assert!(
        !String::from_utf8_lossy(&topic).contains(&secret),
        "it is sealed still"
    );

    let registry = registry.restart_at(NOW_MS + DAY_MS - 1).await;
    let back = undelete(&registry, &created).await.unwrap();
    assert!(back.revision > created.revision);
    assert_eq!(
        (back.name, back.target_url),
        (created.name.clone(), created.target_url.clone())
    );
    let followed = format!("{:?}", registry.followed(&created.id).await);
    assert!(followed.contains(&secret), "{followed}");
    assert_eq!(listed(&registry, true).await, []);
    assert_eq!(listed(&registry, false).await, [(created.id.clone(), None)]);
    let twice = undelete(&registry, &created).await.unwrap_err();
    assert_eq!(twice.code(), Code::NotFound);

    let mut auditor = AuditServiceClient::new(registry.channel());
    let asked = ListAuditLogRequest {
        account_id: Some(1234),
        ..ListAuditLogRequest::default()
    };
    let told = auditor.list_audit_log(asked).await.unwrap().into_inner().entries;
    let told: Vec<_> = told
        .into_iter()
        .map(|entry| entry.record.unwrap().method)
        .collect();
    assert_eq!(
        told,
        [
            "UndeleteWebhook",
            "DeleteWebhook",
            "CreateWebhook",
            "CreateAccount"
        ]
    );
}

#[tokio::test]
async fn what_was_deleted_a_day_ago_is_gone_and_takes_no_room() {
    let registry = Registry::with_account().await;
    let created = registry.create_signed().await;
    delete(&registry, &created).await;
    registry.set_clock(NOW_MS + DAY_MS);
    let late = undelete(&registry, &created).await.unwrap_err();
    assert_eq!(late.code(), Code::NotFound);
    // A writer looks when it begins.
    let registry = registry.restart_at(NOW_MS + DAY_MS).await;
    let gone = async {
        while !listed(&registry, true).await.is_empty() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(20), gone)
        .await
        .unwrap();
    let registry = registry.restart().await;
    assert_eq!(listed(&registry, true).await, []);
}

#[tokio::test]
async fn w3_a_deleted_webhook_counts_for_nothing_until_it_comes_back() {
    let registry = Registry::with_quota(None).await;
    registry.create_account(1234, "Acme").await;
    let first = registry.create_webhook(webhook()).await;
    for _ in 1..5 {
        registry.create_webhook(webhook()).await;
    }
    delete(&registry, &first).await;
    let fifth = registry.create_webhook(webhook()).await;
    let full = undelete(&registry, &first).await.unwrap_err();
    assert_eq!(full.code(), Code::ResourceExhausted);
    assert!(full.get_details_quota_failure().is_some());
    delete(&registry, &fifth).await;
    undelete(&registry, &first).await.unwrap();
}

#[tokio::test]
async fn the_last_hundred_are_kept_and_go_with_their_account() {
    const KEPT: usize = 100;
    let registry = Registry::with_account().await;
    let first = registry.create_webhook(webhook()).await;
    delete(&registry, &first).await;
    registry.set_clock(NOW_MS + 1);
    for _ in 0..KEPT {
        delete(&registry, &registry.create_webhook(webhook()).await).await;
    }
    let kept = listed(&registry, true).await;
    assert_eq!(kept.len(), KEPT);
    assert!(kept.iter().all(|(id, _)| *id != first.id), "the first one went");
    let account = DeleteAccountRequest {
        id: 1234,
        revision: 0,
    };
    registry.client.clone().delete_account(account).await.unwrap();
    registry.create_account(1234, "Another").await;
    assert_eq!(listed(&registry, true).await, []);
}

#[tokio::test]
async fn a_creation_that_is_asked_for_again_answers_the_same_webhook_and_creates_none() {
    let registry = Registry::with_account().await;
    registry.create_account(77, "Other").await;
    let signed = || Webhook {
        authentication: signature(""),
        ..webhook()
    };
    let first = create(&registry, "a-1", signed()).await.unwrap();
    registry.set_clock(NOW_MS + DAY_MS - 1);
    let again = create(&registry, "a-1", signed()).await.unwrap();
    assert_eq!(again, first, "with the secret, which nobody else can tell");
    assert_eq!(listed(&registry, false).await.len(), 1);

    let other = Webhook {
        name: "Payroll".into(),
        ..signed()
    };
    let refused = create(&registry, "a-1", other).await.unwrap_err();
    assert_eq!(refused.code(), Code::AlreadyExists, "{refused}");
    let elsewhere = Webhook {
        account_id: 77,
        ..signed()
    };
    let elsewhere = create(&registry, "a-1", elsewhere).await.unwrap();
    assert_ne!(elsewhere.id, first.id);
    create(&registry, "a-2", signed()).await.unwrap();
    create(&registry, "", signed()).await.unwrap();
    assert_eq!(listed(&registry, false).await.len(), 3);

    registry.set_clock(NOW_MS + DAY_MS);
    let late = create(&registry, "a-1", signed()).await.unwrap_err();
    assert_eq!(late.code(), Code::AlreadyExists, "{late}");
    registry.set_clock(NOW_MS + 1);
    delete(&registry, &first).await;
    let deleted = create(&registry, "a-1", signed()).await.unwrap_err();
    assert_eq!(deleted.code(), Code::AlreadyExists, "{deleted}");
    let wrong = create(&registry, "a b", signed()).await.unwrap_err();
    assert_eq!(wrong_fields(&wrong), ["request_id"]);
}
