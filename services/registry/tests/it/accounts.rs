//! Accounts are written and read.

use angarium_proto::registry::v1::{
    Account, CreateAccountRequest, CreateWebhookRequest, DeleteAccountRequest, DeleteWebhookRequest,
    EventClass, GetAccountRequest, ListAccountsRequest, ListEventTypesRequest, Reaction,
    UpdateAccountRequest,
};
use tonic::Code;
use tonic_types::StatusExt;

use crate::harness::{NOW_MS, Registry, webhook, wrong_fields};

fn rename(account: &Account, name: &str, revision: i64) -> UpdateAccountRequest {
    let account = Account {
        name: name.into(),
        revision,
        ..account.clone()
    };
    UpdateAccountRequest {
        account: Some(account),
        update_mask: None,
    }
}

#[tokio::test]
async fn an_account_is_created_read_changed_and_deleted() {
    let registry = Registry::start().await;
    let mut client = registry.client.clone();
    let created = registry.create_account(1234, "Acme").await;
    assert_eq!(
        (created.id, created.name.as_str(), created.created_at_ms),
        (1234, "Acme", NOW_MS)
    );
    assert!(created.revision > 0, "0 would stand for no revision");

    let read = client
        .get_account(GetAccountRequest { id: 1234 })
        .await
        .unwrap()
        .into_inner();
    assert_eq!(read.account.as_ref(), Some(&created));

    let changed = client
        .update_account(rename(&created, "Acme Ltd", created.revision))
        .await
        .unwrap();
    let changed = changed.into_inner().account.unwrap();
    assert_eq!(
        (changed.name.as_str(), changed.created_at_ms),
        ("Acme Ltd", NOW_MS)
    );
    assert!(changed.revision > created.revision);

    client
        .delete_account(DeleteAccountRequest {
            id: 1234,
            revision: changed.revision,
        })
        .await
        .unwrap();
    let gone = client
        .get_account(GetAccountRequest { id: 1234 })
        .await
        .unwrap_err();
    assert_eq!(gone.code(), Code::NotFound);
}

#[tokio::test]
async fn an_id_that_is_taken_is_refused() {
    let registry = Registry::start().await;
    registry.create_account(1234, "Acme").await;
    let request = CreateAccountRequest {
        account: Some(Account {
            id: 1234,
            ..Account::default()
        }),
    };
    let refused = registry.client.clone().create_account(request).await.unwrap_err();
    assert_eq!(refused.code(), Code::AlreadyExists);
    assert!(refused.message().contains("1234"), "{refused}");
}

#[tokio::test]
async fn a_change_of_what_somebody_else_changed_is_refused_with_the_current_revision() {
    let registry = Registry::start().await;
    let mut client = registry.client.clone();
    let created = registry.create_account(1234, "Acme").await;
    let theirs = client
        .update_account(rename(&created, "Theirs", created.revision))
        .await
        .unwrap();
    let current = theirs.into_inner().account.unwrap().revision;

    let stale = client
        .update_account(rename(&created, "Mine", created.revision))
        .await
        .unwrap_err();
    assert_eq!(stale.code(), Code::Aborted);
    let info = stale.get_details_error_info().unwrap();
    assert_eq!(info.metadata["current_revision"], current.to_string());
    let stale = client
        .delete_account(DeleteAccountRequest {
            id: 1234,
            revision: created.revision,
        })
        .await;
    assert_eq!(stale.unwrap_err().code(), Code::Aborted);

    let whatever = client.update_account(rename(&created, "Mine", 0)).await.unwrap();
    assert_eq!(whatever.into_inner().account.unwrap().name, "Mine");
}

#[tokio::test]
async fn an_account_with_webhooks_is_not_deleted() {
    let registry = Registry::start().await;
    registry.create_account(1234, "Acme").await;
    for _ in 0..2 {
        registry.create_webhook(webhook()).await;
    }
    let refused = registry
        .client
        .clone()
        .delete_account(DeleteAccountRequest {
            id: 1234,
            revision: 0,
        })
        .await;
    let refused = refused.unwrap_err();
    assert_eq!(refused.code(), Code::FailedPrecondition);
    assert!(refused.message().contains("2 webhooks"), "{refused}");
}

#[tokio::test]
async fn w3_an_account_has_five_webhooks_at_most_unless_it_is_allowed_more() {
    let registry = Registry::with_quota(None).await;
    let account = registry.create_account(1234, "Acme").await;
    let create = async || {
        let webhook = Some(webhook());
        registry
            .client
            .clone()
            .create_webhook(CreateWebhookRequest {
                webhook,
                ..CreateWebhookRequest::default()
            })
            .await
    };
    let mut last = None;
    for _ in 0..5 {
        last = Some(create().await.unwrap().into_inner().webhook.unwrap());
    }
    let refused = create().await.unwrap_err();
    assert_eq!(refused.code(), Code::ResourceExhausted);
    assert!(refused.message().contains("has 5 webhooks"), "{refused}");
    assert!(refused.get_details_quota_failure().is_some());

    let allow = |most: Option<u32>| {
        let mut request = UpdateAccountRequest {
            account: Some(Account {
                name: "not looked at".into(),
                max_webhooks: most,
                revision: 0,
                ..account.clone()
            }),
            update_mask: None,
        };
        request.update_mask.get_or_insert_default().paths = vec!["max_webhooks".into()];
        request
    };
    let mut client = registry.client.clone();
    let allowed = client.update_account(allow(Some(6))).await.unwrap();
    let allowed = allowed.into_inner().account.unwrap();
    assert_eq!((allowed.max_webhooks, &*allowed.name), (Some(6), "Acme"));
    create().await.unwrap();
    assert_eq!(create().await.unwrap_err().code(), Code::ResourceExhausted);

    // Fewer than there are: none goes, and none comes until there are fewer.
    client.update_account(allow(Some(5))).await.unwrap();
    let delete = DeleteWebhookRequest {
        account_id: 1234,
        id: last.unwrap().id,
        revision: 0,
    };
    client.delete_webhook(delete).await.unwrap();
    assert_eq!(create().await.unwrap_err().code(), Code::ResourceExhausted);
    client.update_account(allow(None)).await.unwrap();
    assert_eq!(
        create().await.unwrap_err().code(),
        Code::ResourceExhausted,
        "five again"
    );
    let wrong = client.update_account(allow(Some(0))).await.unwrap_err();
    assert_eq!(wrong_fields(&wrong), ["account.max_webhooks"]);
}

