//! An event as its producer sent it: every field checked, defaults not yet filled in.

use angarium_model::{AccountId, Event, EventId, EventInfo, EventName, InvalidId, JsonObject, Timestamp};
use sha2::{Digest as _, Sha256};
use uuid::{NoContext, Uuid};

/// An event as sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Draft {
    pub(crate) id: Option<EventId>,
    pub(crate) name: EventName,
    pub(crate) timestamp: Option<Timestamp>,
    pub(crate) info: Option<EventInfo>,
    pub(crate) data: JsonObject,
}

/// Tells whether two events were sent alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Fingerprint([u8; 32]);

impl Fingerprint {
    pub(crate) const BYTES: usize = 32;

    pub(crate) const fn new(bytes: [u8; Self::BYTES]) -> Self {
        Self(bytes)
    }

    pub(crate) const fn as_bytes(&self) -> &[u8; Self::BYTES] {
        &self.0
    }
}

impl Draft {
    /// Of the event as sent, before defaults are filled in: what is filled in differs at every attempt.
    pub(crate) fn fingerprint(&self) -> Fingerprint {
        let mut hasher = Sha256::new();
        let mut field = |bytes: Option<&[u8]>| {
            // Each field is preceded by its length, so that no two events run together alike.
            let length = bytes.map_or(u64::MAX, |bytes| bytes.len() as u64);
            hasher.update(length.to_be_bytes());
            hasher.update(bytes.unwrap_or_default());
        };
        field(Some(self.name.as_str().as_bytes()));
        field(self.id.as_ref().map(|id| id.as_str().as_bytes()));
        field(
            self.timestamp
                .map(|t| t.get().to_be_bytes())
                .as_ref()
                .map(<[u8; 8]>::as_slice),
        );
        field(self.info.as_ref().map(|info| info.as_str().as_bytes()));
        field(Some(self.data.bytes()));
        Fingerprint(hasher.finalize().into())
    }

    /// Fills in what is missing: the id, and the time of receipt in milliseconds.
    pub(crate) fn into_event(self, account: AccountId, now_ms: i64) -> Event {
        let now = now_ms.max(0).unsigned_abs();
        Event {
            account,
            id: self.id.unwrap_or_else(|| minted_id(now)),
            name: self.name,
            timestamp: self.timestamp.unwrap_or(Timestamp::new(now)),
            info: self.info,
            data: self.data,
        }
    }
}

/// A UUIDv7.
fn minted_id(now_ms: u64) -> EventId {
    let nanos = u32::try_from(now_ms % 1_000).unwrap_or_default() * 1_000_000;
    let id = Uuid::new_v7(uuid::Timestamp::from_unix(NoContext, now_ms / 1_000, nanos));
    #[expect(clippy::expect_used, reason = "a UUID has 36 bytes, and an id may have 256")]
    EventId::new(id.to_string()).expect("an id")
}

/// Checks a producer's id.
///
/// # Errors
/// What is wrong, for the producer.
pub(crate) fn event_id(id: String) -> Result<EventId, String> {
    EventId::new(id).map_err(|error| opaque(&error, "leave it out to have one made"))
}

/// Checks a producer's note on order.
///
/// # Errors
/// What is wrong, for the producer.
pub(crate) fn event_info(info: String) -> Result<EventInfo, String> {
    EventInfo::new(info).map_err(|error| opaque(&error, "leave it out to have one made"))
}

/// What to say of an event beyond the limit.
pub(crate) fn too_large(bytes: usize, max: usize) -> String {
    format!("has {bytes} bytes; at most {max} are allowed for an event")
}

/// The field's name is in the pointer already, so it is not said again.
fn opaque(error: &InvalidId, if_empty: &str) -> String {
    match error {
        InvalidId::Empty { .. } => format!("must not be empty; {if_empty}"),
        InvalidId::TooLong { bytes, max, .. } => format!("has {bytes} bytes; at most {max} are allowed"),
        other => other.to_string(),
    }
}

/// A producer's text, cut to a length that fits a message.
pub(crate) fn shortened(text: &str) -> String {
    /// The longest text that is shown whole, in characters.
    const SHOWN: usize = 64;
    let mut shown: String = text.chars().take(SHOWN).collect();
    if shown.len() < text.len() {
        shown.push('…');
    }
    shown
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn draft() -> Draft {
        Draft {
            id: Some(EventId::new("a").unwrap()),
            name: EventName::new("CI_STATS").unwrap(),
            timestamp: Some(Timestamp::new(1_725_604_147)),
            info: None,
            data: JsonObject::parse(Bytes::from_static(b"{}")).unwrap(),
        }
    }

    #[test]
    fn a_fingerprint_tells_every_field_apart() {
        let changed = [
            Draft { id: None, ..draft() },
            Draft {
                name: EventName::new("COURSE_ENROLLMENT").unwrap(),
                ..draft()
            },
            Draft {
                timestamp: Some(Timestamp::new(1_725_604_148)),
                ..draft()
            },
            Draft {
                timestamp: None,
                ..draft()
            },
            Draft {
                info: Some(EventInfo::new("1").unwrap()),
                ..draft()
            },
            Draft {
                data: JsonObject::parse(Bytes::from_static(b"{ }")).unwrap(),
                ..draft()
            },
        ];
        assert_eq!(draft().fingerprint(), draft().fingerprint());
        for other in changed {
            assert_ne!(draft().fingerprint(), other.fingerprint(), "{other:?}");
        }
    }

    #[test]
    fn e5_a_timestamp_stays_as_sent_and_a_missing_one_is_the_receive_time_in_milliseconds() {
        let account = AccountId::new(1234).unwrap();
        let sent = draft().into_event(account, 1_727_414_643_123);
        assert_eq!(sent.timestamp.get(), 1_725_604_147);
        let missing = Draft {
            id: None,
            timestamp: None,
            ..draft()
        };
        let event = missing.into_event(account, 1_727_414_643_123);
        assert_eq!(event.timestamp.get(), 1_727_414_643_123);
        let id: Uuid = event.id.as_str().parse().unwrap();
        assert_eq!(id.get_version_num(), 7);
        assert_eq!(
            id.get_timestamp().unwrap().to_unix(),
            (1_727_414_643, 123_000_000)
        );
    }

    #[test]
    fn e7_ids_are_opaque_up_to_256_bytes_and_errors_say_what_to_do() {
        assert!(event_id("01234567-0458-4450-b5dd-6bc1edr4560".to_owned()).is_ok());
        assert_eq!(
            event_id("x".repeat(257)).unwrap_err(),
            "has 257 bytes; at most 256 are allowed"
        );
        assert!(event_id(String::new()).unwrap_err().contains("leave it out"));
    }
}
