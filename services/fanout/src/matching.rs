//! From a record of the events topic to the records that it becomes: no I/O, and the same result every time under the
//! same view of the registry.

use std::borrow::Cow;
use std::collections::HashMap;
use std::num::NonZeroU32;

use angarium_directory::{Matched, View};
use angarium_filter::Subject;
use angarium_kafka::{Record, partition_of};
use angarium_model::{
    AcceptedAt, AccountId, Catalogue, Event, EventId, EventName, Lane, Position, WebhookId,
};
use angarium_proto::delivery::v1::DeliveryRecord;
use angarium_proto::event::v1::EventRecord;
use angarium_proto::{InvalidWire, convert};
use bytes::BytesMut;
use prost::Message;

/// The most webhooks that one record names: 16 KB of ids, so that a record is little larger than its event. An
/// account with more of them in a partition gets several records.
const MAX_WEBHOOKS_PER_RECORD: usize = 1_000;

/// How many partitions the deliveries topic of each lane has.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Partitions {
    pub(crate) realtime: NonZeroU32,
    pub(crate) batch: NonZeroU32,
}

impl Partitions {
    const fn of(self, lane: Lane) -> NonZeroU32 {
        match lane {
            Lane::Realtime => self.realtime,
            Lane::Batch => self.batch,
        }
    }
}

/// Decides where events go.
#[derive(Debug)]
pub(crate) struct Matcher {
    partitions: Partitions,
    lanes: HashMap<&'static str, Lane>,
}

/// What one event becomes.
#[derive(Debug)]
pub(crate) struct Fanned {
    /// What was matched, for the journal.
    pub(crate) summary: Summary,
    /// The records of the lane's deliveries topic, in the order to produce them.
    pub(crate) deliveries: Vec<Delivery>,
    /// Whether the type is known: to the catalogue, to the account, or to the platform.
    pub(crate) known_type: bool,
}

/// An event and who gets it.
#[derive(Debug)]
pub(crate) struct Summary {
    pub(crate) account: AccountId,
    pub(crate) position: Position,
    pub(crate) accepted_at: AcceptedAt,
    pub(crate) id: EventId,
    pub(crate) name: EventName,
    pub(crate) lane: Lane,
    pub(crate) matched: Matched,
}

/// A record for a deliveries topic.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Delivery {
    pub(crate) partition: i32,
    /// The first webhook that the record names: hashed as Kafka does, it leads to this partition.
    pub(crate) key: WebhookId,
    pub(crate) value: Vec<u8>,
}

