//! API keys: made, shown once, confined to what they allow, replaced and revoked.

use std::time::Duration;

use angarium_proto::access::v1::{Role, Scope, Scopes};
use angarium_proto::registry::v1::api_key::Grant;
use angarium_proto::registry::v1::{
    ApiKey, CreateApiKeyRequest, CreateWebhookRequest, DeleteAccountRequest, DeleteApiKeyRequest,
    GetAccountRequest, GetApiKeyRequest, ListAccountsRequest, ListApiKeysRequest, ListWebhooksRequest,
    NoteApiKeyUseRequest, RotateApiKeyRequest, UpdateApiKeyRequest,
};
use angarium_testkit::poll::poll;
use tonic::{Code, Status};
use tonic_types::StatusExt;

use crate::harness::{Client, NOW_MS, Registry, webhook, wrong_fields};

pub(crate) fn key(account_id: Option<u64>, grant: Grant) -> CreateApiKeyRequest {
    CreateApiKeyRequest {
        api_key: Some(ApiKey {
            account_id,
            name: "console".into(),
            grant: Some(grant),
            ..ApiKey::default()
        }),
    }
}

pub(crate) fn role(role: Role) -> Grant {
    Grant::Role(role.into())
}

pub(crate) fn scopes(scopes: &[Scope]) -> Grant {
    let scopes = scopes.iter().map(|scope| (*scope).into()).collect();
    Grant::Scopes(Scopes { scopes })
}

/// Makes a key, and what its bearer presents.
pub(crate) async fn made(by: &Client, request: CreateApiKeyRequest) -> (ApiKey, String) {
    let made = by.clone().create_api_key(request).await.unwrap().into_inner();
    (made.api_key.unwrap(), made.token)
}

fn reason(status: &Status) -> (Code, String) {
    let info = status.get_details_error_info();
    (status.code(), info.map(|info| info.reason).unwrap_or_default())
}

fn name(key: &ApiKey) -> GetApiKeyRequest {
    GetApiKeyRequest {
        account_id: key.account_id,
        id: key.id.clone(),
    }
}

async fn see_account(client: &Client, id: u64) -> Result<(), Status> {
    let asked = GetAccountRequest { id };
    client.clone().get_account(asked).await.map(drop)
}

#[tokio::test]
async fn a_key_opens_what_it_allows_and_nothing_once_it_is_revoked() {
    let registry = Registry::with_account().await;
    let (stored, token) = made(&registry.client, key(Some(1234), role(Role::Viewer))).await;
    assert_eq!((stored.created_at_ms, stored.account_id), (NOW_MS, Some(1234)));
    assert!(
        stored.secret_hash.is_empty(),
        "what it is known by is nobody's business"
    );
    let viewer = registry.bearing(&token);
    see_account(&viewer, 1234).await.unwrap();
    let create = CreateWebhookRequest {
        webhook: Some(webhook()),
        ..CreateWebhookRequest::default()
    };
    let refused = viewer.clone().create_webhook(create).await.unwrap_err();
    assert_eq!(reason(&refused), (Code::PermissionDenied, "SCOPE_MISSING".into()));

    let read = viewer
        .clone()
        .get_api_key(name(&stored))
        .await
        .unwrap()
        .into_inner();
    let mut read = read.api_key.unwrap();
    // It is noted meanwhile that it was used.
    read.last_used_at_ms = None;
    assert_eq!(read, stored);
    let registry = registry.restart().await;
    let viewer = registry.bearing(&token);
    see_account(&viewer, 1234).await.unwrap();
    let revoke = DeleteApiKeyRequest {
        account_id: Some(1234),
        id: stored.id.clone(),
        revision: 0,
    };
    registry.client.clone().delete_api_key(revoke).await.unwrap();
    let refused = see_account(&viewer, 1234).await.unwrap_err();
    assert_eq!(reason(&refused), (Code::Unauthenticated, "KEY_INVALID".into()));
    let gone = registry
        .client
        .clone()
        .get_api_key(name(&stored))
        .await
        .unwrap_err();
    assert_eq!(gone.code(), Code::NotFound);
}

