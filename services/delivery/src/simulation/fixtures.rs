//! Webhooks and events, as far as the protocol looks at them.

use angarium_directory::Directory;
use angarium_kafka::{Headers, Record};
use angarium_model::{
    AcceptedAt, AccountId, EventName, Position, Revision, TargetUrl, TimetableSpec, TypePattern, Webhook,
    WebhookId,
};
use angarium_proto::event::v1::EventRecord;
use bytes::Bytes;
use prost::Message as _;

use crate::record::Delivery;

/// What the registry tells of a webhook.
#[derive(Clone, Debug)]
pub(super) enum Change {
    /// It is as this says: created, edited, or brought back.
    Put(Box<Webhook>),
    /// It was deleted, by this revision.
    Delete(WebhookId, Revision),
}

impl Change {
    pub(super) fn put(webhook: &Webhook) -> Self {
        Self::Put(Box::new(webhook.clone()))
    }

    pub(super) fn id(&self) -> WebhookId {
        match self {
            Self::Put(webhook) => webhook.id,
            Self::Delete(id, _) => *id,
        }
    }

    pub(super) fn revision(&self) -> Revision {
        match self {
            Self::Put(webhook) => webhook.revision,
            Self::Delete(_, revision) => *revision,
        }
    }

    /// A follower learns it.
    pub(super) fn reach(&self, directory: &Directory) {
        match self {
            Self::Put(webhook) => directory.put(webhook.as_ref().clone()),
            Self::Delete(id, revision) => directory.drop_webhook(*id, *revision),
        }
    }
}

const ACCOUNT: u64 = 1234;
/// The data of all events: large ones cost no memory.
static SPACE: [u8; 1_200_000] = [b' '; 1_200_000];

/// The account of all webhooks.
#[expect(clippy::expect_used, reason = "a constant that is known to be right")]
pub(super) fn account() -> AccountId {
    AccountId::new(ACCOUNT).expect("an account")
}

/// A webhook of an account, with this revision.
#[expect(clippy::expect_used, reason = "constants that are known to be right")]
pub(crate) fn webhook(number: u8, active: bool, revision: i64) -> Webhook {
    Webhook {
        event_types: vec![TypePattern::Exact(EventName::new("CI_STATS").expect("a name"))],
        active,
        timetable: Some(TimetableSpec {
            cron: "*/30 * * * * *".into(),
            time_zone: String::new(),
        }),
        revision: Revision::from_offset(revision),
        ..Webhook::new(
            WebhookId::from_bytes([number; 16]),
            account(),
            format!("hook {number}"),
            TargetUrl::parse("http://127.0.0.1:1/").expect("a URL"),
        )
    }
}

/// An event as ingest writes it.
pub(super) fn event(offset: i64, name: EventName, accepted_ms: i64, size: usize) -> Record {
    let event = EventRecord {
        account_id: ACCOUNT,
        event_id: offset.to_string(),
        event_name: name.into_string(),
        data: space(size),
        ..EventRecord::default()
    };
    Record {
        timestamp_ms: accepted_ms,
        ..record(offset, event.encode_to_vec())
    }
}

/// A record of a topic with one partition.
pub(super) fn record(offset: i64, value: Vec<u8>) -> Record {
    Record {
        partition: 0,
        offset,
        timestamp_ms: 0,
        key: Bytes::new(),
        value: Some(value.into()),
        headers: Headers::default(),
    }
}

fn space(size: usize) -> Bytes {
    Bytes::from_static(SPACE.get(..size).unwrap_or(&SPACE))
}

/// The same event, that someone has asked for.
pub(super) fn resent(event: &Delivery, revision: Revision) -> Delivery {
    Delivery {
        account: event.account,
        event_id: event.event_id.clone(),
        event_name: event.event_name.clone(),
        timestamp: event.timestamp,
        event_info: event.event_info.clone(),
        data: event.data.clone(),
        source: event.source,
        accepted_at: event.accepted_at,
        revision,
        resent: true,
        trace: None,
    }
}

/// An event with `size` bytes of data.
pub(super) fn delivery(source: i64, now_ms: i64, size: usize, revision: Revision) -> Delivery {
    Delivery {
        account: account(),
        event_id: source.to_string(),
        event_name: "CI_STATS".into(),
        timestamp: 0,
        event_info: String::new(),
        data: space(size),
        source: Position {
            partition: 0,
            offset: source,
        },
        accepted_at: AcceptedAt::from_unix_ms(now_ms),
        revision,
        resent: false,
        trace: None,
    }
}
