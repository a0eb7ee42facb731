//! W1: a webhook's filter is checked when it is written, with the types that the webhook takes.

use angarium_proto::registry::v1::test_filter_request::Sample;
use angarium_proto::registry::v1::test_filter_response::Outcome;
use angarium_proto::registry::v1::{CreateWebhookRequest, TestFilterRequest, Webhook};
use tonic_types::StatusExt as _;

use crate::harness::{Registry, update, webhook, wrong_fields};

fn filtered(filter: &str, types: &[&str]) -> Webhook {
    Webhook {
        filter: filter.into(),
        event_types: types.iter().map(|name| (*name).to_owned()).collect(),
        ..webhook()
    }
}

fn only(status: &tonic::Status) -> (String, String) {
    let violations = status
        .get_error_details()
        .bad_request()
        .unwrap()
        .field_violations
        .clone();
    let [only] = violations.try_into().unwrap();
    let only: tonic_types::FieldViolation = only;
    (only.field, only.description)
}

#[tokio::test]
async fn w1_a_filter_is_kept_changed_by_its_own_name_and_taken_away() {
    let registry = Registry::with_account().await;
    let mut client = registry.client.clone();
    let filter = "data.loType == 'course'";
    let created = registry
        .create_webhook(filtered(filter, &["COURSE_ENROLLMENT"]))
        .await;
    assert_eq!(created.filter, filter);
    assert_eq!(registry.read_webhook(&created).await.filter, filter);
    let renamed = Webhook {
        name: "Payroll".into(),
        filter: "is not looked at".into(),
        ..created.clone()
    };
    let kept = client.update_webhook(update(renamed, &["name"])).await.unwrap();
    let kept = kept.into_inner().webhook.unwrap();
    assert_eq!((kept.name.as_str(), kept.filter.as_str()), ("Payroll", filter));
    let without = Webhook {
        filter: String::new(),
        ..kept.clone()
    };
    let without = client.update_webhook(update(without, &["filter"])).await.unwrap();
    let without = without.into_inner().webhook.unwrap();
    assert!(without.filter.is_empty() && without.revision > kept.revision);
}

#[tokio::test]
async fn w1_what_is_wrong_with_a_filter_is_told_with_its_place_beside_all_else() {
    let registry = Registry::with_account().await;
    let mut client = registry.client.clone();
    let wrong = Webhook {
        target_url: "ftp://example.com".into(),
        ..filtered("data.loType = 'course' && upper(x)", &["CI_STATS"])
    };
    let refused = client
        .create_webhook(CreateWebhookRequest {
            webhook: Some(wrong),
            ..CreateWebhookRequest::default()
        })
        .await
        .unwrap_err();
    let fields = wrong_fields(&refused);
    assert!(
        fields.contains(&"webhook.target_url".to_owned()) && fields.contains(&"webhook.filter".to_owned()),
        "{fields:?}"
    );
    for (filter, told) in [
        ("data.loType == course", "line 1, column 16: there is no course;"),
        (" ", "must not be blank"),
        (&"x".repeat(2_049), "has 2049 bytes; at most 2048 are allowed"),
        // It is no mistake of the expression: no type that the webhook takes has such a field.
        (
            "data.loTyp == 'course'",
            "line 1, column 5: on the example of COURSE_ENROLLMENT: there is no field loTyp;",
        ),
        (
            "data.loType > 5",
            "on the example of COURSE_ENROLLMENT: > does not take (string, int);",
        ),
    ] {
        let refused = client
            .create_webhook(CreateWebhookRequest {
                webhook: Some(filtered(filter, &["COURSE_ENROLLMENT"])),
                ..CreateWebhookRequest::default()
            })
            .await
            .unwrap_err();
        let (field, description) = only(&refused);
        assert_eq!(field, "webhook.filter");
        assert!(description.starts_with(told), "{filter}: {description}");
    }
}

#[tokio::test]
async fn w1_a_filter_that_is_meant_for_some_of_the_types_is_taken_and_one_that_fits_none_any_more_refused() {
    let registry = Registry::with_account().await;
    let mut client = registry.client.clone();
    let created = registry
        .create_webhook(filtered(
            "data.loType == 'course'",
            &["CI_STATS", "COURSE_ENROLLMENT"],
        ))
        .await;
    let narrowed = filtered("", &["CI_STATS"]);
    let narrowed = Webhook {
        id: created.id.clone(),
        ..narrowed
    };
    let refused = client
        .update_webhook(update(narrowed, &["event_types"]))
        .await
        .unwrap_err();
    let (field, description) = only(&refused);
    assert_eq!(field, "webhook.filter");
    assert!(
        description.contains("on the example of CI_STATS: there is no field loType"),
        "{description}"
    );
    assert_eq!(registry.read_webhook(&created).await, created);
}

#[tokio::test]
async fn a_filter_is_tried_without_storing_anything() {
    let registry = Registry::with_account().await;
    let mut client = registry.client.clone();
    let asked = |filter: &str| TestFilterRequest {
        filter: filter.into(),
        sample: Some(Sample::EventType("COURSE_ENROLLMENT".into())),
        account_id: None,
    };
    let answer = client
        .test_filter(asked("data.loType == 'course'"))
        .await
        .unwrap();
    assert_eq!(answer.into_inner().outcome, Some(Outcome::Matches(true)));
    let refused = client.test_filter(asked("data.loType =")).await.unwrap_err();
    assert_eq!(only(&refused).0, "filter");
}
