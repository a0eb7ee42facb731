//! The product's own ids of accounts: unique, kept, and good wherever an account is named.

use angarium_proto::access::v1::{Role, Scope};
use angarium_proto::registry::v1::{
    Account, CreateAccountRequest, DeleteAccountRequest, ListAccountsRequest, UpdateAccountRequest,
};
use tonic::{Code, Request, Status};
use tonic_types::StatusExt as _;

use crate::api_keys::{key, made, role, scopes};
use crate::harness::{Client, NOW_MS, Registry, wrong_fields};

/// For how long an external id is kept for an account that does not have it.
const KEPT_MS: i64 = 10 * 60 * 1_000;

fn named(id: u64, external_id: &str) -> Account {
    Account {
        id,
        external_id: external_id.into(),
        ..Account::default()
    }
}

async fn create(registry: &Registry, id: u64, external_id: &str) -> Result<Account, Status> {
    let request = CreateAccountRequest {
        account: Some(named(id, external_id)),
    };
    let created = registry.client.clone().create_account(request).await?;
    Ok(created.into_inner().account.unwrap())
}

async fn give(registry: &Registry, id: u64, external_id: &str) -> Result<Account, Status> {
    let mut request = UpdateAccountRequest {
        account: Some(named(id, external_id)),
        update_mask: None,
    };
    request.update_mask.get_or_insert_default().paths = vec!["external_id".into()];
    let changed = registry.client.clone().update_account(request).await?;
    Ok(changed.into_inner().account.unwrap())
}

/// Which accounts there are of this external id.
async fn of(client: &Client, external_id: &str) -> Vec<u64> {
    let asked = ListAccountsRequest {
        external_id: external_id.into(),
        ..ListAccountsRequest::default()
    };
    let answer = client.clone().list_accounts(asked).await.unwrap().into_inner();
    assert!(answer.next_page_token.is_empty());
    answer.accounts.iter().map(|account| account.id).collect()
}

fn taken(refused: &Status, by: &str) {
    assert_eq!(refused.code(), Code::AlreadyExists, "{refused}");
    assert_eq!(refused.get_details_resource_info().unwrap().resource_name, by);
}

#[tokio::test]
async fn no_two_accounts_have_the_same_external_id_and_one_that_is_given_stays() {
    let registry = Registry::start().await;
    let created = create(&registry, 1, "acme").await.unwrap();
    assert_eq!(created.external_id, "acme");
    registry.create_account(2, "Other").await;
    taken(&create(&registry, 3, "acme").await.unwrap_err(), "1");
    taken(&give(&registry, 2, "acme").await.unwrap_err(), "1");
    assert_eq!(of(&registry.client, "acme").await, [1]);
    assert!(of(&registry.client, "acm").await.is_empty());

    let given = give(&registry, 2, "acme-eu").await.unwrap();
    assert_eq!(given.external_id, "acme-eu");
    assert_eq!(
        give(&registry, 2, "acme-eu").await.unwrap().external_id,
        "acme-eu"
    );
    let refused = give(&registry, 2, "acme-us").await.unwrap_err();
    assert_eq!(refused.code(), Code::FailedPrecondition, "{refused}");
    assert!(refused.message().contains("acme-eu"), "{refused}");
    // All fields are changed, and this one is not there: it stays.
    let request = UpdateAccountRequest {
        account: Some(named(2, "")),
        update_mask: None,
    };
    let changed = registry.client.clone().update_account(request).await.unwrap();
    assert_eq!(changed.into_inner().account.unwrap().external_id, "acme-eu");

    let registry = registry.restart().await;
    assert_eq!(of(&registry.client, "acme").await, [1]);
    assert_eq!(of(&registry.client, "acme-eu").await, [2]);
    taken(&create(&registry, 3, "acme").await.unwrap_err(), "1");
    // One that was refused for another reason is kept for a while all the same.
    taken(&create(&registry, 3, "acme-us").await.unwrap_err(), "2");
}

#[tokio::test]
async fn what_cannot_be_one_is_told_with_its_field() {
    let registry = Registry::with_account().await;
    let refused = create(&registry, 1, "acme gmbh").await.unwrap_err();
    assert_eq!(wrong_fields(&refused), ["account.external_id"]);
    let refused = give(&registry, 1234, "ext:acme").await.unwrap_err();
    assert_eq!(wrong_fields(&refused), ["account.external_id"]);
    let asked = ListAccountsRequest {
        external_id: "a/b".into(),
        ..ListAccountsRequest::default()
    };
    let refused = registry.client.clone().list_accounts(asked).await.unwrap_err();
    assert_eq!(wrong_fields(&refused), ["external_id"]);
}