/// So often it is written down: 30 minutes.
const EVERY_MS: i64 = 1_800_000;

/// Waits until the key is known to have been used then, and returns it.
async fn used_at(registry: &Registry, key: &ApiKey, at_ms: i64) -> ApiKey {
    let look = async || {
        let read = registry.client.clone().get_api_key(name(key)).await.unwrap();
        let key = read.into_inner().api_key.unwrap();
        Ok((key.last_used_at_ms == Some(at_ms)).then_some(key))
    };
    let found = poll(Duration::from_secs(20), look).await.unwrap();
    found.expect("its use is noted")
}

#[tokio::test]
async fn a_key_says_when_it_was_used_last_and_that_is_no_change_of_it() {
    let registry = Registry::with_account().await;
    let (stored, token) = made(&registry.client, key(Some(1234), role(Role::Viewer))).await;
    assert_eq!(stored.last_used_at_ms, None, "never");
    let viewer = registry.bearing(&token);
    see_account(&viewer, 1234).await.unwrap();
    let used = used_at(&registry, &stored, NOW_MS).await;
    assert_eq!(used.revision, stored.revision);

    // Within half an hour it is not written again, whoever tells of it.
    let mut client = registry.client.clone();
    let mut note = NoteApiKeyUseRequest {
        account_id: Some(1234),
        id: stored.id.clone(),
        used_at_ms: NOW_MS + EVERY_MS - 1,
    };
    registry.set_clock(NOW_MS + EVERY_MS);
    client.note_api_key_use(note.clone()).await.unwrap();
    used_at(&registry, &stored, NOW_MS).await;
    // By a clock that is ahead it was used now.
    note.used_at_ms = NOW_MS + 100 * EVERY_MS;
    client.note_api_key_use(note.clone()).await.unwrap();
    used_at(&registry, &stored, NOW_MS + EVERY_MS).await;

    let renamed = UpdateApiKeyRequest {
        api_key: Some(ApiKey {
            name: "renamed".into(),
            ..stored.clone()
        }),
        update_mask: None,
    };
    let renamed = client.update_api_key(renamed).await.unwrap().into_inner();
    let renamed = renamed.api_key.unwrap();
    assert_eq!(renamed.last_used_at_ms, Some(NOW_MS + EVERY_MS));
    assert!(renamed.revision > stored.revision);
    let registry = registry.restart().await;
    used_at(&registry, &stored, NOW_MS + EVERY_MS).await;

    let revoke = DeleteApiKeyRequest {
        account_id: Some(1234),
        id: stored.id.clone(),
        revision: 0,
    };
    let mut client = registry.client.clone();
    client.delete_api_key(revoke).await.unwrap();
    let gone = client.note_api_key_use(note).await.unwrap_err();
    assert_eq!(gone.code(), Code::NotFound);
}

#[tokio::test]
async fn to_a_key_of_an_account_another_account_is_as_good_as_none() {
    let registry = Registry::with_account().await;
    registry.create_account(77, "Other").await;
    let theirs = registry.create_webhook(webhook()).await;
    let (_, own) = made(&registry.client, key(Some(77), role(Role::Administrator))).await;
    let own = registry.bearing(&own);
    see_account(&own, 77).await.unwrap();
    let (there, nowhere) = (
        see_account(&own, 1234).await.unwrap_err(),
        see_account(&own, 999).await.unwrap_err(),
    );
    assert_eq!((there.code(), nowhere.code()), (Code::NotFound, Code::NotFound));
    assert_eq!(there.message().replace("1234", "999"), nowhere.message());

    let get = crate::harness::get(&theirs);
    assert_eq!(
        own.clone().get_webhook(get).await.unwrap_err().code(),
        Code::NotFound
    );
    let list = ListWebhooksRequest {
        account_id: 1234,
        ..ListWebhooksRequest::default()
    };
    assert_eq!(
        own.clone().list_webhooks(list).await.unwrap_err().code(),
        Code::NotFound
    );
    let create = CreateWebhookRequest {
        webhook: Some(webhook()),
        ..CreateWebhookRequest::default()
    };
    assert_eq!(
        own.clone().create_webhook(create).await.unwrap_err().code(),
        Code::NotFound
    );
    let all = own
        .clone()
        .list_accounts(ListAccountsRequest::default())
        .await
        .unwrap()
        .into_inner();
    assert_eq!(
        all.accounts.iter().map(|account| account.id).collect::<Vec<_>>(),
        [77]
    );
    let refused = own
        .clone()
        .list_api_keys(ListApiKeysRequest::default())
        .await
        .unwrap_err();
    assert_eq!(reason(&refused), (Code::PermissionDenied, "OF_PLATFORM".into()));
}

