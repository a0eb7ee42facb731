//! Webhooks are written and read.

use angarium_proto::registry::v1::{
    CreateWebhookRequest, DeleteWebhookRequest, ListWebhooksRequest, Timetable, Webhook,
};
use tonic::Code;
use tonic_types::StatusExt as _;

use crate::harness::{NOW_MS, Registry, get, shown_secret, signature, update, webhook, wrong_fields};

const SECRET: &str = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

#[tokio::test]
async fn w1_w4_a_webhook_is_created_read_changed_retired_and_deleted() {
    let registry = Registry::with_account().await;
    let mut client = registry.client.clone();
    let sent = Webhook {
        id: "mine".into(),
        revision: 77,
        ..webhook()
    };
    let created = registry.create_webhook(sent).await;
    assert!(created.id.starts_with("wh_") && created.revision > 0);
    let stored = Webhook {
        id: created.id.clone(),
        revision: created.revision,
        created_at_ms: NOW_MS,
        ..webhook()
    };
    assert_eq!(created, stored);
    let read = client.get_webhook(get(&created)).await.unwrap().into_inner();
    assert_eq!(read.webhook, Some(created.clone()));

    let off = Webhook {
        id: created.id.clone(),
        account_id: 1234,
        active: Some(false),
        ..Webhook::default()
    };
    let retired = client
        .update_webhook(update(off, &["active"]))
        .await
        .unwrap()
        .into_inner()
        .webhook
        .unwrap();
    assert_eq!(
        retired,
        Webhook {
            active: Some(false),
            revision: retired.revision,
            ..created.clone()
        }
    );

    let all = Webhook {
        name: "Payroll".into(),
        event_types: vec!["*".into()],
        ..retired.clone()
    };
    let changed = client
        .update_webhook(update(all.clone(), &[]))
        .await
        .unwrap()
        .into_inner()
        .webhook
        .unwrap();
    assert_eq!(
        changed,
        Webhook {
            revision: changed.revision,
            ..all
        }
    );

    let delete = DeleteWebhookRequest {
        account_id: 1234,
        id: created.id.clone(),
        revision: changed.revision,
    };
    client.delete_webhook(delete).await.unwrap();
    assert_eq!(
        client.get_webhook(get(&created)).await.unwrap_err().code(),
        Code::NotFound
    );
}

#[tokio::test]
async fn w2_a_generated_secret_is_shown_once_and_kept_by_changes_that_bring_none() {
    let registry = Registry::with_account().await;
    let mut client = registry.client.clone();
    let created = registry
        .create_webhook(Webhook {
            authentication: signature(""),
            ..webhook()
        })
        .await;
    let secret = shown_secret(&created).to_owned();
    assert!(secret.parse::<angarium_signing::Secret>().is_ok(), "not a secret");

    let read = client
        .get_webhook(get(&created))
        .await
        .unwrap()
        .into_inner()
        .webhook
        .unwrap();
    assert_eq!(shown_secret(&read), "");
    let list = ListWebhooksRequest {
        account_id: 1234,
        ..ListWebhooksRequest::default()
    };
    let listed = client.list_webhooks(list).await.unwrap().into_inner().webhooks;
    assert_eq!(listed, std::slice::from_ref(&read));

    let renamed = Webhook {
        name: "Payroll".into(),
        ..read
    };
    let renamed = client
        .update_webhook(update(renamed, &[]))
        .await
        .unwrap()
        .into_inner()
        .webhook
        .unwrap();
    assert_eq!(shown_secret(&renamed), "");
    assert_eq!(registry.secret_of(&renamed.id).await, secret);
}

#[tokio::test]
async fn w2_a_secret_brought_along_is_taken_shown_once_and_replaced() {
    let registry = Registry::with_account().await;
    let mut client = registry.client.clone();
    let created = Webhook {
        revision: 0,
        ..registry.create_webhook(webhook()).await
    };
    let signing = Webhook {
        authentication: signature(SECRET),
        ..created.clone()
    };
    let signing = client
        .update_webhook(update(signing, &["authentication"]))
        .await
        .unwrap()
        .into_inner();
    assert_eq!(shown_secret(signing.webhook.as_ref().unwrap()), SECRET);
    assert_eq!(registry.secret_of(&created.id).await, SECRET);

    client
        .update_webhook(update(created.clone(), &["authentication"]))
        .await
        .unwrap();
    let again = Webhook {
        authentication: signature(""),
        ..created
    };
    let again = client
        .update_webhook(update(again, &["authentication"]))
        .await
        .unwrap()
        .into_inner();
    let generated = again.webhook.unwrap();
    assert!(
        shown_secret(&generated).starts_with("whsec_"),
        "the first secret of a webhook is shown"
    );
    assert_ne!(shown_secret(&generated), SECRET);
}

