//! W2: a password, and a header that proves who calls, are sealed, shown to nobody but delivery, and sent to no host that
//! they were not given for.

use angarium_proto::registry::v1::authentication::Method;
use angarium_proto::registry::v1::{
    Authentication, BasicAuthentication, CreateWebhookRequest, HeaderAuthentication, Webhook,
};

use crate::harness::{Registry, webhook, wrong_fields};

const SESAME: &str = "open sesame";
const KEYS: &str = "k1:QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUE=";

fn proven(method: Method) -> Webhook {
    Webhook {
        authentication: Some(Authentication { method: Some(method) }),
        ..webhook()
    }
}

fn basic(username: &str, password: &str) -> Method {
    Method::Basic(BasicAuthentication {
        username: username.into(),
        password: password.into(),
        sealed: None,
    })
}

fn header(name: &str, value: &str) -> Method {
    Method::Header(HeaderAuthentication {
        name: name.into(),
        value: value.into(),
        sealed: None,
    })
}

fn method(webhook: Webhook) -> Method {
    webhook.authentication.unwrap().method.unwrap()
}

#[tokio::test]
async fn w2_a_password_and_a_header_are_sealed_and_shown_to_delivery_alone() {
    let registry = Registry::with_account().await.with_keys(KEYS).await;
    for (given, shown) in [
        (basic("us", SESAME), basic("us", "")),
        (header("X-Key", SESAME), header("x-key", "")),
    ] {
        let created = registry.create_webhook(proven(given.clone())).await;
        assert_eq!(method(created.clone()), shown, "who set it knows it");
        assert_eq!(method(registry.read_webhook(&created).await), shown);
        let followed = format!("{:?}", registry.followed(&created.id).await);
        assert!(followed.contains(SESAME), "{followed}");
        let renamed = Webhook {
            name: "Payroll".into(),
            revision: 0,
            ..created.clone()
        };
        let renamed = registry.update_webhook(renamed, &[]).await.unwrap();
        assert_eq!(method(renamed), shown);
        let kept = format!("{:?}", registry.followed(&created.id).await);
        assert!(
            kept.contains(SESAME),
            "an update that brings none keeps it: {kept}"
        );
    }
    let topic = registry.topic().await;
    assert!(!String::from_utf8_lossy(&topic).contains(SESAME));
    let registry = registry.restart().await;
    let another = registry.create_webhook(proven(basic("us", SESAME))).await;
    assert_eq!(method(another), basic("us", ""));
}

#[tokio::test]
async fn w2_what_calls_carry_must_be_given_and_goes_nowhere_else_unless_given_again() {
    let registry = Registry::with_account().await;
    let refused = |webhook: Webhook| {
        let mut client = registry.client.clone();
        let request = CreateWebhookRequest {
            webhook: Some(webhook),
            ..CreateWebhookRequest::default()
        };
        async move { wrong_fields(&client.create_webhook(request).await.unwrap_err()) }
    };
    let (password, value) = (
        "webhook.authentication.basic.password",
        "webhook.authentication.header.value",
    );
    assert_eq!(refused(proven(basic("us", ""))).await, [password]);
    assert_eq!(refused(proven(header("x-key", ""))).await, [value]);
    let nameless = Webhook {
        name: String::new(),
        ..proven(basic("u:s", ""))
    };
    let username = "webhook.authentication.basic.username";
    assert_eq!(refused(nameless).await, ["webhook.name", username, password]);

    let created = registry.create_webhook(proven(basic("us", SESAME))).await;
    let moved = |url: &str, method| Webhook {
        id: created.id.clone(),
        target_url: url.into(),
        ..proven(method)
    };
    for url in [
        "https://example.org/hooks",
        "https://example.com:80/hooks",
        // Another tenant's, for all we know.
        "https://example.com/other",
    ] {
        for paths in [&["target_url"][..], &[]] {
            let kept = moved(url, basic("us", ""));
            let told = registry.update_webhook(kept, paths).await.unwrap_err();
            assert_eq!(wrong_fields(&told), [password], "{url}");
        }
    }
    let as_it_is = moved(&created.target_url, basic("us", ""));
    registry.update_webhook(as_it_is, &["target_url"]).await.unwrap();
    let given_again = moved("https://example.org/hooks", basic("us", SESAME));
    registry.update_webhook(given_again, &[]).await.unwrap();
    let signed = moved("https://example.org/hooks", header("x-key", ""));
    let told = registry
        .update_webhook(signed, &["authentication"])
        .await
        .unwrap_err();
    assert_eq!(wrong_fields(&told), [value], "a password is no header");
}
