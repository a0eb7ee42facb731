//! What an expression is evaluated on.

use std::collections::HashMap;
use std::sync::OnceLock;

use angarium_model::{Event, JsonObject};
use cel::common::types::{CelInt, CelMap, CelMapKey, CelString, CelUInt};
use cel::common::value::{CowVal, Val};
use cel::context::VariableResolver;

use crate::cost::Size;
use crate::failure::Failure;
use crate::value;

/// The name of the payload.
pub(crate) const DATA: &str = "data";
/// The name of the rest of the event.
pub(crate) const EVENT: &str = "event";
/// The fields of `event`.
pub(crate) const FIELDS: [&str; 4] = [EVENT_NAME, EVENT_ID, TIMESTAMP, EVENT_INFO];
const EVENT_NAME: &str = "eventName";
const EVENT_ID: &str = "eventId";
const TIMESTAMP: &str = "timestamp";
const EVENT_INFO: &str = "eventInfo";

/// An event, as expressions see it. Its payload is read when the first asks for it, and once.
#[derive(Debug)]
pub struct Subject<'e> {
    name: &'e str,
    id: &'e str,
    timestamp: u64,
    info: &'e str,
    data: &'e JsonObject,
    read: OnceLock<Result<Read<'e>, Failure>>,
}

impl<'e> Subject<'e> {
    /// Of an event. `info` is its `eventInfo` as receivers get it, made of its position if the producer gave none.
    #[must_use]
    pub fn new(event: &'e Event, info: &'e str) -> Self {
        Self {
            name: event.name.as_str(),
            id: event.id.as_str(),
            timestamp: event.timestamp.get(),
            info,
            data: &event.data,
            read: OnceLock::new(),
        }
    }

    pub(crate) fn read(&self) -> Result<&Read<'e>, Failure> {
        self.read
            .get_or_init(|| self.read_now())
            .as_ref()
            .map_err(Clone::clone)
    }

    /// `data` and `event`, for people. Data that cannot be read is null.
    pub(crate) fn as_json(&self) -> (serde_json::Value, serde_json::Value) {
        let event = serde_json::json!({
            EVENT_NAME: self.name, EVENT_ID: self.id, TIMESTAMP: self.timestamp, EVENT_INFO: self.info,
        });
        (
            serde_json::from_slice(self.data.bytes()).unwrap_or_default(),
            event,
        )
    }

    fn read_now(&self) -> Result<Read<'e>, Failure> {
        let bytes: &'e [u8] = self.data.bytes();
        // Ingest takes what is nested deeper than this reader reads, or has a number that no double holds.
        let unreadable = |_| {
            Failure::new(
                "data cannot be read: it is nested deeper than 127 levels, or has a number that is too large",
            )
        };
        let (data, largest) = value::parse(bytes).map_err(unreadable)?;
        let text = |text: &'e str| -> Box<dyn Val + 'e> { Box::new(CelString::from(text)) };
        let timestamp: Box<dyn Val + 'e> = match i64::try_from(self.timestamp) {
            Ok(timestamp) => Box::new(CelInt::from(timestamp)),
            Err(_) => Box::new(CelUInt::from(self.timestamp)),
        };
        let fields = [
            (EVENT_NAME, text(self.name)),
            (EVENT_ID, text(self.id)),
            (TIMESTAMP, timestamp),
            (EVENT_INFO, text(self.info)),
        ];
        let fields = fields.map(|(name, value)| (CelMapKey::String(CelString::from(name)), value));
        Ok(Read {
            data,
            event: Box::new(CelMap::from(HashMap::from(fields))),
            size: Size {
                bytes: bytes.len(),
                largest,
            },
        })
    }
}

/// An event that was read.
#[derive(Debug)]
pub(crate) struct Read<'e> {
    data: Box<dyn Val + 'e>,
    event: Box<dyn Val + 'e>,
    size: Size,
}

impl Read<'_> {
    pub(crate) const fn size(&self) -> Size {
        self.size
    }
}

impl VariableResolver for Read<'_> {
    fn resolve<'b>(&'b self, variable: &str) -> Option<CowVal<'b, 'b>> {
        match variable {
            DATA => Some(CowVal::Borrowed(self.data.as_ref())),
            EVENT => Some(CowVal::Borrowed(self.event.as_ref())),
            _ => None,
        }
    }
}