#[tokio::test]
async fn w1_every_mistake_of_a_webhook_is_told_at_once_with_its_field() {
    let registry = Registry::with_account().await;
    let mut client = registry.client.clone();
    let wrong = Webhook {
        account_id: u64::MAX,
        active: Some(true),
        description: "x".repeat(4_097),
        target_url: "ftp://example.com".into(),
        authentication: signature("whsec_short"),
        event_types: vec!["CI_STATS".into(), "course".into(), "COURSE_ENROLMENT".into()],
        timetable: Some(Timetable {
            cron: "61 * * * *".into(),
            time_zone: "Mars/Olympus".into(),
        }),
        ..Webhook::default()
    };
    let fields = [
        "webhook.account_id",
        "webhook.name",
        "webhook.description",
        "webhook.target_url",
        "webhook.event_types[1]",
        "webhook.authentication.signature.secret",
        "webhook.timetable.cron",
        "webhook.timetable.time_zone",
        "webhook.event_types[2]",
    ];
    let refused = client
        .create_webhook(CreateWebhookRequest {
            webhook: Some(wrong.clone()),
            ..CreateWebhookRequest::default()
        })
        .await
        .unwrap_err();
    assert_eq!(wrong_fields(&refused), fields);
    let violations = refused.get_details_bad_request().unwrap().field_violations;
    assert!(
        violations[8]
            .description
            .contains("did you mean COURSE_ENROLLMENT?")
    );
    assert!(refused.message().ends_with("(and 8 more problems)"), "{refused}");
    assert!(
        !format!("{refused:?}").contains("whsec_short"),
        "the secret is told to whoever reads logs"
    );

    let changed = client
        .update_webhook(update(wrong.clone(), &[]))
        .await
        .unwrap_err();
    assert_eq!(wrong_fields(&changed)[..2], ["webhook.id", "webhook.account_id"]);
    assert_eq!(wrong_fields(&changed)[2..], fields[1..]);

    let named = update(
        Webhook {
            id: format!("wh_{}", "0".repeat(32)),
            account_id: 1234,
            ..wrong
        },
        &["secret", "name"],
    );
    let changed = client.update_webhook(named).await.unwrap_err();
    assert_eq!(wrong_fields(&changed), ["update_mask.paths[0]", "webhook.name"]);
}

#[tokio::test]
async fn w1_too_many_event_types_are_refused_for_their_number_and_not_looked_at_one_by_one() {
    let registry = Registry::with_account().await;
    let many = Webhook {
        event_types: vec!["COURSE_ENROLMENT".into(); 129],
        ..webhook()
    };
    let request = CreateWebhookRequest {
        webhook: Some(many),
        ..CreateWebhookRequest::default()
    };
    let refused = registry.client.clone().create_webhook(request).await.unwrap_err();
    assert_eq!(wrong_fields(&refused), ["webhook.event_types"]);
}

#[tokio::test]
async fn w1_a_prefix_that_no_type_has_is_refused_with_the_one_that_was_meant() {
    let registry = Registry::with_account().await;
    let wrong = Webhook {
        event_types: ["COURSE_*", "COURS_*", "INVOICE_*", "*"]
            .map(str::to_owned)
            .to_vec(),
        ..webhook()
    };
    let request = CreateWebhookRequest {
        webhook: Some(wrong),
        ..CreateWebhookRequest::default()
    };
    let refused = registry.client.clone().create_webhook(request).await.unwrap_err();
    assert_eq!(
        wrong_fields(&refused),
        ["webhook.event_types[1]", "webhook.event_types[2]"]
    );
    let violations = refused.get_details_bad_request().unwrap().field_violations;
    assert!(
        violations[0].description.contains("did you mean COURSE_*?"),
        "{violations:?}"
    );
    assert!(
        violations[1].description.contains("ListEventTypes"),
        "{violations:?}"
    );
}

