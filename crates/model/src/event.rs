//! An event: what a producer says has happened.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use bytes::Bytes;

use crate::{AccountId, EventId, EventInfo, EventName};

/// An event as accepted: ids filled in, the payload still the producer's own bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// The account it belongs to.
    pub account: AccountId,
    /// The producer's id of it, or the one ingest minted.
    pub id: EventId,
    /// Its type.
    pub name: EventName,
    /// When it happened, as the producer spelled it.
    pub timestamp: Timestamp,
    /// The producer's note on order, if it gave one.
    pub info: Option<EventInfo>,
    /// The payload.
    pub data: JsonObject,
}

/// Unix time by the producer's clock, in seconds or milliseconds: passed through unchanged (E5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Timestamp(u64);

impl Timestamp {
    /// From here on a value is milliseconds (G4).
    pub const FIRST_MILLISECONDS: u64 = 100_000_000_000;

    /// Takes the number as published.
    #[must_use]
    pub const fn new(published: u64) -> Self {
        Self(published)
    }

    /// The number as published.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// When Kafka took the event: Unix milliseconds of its record in the events topic. Retention counts from here (D5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AcceptedAt(i64);

impl AcceptedAt {
    /// From Unix milliseconds.
    #[must_use]
    pub const fn from_unix_ms(ms: i64) -> Self {
        Self(ms)
    }

    /// As Unix milliseconds.
    #[must_use]
    pub const fn unix_ms(self) -> i64 {
        self.0
    }

    /// How long ago it was, at this time in Unix milliseconds; nothing, of one in the future: clocks differ.
    #[must_use]
    pub fn age(self, now_unix_ms: i64) -> Duration {
        Duration::from_millis(u64::try_from(now_unix_ms.saturating_sub(self.0)).unwrap_or(0))
    }
}

/// A place in the events topic; names one accepted event for good. Written `<partition>-<offset>`.
///
/// All events of an account are in one partition, so for one webhook positions rise with the order of acceptance.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Position {
    /// Partition of the events topic.
    pub partition: i32,
    /// Offset in the partition.
    pub offset: i64,
}

impl Position {
    /// The `eventInfo` of an event that came without one: made of its place alone, so that every attempt and every
    /// replay says the same. It has the shape of the published ones (`1725524713000-040366-10488-0`).
    #[must_use]
    pub fn event_info(self, accepted_at: AcceptedAt) -> String {
        format!(
            "{}-{:06}-{}-0",
            accepted_at.unix_ms(),
            self.partition,
            self.offset
        )
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.partition, self.offset)
    }
}

/// A text that is no position.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a position is `<partition>-<offset>`, for example `7-10488`, not {0:?}")]
pub struct InvalidPosition(String);

impl FromStr for Position {
    type Err = InvalidPosition;

    fn from_str(text: &str) -> Result<Self, InvalidPosition> {
        let parse = || {
            let (partition, offset) = text.split_once('-')?;
            let position = Self {
                partition: partition.parse().ok()?,
                offset: offset.parse().ok()?,
            };
            (position.partition >= 0 && position.offset >= 0).then_some(position)
        };
        parse().ok_or_else(|| InvalidPosition(text.chars().take(64).collect()))
    }
}

/// The bytes of one JSON object exactly as its author wrote them: key order, number spelling, duplicate keys and
/// white space included (E4).
#[derive(Clone, PartialEq, Eq)]
pub struct JsonObject(Bytes);

/// The bytes are no JSON object.
#[derive(Debug, thiserror::Error)]
pub enum NotAnObject {
    /// They are no JSON.
    #[error("not valid JSON")]
    Syntax(#[from] serde_json::Error),
    /// They are JSON of another type.
    #[error("must be a JSON object")]
    OtherType,
}

impl JsonObject {
    /// Checks that the bytes are one JSON object in UTF-8, and keeps them as they are.
    ///
    /// # Errors
    /// [`NotAnObject`].
    pub fn parse(bytes: Bytes) -> Result<Self, NotAnObject> {
        let raw: &serde_json::value::RawValue = serde_json::from_slice(&bytes)?;
        Self::is_object(raw.get())
            .then_some(Self(bytes))
            .ok_or(NotAnObject::OtherType)
    }

    /// Takes bytes that were checked before: out of a record of ours, or a value that a JSON reader has delimited.
    #[must_use]
    pub const fn trusted(bytes: Bytes) -> Self {
        Self(bytes)
    }

    /// Whether a JSON value that is known to be valid is an object.
    #[must_use]
    pub fn is_object(valid_json: &str) -> bool {
        valid_json
            .trim_start_matches([' ', '\t', '\n', '\r'])
            .starts_with('{')
    }

    /// The bytes.
    #[must_use]
    pub const fn bytes(&self) -> &Bytes {
        &self.0
    }

    /// The bytes, owned.
    #[must_use]
    pub fn into_bytes(self) -> Bytes {
        self.0
    }
}

impl fmt::Debug for JsonObject {
    /// Payloads stay out of logs: only the length is shown.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "JsonObject({} bytes)", self.0.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_position_reads_back_as_it_was_written() {
        let position = Position {
            partition: 7,
            offset: 10_488,
        };
        assert_eq!(position.to_string(), "7-10488");
        assert_eq!("7-10488".parse(), Ok(position));
        for bad in ["", "7", "7-", "-1-2", "7--1", "a-1"] {
            assert!(bad.parse::<Position>().is_err(), "{bad:?} was taken");
        }
    }

    #[test]
    fn event_info_is_made_of_the_place_alone_and_looks_like_the_published_ones() {
        let position = Position {
            partition: 7,
            offset: 10_488,
        };
        let info = position.event_info(AcceptedAt::from_unix_ms(1_725_524_713_000));
        assert_eq!(info, "1725524713000-000007-10488-0");
    }

    #[test]
    fn e4_an_object_keeps_its_own_bytes() {
        let odd = Bytes::from_static(b" {\"b\": 1.0e2, \"a\" :\n[ ], \"a\":\t\"\\u00e4\"} ");
        assert_eq!(JsonObject::parse(odd.clone()).unwrap().bytes(), &odd);
        assert!(matches!(
            JsonObject::parse(Bytes::from_static(b"[1]")),
            Err(NotAnObject::OtherType)
        ));
        assert!(matches!(
            JsonObject::parse(Bytes::from_static(b"{,}")),
            Err(NotAnObject::Syntax(_))
        ));
        assert!(matches!(
            JsonObject::parse(Bytes::from_static(b"{} {}")),
            Err(NotAnObject::Syntax(_))
        ));
    }

    #[test]
    fn a_payload_is_not_in_debug_output() {
        let object = JsonObject::parse(Bytes::from_static(b"{\"name\":\"Ada\"}")).unwrap();
        assert_eq!(format!("{object:?}"), "JsonObject(14 bytes)");
    }
}
