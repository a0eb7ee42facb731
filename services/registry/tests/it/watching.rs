//! Followers learn what is written.

use angarium_proto::registry::v1::{
    Change, DeleteWebhookRequest, PartitionRevision, WatchRequest, WatchResponse, Webhook, change,
};
use tonic::Streaming;

use crate::harness::{Registry, shown_secret, signature, webhook};

impl Registry {
    async fn watch(
        &self,
        resume_from: Vec<PartitionRevision>,
        include_secrets: bool,
    ) -> Streaming<WatchResponse> {
        let request = WatchRequest {
            resume_from,
            include_secrets,
            ..WatchRequest::default()
        };
        self.client
            .clone()
            .watch(futures::stream::iter([request]))
            .await
            .unwrap()
            .into_inner()
    }

    /// A webhook, as delivery learns it.
    pub(crate) async fn followed(&self, id: &str) -> Webhook {
        let snapshot = next(&mut self.watch(Vec::new(), true).await).await;
        let webhook = snapshot
            .changes
            .into_iter()
            .find_map(|change| match change.change {
                Some(change::Change::Webhook(webhook)) if webhook.id == id => Some(webhook),
                _ => None,
            });
        webhook.unwrap()
    }

    /// Its secret.
    pub(crate) async fn secret_of(&self, id: &str) -> String {
        shown_secret(&self.followed(id).await).to_owned()
    }
}

async fn next(stream: &mut Streaming<WatchResponse>) -> WatchResponse {
    stream.message().await.unwrap().expect("the stream goes on")
}

/// The next response that changes something: barriers move the place only.
async fn next_change(stream: &mut Streaming<WatchResponse>) -> WatchResponse {
    loop {
        let response = next(stream).await;
        if !response.changes.is_empty() {
            return response;
        }
    }
}

fn webhooks(response: &WatchResponse) -> Vec<Webhook> {
    let webhook = |change: &Change| match &change.change {
        Some(change::Change::Webhook(webhook)) => Some(webhook.clone()),
        _ => None,
    };
    response.changes.iter().filter_map(webhook).collect()
}

#[tokio::test]
async fn a_follower_gets_a_snapshot_and_then_each_change_with_the_place_it_leads_to() {
    let registry = Registry::start().await;
    registry.create_account(1234, "Acme").await;
    let first = registry.create_webhook(webhook()).await;
    let mut stream = registry.watch(Vec::new(), false).await;
    let snapshot = next(&mut stream).await;
    assert!(snapshot.reset);
    assert_eq!(snapshot.revisions.len(), 4, "every partition has its place");
    assert_eq!(webhooks(&snapshot), std::slice::from_ref(&first));

    let second = registry.create_webhook(webhook()).await;
    let delta = next_change(&mut stream).await;
    assert!(!delta.reset);
    assert_eq!(webhooks(&delta), std::slice::from_ref(&second));
    assert!(
        delta
            .revisions
            .iter()
            .any(|known| known.revision == second.revision + 1)
    );

    let delete = DeleteWebhookRequest {
        account_id: 1234,
        id: first.id.clone(),
        revision: 0,
    };
    registry.client.clone().delete_webhook(delete).await.unwrap();
    let delta = next_change(&mut stream).await;
    let Some(change::Change::DeletedWebhook(deleted)) = &delta.changes[0].change else {
        panic!("{delta:?}");
    };
    assert_eq!((deleted.account_id, &deleted.id), (1234, &first.id));
    assert!(deleted.revision > second.revision);
}

#[tokio::test]
async fn w2_secrets_are_sent_to_followers_that_ask_for_them_only() {
    let registry = Registry::start().await;
    registry.create_account(1234, "Acme").await;
    let mut with = registry.watch(Vec::new(), true).await;
    let mut without = registry.watch(Vec::new(), false).await;
    next(&mut with).await;
    next(&mut without).await;
    let created = registry
        .create_webhook(Webhook {
            authentication: signature(""),
            ..webhook()
        })
        .await;
    let told = webhooks(&next_change(&mut with).await);
    assert_eq!(shown_secret(&told[0]), shown_secret(&created));
    let told = next_change(&mut without).await;
    assert!(!format!("{told:?}").contains("whsec_"));
    registry.rotate(&created, None, "").await.unwrap();
    let told = format!("{:?}", next_change(&mut with).await);
    assert_eq!(
        told.matches("whsec_").count(),
        2,
        "the new one and the old: {told}"
    );
    let told = next_change(&mut without).await;
    assert!(!format!("{told:?}").contains("whsec_"));
    let snapshot = next(&mut registry.watch(Vec::new(), false).await).await;
    assert!(!format!("{snapshot:?}").contains("whsec_"));
}

#[tokio::test]
async fn a_follower_goes_on_where_it_stood_and_after_a_restart_too() {
    let registry = Registry::start().await;
    registry.create_account(1234, "Acme").await;
    let mut stream = registry.watch(Vec::new(), false).await;
    let place = next(&mut stream).await.revisions;
    drop(stream);
    let missed = registry.create_webhook(webhook()).await;
    let mut stream = registry.watch(place, false).await;
    let delta = next_change(&mut stream).await;
    assert!(!delta.reset);
    assert_eq!(webhooks(&delta), [missed]);

    let mut place = delta.revisions;
    // Each partition begins with a barrier: until it is seen, the follower does not stand at the end.
    while place.iter().any(|known| known.revision == 0) {
        place = next(&mut stream).await.revisions;
    }
    let registry = registry.restart().await;
    let mut stream = registry.watch(place, false).await;
    let new = registry.create_webhook(webhook()).await;
    let delta = next_change(&mut stream).await;
    assert!(!delta.reset, "nothing had changed: no snapshot is needed");
    assert_eq!(webhooks(&delta), [new]);
}
