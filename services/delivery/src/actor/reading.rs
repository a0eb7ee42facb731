//! The actor's reading back for webhooks that have fallen behind: one read at a time.

use std::time::Duration;

use angarium_kafka::{Chunk, Limit, ReadError};
use tokio::time::sleep;

use super::{Actor, Ending};
use crate::partition::Incoming;
use crate::record::{self, Read};

/// What one read back brings at most, in bytes; one record always fits.
const MOST_BYTES: usize = 1024 * 1024;
/// Wait after a read back that failed.
const READ_PAUSE: Duration = Duration::from_secs(1);

/// So many reads in a row that find their place beyond the log's end: then it was cut. A new leader may say for a moment
/// that its log ends before what was read of it.
const CERTAIN: u32 = 5;

/// How a read back ended.
pub(super) enum ReadEnd {
    /// With what was asked for from this place on.
    Read(i64, Result<Chunk, ReadError>),
    /// The wait after a failure is over.
    Rested,
}

impl Actor {
    pub(super) fn start_reading(&mut self) {
        if self.reading.is_some() {
            return;
        }
        if let Some(from) = self.partition.wanted_read(self.shared.clock.now_ms()) {
            let (reader, number) = (self.shared.reader.clone(), self.owned.partition());
            let readers = self.partition.readers();
            let limit = Limit {
                records: self.partition.read_limit(),
                bytes: MOST_BYTES,
            };
            self.reading = Some(Box::pin(async move {
                // Most records are for webhooks that are not behind. One that cannot be read was told of by the live stream.
                let of_use = move |value: Option<&[u8]>| {
                    record::names(value, |id| readers.contains(&id)).unwrap_or(false)
                };
                ReadEnd::Read(from, reader.read_those(number, from, limit, of_use).await)
            }));
        }
    }

    pub(super) fn on_read(&mut self, end: ReadEnd) {
        let now_ms = self.shared.clock.now_ms();
        let ReadEnd::Read(from, chunk) = end else { return };
        let is_beyond = matches!(chunk, Err(ReadError::OutOfRange { offset, high, .. }) if offset > high);
        self.beyond_end = if is_beyond { self.beyond_end + 1 } else { 0 };
        match chunk {
            Ok(chunk) => {
                let records: Vec<Incoming> = chunk
                    .records
                    .into_iter()
                    .filter_map(|record| match self.read(record)? {
                        Read::Event(incoming) => Some(incoming),
                        // It counts where the live stream meets it.
                        Read::Order { .. } => None,
                    })
                    .collect();
                let taken = self.partition.read_back(from, chunk.next, &records, now_ms);
                self.shared.metrics.read_back(self.shared.lane, chunk.seen, taken);
            }
            Err(ReadError::OutOfRange { offset, low, .. }) if offset < low => {
                tracing::debug!(lane = %self.shared.lane, offset, low, "events that waited are no longer in Kafka");
                self.partition.log_starts_at(low, now_ms);
            }
            Err(_) if self.beyond_end >= CERTAIN => self.log_was_cut(),
            Err(error) => {
                let error = &error as &dyn std::error::Error;
                tracing::warn!(lane = %self.shared.lane, error, "cannot read back from Kafka; trying again");
                self.rest();
            }
        }
    }

    /// Nothing that is on record of places says anything any more.
    pub(super) fn log_was_cut(&mut self) {
        let (lane, partition) = (self.shared.lane, self.owned.partition());
        self.shared.metrics.log_was_cut(lane);
        tracing::error!(
            %lane, partition,
            "the deliveries topic was cut or created anew: taking the partition over again, and reading from its start"
        );
        self.ending = Some(Ending::Cut(self.partition.kept()));
    }

    fn rest(&mut self) {
        self.reading = Some(Box::pin(async {
            sleep(READ_PAUSE).await;
            ReadEnd::Rested
        }));
    }
}