/// A record of the events topic that no ingest of ours can have written.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Poison {
    /// It has no value.
    #[error("the record has no value")]
    Empty,
    /// It is no protobuf message of this type.
    #[error("the record is no EventRecord")]
    Undecodable(#[from] prost::DecodeError),
    /// A field breaks the rules of its type.
    #[error("a field of the record is invalid")]
    Invalid(#[from] InvalidWire),
}

impl Matcher {
    pub(crate) fn new(partitions: Partitions) -> Self {
        let lanes = Catalogue.types().map(|known| (known.name, known.lane)).collect();
        Self { partitions, lanes }
    }

    /// Matches the event in `record` against a view.
    pub(crate) fn fan_out(&self, record: &Record, view: &View) -> Result<Fanned, Poison> {
        let value = record.value.clone().ok_or(Poison::Empty)?;
        let event = convert::event_from_record(EventRecord::decode(value)?)?;
        let position = Position {
            partition: record.partition,
            offset: record.offset,
        };
        let accepted_at = AcceptedAt::from_unix_ms(record.timestamp_ms);
        // A type that nobody knows was deleted since, or its account takes such events, or a newer ingest took it.
        // Holding it back would hold back every account of its partition, and dropping it would lose it; sent too early
        // is the least harm.
        let own = || Some(view.own_type(event.account, &event.name)?.lane);
        let known = self.lanes.get(event.name.as_str()).copied().or_else(own);
        let lane = known.unwrap_or(Lane::Realtime);
        let matched = matched(view, &event, position, accepted_at);

        let (account, id, name) = (event.account, event.id.clone(), event.name.clone());
        let delivery = DeliveryRecord {
            registry_revision: matched.revision.offset(),
            ..convert::delivery_of(event, position, accepted_at)
        };
        Ok(Fanned {
            deliveries: deliveries(&delivery, &matched.active, self.partitions.of(lane)),
            summary: Summary {
                account,
                position,
                accepted_at,
                id,
                name,
                lane,
                matched,
            },
            known_type: known.is_some(),
        })
    }
}

/// Who gets an event. It is read once, when the first filter asks for it.
fn matched(view: &View, event: &Event, position: Position, accepted_at: AcceptedAt) -> Matched {
    let info = match &event.info {
        Some(info) => Cow::Borrowed(info.as_str()),
        None => Cow::Owned(position.event_info(accepted_at)),
    };
    let subject = Subject::new(event, &info);
    view.webhooks_for(event.account, &event.name, |filter| filter.matches(&subject))
}

/// One record per partition that has any of the webhooks; more where they are too many for one. They differ in their webhooks alone, and
/// messages that are put together are one with the fields of both: so the event is encoded once.
fn deliveries(record: &DeliveryRecord, webhooks: &[WebhookId], partitions: NonZeroU32) -> Vec<Delivery> {
    let mut placed: Vec<_> = webhooks
        .iter()
        .map(|id| (partition_of(id.as_bytes(), partitions), *id))
        .collect();
    placed.sort_unstable();
    let event = if placed.is_empty() {
        Vec::new()
    } else {
        record.encode_to_vec()
    };
    placed
        .chunk_by(|(a, _), (b, _)| a == b)
        .flat_map(|same_partition| same_partition.chunks(MAX_WEBHOOKS_PER_RECORD))
        .filter_map(|chunk| {
            let (partition, key) = *chunk.first()?;
            let mut ids = BytesMut::with_capacity(chunk.len() * key.as_bytes().len());
            for (_, id) in chunk {
                convert::append_webhook_id(&mut ids, *id);
            }
            let named = DeliveryRecord {
                webhook_ids: ids.freeze(),
                ..DeliveryRecord::default()
            };
            Some(Delivery {
                partition,
                key,
                value: [&*event, &named.encode_to_vec()].concat(),
            })
        })
        .collect()
}

#[cfg(test)]
pub(crate) mod tests {
    use std::collections::HashSet;

    use angarium_directory::Directory;
    use angarium_model::{EventInfo, FilterText, JsonObject, Revision, TargetUrl, Timestamp, Webhook};

    use bytes::Bytes;

    use super::*;

    pub(crate) fn webhook(number: u16, active: bool) -> Webhook {
        let mut id = [0; 16];
        id[..2].copy_from_slice(&number.to_be_bytes());
        Webhook {
            active,
            revision: Revision::from_offset(41),
            ..Webhook::new(
                WebhookId::from_bytes(id),
                AccountId::new(1234).unwrap(),
                "HR",
                TargetUrl::parse("https://example.com/").unwrap(),
            )
        }
    }

    /// A matcher and a view of these webhooks.
    struct Fixture(Matcher, View);

    impl Fixture {
        fn fan_out(&self, record: &Record) -> Result<Fanned, Poison> {
            self.0.fan_out(record, &self.1)
        }
    }

    fn matcher(webhooks: impl IntoIterator<Item = Webhook>, partitions: u32) -> Fixture {
        let partitions = NonZeroU32::new(partitions).unwrap();
        let partitions = Partitions {
            realtime: partitions,
            batch: partitions,
        };
        Fixture(Matcher::new(partitions), Directory::fixed([], webhooks).view())
    }

    pub(crate) fn event(name: &str, info: Option<&str>) -> Record {
        let event = angarium_model::Event {
            account: AccountId::new(1234).unwrap(),
            id: EventId::new("1").unwrap(),
            name: EventName::new(name).unwrap(),
            timestamp: Timestamp::new(1_725_604_147),
            info: info.map(|text| EventInfo::new(text).unwrap()),
            data: JsonObject::parse(Bytes::from_static(b"{ \"b\":1.0e2 }")).unwrap(),
        };
        Record {
            partition: 7,
            offset: 10_488,
            timestamp_ms: 1_725_524_713_000,
            key: Bytes::from_static(b"1234"),
            value: Some(convert::event_to_record(event).encode_to_vec().into()),
            headers: Vec::new(),
        }
    }

    fn decode(delivery: &Delivery) -> DeliveryRecord {
        DeliveryRecord::decode(delivery.value.as_slice()).unwrap()
    }

    #[test]
    fn e4_e5_a_delivery_carries_the_event_as_published_and_where_it_came_from() {
        let fanned = matcher([webhook(1, true)], 12)
            .fan_out(&event("CI_STATS", Some("1725604145-LoSt")))
            .unwrap();
        let record = decode(&fanned.deliveries[0]);
        let expected = DeliveryRecord {
            account_id: 1234,
            event_id: "1".into(),
            event_name: "CI_STATS".into(),
            timestamp: 1_725_604_147,
            event_info: "1725604145-LoSt".into(),
            data: Bytes::from_static(b"{ \"b\":1.0e2 }"),
            source: Some(angarium_proto::event::v1::Position {
                partition: 7,
                offset: 10_488,
            }),
            accepted_at_ms: 1_725_524_713_000,
            registry_revision: 41,
            webhook_ids: Bytes::copy_from_slice(webhook(1, true).id.as_bytes()),
            events_topic_id: Bytes::new(),
            resent: false,
            replay_order: None,
        };
        assert_eq!(record, expected);
    }

    #[test]
    fn an_event_info_that_is_missing_is_made_of_the_events_place() {
        let fanned = matcher([webhook(1, true)], 12)
            .fan_out(&event("CI_STATS", None))
            .unwrap();
        assert_eq!(
            decode(&fanned.deliveries[0]).event_info,
            "1725524713000-000007-10488-0"
        );
    }

    #[test]
    fn every_webhook_is_named_once_in_its_own_partition_under_a_key_that_leads_there() {
        let partitions = NonZeroU32::new(5).unwrap();
        let fanned = matcher((0..200).map(|n| webhook(n, true)), partitions.get())
            .fan_out(&event("CI_STATS", None))
            .unwrap();
        assert_eq!(fanned.deliveries.len(), 5);
        let mut named = HashSet::new();
        for delivery in &fanned.deliveries {
            assert_eq!(
                partition_of(delivery.key.as_bytes(), partitions),
                delivery.partition
            );
            for id in convert::webhook_ids(&decode(delivery).webhook_ids).unwrap() {
                assert_eq!(partition_of(id.as_bytes(), partitions), delivery.partition);
                assert!(named.insert(id), "{id} is named twice");
            }
        }
        assert_eq!(named.len(), 200);
    }

    #[test]
    fn too_many_webhooks_for_one_record_go_into_several() {
        let fanned = matcher((0..2_001).map(|n| webhook(n, true)), 1)
            .fan_out(&event("CI_STATS", None))
            .unwrap();
        let sizes: Vec<_> = fanned
            .deliveries
            .iter()
            .map(|delivery| {
                convert::webhook_ids(&decode(delivery).webhook_ids)
                    .unwrap()
                    .count()
            })
            .collect();
        assert_eq!(sizes, [1_000, 1_000, 1]);
    }

    #[test]
    fn w7_a_webhook_that_is_off_gets_nothing_and_is_noted() {
        let fanned = matcher([webhook(1, false)], 12)
            .fan_out(&event("CI_STATS", None))
            .unwrap();
        assert_eq!(fanned.deliveries, []);
        assert_eq!(fanned.summary.matched.inactive, [webhook(1, false).id]);
    }

    fn filtered(number: u16, filter: &str) -> Webhook {
        Webhook {
            filter: Some(FilterText::new(filter).unwrap()),
            ..webhook(number, true)
        }
    }

    #[test]
    fn a_filter_decides_by_the_event_as_receivers_get_it_and_what_has_no_answer_is_not_sent() {
        let id = |number| webhook(number, true).id;
        let made = "1725524713000-000007-10488-0";
        let matcher = matcher(
            [
                webhook(1, true),
                filtered(2, "data.b == 100 && event.eventId == '1'"),
                filtered(
                    3,
                    &format!("event.eventInfo == '{made}' && event.timestamp == 1725604147"),
                ),
                filtered(4, "data.b > 100"),
                filtered(5, "data.missing == 1"),
                Webhook {
                    active: false,
                    ..filtered(6, "data.b == 100")
                },
            ],
            1,
        );
        for name in ["CI_STATS", "COURSE_ENROLLMENT_BATCH"] {
            let fanned = matcher.fan_out(&event(name, None)).unwrap();
            let ids: Vec<_> = convert::webhook_ids(&decode(&fanned.deliveries[0]).webhook_ids)
                .unwrap()
                .collect();
            assert_eq!(ids, [id(1), id(2), id(3)], "{name}");
            let matched = &fanned.summary.matched;
            assert_eq!(
                (&*matched.filtered, &*matched.inactive),
                (&[id(4)][..], &[id(6)][..])
            );
            let undecided = &matched.undecided;
            assert_eq!(undecided.len(), 1);
            assert_eq!(undecided[0].0, id(5));
            assert!(undecided[0].1.to_string().contains("there is no field missing"));
        }
    }

    #[test]
    fn a_type_that_the_catalogue_lacks_is_sent_as_realtime() {
        let matcher = matcher([webhook(1, true)], 12);
        let unknown = matcher.fan_out(&event("COURSE_REVIEWED_BATCH", None)).unwrap();
        assert_eq!(
            (unknown.summary.lane, unknown.known_type),
            (Lane::Realtime, false)
        );
        assert_eq!(unknown.deliveries.len(), 1);
        let known = matcher.fan_out(&event("COURSE_ENROLLMENT_BATCH", None)).unwrap();
        assert_eq!((known.summary.lane, known.known_type), (Lane::Batch, true));
    }

    #[test]
    fn e1_a_type_of_the_accounts_own_is_sent_by_its_class() {
        let own = |account: Option<u64>, lane| angarium_model::OwnType {
            account: account.map(|id| AccountId::new(id).unwrap()),
            name: EventName::new("COURSE_REVIEWED").unwrap(),
            lane,
            description: String::new(),
            schema: None,
            example: None,
            version: 1,
            revision: Revision::default(),
            created_at_ms: 0,
        };
        let directory = Directory::fixed([], [webhook(1, true)]);
        let Fixture(matcher, _) = matcher([], 12);
        let lane = || {
            let fanned = matcher
                .fan_out(&event("COURSE_REVIEWED", None), &directory.view())
                .unwrap();
            (fanned.summary.lane, fanned.known_type)
        };
        assert_eq!(lane(), (Lane::Realtime, false));
        directory.put_type(own(None, Lane::Batch));
        assert_eq!(lane(), (Lane::Batch, true));
        directory.put_type(own(Some(1234), Lane::Realtime));
        assert_eq!(
            lane(),
            (Lane::Realtime, true),
            "the account's own counts before the platform's"
        );
    }

    #[test]
    fn what_no_ingest_can_have_written_is_told_apart() {
        let matcher = matcher([], 12);
        let broken = |value: Option<&'static [u8]>| {
            let value = value.map(Bytes::from_static);
            matcher
                .fan_out(&Record {
                    value,
                    ..event("CI_STATS", None)
                })
                .unwrap_err()
        };
        assert!(matches!(broken(None), Poison::Empty));
        assert!(matches!(broken(Some(b"\xff")), Poison::Undecodable(_)));
        assert!(matches!(broken(Some(b"")), Poison::Invalid(_)));
    }
}
