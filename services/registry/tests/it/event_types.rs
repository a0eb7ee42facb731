//! Event types that the catalogue lacks: written, checked, seen by those whose they are, and followed.

use angarium_directory::{Directory, Keep};
use angarium_model::{AccountId, EventName, Lane};
use angarium_proto::access::v1::{Role, Scope, Scopes};
use angarium_proto::audit::v1::ListAuditLogRequest;
use angarium_proto::audit::v1::audit_service_client::AuditServiceClient;
use angarium_proto::registry::v1::api_key::Grant;
use angarium_proto::registry::v1::test_filter_request::Sample;
use angarium_proto::registry::v1::test_filter_response::Outcome;
use angarium_proto::registry::v1::{
    ApiKey, CreateApiKeyRequest, CreateEventTypeRequest, CreateWebhookRequest, DeleteAccountRequest,
    DeleteEventTypeRequest, DeleteWebhookRequest, EventClass, EventType, GetEventTypeRequest,
    ListEventTypesRequest, ListWebhooksRequest, TestFilterRequest, UpdateEventTypeRequest, Webhook,
};
use angarium_runtime::{Clock, Shutdown, Tasks};
use tonic::{Code, Status};
use tonic_types::StatusExt as _;

use crate::harness::{Client, NOW_MS, Registry, webhook, wrong_fields};

const SCHEMA: &str =
    r#"{"type": "object", "properties": {"cents": {"type": "integer"}}, "required": ["cents"]}"#;

fn event_type(account_id: Option<u64>, name: &str) -> EventType {
    EventType {
        account_id,
        name: name.into(),
        event_class: EventClass::Batch.into(),
        description: "An invoice was paid.".into(),
        schema: SCHEMA.into(),
        example: r#"{"data": {"cents": 500}}"#.into(),
        ..EventType::default()
    }
}

async fn create(by: &Client, event_type: EventType) -> Result<EventType, Status> {
    let request = CreateEventTypeRequest {
        event_type: Some(event_type),
    };
    let created = by.clone().create_event_type(request).await?;
    Ok(created.into_inner().event_type.unwrap())
}

#[tokio::test]
async fn a_filter_is_tried_on_the_example_of_a_type_of_the_account_and_of_nobody_elses() {
    let registry = Registry::with_account().await;
    registry.create_account(77, "Other").await;
    create(&registry.client, event_type(Some(1234), "INVOICE_PAID"))
        .await
        .unwrap();
    let asked = |account_id| TestFilterRequest {
        filter: "data.cents > 100".into(),
        sample: Some(Sample::EventType("INVOICE_PAID".into())),
        account_id,
    };
    let tried = async |account_id| registry.client.clone().test_filter(asked(account_id)).await;
    let answer = tried(Some(1234)).await.unwrap().into_inner();
    assert_eq!(answer.outcome, Some(Outcome::Matches(true)));
    for nobodys in [None, Some(77)] {
        assert_eq!(wrong_fields(&tried(nobodys).await.unwrap_err()), ["event_type"]);
    }
    assert_eq!(tried(Some(5)).await.unwrap_err().code(), Code::NotFound);
    let refused = tried(Some(u64::MAX)).await.unwrap_err();
    assert_eq!(wrong_fields(&refused), ["account_id", "event_type"]);
}

async fn update(by: &Client, event_type: EventType, allow_incompatible: bool) -> Result<EventType, Status> {
    let mut request = UpdateEventTypeRequest {
        event_type: Some(event_type),
        allow_incompatible,
        update_mask: None,
    };
    request.update_mask.get_or_insert_default().paths = vec!["schema".into()];
    let updated = by.clone().update_event_type(request).await?;
    Ok(updated.into_inner().event_type.unwrap())
}

async fn delete(by: &Client, account_id: Option<u64>, name: &str) -> Result<(), Status> {
    let request = DeleteEventTypeRequest {
        account_id,
        name: name.into(),
        revision: 0,
    };
    by.clone().delete_event_type(request).await.map(drop)
}

async fn get(by: &Client, account_id: Option<u64>, name: &str) -> Result<EventType, Status> {
    let name = name.to_owned();
    let request = GetEventTypeRequest { account_id, name };
    let got = by.clone().get_event_type(request).await?;
    Ok(got.into_inner().event_type.unwrap())
}

