//! W2: a webhook gets a new secret, the one before signs beside it for a while, and nobody else is shown either.

use angarium_proto::registry::v1::authentication::Method;
use angarium_proto::registry::v1::{
    ListWebhooksRequest, PreviousSecret, ResealWebhookRequest, RevokeSecretRequest, RotateSecretRequest,
    RotateSecretResponse, Signature, Webhook,
};
use serde_json::Value;
use tonic::{Code, Status};
use tonic_types::StatusExt as _;

use crate::harness::{NOW_MS, Registry, shown_secret, signature, webhook, wrong_fields};

const BROUGHT: &str = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
/// What `printf %s whsec_… | sha256sum` begins with.
const FINGERPRINT: &str = "5036e143";
const DAY_MS: i64 = 24 * 60 * 60 * 1_000;
const OLD: &str = "old:QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUE=";
const NEW: &str = "new:QkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkI=";

impl Registry {
    pub(crate) async fn rotate(
        &self,
        webhook: &Webhook,
        overlap_seconds: Option<u32>,
        secret: &str,
    ) -> Result<RotateSecretResponse, Status> {
        let request = RotateSecretRequest {
            account_id: webhook.account_id,
            id: webhook.id.clone(),
            secret: secret.into(),
            overlap_seconds,
            revision: 0,
        };
        let answer = self.client.clone().rotate_secret(request).await?;
        Ok(answer.into_inner())
    }

    async fn revoke(&self, webhook: &Webhook, revision: i64) -> Result<Webhook, Status> {
        let request = RevokeSecretRequest {
            account_id: webhook.account_id,
            id: webhook.id.clone(),
            revision,
        };
        let answer = self.client.clone().revoke_secret(request).await?;
        Ok(answer.into_inner().webhook.unwrap())
    }
}

fn signs(webhook: &Webhook) -> &Signature {
    match webhook.authentication.as_ref().unwrap().method.as_ref().unwrap() {
        Method::Signature(signature) => signature,
        other => panic!("the webhook does not sign: {other:?}"),
    }
}

/// The secrets of a webhook as delivery learns them, the current one first, with their ends.
async fn valid(registry: &Registry, webhook: &Webhook) -> Vec<(String, i64)> {
    let followed = registry.followed(&webhook.id).await;
    let signature = signs(&followed);
    let previous = signature.previous.iter();
    let previous = previous.map(|old| (old.secret.clone(), old.expires_at_ms));
    std::iter::once((signature.secret.clone(), 0))
        .chain(previous)
        .collect()
}

#[tokio::test]
async fn w2_a_new_secret_is_shown_once_and_the_one_before_signs_beside_it_until_its_end() {
    let registry = Registry::with_account().await;
    let created = registry.create_signed().await;
    let old = shown_secret(&created).to_owned();
    let rotated = registry.rotate(&created, None, BROUGHT).await.unwrap();
    let shown = rotated.webhook.unwrap();
    assert!(shown.revision > created.revision);
    assert_eq!(shown_secret(&shown), BROUGHT);
    let before = PreviousSecret {
        fingerprint: signs(&created).fingerprint.clone(),
        created_at_ms: Some(NOW_MS),
        expires_at_ms: NOW_MS + DAY_MS,
        // The old one was shown in its time.
        ..PreviousSecret::default()
    };
    assert_eq!(signs(&shown).previous, [before]);
    assert_eq!(signs(&shown).fingerprint, FINGERPRINT);

    let read = registry.read_webhook(&created).await;
    let hidden = Signature {
        secret: String::new(),
        ..signs(&shown).clone()
    };
    assert_eq!(
        signs(&read),
        &hidden,
        "an administrator sees which are valid and until when"
    );
    let list = ListWebhooksRequest {
        account_id: 1234,
        ..ListWebhooksRequest::default()
    };
    let listed = registry.client.clone().list_webhooks(list).await.unwrap();
    assert_eq!(listed.into_inner().webhooks, [read]);

    let both = [(BROUGHT.to_owned(), 0), (old, NOW_MS + DAY_MS)];
    assert_eq!(valid(&registry, &created).await, both);
    let registry = registry.restart().await;
    assert_eq!(valid(&registry, &created).await, both);
}

