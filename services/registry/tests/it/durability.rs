//! What was answered stays; what was not acknowledged is not answered.

use std::time::Duration;

use angarium_proto::registry::v1::authentication::Method;
use angarium_proto::registry::v1::{
    Account, CreateAccountRequest, GetAccountRequest, GetWebhookRequest, UpdateAccountRequest, Webhook,
};
use tokio::task::JoinSet;
use tonic::Code;
use tonic_types::StatusExt;

use crate::harness::{Registry, shown_secret, signature, webhook};

fn without_secret(mut webhook: Webhook) -> Webhook {
    if let Some(Method::Signature(signature)) = &mut webhook.authentication.as_mut().unwrap().method {
        signature.secret.clear();
    }
    webhook
}

#[tokio::test]
async fn a_restarted_registry_knows_everything_at_its_revision() {
    let registry = Registry::start().await;
    let account = registry.create_account(1234, "Acme").await;
    let created = registry
        .create_webhook(Webhook {
            authentication: signature(""),
            ..webhook()
        })
        .await;
    let secret = shown_secret(&created).to_owned();

    let registry = registry.restart().await;
    let mut client = registry.client.clone();
    let read = client
        .get_account(GetAccountRequest { id: 1234 })
        .await
        .unwrap()
        .into_inner();
    assert_eq!(read.account, Some(account));
    let request = GetWebhookRequest {
        account_id: 1234,
        id: created.id.clone(),
    };
    let read = client
        .get_webhook(request)
        .await
        .unwrap()
        .into_inner()
        .webhook
        .unwrap();
    assert_eq!(shown_secret(&read), "");
    assert_eq!(registry.secret_of(&read.id).await, secret);
    assert_eq!(without_secret(read), without_secret(created));
}

#[tokio::test]
async fn of_callers_that_want_the_same_at_once_one_gets_it() {
    let registry = Registry::start().await;
    let mut calls = JoinSet::new();
    for _ in 0..20 {
        let mut client = registry.client.clone();
        let request = CreateAccountRequest {
            account: Some(Account {
                id: 1234,
                ..Account::default()
            }),
        };
        calls.spawn(async move {
            client
                .create_account(request)
                .await
                .map_err(|status| status.code())
        });
    }
    let answers = calls.join_all().await;
    let created: Vec<_> = answers.iter().flatten().collect();
    assert_eq!(created.len(), 1);
    assert!(answers.iter().all(|answer| {
        answer
            .as_ref()
            .err()
            .is_none_or(|code| *code == Code::AlreadyExists)
    }));

    let account = created[0].get_ref().account.clone().unwrap();
    let mut calls = JoinSet::new();
    for caller in 0..20 {
        let mut client = registry.client.clone();
        let account = Some(Account {
            name: format!("caller {caller}"),
            ..account.clone()
        });
        let request = UpdateAccountRequest {
            account,
            update_mask: None,
        };
        calls.spawn(async move {
            client
                .update_account(request)
                .await
                .map_err(|status| status.code())
        });
    }
    let answers = calls.join_all().await;
    let changed: Vec<_> = answers.iter().flatten().collect();
    assert_eq!(changed.len(), 1);
    assert!(
        answers
            .iter()
            .all(|answer| answer.as_ref().err().is_none_or(|code| *code == Code::Aborted))
    );
    let read = registry
        .client
        .clone()
        .get_account(GetAccountRequest { id: 1234 })
        .await
        .unwrap();
    assert_eq!(read.get_ref().account, changed[0].get_ref().account);
}

#[tokio::test]
async fn many_accounts_are_written_at_once() {
    let registry = Registry::start().await;
    let mut calls = JoinSet::new();
    for id in 0..100 {
        let mut client = registry.client.clone();
        let request = CreateAccountRequest {
            account: Some(Account {
                id,
                ..Account::default()
            }),
        };
        calls.spawn(async move { client.create_account(request).await.unwrap() });
    }
    for created in calls.join_all().await {
        let account = created.into_inner().account.unwrap();
        let read = registry
            .client
            .clone()
            .get_account(GetAccountRequest { id: account.id })
            .await
            .unwrap();
        assert_eq!(read.into_inner().account, Some(account));
    }
}

#[tokio::test]
async fn without_kafka_writes_are_refused_in_bounded_time_and_change_nothing() {
    let registry = Registry::start().await;
    let account = registry.create_account(1234, "Acme").await;
    let mut registry = registry.impatient().await;
    let mut client = registry.client.clone();
    let rename = |name: &str| UpdateAccountRequest {
        account: Some(Account {
            name: name.into(),
            revision: 0,
            ..account.clone()
        }),
        update_mask: None,
    };
    client.update_account(rename("Before")).await.unwrap();
    registry.lose_kafka();
    let begun = tokio::time::Instant::now();
    let mut calls = JoinSet::new();
    for _ in 0..8 {
        let mut client = client.clone();
        let request = rename("Many");
        calls.spawn(async move { client.update_account(request).await.unwrap_err() });
    }
    let refused = calls.join_all().await;
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
    let busy: Vec<_> = refused
        .iter()
        .filter(|status| status.code() == Code::ResourceExhausted)
        .collect();
    assert!(
        !busy.is_empty(),
        "one waits and one is tried, the others are refused: {refused:?}"
    );
    assert!(
        busy.iter()
            .all(|status| status.get_details_retry_info().is_some())
    );
    // Nothing of it was acknowledged: so it was not committed either, and that is known.
    let mut others = refused
        .iter()
        .filter(|status| status.code() != Code::ResourceExhausted);
    assert!(
        others
            .all(|status| status.code() == Code::Unavailable
                && status.message().contains("nothing was written")),
        "{refused:?}"
    );
    let refused = client.update_account(rename("Later")).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unavailable, "{refused}");
    let read = client
        .get_account(GetAccountRequest { id: 1234 })
        .await
        .unwrap()
        .into_inner();
    assert_eq!(read.account.unwrap().name, "Before");
}
