//! The group of a test: one event, the catalogue's example of its type.

use std::sync::Arc;

use angarium_model::{AcceptedAt, AccountId, Catalogue, EventInfo, Position, Revision, TypePattern, Webhook};
use angarium_webhooks::example;

use crate::group::{Group, Item};
use crate::record::Delivery;

/// What a webhook is tested with that names no type in full.
const ANY: &str = "CI_STATS";

/// The first type that the webhook names in full; else one that every receiver may know.
pub(super) fn default_type(webhook: &Webhook) -> &'static str {
    let named = webhook.event_types.iter().find_map(|pattern| match pattern {
        TypePattern::Exact(name) => Catalogue.get(name.as_str()),
        TypePattern::Prefix(_) | TypePattern::Any => None,
    });
    named.map_or(ANY, |known| known.name)
}

/// A group with the example of a type of the catalogue, for an account. Its id is new each time, and begins as that of no
/// delivery does.
#[expect(clippy::expect_used, reason = "who names a type has looked it up")]
pub(super) fn group(account: AccountId, event_type: &'static str) -> Group {
    let known = Catalogue.get(event_type).expect("the type is in the catalogue");
    let event = example(known, account);
    let delivery = Delivery {
        account,
        event_id: event.id.into_string(),
        event_name: event.name.into_string(),
        timestamp: event.timestamp.get(),
        event_info: event.info.map(EventInfo::into_string).unwrap_or_default(),
        data: event.data.into_bytes(),
        // It is in no topic, and who builds the body does not look at these.
        source: Position {
            partition: 0,
            offset: 0,
        },
        accepted_at: AcceptedAt::from_unix_ms(0),
        revision: Revision::default(),
        resent: false,
    };
    Group {
        id: format!("msg_test_{:032x}", rand::random::<u128>()),
        items: vec![Item {
            offset: 0,
            delivery: Arc::new(delivery),
        }],
        sequence: None,
    }
}

#[cfg(test)]
mod tests {
    use angarium_model::PayloadFormat;
    use serde_json::Value;

    use super::*;
    use crate::body::Body;

    #[test]
    fn w5_every_type_of_the_catalogue_has_a_sample_that_is_sent_as_its_example_says() {
        let account = AccountId::new(7).unwrap();
        for known in Catalogue.types() {
            let group = group(account, known.name);
            let sent: Value =
                serde_json::from_slice(&Body::of(&group, PayloadFormat::Envelope).bytes).unwrap();
            let mut example: Value = serde_json::from_str(known.example).unwrap();
            example["accountId"] = 7.into();
            assert_eq!(sent, example, "{}", known.name);
            assert_eq!(sent["events"][0]["eventName"], known.name);
        }
    }

    #[test]
    fn w5_the_id_of_a_test_is_new_each_time_and_may_be_signed() {
        let account = AccountId::new(7).unwrap();
        let (first, second) = (group(account, ANY).id, group(account, ANY).id);
        assert_ne!(first, second);
        assert!(first.starts_with("msg_test_") && !first.contains('.'), "{first}");
    }
}
