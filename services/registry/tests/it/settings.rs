//! How delivery treats a webhook: bounds, defaults, and changes of one setting at a time.

use angarium_proto::registry::v1::{
    CreateWebhookRequest, DeadLetter, Limits, Ordering, PayloadFormat, Webhook,
};
use tonic_types::StatusExt as _;

use crate::harness::{Registry, webhook, wrong_fields};

/// Every setting is something else than its default.
fn unusual() -> Webhook {
    Webhook {
        ordering: Ordering::Unordered.into(),
        payload_format: PayloadFormat::Cloudevents.into(),
        limits: Some(Limits {
            max_group_events: Some(50),
            max_group_bytes: Some(2_048),
            max_requests_per_second: Some(20),
            max_in_flight: Some(4),
        }),
        dead_letter: Some(DeadLetter { after_attempts: 5 }),
        ..webhook()
    }
}

/// Names the same webhook; everything else is left out.
fn only(webhook: &Webhook) -> Webhook {
    Webhook {
        id: webhook.id.clone(),
        account_id: webhook.account_id,
        ..Webhook::default()
    }
}

/// The webhook with other limits.
fn limited(webhook: Webhook, limits: Limits) -> Webhook {
    Webhook {
        limits: Some(limits),
        ..webhook
    }
}

/// A limit of an unordered webhook.
type Limit = fn(u32) -> Limits;

const LIMITS: [(&str, Limit, u32, u32); 4] = [
    (
        "limits.max_group_events",
        |most| Limits {
            max_group_events: Some(most),
            ..Limits::default()
        },
        1,
        256,
    ),
    (
        "limits.max_group_bytes",
        |most| Limits {
            max_group_bytes: Some(most),
            ..Limits::default()
        },
        1_024,
        1_048_576,
    ),
    (
        "limits.max_requests_per_second",
        |most| Limits {
            max_requests_per_second: Some(most),
            ..Limits::default()
        },
        1,
        10_000,
    ),
    (
        "limits.max_in_flight",
        |most| Limits {
            max_in_flight: Some(most),
            ..Limits::default()
        },
        1,
        32,
    ),
];

#[tokio::test]
async fn w1_a_webhook_that_says_nothing_is_ordered_and_sends_envelopes_without_limits_or_dead_letters() {
    let registry = Registry::with_account().await;
    let unsaid = Webhook {
        ordering: 0,
        payload_format: 0,
        limits: Some(Limits::default()),
        ..webhook()
    };
    let created = registry.create_webhook(unsaid).await;
    assert_eq!(created.ordering(), Ordering::Ordered);
    assert_eq!(created.payload_format(), PayloadFormat::Envelope);
    assert_eq!((created.limits, created.dead_letter), (None, None));
    assert_eq!(created.disabled, None);
}

#[tokio::test]
async fn w1_every_limit_is_taken_at_its_bounds_and_refused_outside_on_create_and_update() {
    let registry = Registry::with_account().await;
    let unordered = Webhook {
        ordering: Ordering::Unordered.into(),
        ..webhook()
    };
    let created = registry.create_webhook(unordered).await;
    for (path, limits, least, most) in LIMITS {
        for inside in [least, most] {
            let wanted = limited(only(&created), limits(inside));
            let changed = registry.update_webhook(wanted, &["limits"]).await.unwrap();
            assert_eq!(changed.limits, Some(limits(inside)));
        }
        let field = format!("webhook.{path}");
        for outside in [0, least - 1, most + 1, u32::MAX] {
            let wanted = limited(created.clone(), limits(outside));
            let request = CreateWebhookRequest {
                webhook: Some(wanted.clone()),
                ..CreateWebhookRequest::default()
            };
            let refused = registry.client.clone().create_webhook(request).await.unwrap_err();
            assert_eq!(wrong_fields(&refused), [field.as_str()], "{outside}");
            let told = format!("must be {least} to {most}, not {outside}");
            assert!(refused.message().contains(&told), "{refused}");
            let refused = registry.update_webhook(wanted, &[path]).await.unwrap_err();
            assert_eq!(wrong_fields(&refused), [field.as_str()], "{outside}");
        }
    }
}

#[tokio::test]
async fn d2_a_dead_letter_policy_has_1_to_100_attempts() {
    let registry = Registry::with_account().await;
    let created = registry.create_webhook(webhook()).await;
    let after = |after_attempts| Webhook {
        dead_letter: Some(DeadLetter { after_attempts }),
        ..only(&created)
    };
    for inside in [1, 100] {
        let changed = registry
            .update_webhook(after(inside), &["dead_letter"])
            .await
            .unwrap();
        assert_eq!(changed.dead_letter.unwrap().after_attempts, inside);
    }
    for outside in [0, 101] {
        let refused = registry.update_webhook(after(outside), &["dead_letter"]).await;
        assert_eq!(
            wrong_fields(&refused.unwrap_err()),
            ["webhook.dead_letter.after_attempts"]
        );
    }
    let changed = registry
        .update_webhook(only(&created), &["dead_letter"])
        .await
        .unwrap();
    assert_eq!(changed.dead_letter, None, "unset: retried for ever");
}