#[tokio::test]
async fn nobody_rises_by_making_changing_or_replacing_a_key() {
    let registry = Registry::with_account().await;
    let keys = scopes(&[Scope::Read, Scope::WriteKeys]);
    let (weak, clerk) = made(&registry.client, key(Some(1234), keys.clone())).await;
    let clerk = registry.bearing(&clerk);
    let (strong, _) = made(&registry.client, key(Some(1234), role(Role::Administrator))).await;
    let beyond = (Code::PermissionDenied, "BEYOND_CALLER".to_owned());

    let more = key(Some(1234), role(Role::Administrator));
    assert_eq!(
        reason(&clerk.clone().create_api_key(more).await.unwrap_err()),
        beyond
    );
    let platform = key(None, role(Role::Viewer));
    let refused = clerk.clone().create_api_key(platform).await.unwrap_err();
    assert_eq!(reason(&refused), (Code::PermissionDenied, "OF_PLATFORM".into()));
    let raise = UpdateApiKeyRequest {
        api_key: Some(ApiKey {
            grant: Some(role(Role::Administrator)),
            ..weak.clone()
        }),
        update_mask: None,
    };
    assert_eq!(
        reason(&clerk.clone().update_api_key(raise).await.unwrap_err()),
        beyond
    );
    let take = RotateApiKeyRequest {
        account_id: Some(1234),
        id: strong.id.clone(),
        ..RotateApiKeyRequest::default()
    };
    assert_eq!(
        reason(&clerk.clone().rotate_api_key(take).await.unwrap_err()),
        beyond
    );
    let end = DeleteApiKeyRequest {
        account_id: Some(1234),
        id: strong.id,
        revision: 0,
    };
    assert_eq!(
        reason(&clerk.clone().delete_api_key(end).await.unwrap_err()),
        beyond
    );
    made(&clerk, key(Some(1234), keys)).await;
}

#[tokio::test]
async fn who_is_let_in_for_a_while_lets_nobody_in_for_longer() {
    const SOON: i64 = NOW_MS + 1_000;
    let until = |expires_at_ms, key: CreateApiKeyRequest| CreateApiKeyRequest {
        api_key: key.api_key.map(|key| ApiKey { expires_at_ms, ..key }),
    };
    let administrator = || key(Some(1234), role(Role::Administrator));
    let registry = Registry::with_account().await;
    let (lasting, _) = made(&registry.client, administrator()).await;
    let (guest, token) = made(&registry.client, until(Some(SOON), administrator())).await;
    let mut client = registry.bearing(&token);
    let outlasts = (Code::PermissionDenied, "OUTLASTS_CALLER".to_owned());
    for expires_at_ms in [None, Some(SOON + 1)] {
        let longer = until(expires_at_ms, administrator());
        let refused = client.create_api_key(longer).await.unwrap_err();
        assert_eq!(reason(&refused), outlasts);
        let prolonged = UpdateApiKeyRequest {
            api_key: Some(ApiKey {
                expires_at_ms,
                ..guest.clone()
            }),
            update_mask: None,
        };
        let refused = client.update_api_key(prolonged).await.unwrap_err();
        assert_eq!(reason(&refused), outlasts);
    }
    let take = RotateApiKeyRequest {
        account_id: Some(1234),
        id: lasting.id.clone(),
        ..RotateApiKeyRequest::default()
    };
    let refused = client.rotate_api_key(take).await.unwrap_err();
    assert_eq!(reason(&refused), outlasts);
    made(&client, until(Some(SOON), administrator())).await;
    let end = DeleteApiKeyRequest {
        account_id: Some(1234),
        id: lasting.id,
        revision: 0,
    };
    client.delete_api_key(end).await.unwrap();
}

