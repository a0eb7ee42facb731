//! W1: what is noted of a webhook, what its calls carry, and lists that ask for it.

use angarium_proto::registry::v1::authentication::Method;
use angarium_proto::registry::v1::{
    Authentication, CreateWebhookRequest, Header, HeaderAuthentication, ListWebhooksRequest, Webhook,
};

use crate::harness::{Registry, update, webhook, wrong_fields};

fn header(name: &str, value: &str) -> Header {
    Header {
        name: name.into(),
        value: value.into(),
    }
}

fn noted() -> Webhook {
    Webhook {
        headers: vec![header("x-team", "payroll")],
        contacts: vec!["ops@example.com".into()],
        tags: [
            ("env".to_owned(), "test".to_owned()),
            ("team".to_owned(), "hr".to_owned()),
        ]
        .into(),
        ..webhook()
    }
}

#[tokio::test]
async fn w1_headers_contacts_and_tags_are_kept_and_each_is_changed_by_its_own_name() {
    let registry = Registry::with_account().await;
    let mut client = registry.client.clone();
    let mut current = registry.create_webhook(noted()).await;
    assert_eq!(
        (&current.headers, &current.contacts, &current.tags),
        (&noted().headers, &noted().contacts, &noted().tags)
    );
    for field in ["headers", "contacts", "tags"] {
        let emptied = Webhook {
            id: current.id.clone(),
            account_id: current.account_id,
            ..Webhook::default()
        };
        let changed = client.update_webhook(update(emptied, &[field])).await.unwrap();
        let changed = changed.into_inner().webhook.unwrap();
        let mut expected = Webhook {
            revision: changed.revision,
            ..current
        };
        match field {
            "headers" => expected.headers.clear(),
            "contacts" => expected.contacts.clear(),
            _ => expected.tags.clear(),
        }
        assert_eq!(changed, expected, "{field}");
        current = changed;
    }
}

#[tokio::test]
async fn w1_what_is_wrong_with_them_is_told_at_once_and_a_header_is_not_sent_twice() {
    let registry = Registry::with_account().await;
    let mut client = registry.client.clone();
    let wrong = Webhook {
        headers: vec![header("Host", "a")],
        contacts: vec!["nobody".into()],
        tags: [("a b".to_owned(), String::new())].into(),
        ..webhook()
    };
    let refused = client
        .create_webhook(CreateWebhookRequest {
            webhook: Some(wrong),
            ..CreateWebhookRequest::default()
        })
        .await
        .unwrap_err();
    assert_eq!(
        wrong_fields(&refused),
        ["webhook.headers[0].name", "webhook.contacts[0]", "webhook.tags"]
    );
    // Each alone is fine.
    let created = registry.create_webhook(noted()).await;
    let proven = Webhook {
        id: created.id.clone(),
        account_id: created.account_id,
        authentication: Some(Authentication {
            method: Some(Method::Header(HeaderAuthentication {
                name: "X-Team".into(),
                value: "a".into(),
                sealed: None,
            })),
        }),
        ..Webhook::default()
    };
    let refused = client
        .update_webhook(update(proven, &["authentication"]))
        .await
        .unwrap_err();
    assert_eq!(wrong_fields(&refused), ["webhook.headers[0].name"]);
}

fn all() -> ListWebhooksRequest {
    ListWebhooksRequest {
        account_id: 1234,
        ..ListWebhooksRequest::default()
    }
}

fn tagged(env: &str) -> ListWebhooksRequest {
    ListWebhooksRequest {
        tags: [("env".to_owned(), env.to_owned())].into(),
        ..all()
    }
}

fn with_text(text: &str) -> ListWebhooksRequest {
    ListWebhooksRequest {
        text: text.into(),
        ..all()
    }
}

fn taking(event_type: &str, active: Option<bool>) -> ListWebhooksRequest {
    ListWebhooksRequest {
        event_type: event_type.into(),
        active,
        ..all()
    }
}

async fn with_three() -> Registry {
    let registry = Registry::with_account().await;
    for (name, pattern, active, env) in [
        ("Payroll", "COURSE_*", true, "test"),
        ("payroll two", "*", false, "live"),
        ("Badges", "CI_STATS", true, "live"),
    ] {
        let webhook = Webhook {
            name: name.into(),
            target_url: format!("https://{env}.example.com/"),
            event_types: vec![pattern.into()],
            active: Some(active),
            tags: [("env".to_owned(), env.to_owned())].into(),
            ..noted()
        };
        registry.create_webhook(webhook).await;
    }
    registry
}

#[tokio::test]
async fn a_list_has_what_is_asked_for_page_by_page() {
    let registry = with_three().await;
    let mut client = registry.client.clone();
    for (asked, expected) in [
        (taking("", Some(false)), &["payroll two"][..]),
        (taking("CI_STATS", None), &["payroll two", "Badges"]),
        (taking("COURSE_COMPLETED", Some(true)), &["Payroll"]),
        (tagged("live"), &["payroll two", "Badges"]),
        (tagged("liv"), &[]),
        (with_text("PAYROLL"), &["Payroll", "payroll two"]),
        (with_text("test.example"), &["Payroll"]),
    ] {
        let mut found = Vec::new();
        let mut page = ListWebhooksRequest {
            page_size: 1,
            ..asked.clone()
        };
        loop {
            let answer = client.list_webhooks(page.clone()).await.unwrap().into_inner();
            found.extend(answer.webhooks.into_iter().map(|webhook| webhook.name));
            if answer.next_page_token.is_empty() {
                break;
            }
            page.page_token = answer.next_page_token;
        }
        assert_eq!(found, expected, "{asked:?}");
    }
}

#[tokio::test]
async fn no_page_goes_on_with_another_list_and_what_is_asked_wrongly_is_told_at_once() {
    let registry = with_three().await;
    let mut client = registry.client.clone();
    let first = ListWebhooksRequest {
        page_size: 1,
        ..tagged("live")
    };
    let page_token = client
        .list_webhooks(first)
        .await
        .unwrap()
        .into_inner()
        .next_page_token;
    let other = ListWebhooksRequest { page_token, ..all() };
    let refused = client.list_webhooks(other).await.unwrap_err();
    assert_eq!(wrong_fields(&refused), ["page_token"]);
    let wrong = ListWebhooksRequest {
        event_type: "CI_STAT".into(),
        tags: [("a b".to_owned(), String::new())].into(),
        text: "x".repeat(257),
        ..all()
    };
    let refused = client.list_webhooks(wrong).await.unwrap_err();
    assert_eq!(wrong_fields(&refused), ["event_type", "tags", "text"]);
}
