//! The group of a test: one event, the example of its type.

use std::sync::Arc;

use angarium_model::{
    AcceptedAt, Catalogue, Event, EventInfo, EventType, KnownTypes, Position, Revision, TypePattern, Webhook,
};
use angarium_webhooks::{example, known_sample};

use crate::group::{Group, Item};
use crate::record::Delivery;

/// What a webhook is tested with that names no type in full: one that every receiver may know.
const ANY: &str = "CI_STATS";

/// The example of the first type that the webhook names in full, if it has one; else of one that every receiver may know.
pub(super) fn default(webhook: &Webhook, types: &KnownTypes) -> Event {
    let named = webhook.event_types.iter().find_map(|pattern| match pattern {
        TypePattern::Exact(name) => known_sample(name.as_str(), webhook.account, types).ok(),
        TypePattern::Prefix(_) | TypePattern::Any => None,
    });
    named.unwrap_or_else(|| example(any(), webhook.account))
}

#[expect(clippy::expect_used, reason = "the catalogue is fixed")]
fn any() -> EventType {
    Catalogue.get(ANY).expect("the type is in the catalogue")
}

/// A group with one event. Its id is new each time, and begins as that of no delivery does.
pub(super) fn group(event: Event) -> Group {
    let delivery = Delivery {
        account: event.account,
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
        trace: None,
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
    use angarium_model::{AccountId, PayloadFormat};
    use serde_json::Value;

    use super::*;
    use crate::body::Body;

    #[test]
    fn w5_every_type_of_the_catalogue_has_a_sample_that_is_sent_as_its_example_says() {
        let account = AccountId::new(7).unwrap();
        for known in Catalogue.types() {
            let group = group(example(known, account));
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
        let id = || group(example(any(), account)).id;
        let (first, second) = (id(), id());
        assert_ne!(first, second);
        assert!(first.starts_with("msg_test_") && !first.contains('.'), "{first}");
    }
}