#[tokio::test]
async fn w2_once_revoked_old_secrets_are_gone_and_revoking_again_changes_nothing() {
    let registry = Registry::with_account().await;
    let created = registry.create_signed().await;
    registry.rotate(&created, Some(60), BROUGHT).await.unwrap();
    let stale = registry.revoke(&created, created.revision).await.unwrap_err();
    assert_eq!(stale.code(), Code::Aborted, "it was rotated since");
    let revoked = registry.revoke(&created, 0).await.unwrap();
    assert_eq!(signs(&revoked).previous, []);
    assert_eq!(shown_secret(&revoked), "");
    let alone = [(BROUGHT.to_owned(), 0)];
    assert_eq!(valid(&registry, &created).await, alone);
    let again = registry.revoke(&created, 0).await.unwrap();
    assert_eq!(again.revision, revoked.revision);
}

#[tokio::test]
async fn w2_without_an_overlap_and_by_an_update_the_new_secret_signs_alone() {
    let registry = Registry::with_account().await;
    let created = registry.create_signed().await;
    registry.rotate(&created, None, "").await.unwrap();
    let rotated = registry.rotate(&created, Some(0), "").await.unwrap();
    let second = rotated.webhook.unwrap();
    assert_eq!(
        valid(&registry, &created).await,
        [(shown_secret(&second).to_owned(), 0)]
    );

    registry.rotate(&created, None, "").await.unwrap();
    let same = |secret: &str| Webhook {
        revision: 0,
        authentication: signature(secret),
        ..created.clone()
    };
    let kept = registry
        .update_webhook(same(""), &["authentication"])
        .await
        .unwrap();
    assert_eq!(signs(&kept).previous.len(), 1, "an update that brings none");
    let updated = registry
        .update_webhook(same(BROUGHT), &["authentication"])
        .await
        .unwrap();
    assert_eq!(shown_secret(&updated), BROUGHT);
    assert_eq!(valid(&registry, &created).await, [(BROUGHT.to_owned(), 0)]);
    registry.rotate(&created, None, "").await.unwrap();
    let (current, _) = valid(&registry, &created).await.remove(0);
    registry
        .update_webhook(same(&current), &["authentication"])
        .await
        .unwrap();
    let unchanged = valid(&registry, &created).await;
    assert_eq!(unchanged.len(), 2, "an update that brings the current one");
}

#[tokio::test]
async fn w2_what_only_the_registry_sets_of_secrets_is_not_taken_from_callers() {
    let registry = Registry::with_account().await;
    let smuggled = Signature {
        secret: BROUGHT.into(),
        fingerprint: "00000000".into(),
        created_at_ms: Some(1),
        previous: vec![PreviousSecret {
            secret: BROUGHT.into(),
            expires_at_ms: i64::MAX,
            ..PreviousSecret::default()
        }],
        sealed: None,
    };
    let mut wanted = webhook();
    wanted.authentication.as_mut().unwrap().method = Some(Method::Signature(smuggled));
    let created = registry.create_webhook(wanted).await;
    let expected = Signature {
        secret: BROUGHT.into(),
        fingerprint: FINGERPRINT.into(),
        created_at_ms: Some(NOW_MS),
        ..Signature::default()
    };
    assert_eq!(signs(&created), &expected);
}