#[tokio::test]
async fn w1_every_mistake_of_the_settings_is_told_at_once_with_its_field() {
    let registry = Registry::with_account().await;
    let wrong = Webhook {
        name: String::new(),
        ordering: 7,
        payload_format: -1,
        limits: Some(Limits {
            max_group_events: Some(257),
            max_group_bytes: Some(1_023),
            max_requests_per_second: Some(0),
            max_in_flight: Some(33),
        }),
        dead_letter: Some(DeadLetter { after_attempts: 101 }),
        ..webhook()
    };
    let request = CreateWebhookRequest {
        webhook: Some(wrong),
        ..CreateWebhookRequest::default()
    };
    let refused = registry.client.clone().create_webhook(request).await.unwrap_err();
    let expected = [
        "webhook.name",
        "webhook.limits.max_in_flight",
        "webhook.ordering",
        "webhook.payload_format",
        "webhook.limits.max_group_events",
        "webhook.limits.max_group_bytes",
        "webhook.limits.max_requests_per_second",
        "webhook.dead_letter.after_attempts",
    ];
    assert_eq!(wrong_fields(&refused), expected);
}

#[tokio::test]
async fn w4_each_setting_is_changed_alone_and_what_the_mask_does_not_name_stays() {
    let registry = Registry::with_account().await;
    let created = registry.create_webhook(webhook()).await;
    let mut stored = created.clone();
    let mut limits = Limits::default();
    let given = unusual();
    // `max_in_flight` goes with unordered webhooks only, so `ordering` comes before it.
    for path in [
        "ordering",
        "payload_format",
        "limits.max_group_events",
        "limits.max_group_bytes",
        "limits.max_requests_per_second",
        "limits.max_in_flight",
        "dead_letter",
    ] {
        let all = given.limits.unwrap();
        match path {
            "ordering" => stored.ordering = given.ordering,
            "payload_format" => stored.payload_format = given.payload_format,
            "limits.max_group_events" => limits.max_group_events = all.max_group_events,
            "limits.max_group_bytes" => limits.max_group_bytes = all.max_group_bytes,
            "limits.max_requests_per_second" => limits.max_requests_per_second = all.max_requests_per_second,
            "limits.max_in_flight" => limits.max_in_flight = all.max_in_flight,
            _ => stored.dead_letter = given.dead_letter,
        }
        stored.limits = Some(limits).filter(|limits| *limits != Limits::default());
        let wanted = Webhook {
            id: created.id.clone(),
            ..given.clone()
        };
        let changed = registry.update_webhook(wanted, &[path]).await.unwrap();
        stored.revision = changed.revision;
        assert_eq!(changed, stored, "{path}");
    }
    let registry = registry.restart().await;
    assert_eq!(registry.read_webhook(&stored).await, stored);

    let renamed = Webhook {
        name: "Payroll".into(),
        limits: Some(Limits {
            max_group_events: Some(0),
            ..Limits::default()
        }),
        ..only(&created)
    };
    let renamed = registry.update_webhook(renamed, &["name"]).await.unwrap();
    assert_eq!(
        (renamed.limits, renamed.dead_letter),
        (stored.limits, stored.dead_letter)
    );
    let all = Webhook {
        active: Some(true),
        ..webhook()
    };
    let reset = Webhook {
        id: created.id.clone(),
        ..all
    };
    let reset = registry.update_webhook(reset, &[]).await.unwrap();
    assert_eq!(
        (reset.ordering(), reset.limits),
        (Ordering::Ordered, None),
        "all fields"
    );
}

#[tokio::test]
async fn w4_limits_are_changed_as_a_whole_and_one_that_is_named_and_unset_gets_its_default() {
    let registry = Registry::with_account().await;
    let created = registry.create_webhook(unusual()).await;
    assert_eq!(created.limits, unusual().limits);
    let one = registry
        .update_webhook(only(&created), &["limits.max_group_bytes"])
        .await
        .unwrap();
    let rest = Limits {
        max_group_bytes: None,
        ..unusual().limits.unwrap()
    };
    assert_eq!(one.limits, Some(rest));
    let none = registry
        .update_webhook(only(&created), &["limits"])
        .await
        .unwrap();
    assert_eq!(none.limits, None);
}

#[tokio::test]
async fn d7_only_an_unordered_webhook_has_several_posts_under_way() {
    let registry = Registry::with_account().await;
    let in_flight = |webhook| {
        limited(
            webhook,
            Limits {
                max_in_flight: Some(4),
                ..Limits::default()
            },
        )
    };
    for ordering in [Ordering::Unspecified, Ordering::Ordered] {
        let ordered = Webhook {
            ordering: ordering.into(),
            ..in_flight(webhook())
        };
        let request = CreateWebhookRequest {
            webhook: Some(ordered),
            ..CreateWebhookRequest::default()
        };
        let refused = registry.client.clone().create_webhook(request).await.unwrap_err();
        assert_eq!(wrong_fields(&refused), ["webhook.limits.max_in_flight"]);
        let told = refused.get_details_bad_request().unwrap().field_violations;
        assert!(told[0].description.contains("UNORDERED"), "{told:?}");
    }

    let created = registry.create_webhook(webhook()).await;
    for path in ["limits", "limits.max_in_flight"] {
        // What the request says of the ordering does not count: the mask does not name it.
        let wanted = Webhook {
            ordering: Ordering::Unordered.into(),
            ..in_flight(only(&created))
        };
        let refused = registry.update_webhook(wanted, &[path]).await.unwrap_err();
        assert_eq!(wrong_fields(&refused), ["webhook.limits.max_in_flight"]);
    }
    let both = Webhook {
        ordering: Ordering::Unordered.into(),
        ..in_flight(only(&created))
    };
    let both = registry
        .update_webhook(both, &["ordering", "limits"])
        .await
        .unwrap();
    assert_eq!(both.limits.unwrap().max_in_flight, Some(4));
    let ordered = registry
        .update_webhook(only(&created), &["ordering"])
        .await
        .unwrap();
    assert_eq!((ordered.ordering(), ordered.limits), (Ordering::Ordered, None));
}