#[tokio::test]
async fn w1_a_new_webhook_is_active_unless_it_says_otherwise_and_a_change_of_it_says_which() {
    let registry = Registry::with_account().await;
    let mut client = registry.client.clone();
    let unsaid = Webhook {
        active: None,
        ..webhook()
    };
    assert_eq!(registry.create_webhook(unsaid).await.active, Some(true));
    let off = Webhook {
        active: Some(false),
        ..webhook()
    };
    let off = registry.create_webhook(off).await;
    assert_eq!(off.active, Some(false));

    for paths in [&[][..], &["active"]] {
        let unsaid = Webhook {
            active: None,
            ..off.clone()
        };
        let refused = client.update_webhook(update(unsaid, paths)).await.unwrap_err();
        assert_eq!(wrong_fields(&refused), ["webhook.active"]);
    }
    let renamed = Webhook {
        active: None,
        name: "Payroll".into(),
        ..off.clone()
    };
    let renamed = client.update_webhook(update(renamed, &["name"])).await.unwrap();
    assert_eq!(renamed.into_inner().webhook.unwrap().active, Some(false));
    let registry = registry.restart().await;
    let read = registry.client.clone().get_webhook(get(&off)).await.unwrap();
    assert_eq!(read.into_inner().webhook.unwrap().active, Some(false));
}

#[tokio::test]
async fn of_very_many_mistakes_the_real_client_learns_the_first_and_how_many_there_are() {
    let registry = Registry::with_account().await;
    let mut client = registry.client.clone();
    let created = registry.create_webhook(webhook()).await;
    let wrong = Webhook {
        event_types: (0..128)
            .map(|number| format!("COURSE_ENROLMENT_{number}"))
            .collect(),
        timetable: Some(Timetable {
            cron: "* * * * *".into(),
            time_zone: "é".repeat(1 << 20),
        }),
        ..created.clone()
    };
    let refused = client.update_webhook(update(wrong, &[])).await.unwrap_err();
    let fields = wrong_fields(&refused);
    assert_eq!(
        fields[..2],
        ["webhook.timetable.time_zone", "webhook.event_types[0]"]
    );
    let violations = refused.get_details_bad_request().unwrap().field_violations;
    assert!(
        violations[0].description.len() < 400,
        "{}",
        violations[0].description.len()
    );
    assert_eq!(
        violations.last().unwrap().description,
        format!("and {} more", 129 - (violations.len() - 1))
    );

    let path = "x".repeat(1 << 20);
    let refused = client
        .update_webhook(update(created.clone(), &[&path]))
        .await
        .unwrap_err();
    assert_eq!(wrong_fields(&refused), ["update_mask.paths[0]"]);
    let refused = client
        .update_webhook(update(created, &["x"; 100_000]))
        .await
        .unwrap_err();
    assert_eq!(wrong_fields(&refused), ["update_mask"]);
}

#[tokio::test]
async fn a_stranger_is_not_found_and_the_answer_says_what_to_do() {
    let registry = Registry::with_account().await;
    let mut client = registry.client.clone();
    let orphan = CreateWebhookRequest {
        webhook: Some(Webhook {
            account_id: 1,
            ..webhook()
        }),
        ..CreateWebhookRequest::default()
    };
    let refused = client.create_webhook(orphan).await.unwrap_err();
    assert_eq!(refused.code(), Code::NotFound);
    assert!(refused.message().contains("CreateAccount"), "{refused}");

    let created = registry.create_webhook(webhook()).await;
    registry.create_account(1010, "Other").await;
    let others = Webhook {
        account_id: 1010,
        ..created
    };
    assert_eq!(
        client.get_webhook(get(&others)).await.unwrap_err().code(),
        Code::NotFound
    );
    assert_eq!(
        client
            .update_webhook(update(others.clone(), &[]))
            .await
            .unwrap_err()
            .code(),
        Code::NotFound
    );
    let delete = DeleteWebhookRequest {
        account_id: 1010,
        id: others.id,
        revision: 0,
    };
    assert_eq!(
        client.delete_webhook(delete).await.unwrap_err().code(),
        Code::NotFound
    );
    let list = ListWebhooksRequest {
        account_id: 1,
        ..ListWebhooksRequest::default()
    };
    assert_eq!(
        client.list_webhooks(list).await.unwrap_err().code(),
        Code::NotFound
    );
}