/// The names of all but those of the catalogue, gone through in pages of 10.
async fn own(by: &Client, account_id: Option<u64>) -> Vec<String> {
    let (mut all, mut page_token) = (Vec::new(), String::new());
    loop {
        let request = ListEventTypesRequest {
            account_id,
            page_size: 10,
            page_token,
            ..ListEventTypesRequest::default()
        };
        let page = by.clone().list_event_types(request).await.unwrap().into_inner();
        all.extend(page.event_types);
        page_token = page.next_page_token;
        if page_token.is_empty() {
            assert!(all[..27].iter().all(|known| known.built_in));
            return all.drain(27..).map(|known| known.name).collect();
        }
    }
}

async fn key(registry: &Registry, account_id: Option<u64>, grant: Grant) -> Client {
    let key = ApiKey {
        account_id,
        name: "console".into(),
        grant: Some(grant),
        ..ApiKey::default()
    };
    let request = CreateApiKeyRequest { api_key: Some(key) };
    let made = registry.client.clone().create_api_key(request).await.unwrap();
    registry.bearing(&made.into_inner().token)
}

#[tokio::test]
async fn e1_e6_a_type_of_an_account_is_stored_listed_and_named_by_its_webhooks() {
    let registry = Registry::with_account().await;
    let client = registry.client.clone();
    let named = Webhook {
        event_types: vec!["INVOICE_PAID".into()],
        ..webhook()
    };
    let refused = registry.client.clone();
    let unknown = angarium_proto::registry::v1::CreateWebhookRequest {
        webhook: Some(named.clone()),
        ..angarium_proto::registry::v1::CreateWebhookRequest::default()
    };
    let refused = refused.clone().create_webhook(unknown).await.unwrap_err();
    assert_eq!(wrong_fields(&refused), ["webhook.event_types[0]"]);

    let stored = create(&client, event_type(Some(1234), "INVOICE_PAID"))
        .await
        .unwrap();
    assert_eq!(
        (stored.version, stored.created_at_ms, stored.built_in),
        (1, NOW_MS, false)
    );
    create(&client, event_type(None, "TENANT_MOVED")).await.unwrap();
    let again = create(&client, event_type(Some(1234), "INVOICE_PAID"))
        .await
        .unwrap_err();
    assert_eq!(again.code(), Code::AlreadyExists);
    let of_platform = create(&client, event_type(Some(1234), "TENANT_MOVED"))
        .await
        .unwrap_err();
    assert_eq!(of_platform.code(), Code::AlreadyExists, "{of_platform:?}");

    let webhook = registry.create_webhook(named).await;
    let registry = registry.restart().await;
    let client = registry.client.clone();
    assert_eq!(get(&client, Some(1234), "INVOICE_PAID").await.unwrap(), stored);
    assert!(get(&client, None, "CI_STATS").await.unwrap().built_in);
    assert_eq!(own(&client, Some(1234)).await, ["TENANT_MOVED", "INVOICE_PAID"]);
    assert_eq!(own(&client, None).await, ["TENANT_MOVED"]);

    let needed = delete(&client, Some(1234), "INVOICE_PAID").await.unwrap_err();
    assert_eq!(needed.code(), Code::FailedPrecondition);
    assert!(needed.message().contains(&webhook.id), "{}", needed.message());
    let gone = DeleteWebhookRequest {
        account_id: 1234,
        id: webhook.id,
        revision: 0,
    };
    client.clone().delete_webhook(gone).await.unwrap();
    delete(&client, Some(1234), "INVOICE_PAID").await.unwrap();
    let none = get(&client, Some(1234), "INVOICE_PAID").await.unwrap_err();
    assert_eq!(none.code(), Code::NotFound);
}

