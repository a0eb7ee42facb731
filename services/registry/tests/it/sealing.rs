//! W2: secrets are sealed in Kafka, and go over to another key.

use angarium_proto::registry::v1::{ResealWebhookRequest, Webhook};

use crate::harness::{Registry, shown_secret};

const OLD: &str = "old:QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUE=";
const NEW: &str = "new:QkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkI=";

async fn reseal(registry: &Registry, webhook: &Webhook) -> bool {
    let request = ResealWebhookRequest {
        account_id: webhook.account_id,
        id: webhook.id.clone(),
    };
    let answer = registry.client.clone().reseal_webhook(request).await.unwrap();
    answer.into_inner().resealed
}

#[tokio::test]
async fn w2_a_secret_is_not_in_kafka_and_survives_a_change_of_keys() {
    let registry = Registry::with_account().await.with_keys(OLD).await;
    let created = registry.create_signed().await;
    let secret = shown_secret(&created).to_owned();
    let is_in = |topic: Vec<u8>| String::from_utf8_lossy(&topic).contains("whsec_");
    assert!(!is_in(registry.topic().await));
    assert!(!reseal(&registry, &created).await, "it is sealed well");

    let registry = registry.with_keys(&format!("{NEW},{OLD}")).await;
    assert_eq!(registry.secret_of(&created.id).await, secret);
    assert!(reseal(&registry, &created).await);
    assert!(!reseal(&registry, &created).await, "once");
    assert!(!is_in(registry.topic().await));

    // The old key is not needed any more, although its record is still there until compaction takes it.
    let registry = registry.with_keys(NEW).await;
    assert_eq!(registry.secret_of(&created.id).await, secret);
    assert!(!reseal(&registry, &created).await);
}

#[tokio::test]
async fn w2_a_registry_without_the_key_of_a_secret_does_not_start_and_says_which_it_lacks() {
    let registry = Registry::with_account().await.with_keys(OLD).await;
    let created = registry.create_signed().await;
    let told = registry.fails_with_keys(NEW).await;
    assert!(told.contains(&created.id) && told.contains("\"old\""), "{told}");
}

#[tokio::test]
async fn w2_what_was_stored_before_there_were_keys_is_sealed_when_asked_for() {
    let registry = Registry::with_account().await;
    let created = registry.create_signed().await;
    let registry = registry.with_keys(NEW).await;
    let secret = shown_secret(&created);
    assert_eq!(registry.secret_of(&created.id).await, secret);
    assert!(reseal(&registry, &created).await);
    assert_eq!(registry.secret_of(&created.id).await, secret);
}
