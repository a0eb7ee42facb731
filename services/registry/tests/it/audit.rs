//! Who changed what is told, without secrets, and by nobody's leave.

use angarium_proto::access::v1::Role;
use angarium_proto::audit::v1::audit_service_client::AuditServiceClient;
use angarium_proto::audit::v1::{AuditRecord, ListAuditLogRequest, actor};
use angarium_proto::registry::v1::api_key::Grant;
use angarium_proto::registry::v1::registry_record::Entry;
use angarium_proto::registry::v1::{
    ApiKey, CreateApiKeyRequest, CreateEventTypeRequest, DeleteAccountRequest, DeleteWebhookRequest,
    EventClass, EventType, UpdateEventTypeRequest, Webhook,
};
use angarium_runtime::grpc;
use prost::Message;
use tonic::Code;

use crate::harness::{Registry, shown_secret, webhook, wrong_fields};

type Auditor = AuditServiceClient<grpc::Client>;

async fn page(client: &Auditor, asked: ListAuditLogRequest) -> (Vec<AuditRecord>, String) {
    let answer = client.clone().list_audit_log(asked).await.unwrap().into_inner();
    let records = answer.entries.into_iter().map(|entry| entry.record.unwrap());
    (records.collect(), answer.next_page_token)
}

fn of(account_id: u64) -> ListAuditLogRequest {
    ListAuditLogRequest {
        account_id: Some(account_id),
        ..ListAuditLogRequest::default()
    }
}

fn methods(records: &[AuditRecord]) -> Vec<&str> {
    records.iter().map(|record| record.method.as_str()).collect()
}

fn webhook_of(entry: Option<&angarium_proto::registry::v1::RegistryRecord>) -> &Webhook {
    match entry.unwrap().entry.as_ref().unwrap() {
        Entry::Webhook(webhook) => webhook,
        other => panic!("it is no webhook: {other:?}"),
    }
}

#[tokio::test]
async fn every_change_is_told_with_who_made_it_and_what_it_was_before() {
    let registry = Registry::with_account().await;
    let auditor = Auditor::new(registry.channel());
    registry.create_account(77, "Other").await;
    let mut operator = registry.client.clone();
    let key = ApiKey {
        account_id: Some(1234),
        name: "console".into(),
        grant: Some(Grant::Role(Role::Administrator.into())),
        ..ApiKey::default()
    };
    let made = CreateApiKeyRequest { api_key: Some(key) };
    let made = operator.create_api_key(made).await.unwrap().into_inner();
    let administrator = registry.bearing(&made.token);
    let signed = registry.create_signed().await;
    let renamed = Webhook {
        name: "Payroll".into(),
        ..signed.clone()
    };
    let change = crate::harness::update(renamed, &["name"]);
    administrator.clone().update_webhook(change).await.unwrap();
    // A refusal changes nothing.
    let stale = DeleteWebhookRequest {
        account_id: 1234,
        id: signed.id.clone(),
        revision: 1,
    };
    operator.delete_webhook(stale.clone()).await.unwrap_err();
    operator
        .delete_webhook(DeleteWebhookRequest { revision: 0, ..stale })
        .await
        .unwrap();
    operator
        .delete_account(DeleteAccountRequest {
            id: 1234,
            revision: 0,
        })
        .await
        .unwrap();

    let (all, next) = page(&auditor, of(1234)).await;
    let expected = [
        "DeleteAccount",
        "DeleteAccount",
        "DeleteWebhook",
        "UpdateWebhook",
        "CreateWebhook",
        "CreateApiKey",
        "CreateAccount",
    ];
    assert_eq!((methods(&all), next.as_str()), (expected.to_vec(), ""));
    let update = &all[3];
    let id = made.api_key.unwrap().id;
    assert_eq!(
        update.actor.as_ref().unwrap().kind,
        Some(actor::Kind::ApiKeyId(id.clone()))
    );
    let (before, after) = (
        webhook_of(update.before.as_ref()),
        webhook_of(update.after.as_ref()),
    );
    assert_eq!((before.name.as_str(), before.revision), ("HR", signed.revision));
    assert_eq!((after.name.as_str(), after.revision), ("Payroll", 0));
    assert_eq!(all[1].subject, format!("key/{id}"), "a key went with its account");
    for record in &all {
        let told = String::from_utf8_lossy(&record.encode_to_vec()).into_owned();
        assert!(!told.contains(shown_secret(&signed)), "{record:?}");
        assert!(
            !told.contains(made.token.rsplit_once('_').unwrap().1),
            "{record:?}"
        );
    }
    assert_eq!(methods(&page(&auditor, of(77)).await.0), ["CreateAccount"]);
}

