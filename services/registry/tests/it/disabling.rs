//! Delivery switches a webhook off, and people switch it on again (D3, W4, W7).

use angarium_proto::registry::v1::{DisableWebhookRequest, Disabled, DisabledReason, Webhook};
use tonic::{Code, Status};

use crate::harness::{NOW_MS, Registry, webhook, wrong_fields};

impl Registry {
    async fn disable(&self, request: DisableWebhookRequest) -> Result<Webhook, Status> {
        let disabled = self.client.clone().disable_webhook(request).await?;
        Ok(disabled.into_inner().webhook.unwrap())
    }
}

/// What delivery asks that acted on this version of the webhook.
fn gone(webhook: &Webhook) -> DisableWebhookRequest {
    DisableWebhookRequest {
        account_id: webhook.account_id,
        id: webhook.id.clone(),
        reason: DisabledReason::Gone.into(),
        detail: "410 after 3 events".into(),
        revision: webhook.revision,
    }
}

fn failed(webhook: &Webhook) -> DisableWebhookRequest {
    DisableWebhookRequest {
        reason: DisabledReason::FailedForRetention.into(),
        ..gone(webhook)
    }
}

fn switched(webhook: &Webhook, active: bool) -> Webhook {
    Webhook {
        active: Some(active),
        ..webhook.clone()
    }
}

#[tokio::test]
async fn d3_a_disabled_webhook_is_off_and_says_why_until_it_is_switched_on() {
    let registry = Registry::with_account().await;
    let created = registry.create_webhook(webhook()).await;
    let disabled = registry.disable(gone(&created)).await.unwrap();
    let expected = Webhook {
        active: Some(false),
        disabled: Some(Disabled {
            reason: DisabledReason::Gone.into(),
            detail: "410 after 3 events".into(),
            at_ms: NOW_MS,
        }),
        revision: disabled.revision,
        ..created.clone()
    };
    assert_eq!(disabled, expected);
    assert!(disabled.revision > created.revision);
    let registry = registry.restart().await;
    assert_eq!(registry.read_webhook(&created).await, disabled);

    let renamed = Webhook {
        name: "Payroll".into(),
        ..disabled.clone()
    };
    let renamed = registry.update_webhook(renamed, &[]).await.unwrap();
    assert_eq!(
        renamed.disabled, disabled.disabled,
        "still off, and for the same reason"
    );
    let off = switched(&renamed, false);
    let off = registry.update_webhook(off, &["active"]).await.unwrap();
    assert_eq!(off.disabled, disabled.disabled);

    let on = registry
        .update_webhook(switched(&off, true), &["active"])
        .await
        .unwrap();
    assert_eq!((on.active, &on.disabled), (Some(true), &None));
    let retired = registry
        .update_webhook(switched(&on, false), &["active"])
        .await
        .unwrap();
    assert_eq!(
        (retired.active, &retired.disabled),
        (Some(false), &None),
        "by hand: no reason"
    );
}

#[tokio::test]
async fn d3_what_an_administrator_changed_meanwhile_wins() {
    let registry = Registry::with_account().await;
    let created = registry.create_webhook(webhook()).await;
    let mended = Webhook {
        target_url: "https://example.com/mended".into(),
        ..created.clone()
    };
    let mended = registry.update_webhook(mended, &["target_url"]).await.unwrap();
    let stale = registry.disable(gone(&created)).await.unwrap_err();
    assert_eq!(stale.code(), Code::Aborted);
    assert_eq!(registry.read_webhook(&created).await, mended);
    assert_eq!(registry.disable(gone(&mended)).await.unwrap().active, Some(false));
}

#[tokio::test]
async fn d3_disabling_again_for_the_same_reason_changes_nothing_and_for_another_needs_the_revision() {
    let registry = Registry::with_account().await;
    let created = registry.create_webhook(webhook()).await;
    let disabled = registry.disable(gone(&created)).await.unwrap();
    let again = DisableWebhookRequest {
        detail: "410 once more".into(),
        ..gone(&created)
    };
    assert_eq!(registry.disable(again).await.unwrap(), disabled);
    let other = registry.disable(failed(&created)).await.unwrap_err();
    assert_eq!(other.code(), Code::Aborted);
    assert_eq!(registry.read_webhook(&created).await, disabled);
    let other = registry.disable(failed(&disabled)).await.unwrap();
    assert_eq!(
        other.disabled.unwrap().reason(),
        DisabledReason::FailedForRetention
    );

    let on = switched(&created, true);
    let on = registry
        .update_webhook(Webhook { revision: 0, ..on }, &["active"])
        .await;
    assert!(on.is_ok());
    let late = registry.disable(gone(&created)).await.unwrap_err();
    assert_eq!(late.code(), Code::Aborted, "it was switched on since");
}

#[tokio::test]
async fn d3_every_mistake_is_told_at_once_and_a_detail_of_512_bytes_is_taken() {
    let registry = Registry::with_account().await;
    let created = registry.create_webhook(webhook()).await;
    let wrong = DisableWebhookRequest {
        account_id: u64::MAX,
        id: "mine".into(),
        reason: DisabledReason::Unspecified.into(),
        detail: "x".repeat(513),
        revision: 0,
    };
    let refused = registry.disable(wrong).await.unwrap_err();
    assert_eq!(
        wrong_fields(&refused),
        ["account_id", "id", "reason", "detail", "revision"]
    );
    let unknown = DisableWebhookRequest {
        reason: 7,
        ..gone(&created)
    };
    assert_eq!(
        wrong_fields(&registry.disable(unknown).await.unwrap_err()),
        ["reason"]
    );
    let stranger = DisableWebhookRequest {
        id: format!("wh_{}", "0".repeat(32)),
        ..gone(&created)
    };
    assert_eq!(
        registry.disable(stranger).await.unwrap_err().code(),
        Code::NotFound
    );
    let longest = DisableWebhookRequest {
        detail: "x".repeat(512),
        ..gone(&created)
    };
    assert!(registry.disable(longest).await.is_ok());
}

#[tokio::test]
async fn what_only_the_registry_sets_is_ignored_in_requests_and_refused_in_a_mask() {
    let registry = Registry::with_account().await;
    let forged = || Webhook {
        disabled: Some(Disabled {
            reason: 7,
            detail: "x".repeat(513),
            at_ms: -1,
        }),
        ..webhook()
    };
    let created = registry.create_webhook(forged()).await;
    assert_eq!(created.disabled, None);
    let forged = Webhook {
        id: created.id,
        ..forged()
    };
    let changed = registry.update_webhook(forged.clone(), &[]).await.unwrap();
    assert_eq!(changed.disabled, None);
    let refused = registry
        .update_webhook(forged, &["disabled", "limits.x"])
        .await
        .unwrap_err();
    assert_eq!(
        wrong_fields(&refused),
        ["update_mask.paths[0]", "update_mask.paths[1]"]
    );
}