#[tokio::test]
async fn the_external_id_of_an_account_that_is_gone_is_free_after_a_while_and_not_before() {
    let registry = Registry::start().await;
    create(&registry, 1, "acme").await.unwrap();
    let delete = DeleteAccountRequest { id: 1, revision: 0 };
    registry.client.clone().delete_account(delete).await.unwrap();
    assert!(of(&registry.client, "acme").await.is_empty());
    registry.set_clock(NOW_MS + KEPT_MS - 1);
    let refused = create(&registry, 2, "acme").await.unwrap_err();
    taken(&refused, "1");
    assert!(
        refused.message().contains("from 2024-09-06T06:39:07Z on"),
        "{refused}"
    );
    // The same account may have it again, and then it is kept anew.
    create(&registry, 1, "acme").await.unwrap();
    registry.set_clock(NOW_MS + 3 * KEPT_MS);
    taken(&create(&registry, 2, "acme").await.unwrap_err(), "1");
    registry.client.clone().delete_account(delete).await.unwrap();
    taken(&create(&registry, 2, "acme").await.unwrap_err(), "1");
    registry.set_clock(NOW_MS + 4 * KEPT_MS);
    assert_eq!(create(&registry, 2, "acme").await.unwrap().id, 2);
    assert_eq!(of(&registry.client, "acme").await, [2]);
    taken(&create(&registry, 1, "acme").await.unwrap_err(), "2");
}

/// As another registry passes it on, which has had the external id kept until then, or not.
fn passed_on(id: u64, external_id: &str, until_ms: Option<i64>) -> Request<CreateAccountRequest> {
    let mut request = Request::new(CreateAccountRequest {
        account: Some(named(id, external_id)),
    });
    let metadata = request.metadata_mut();
    metadata.insert("angarium-passed-on", "1".parse().unwrap());
    if let Some(until_ms) = until_ms {
        metadata.insert("angarium-kept-until", until_ms.to_string().parse().unwrap());
    }
    request
}

#[tokio::test]
async fn an_account_is_not_written_whose_external_id_is_kept_no_more() {
    let registry = Registry::start().await;
    let mut client = registry.client.clone();
    // What is passed on is refused before there is a writer, too: then for another reason.
    registry.create_account(1, "").await;
    let delete = DeleteAccountRequest { id: 1, revision: 0 };
    client.delete_account(delete).await.unwrap();
    // A registry that was frozen behind the reservation, and thaws when it has lapsed.
    for late in [None, Some(NOW_MS - 1), Some(NOW_MS)] {
        let refused = client
            .create_account(passed_on(1, "acme", late))
            .await
            .unwrap_err();
        assert_eq!(refused.code(), Code::Unavailable, "{late:?}: {refused}");
        assert!(refused.get_details_retry_info().is_some(), "nothing was written");
    }
    assert!(of(&registry.client, "acme").await.is_empty());
    let in_time = passed_on(1, "acme", Some(NOW_MS + 1));
    client.create_account(in_time).await.unwrap();
    // Whoever passes nothing on has it kept anew, whatever the call tells.
    let mut told = passed_on(2, "acme-eu", Some(1));
    told.metadata_mut().remove("angarium-passed-on");
    client.create_account(told).await.unwrap();
}

#[tokio::test]
async fn that_an_external_id_is_kept_is_believed_of_registries_alone() {
    let registry = Registry::start().await;
    // Refused, for the account has another: what was kept for it is kept.
    registry.create_account(3, "").await;
    give(&registry, 3, "acme-us").await.unwrap();
    give(&registry, 3, "acme").await.unwrap_err();
    let (_, token) = made(&registry.client, key(None, scopes(&[Scope::Operate]))).await;
    let operator = registry.bearing(&token);
    let told = passed_on(4, "acme", Some(i64::MAX));
    taken(&operator.clone().create_account(told).await.unwrap_err(), "3");
}

#[tokio::test]
async fn many_that_want_one_external_id_at_once_are_one_that_has_it() {
    let registry = Registry::start().await;
    let all = (1..=16).map(|id| create(&registry, id, "acme"));
    let all = futures::future::join_all(all).await;
    let (created, refused): (Vec<_>, Vec<_>) = all.into_iter().partition(Result::is_ok);
    assert_eq!((created.len(), refused.len()), (1, 15));
    let created = created.into_iter().next().unwrap().unwrap();
    assert_eq!(of(&registry.client, "acme").await, [created.id]);
    for refused in refused {
        taken(&refused.unwrap_err(), &created.id.to_string());
    }
}

#[tokio::test]
async fn to_a_key_of_another_account_an_external_id_is_as_good_as_none() {
    let registry = Registry::start().await;
    create(&registry, 1, "acme").await.unwrap();
    create(&registry, 2, "other").await.unwrap();
    let (_, token) = made(&registry.client, key(Some(2), role(Role::Viewer))).await;
    let other = registry.bearing(&token);
    assert_eq!(of(&other, "other").await, [2]);
    assert!(of(&other, "acme").await.is_empty());
}
