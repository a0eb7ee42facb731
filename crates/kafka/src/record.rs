//! A record that has been read.

use bytes::Bytes;
use rdkafka::Message;
use rdkafka::message::{BorrowedMessage, Headers as _};

/// The headers of a record, in order. Kafka allows a name more than once.
pub type Headers = Vec<(String, Bytes)>;

/// A record, copied out of librdkafka's memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Its partition.
    pub partition: i32,
    /// Its place in the partition.
    pub offset: i64,
    /// Unix milliseconds: when the broker appended it if the topic says so, else what the producer set; 0 if unknown.
    pub timestamp_ms: i64,
    /// Its key; empty if it has none.
    pub key: Bytes,
    /// Its value; `None` is a tombstone.
    pub value: Option<Bytes>,
    /// Its headers.
    pub headers: Headers,
}

/// What a record costs beside its bytes, roughly: so that empty records count too.
const OVERHEAD: usize = 128;

impl Record {
    pub(crate) fn copied(message: &BorrowedMessage<'_>) -> Self {
        let headers = message.headers().map(|headers| {
            let owned = |header: rdkafka::message::Header<'_, &[u8]>| {
                (
                    header.key.to_owned(),
                    Bytes::copy_from_slice(header.value.unwrap_or_default()),
                )
            };
            headers.iter().map(owned).collect()
        });
        Self {
            partition: message.partition(),
            offset: message.offset(),
            timestamp_ms: message.timestamp().to_millis().unwrap_or_default(),
            key: Bytes::copy_from_slice(message.key().unwrap_or_default()),
            value: message.payload().map(Bytes::copy_from_slice),
            headers: headers.unwrap_or_default(),
        }
    }

    /// The first header of this name.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&[u8]> {
        let (_, value) = self.headers.iter().find(|(given, _)| given == name)?;
        Some(value)
    }

    /// The memory it takes, in bytes, roughly.
    #[must_use]
    pub fn size(&self) -> usize {
        let headers: usize = self
            .headers
            .iter()
            .map(|(name, value)| name.len() + value.len())
            .sum();
        OVERHEAD + self.key.len() + self.value.as_ref().map_or(0, Bytes::len) + headers
    }
}