#[tokio::test]
async fn changes_are_listed_in_pages_those_of_one_thing_alone_and_each_to_its_own_account() {
    let registry = Registry::with_account().await;
    let auditor = Auditor::new(registry.channel());
    registry.create_account(77, "Other").await;
    let first = registry.create_webhook(webhook()).await;
    registry.create_webhook(webhook()).await;
    let mut asked = of(1234);
    asked.page_size = 2;
    let (latest, token) = page(&auditor, asked.clone()).await;
    assert_eq!(methods(&latest), ["CreateWebhook", "CreateWebhook"]);
    asked.page_token = token;
    let (rest, token) = page(&auditor, asked.clone()).await;
    assert_eq!((methods(&rest), token.as_str()), (vec!["CreateAccount"], ""));

    let subject = format!("webhook/{}", first.id);
    let (one, _) = page(&auditor, ListAuditLogRequest { subject, ..of(1234) }).await;
    assert_eq!(methods(&one), ["CreateWebhook"]);
    let wrong = ListAuditLogRequest {
        subject: "webhook".into(),
        page_token: asked.page_token,
        ..of(77)
    };
    let refused = auditor.clone().list_audit_log(wrong).await.unwrap_err();
    assert_eq!(wrong_fields(&refused), ["page_token", "subject"]);

    let key = ApiKey {
        account_id: Some(77),
        name: "viewer".into(),
        grant: Some(Grant::Role(Role::Viewer.into())),
        ..ApiKey::default()
    };
    let made = CreateApiKeyRequest { api_key: Some(key) };
    let made = registry
        .client
        .clone()
        .create_api_key(made)
        .await
        .unwrap()
        .into_inner();
    let viewer = Auditor::new(registry.channel_bearing(&made.token));
    assert_eq!(
        methods(&page(&viewer, of(77)).await.0),
        ["CreateApiKey", "CreateAccount"]
    );
    let refused = viewer.clone().list_audit_log(of(1234)).await.unwrap_err();
    assert_eq!(refused.code(), Code::NotFound);
}

#[tokio::test]
async fn a_page_of_large_changes_fits_into_an_answer_and_none_is_left_out() {
    // The broker of tests keeps 5 MiB.
    const CHANGES: usize = 30;
    let registry = Registry::with_account().await;
    let schema = |number: usize| format!("{{\"title\": \"{number} {}\"}}", "x".repeat(60_000));
    let mut event_type = EventType {
        account_id: Some(1234),
        name: "ACME_PAID".into(),
        event_class: EventClass::Realtime.into(),
        description: "An invoice was paid.".into(),
        schema: schema(0),
        ..EventType::default()
    };
    let mut client = registry.client.clone();
    let create = CreateEventTypeRequest {
        event_type: Some(event_type.clone()),
    };
    client.create_event_type(create).await.unwrap();
    for number in 1..CHANGES {
        event_type.schema = schema(number);
        let mut update = UpdateEventTypeRequest {
            event_type: Some(event_type.clone()),
            ..UpdateEventTypeRequest::default()
        };
        update.update_mask.get_or_insert_default().paths = vec!["schema".into()];
        client.update_event_type(update).await.unwrap();
    }
    // Of 4 MiB an answer, as every client has it.
    let auditor = Auditor::new(registry.channel());
    let mut asked = ListAuditLogRequest {
        page_size: 1_000,
        subject: "event-type/1234/ACME_PAID".into(),
        ..of(1234)
    };
    let (mut told, mut pages) = (0, 0);
    loop {
        let (records, token) = page(&auditor, asked.clone()).await;
        (told, pages) = (told + records.len(), pages + 1);
        asked.page_token = token;
        if asked.page_token.is_empty() {
            break;
        }
    }
    assert_eq!(told, CHANGES);
    assert!(pages > 1, "they were not large");
}