#[tokio::test]
async fn a_new_secret_leaves_the_one_before_good_for_a_while_or_not_at_all() {
    let registry = Registry::with_account().await;
    let (stored, first) = made(&registry.client, key(None, role(Role::Operator))).await;
    let first = registry.bearing(&first);
    let rotate = |overlap_seconds| RotateApiKeyRequest {
        account_id: None,
        id: stored.id.clone(),
        overlap_seconds,
        revision: 0,
    };
    let mut operator = registry.client.clone();
    let rotated = operator.rotate_api_key(rotate(None)).await.unwrap().into_inner();
    let until = rotated.api_key.unwrap().previous_until_ms;
    assert_eq!(until, Some(NOW_MS + 24 * 60 * 60 * 1_000));
    let second = registry.bearing(&rotated.token);
    for client in [&first, &second] {
        see_account(client, 1234).await.unwrap();
    }
    let rotated = operator
        .rotate_api_key(rotate(Some(0)))
        .await
        .unwrap()
        .into_inner();
    assert_eq!(rotated.api_key.unwrap().previous_until_ms, None);
    for client in [&first, &second] {
        let refused = see_account(client, 1234).await.unwrap_err();
        assert_eq!(reason(&refused), (Code::Unauthenticated, "KEY_INVALID".into()));
    }
    see_account(&registry.bearing(&rotated.token), 1234)
        .await
        .unwrap();
    let refused = operator
        .rotate_api_key(rotate(Some(7 * 24 * 60 * 60 + 1)))
        .await
        .unwrap_err();
    assert_eq!(wrong_fields(&refused), ["overlap_seconds"]);
}

#[tokio::test]
async fn keys_go_with_their_account_and_are_listed_in_pages() {
    let registry = Registry::with_account().await;
    for _ in 0..3 {
        made(&registry.client, key(Some(1234), role(Role::Viewer))).await;
    }
    let (_, last) = made(&registry.client, key(Some(1234), role(Role::Viewer))).await;
    let last = registry.bearing(&last);
    let mut operator = registry.client.clone();
    let mut list = ListApiKeysRequest {
        account_id: Some(1234),
        page_size: 3,
        page_token: String::new(),
    };
    let first = operator.list_api_keys(list.clone()).await.unwrap().into_inner();
    list.page_token = first.next_page_token;
    let second = operator.list_api_keys(list).await.unwrap().into_inner();
    assert_eq!((first.api_keys.len(), second.api_keys.len()), (3, 1));
    operator
        .delete_account(DeleteAccountRequest {
            id: 1234,
            revision: 0,
        })
        .await
        .unwrap();
    assert_eq!(
        see_account(&last, 1234).await.unwrap_err().code(),
        Code::Unauthenticated
    );
    // Whoever comes after finds nothing of them.
    registry.create_account(1234, "Acme again").await;
    let list = ListApiKeysRequest {
        account_id: Some(1234),
        ..ListApiKeysRequest::default()
    };
    assert_eq!(
        operator.list_api_keys(list).await.unwrap().into_inner().api_keys,
        []
    );
}

#[tokio::test]
async fn every_mistake_of_a_key_is_reported_at_once_with_its_field() {
    let registry = Registry::with_account().await;
    let wrong = CreateApiKeyRequest {
        api_key: Some(ApiKey {
            account_id: Some(1234),
            grant: Some(role(Role::Operator)),
            expires_at_ms: Some(NOW_MS),
            ..ApiKey::default()
        }),
    };
    let refused = registry.client.clone().create_api_key(wrong).await.unwrap_err();
    assert_eq!(
        wrong_fields(&refused),
        ["api_key.expires_at_ms", "api_key.name", "api_key.role"]
    );
    let nobody = key(Some(1), role(Role::Viewer));
    let refused = registry.client.clone().create_api_key(nobody).await.unwrap_err();
    assert_eq!(refused.code(), Code::NotFound);
}