#[tokio::test]
async fn e6_every_mistake_of_a_type_is_told_and_nobody_changes_the_catalogue() {
    let registry = Registry::with_account().await;
    let wrong = EventType {
        event_class: EventClass::Unspecified.into(),
        schema: r#"{"type": "objekt"}"#.into(),
        ..event_type(Some(1234), "CI_STATS")
    };
    let refused = create(&registry.client, wrong).await.unwrap_err();
    let fields = ["event_type.event_class", "event_type.name", "event_type.schema"];
    assert_eq!(wrong_fields(&refused), fields);
    for example in [
        r#"{"data": {"cents": "5"}}"#,
        r#"{"eventName": "OTHER", "data": {"cents": 5}}"#,
    ] {
        let wrong = EventType {
            example: example.into(),
            ..event_type(Some(1234), "INVOICE_PAID")
        };
        let refused = create(&registry.client, wrong).await.unwrap_err();
        assert_eq!(wrong_fields(&refused), ["event_type.example"], "{example}");
    }
    let refused = delete(&registry.client, None, "CI_STATS").await.unwrap_err();
    assert_eq!(refused.code(), Code::NotFound);
}

#[tokio::test]
async fn e6_a_schema_that_refuses_what_was_taken_is_told_and_taken_if_that_is_meant() {
    let registry = Registry::with_account().await;
    let client = &registry.client;
    create(client, event_type(Some(1234), "INVOICE_PAID"))
        .await
        .unwrap();
    let with = |schema: &str| EventType {
        schema: schema.into(),
        ..event_type(Some(1234), "INVOICE_PAID")
    };
    let looser =
        r#"{"type": "object", "properties": {"cents": {"type": "number"}, "by": {"type": "string"}}}"#;
    assert_eq!(update(client, with(looser), false).await.unwrap().version, 2);
    assert_eq!(
        update(client, with(looser), false).await.unwrap().version,
        2,
        "it is the same"
    );
    let refused = update(client, with(SCHEMA), false).await.unwrap_err();
    assert_eq!(wrong_fields(&refused), ["event_type.schema"; 2], "{refused:?}");
    let told = refused.get_details_bad_request().unwrap().field_violations;
    for (told, place) in told.iter().zip(["/required", "/properties/cents/type"]) {
        assert!(told.description.contains(place), "{place}: {}", told.description);
    }
    assert_eq!(update(client, with(SCHEMA), true).await.unwrap().version, 3);
    // The example stays, so it must be as the new schema says.
    let refused = update(client, with(r#"{"required": ["more"]}"#), true)
        .await
        .unwrap_err();
    assert_eq!(wrong_fields(&refused), ["event_type.example"]);
}

#[tokio::test]
async fn types_of_an_account_are_its_own_and_those_of_the_platform_the_operators() {
    let registry = Registry::with_account().await;
    registry.create_account(77, "Other").await;
    let role = |role: Role| Grant::Role(role.into());
    let neighbour = key(&registry, Some(77), role(Role::Administrator)).await;
    let administrator = key(&registry, Some(1234), role(Role::Administrator)).await;
    let scopes = [Scope::WriteWebhooks.into()].to_vec();
    let writer = key(&registry, None, Grant::Scopes(Scopes { scopes })).await;
    create(&administrator, event_type(Some(1234), "INVOICE_PAID"))
        .await
        .unwrap();
    create(&registry.client, event_type(None, "TENANT_MOVED"))
        .await
        .unwrap();

    let theirs = create(&neighbour, event_type(Some(1234), "A")).await.unwrap_err();
    let nobodys = create(&neighbour, event_type(Some(999), "A")).await.unwrap_err();
    assert_eq!(theirs.code(), Code::NotFound);
    assert_eq!(theirs.message().replace("1234", "999"), nobodys.message());
    assert_eq!(
        get(&neighbour, Some(1234), "INVOICE_PAID")
            .await
            .unwrap_err()
            .code(),
        Code::NotFound
    );
    assert_eq!(
        get(&neighbour, None, "INVOICE_PAID").await.unwrap_err().code(),
        Code::NotFound
    );
    assert_eq!(own(&neighbour, Some(77)).await, ["TENANT_MOVED"]);
    assert_eq!(own(&neighbour, None).await, ["TENANT_MOVED"]);
    create(&neighbour, event_type(Some(77), "INVOICE_PAID"))
        .await
        .unwrap();

    for by in [&administrator, &writer] {
        let refused = create(by, event_type(None, "A")).await.unwrap_err();
        assert_eq!(refused.code(), Code::PermissionDenied, "{refused:?}");
        let refused = delete(by, None, "TENANT_MOVED").await.unwrap_err();
        assert_eq!(refused.code(), Code::PermissionDenied, "{refused:?}");
    }
}

#[tokio::test]
async fn what_a_stranger_is_told_of_a_mistake_names_no_type_of_the_account() {
    let registry = Registry::with_account().await;
    registry.create_account(77, "Other").await;
    let neighbour = key(&registry, Some(77), Grant::Role(Role::Administrator.into())).await;
    create(&registry.client, event_type(Some(1234), "INVOICE_PAID"))
        .await
        .unwrap();
    let told = async |by: &Client, account_id, named: &str| {
        let request = CreateWebhookRequest {
            webhook: Some(Webhook {
                account_id,
                event_types: vec![named.to_owned()],
                filter: "data.amount > 1".into(),
                ..webhook()
            }),
            ..CreateWebhookRequest::default()
        };
        let refused = by.clone().create_webhook(request).await.unwrap_err();
        let fields: Vec<_> = refused
            .get_error_details()
            .bad_request()
            .map_or_else(Vec::new, |bad| {
                let told = bad.field_violations.iter();
                told.map(|wrong| format!("{}: {}", wrong.field, wrong.description))
                    .collect()
            });
        let list = ListWebhooksRequest {
            account_id,
            event_type: named.to_owned(),
            ..ListWebhooksRequest::default()
        };
        let unlisted = by.clone().list_webhooks(list).await.unwrap_err();
        let said = |status: &Status| (status.code(), status.message().replace("1234", "999"));
        (said(&refused), fields, said(&unlisted))
    };
    // One that the account has, one like it, and one that begins it.
    for named in ["INVOICE_PAID", "INVOICE_PAYD", "INVOICE_*"] {
        let (theirs, nobodys) = (
            told(&neighbour, 1234, named).await,
            told(&neighbour, 999, named).await,
        );
        assert_eq!(theirs, nobodys, "{named}");
    }
    // Its own people are told which one may be meant.
    let own = key(&registry, Some(1234), Grant::Role(Role::Administrator.into())).await;
    let (_, fields, _) = told(&own, 1234, "INVOICE_PAYD").await;
    assert!(
        fields.iter().any(|told| told.contains("INVOICE_PAID")),
        "{fields:?}"
    );
}

#[tokio::test]
async fn followers_and_the_audit_log_learn_of_types_and_an_account_takes_its_own_along() {
    let registry = Registry::with_account().await;
    let tasks = Tasks::new(Shutdown::new());
    let directory = Directory::follow(registry.address(), Keep::Nothing, Clock::system(), &tasks);
    directory.ready().await;
    create(&registry.client, event_type(Some(1234), "INVOICE_PAID"))
        .await
        .unwrap();
    create(&registry.client, event_type(None, "TENANT_MOVED"))
        .await
        .unwrap();
    let account = AccountId::new(1234).unwrap();
    let mut changes = directory.changes();
    let knows = |name: &str| directory.view().own_type(account, &EventName::new(name).unwrap());
    changes
        .wait_for(|_| knows("TENANT_MOVED").is_some())
        .await
        .unwrap();
    assert_eq!(knows("INVOICE_PAID").unwrap().lane, Lane::Batch);

    let gone = DeleteAccountRequest {
        id: 1234,
        revision: 0,
    };
    registry.client.clone().delete_account(gone).await.unwrap();
    changes
        .wait_for(|_| knows("INVOICE_PAID").is_none())
        .await
        .unwrap();
    assert!(knows("TENANT_MOVED").is_some());

    let asked = ListAuditLogRequest {
        account_id: Some(1234),
        ..ListAuditLogRequest::default()
    };
    let mut auditor = AuditServiceClient::new(registry.channel());
    let told = auditor.list_audit_log(asked).await.unwrap().into_inner().entries;
    let told: Vec<_> = told.into_iter().filter_map(|entry| entry.record).collect();
    let told: Vec<_> = told
        .iter()
        .map(|record| (&*record.method, &*record.subject))
        .collect();
    let expected = [
        ("DeleteAccount", "account/1234"),
        ("DeleteAccount", "event-type/1234/INVOICE_PAID"),
        ("CreateEventType", "event-type/1234/INVOICE_PAID"),
        ("CreateAccount", "account/1234"),
    ];
    assert_eq!(told, expected);
    tasks.shutdown().begin();
}