#[tokio::test]
async fn d1_a_url_that_calls_may_not_lead_to_is_refused_with_the_reason_on_create_and_on_update() {
    let registry = Registry::with_account().await;
    let at = |target_url: &str| Webhook {
        target_url: target_url.into(),
        ..webhook()
    };
    let stored = registry.create_webhook(webhook()).await;
    for (target_url, why) in [
        ("http://example.com/", "plain http is refused"),
        ("https://example.com:8443/", "port 8443 is refused"),
        ("https://127.0.0.1/", "loopback"),
        ("https://0x7f000001/", "loopback"),
        ("https://169.254.169.254/latest", "metadata"),
        ("https://[::ffff:10.0.0.1]/", "IPv4-mapped"),
        ("https://receiver.localhost/", "the machine that calls"),
    ] {
        let create = CreateWebhookRequest {
            webhook: Some(at(target_url)),
            ..CreateWebhookRequest::default()
        };
        let created = registry.client.clone().create_webhook(create).await.unwrap_err();
        let changed = Webhook {
            target_url: target_url.into(),
            ..stored.clone()
        };
        let changed = registry
            .update_webhook(changed, &["target_url"])
            .await
            .unwrap_err();
        for refused in [created, changed] {
            assert_eq!(wrong_fields(&refused), ["webhook.target_url"], "{target_url}");
            assert!(refused.message().contains(why), "{refused}");
        }
    }
    // What is no URL is told as that, and one that is not to be changed is not looked at.
    let create = CreateWebhookRequest {
        webhook: Some(at("receiver")),
        ..CreateWebhookRequest::default()
    };
    let refused = registry.client.clone().create_webhook(create).await.unwrap_err();
    assert_eq!(wrong_fields(&refused), ["webhook.target_url"]);
    let renamed = Webhook {
        name: "Payroll".into(),
        ..at("http://127.0.0.1/")
    };
    let renamed = Webhook {
        id: stored.id.clone(),
        ..renamed
    };
    registry.update_webhook(renamed, &["name"]).await.unwrap();
}

#[tokio::test]
async fn w4_a_stale_change_of_a_webhook_is_refused() {
    let registry = Registry::with_account().await;
    let mut client = registry.client.clone();
    let created = registry.create_webhook(webhook()).await;
    client.update_webhook(update(created.clone(), &[])).await.unwrap();
    let stale = client
        .update_webhook(update(created.clone(), &[]))
        .await
        .unwrap_err();
    assert_eq!(stale.code(), Code::Aborted);
    let delete = DeleteWebhookRequest {
        account_id: 1234,
        id: created.id,
        revision: created.revision,
    };
    assert_eq!(
        client.delete_webhook(delete).await.unwrap_err().code(),
        Code::Aborted
    );
}

#[tokio::test]
async fn w6_webhooks_are_listed_in_order_of_their_creation() {
    let registry = Registry::with_account().await;
    let mut created = Vec::new();
    for _ in 0..3 {
        created.push(registry.create_webhook(webhook()).await.id);
    }
    let mut listed = Vec::new();
    let mut request = ListWebhooksRequest {
        account_id: 1234,
        page_size: 2,
        page_token: String::new(),
        ..ListWebhooksRequest::default()
    };
    loop {
        let page = registry
            .client
            .clone()
            .list_webhooks(request.clone())
            .await
            .unwrap()
            .into_inner();
        listed.extend(page.webhooks.into_iter().map(|webhook| webhook.id));
        request.page_token = page.next_page_token;
        if request.page_token.is_empty() {
            break;
        }
        let elsewhere = ListWebhooksRequest {
            account_id: 1010,
            ..request.clone()
        };
        let refused = registry
            .client
            .clone()
            .list_webhooks(elsewhere)
            .await
            .unwrap_err();
        assert_eq!(wrong_fields(&refused), ["page_token"]);
    }
    assert_eq!(listed, created);
}
