//! A request of Angarium, once it is proven to be one.

use std::fmt;

use angarium_model::{AccountId, EventId, EventName, Lane, Position, Timestamp, headers};
use angarium_signing::{Verifier, WEBHOOK_ID_HEADER, WEBHOOK_SIGNATURE_HEADER, WEBHOOK_TIMESTAMP_HEADER};
use http::HeaderMap;
use http::header::CONTENT_TYPE;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::Error;

/// An event, as its producer wrote it.
#[derive(Clone, Debug)]
pub struct Event {
    /// The account it belongs to.
    pub account: AccountId,
    /// With account and name: which event it is (E7).
    pub id: EventId,
    /// Its type.
    pub name: EventName,
    /// When it happened, in seconds or milliseconds as published (E5).
    pub timestamp: Timestamp,
    /// The producer's note on order.
    pub info: String,
    /// The payload: JSON, in the producer's own bytes (E4).
    pub data: Box<RawValue>,
}

/// What one POST carries (E4), verified.
#[derive(Clone, Debug)]
pub struct Group {
    /// Header `webhook-id`: the same in every attempt (D6).
    pub id: String,
    /// Its events, in order; never empty.
    pub events: Vec<Event>,
    /// Where it stands among the groups of its webhook; a test and a sender of an older version tell none.
    pub place: Option<Place>,
    /// It was done before, and someone asked for it again.
    pub again: Option<Again>,
    /// Which request this is: another attempt at the same group is another.
    pub arrival: Arrival,
}

/// Where a group stands (D8).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Positions of one lane follow each other, those of two do not (D7).
    pub lane: Lane,
    /// Of its last event.
    pub position: Position,
    /// Of the last event that this receiver had acknowledged before it, as far as Angarium knows.
    pub previous: Option<Position>,
}

/// Why events that were done come again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Again {
    /// Someone replays a stretch of time, in order.
    Replay,
    /// Someone asked for one event, which stands outside the order.
    Resend,
}

/// Names one request, so that a claim that is made twice for it is one claim.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Arrival([u8; 16]);

impl Arrival {
    /// A new one.
    ///
    /// # Errors
    /// [`Error::NoRandomness`] when the operating system gives no random bytes.
    pub fn new() -> Result<Self, Error> {
        let mut bytes = [0; 16];
        getrandom::fill(&mut bytes).map_err(Error::NoRandomness)?;
        Ok(Self(bytes))
    }

    /// Its bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

impl fmt::Debug for Arrival {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Arrival({:032x})", u128::from_be_bytes(self.0))
    }
}

impl Group {
    /// Verifies a request and reads it. `body` is what arrived, byte for byte; `now_unix_seconds` is this machine's clock.
    ///
    /// # Errors
    /// [`Error::Untrusted`]: answer 401 and do nothing else. Any other: it is signed and cannot be read, answer 400.
    pub fn verify(
        verifier: &Verifier,
        headers: &HeaderMap,
        body: &[u8],
        now_unix_seconds: u64,
    ) -> Result<Self, Error> {
        let id = text(headers, WEBHOOK_ID_HEADER)?.unwrap_or_default();
        let timestamp = text(headers, WEBHOOK_TIMESTAMP_HEADER)?.unwrap_or_default();
        let signature = text(headers, WEBHOOK_SIGNATURE_HEADER)?.unwrap_or_default();
        verifier
            .verify(id, timestamp, signature, body, now_unix_seconds)
            .map_err(Error::Untrusted)?;
        check_format(headers)?;
        Ok(Self {
            id: id.to_owned(),
            events: events(body)?,
            place: place(headers)?,
            again: again(headers)?,
            arrival: Arrival::new()?,
        })
    }
}

fn text<'h>(headers: &'h HeaderMap, name: &'static str) -> Result<Option<&'h str>, Error> {
    let Some(value) = headers.get(name) else {
        return Ok(None);
    };
    match value.to_str() {
        Ok(text) => Ok(Some(text)),
        Err(_not_ascii) => Err(Error::Header { name }),
    }
}

/// A `content-type` that was lost on the way is no reason to lose the events.
fn check_format(headers: &HeaderMap) -> Result<(), Error> {
    let content_type = text(headers, CONTENT_TYPE.as_str())?.unwrap_or("application/json");
    let media_type = content_type.split(';').next().unwrap_or_default().trim();
    if media_type.eq_ignore_ascii_case("application/json") {
        return Ok(());
    }
    Err(Error::Format {
        content_type: content_type.to_owned(),
    })
}

fn place(headers: &HeaderMap) -> Result<Option<Place>, Error> {
    let (Some(lane), Some(position)) = (
        text(headers, headers::LANE)?,
        position(headers, headers::POSITION)?,
    ) else {
        return Ok(None);
    };
    let known = Lane::ALL.into_iter().find(|known| known.as_str() == lane);
    Ok(Some(Place {
        lane: known.ok_or_else(|| unknown(headers::LANE, lane))?,
        position,
        previous: self::position(headers, headers::PREVIOUS)?,
    }))
}

fn position(headers: &HeaderMap, name: &'static str) -> Result<Option<Position>, Error> {
    let parse = |text: &str| text.parse().map_err(|source| Error::Position { name, source });
    text(headers, name)?.map(parse).transpose()
}

fn again(headers: &HeaderMap) -> Result<Option<Again>, Error> {
    match text(headers, headers::AGAIN)? {
        None => Ok(None),
        Some("replay") => Ok(Some(Again::Replay)),
        Some("resend") => Ok(Some(Again::Resend)),
        Some(other) => Err(unknown(headers::AGAIN, other)),
    }
}

fn unknown(name: &'static str, value: &str) -> Error {
    Error::Unknown {
        name,
        value: value.to_owned(),
    }
}

/// Both formats: the envelope (E4), or one event with its account beside its fields.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Body {
    account_id: u64,
    events: Option<Vec<Fields>>,
    event_id: Option<String>,
    event_name: Option<String>,
    timestamp: Option<u64>,
    event_info: Option<String>,
    data: Option<Box<RawValue>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Fields {
    event_id: String,
    event_name: String,
    timestamp: u64,
    #[serde(default)]
    event_info: String,
    data: Box<RawValue>,
}

fn events(body: &[u8]) -> Result<Vec<Event>, Error> {
    let body: Body = serde_json::from_slice(body).map_err(Error::Body)?;
    let account = AccountId::new(body.account_id).map_err(Error::Id)?;
    let fields = match body {
        Body {
            events: Some(events), ..
        } if !events.is_empty() => events,
        Body {
            events: None,
            event_id: Some(event_id),
            event_name: Some(event_name),
            timestamp: Some(timestamp),
            event_info,
            data: Some(data),
            ..
        } => vec![Fields {
            event_id,
            event_name,
            timestamp,
            event_info: event_info.unwrap_or_default(),
            data,
        }],
        Body { .. } => return Err(Error::NoEvents),
    };
    let event = |fields: Fields| {
        Ok(Event {
            account,
            id: EventId::new(fields.event_id).map_err(Error::Id)?,
            name: EventName::new(fields.event_name).map_err(Error::Id)?,
            timestamp: Timestamp::new(fields.timestamp),
            info: fields.event_info,
            data: fields.data,
        })
    };
    fields.into_iter().map(event).collect()
}