#[tokio::test]
async fn e6_how_strict_an_account_is_has_a_default_and_is_changed_by_its_own_name() {
    let registry = Registry::with_account().await;
    let mut client = registry.client.clone();
    let read = client.get_account(GetAccountRequest { id: 1234 }).await.unwrap();
    let account = read.into_inner().account.unwrap();
    assert_eq!(account.unknown_types(), Reaction::Refuse);
    assert_eq!(account.schema_violations(), Reaction::Accept);
    let change = |account: Account, paths: &[&str]| {
        let mut request = UpdateAccountRequest {
            account: Some(account),
            update_mask: None,
        };
        let paths = paths.iter().map(|path| (*path).to_owned());
        request.update_mask.get_or_insert_default().paths = paths.collect();
        request
    };
    let strict = Account {
        unknown_types: 9,
        schema_violations: Reaction::Refuse.into(),
        ..account.clone()
    };
    let changed = client
        .update_account(change(strict.clone(), &["schema_violations"]))
        .await;
    let changed = changed.unwrap().into_inner().account.unwrap();
    let expected = Account {
        schema_violations: Reaction::Refuse.into(),
        revision: changed.revision,
        ..account
    };
    assert_eq!(changed, expected);
    let wrong = Account {
        revision: 0,
        ..strict
    };
    let refused = client
        .update_account(change(wrong, &["unknown_types"]))
        .await
        .unwrap_err();
    assert_eq!(wrong_fields(&refused), ["account.unknown_types"]);
}

#[tokio::test]
async fn every_mistake_of_an_account_is_told_at_once() {
    let registry = Registry::start().await;
    let mut client = registry.client.clone();
    let wrong = || {
        Some(Account {
            id: u64::MAX,
            name: "x".repeat(257),
            ..Account::default()
        })
    };
    let refused = client
        .create_account(CreateAccountRequest { account: wrong() })
        .await
        .unwrap_err();
    assert_eq!(wrong_fields(&refused), ["account.id", "account.name"]);
    let mut request = UpdateAccountRequest {
        account: wrong(),
        update_mask: None,
    };
    request.update_mask.get_or_insert_default().paths = vec!["name".into(), "id".into()];
    let refused = client.update_account(request).await.unwrap_err();
    assert_eq!(
        wrong_fields(&refused),
        ["update_mask.paths[1]", "account.id", "account.name"]
    );
    let refused = client
        .create_account(CreateAccountRequest { account: None })
        .await
        .unwrap_err();
    assert_eq!(wrong_fields(&refused), ["account"]);
    let request = ListAccountsRequest {
        page_size: 1_001,
        page_token: "?".into(),
        ..ListAccountsRequest::default()
    };
    let refused = client.list_accounts(request).await.unwrap_err();
    assert_eq!(wrong_fields(&refused), ["page_size", "page_token"]);
}

#[tokio::test]
async fn accounts_are_listed_in_pages_in_order_of_their_ids() {
    let registry = Registry::start().await;
    for id in [30, 4, 200, 1, 12] {
        registry.create_account(id, "Acme").await;
    }
    let mut client = registry.client.clone();
    let mut pages = Vec::new();
    let mut page_token = String::new();
    loop {
        let page = client
            .list_accounts(ListAccountsRequest {
                page_size: 2,
                page_token,
                ..ListAccountsRequest::default()
            })
            .await
            .unwrap()
            .into_inner();
        pages.push(page.accounts.iter().map(|account| account.id).collect::<Vec<_>>());
        page_token = page.next_page_token;
        if page_token.is_empty() {
            break;
        }
    }
    assert_eq!(pages, [vec![1, 4], vec![12, 30], vec![200]]);
}

#[tokio::test]
async fn e1_e2_e3_the_catalogue_is_listed_with_the_class_of_each_type() {
    let registry = Registry::start().await;
    let listed = registry
        .client
        .clone()
        .list_event_types(ListEventTypesRequest::default())
        .await
        .unwrap()
        .into_inner();
    let count = |class| {
        listed
            .event_types
            .iter()
            .filter(|known| known.event_class() == class)
            .count()
    };
    assert_eq!((count(EventClass::Realtime), count(EventClass::Batch)), (15, 12));
    assert!(
        listed
            .event_types
            .iter()
            .all(|known| known.example.contains(&known.name))
    );
}