#[tokio::test]
async fn w2_a_third_old_secret_and_one_that_signs_already_are_refused_with_what_to_do() {
    let registry = Registry::with_account().await;
    let created = registry.create_signed().await;
    registry.rotate(&created, None, BROUGHT).await.unwrap();
    let again = registry.rotate(&created, None, BROUGHT).await.unwrap_err();
    assert_eq!(wrong_fields(&again), ["secret"]);
    assert!(!format!("{again:?}").contains(BROUGHT), "{again:?}");
    registry.rotate(&created, None, "").await.unwrap();
    let third = registry.rotate(&created, None, "").await.unwrap_err();
    assert_eq!(third.code(), Code::FailedPrecondition);
    assert!(third.message().contains("RevokeSecret"), "{third}");
    assert_eq!(valid(&registry, &created).await.len(), 3);

    let unsigned = registry.create_webhook(webhook()).await;
    for refused in [
        registry.rotate(&unsigned, None, "").await.unwrap_err(),
        registry.revoke(&unsigned, 0).await.unwrap_err(),
    ] {
        assert_eq!(refused.code(), Code::FailedPrecondition);
        let violations = refused.get_details_precondition_failure().unwrap().violations;
        assert_eq!(violations[0].r#type, "NOT_SIGNED");
    }
    let wrong = registry.rotate(&unsigned, Some(604_801), "whsec_short").await;
    assert_eq!(wrong_fields(&wrong.unwrap_err()), ["secret", "overlap_seconds"]);
}

#[tokio::test]
async fn w2_old_secrets_are_sealed_as_the_current_one_and_go_over_to_another_key_with_it() {
    let registry = Registry::with_account().await.with_keys(OLD).await;
    let created = registry.create_signed().await;
    registry.rotate(&created, None, "").await.unwrap();
    let both = valid(&registry, &created).await;
    let is_in = |topic: Vec<u8>| String::from_utf8_lossy(&topic).contains("whsec_");
    assert!(!is_in(registry.topic().await));

    let registry = registry.with_keys(&format!("{NEW},{OLD}")).await;
    let reseal = ResealWebhookRequest {
        account_id: created.account_id,
        id: created.id.clone(),
    };
    let answer = registry.client.clone().reseal_webhook(reseal).await.unwrap();
    assert!(answer.into_inner().resealed);
    assert!(!is_in(registry.topic().await));
    let registry = registry.with_keys(NEW).await;
    assert_eq!(valid(&registry, &created).await, both);
}

#[tokio::test]
async fn w2_a_secret_comes_as_a_json_document_with_what_a_receiver_needs() {
    let registry = Registry::with_account().await;
    let mut client = registry.client.clone();
    let request = |webhook| angarium_proto::registry::v1::CreateWebhookRequest {
        webhook: Some(webhook),
        ..angarium_proto::registry::v1::CreateWebhookRequest::default()
    };
    let signed = Webhook {
        authentication: signature(BROUGHT),
        ..webhook()
    };
    let created = client.create_webhook(request(signed)).await.unwrap().into_inner();
    let webhook_id = created.webhook.as_ref().unwrap().id.clone();
    let expected = format!(
        r#"{{
  "webhookId": "{webhook_id}",
  "accountId": 1234,
  "url": "https://example.com/hooks",
  "scheme": "Standard Webhooks v1",
  "algorithm": "HMAC-SHA256",
  "secret": "{BROUGHT}",
  "fingerprint": "{FINGERPRINT}",
  "createdAt": "2024-09-06T06:29:07Z",
  "headers": {{
    "id": "webhook-id",
    "timestamp": "webhook-timestamp",
    "signature": "webhook-signature"
  }},
  "signedContent": "{{webhook-id}}.{{webhook-timestamp}}.{{body}}",
  "signaturePrefix": "v1,"
}}"#
    );
    assert_eq!(created.secret_json, expected);

    let created = created.webhook.unwrap();
    let rotated = registry.rotate(&created, None, "").await.unwrap();
    let document: Value = serde_json::from_str(&rotated.secret_json).unwrap();
    let rotated = rotated.webhook.unwrap();
    assert_eq!(document["secret"], shown_secret(&rotated));
    assert_eq!(document["fingerprint"], signs(&rotated).fingerprint.as_str());

    let renamed = crate::harness::update(rotated, &["name"]);
    let renamed = client.update_webhook(renamed).await.unwrap().into_inner();
    assert_eq!(renamed.secret_json, "", "this call made no secret");
    let unsigned = client
        .create_webhook(request(webhook()))
        .await
        .unwrap()
        .into_inner();
    assert_eq!(unsigned.secret_json, "");
}
