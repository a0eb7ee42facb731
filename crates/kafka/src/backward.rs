//! Reading a log back from its end towards its beginning, as people look at it: the latest first.

use crate::reader::{Limit, LogReader, ReadError};
use crate::record::Record;

/// How many places are read at once: logs are written forward, and asked for backward.
const STEP: i64 = 200;
/// What one read of Kafka brings at most.
const READ: Limit = Limit {
    records: 200,
    bytes: 4 * 1024 * 1024,
};

/// The records of one key in a partition's log, read backward.
#[derive(Debug)]
pub struct Backward {
    reader: LogReader,
    partition: i32,
    key: Vec<u8>,
    /// Where the log begins.
    low: i64,
    /// What is below has not been read.
    upper: i64,
    /// What was read and not taken, in the order of the log.
    read: Vec<Record>,
}

impl Backward {
    /// From the end of what is below `below` and not below `from`; of the log, where they are not given.
    ///
    /// # Errors
    /// If Kafka does not answer: see [`LogReader::ends`].
    pub async fn open(
        reader: LogReader,
        (partition, key): (i32, Vec<u8>),
        below: Option<i64>,
        from: Option<i64>,
    ) -> Result<Self, ReadError> {
        let ends = reader.ends(partition).await?;
        Ok(Self {
            reader,
            partition,
            key,
            low: from.unwrap_or(ends.low).max(ends.low),
            upper: below.unwrap_or(ends.high).min(ends.high),
            read: Vec::new(),
        })
    }

    /// Reads a little more if all that was read is taken. It may be that nothing comes of it: a log has gaps.
    ///
    /// # Errors
    /// If Kafka does not answer: see [`LogReader::read`].
    pub async fn read_on(&mut self) -> Result<(), ReadError> {
        if !self.read.is_empty() || self.upper <= self.low {
            return Ok(());
        }
        let lower = self.upper.saturating_sub(STEP).max(self.low);
        let mut next = lower;
        while next < self.upper {
            let chunk = match self.reader.read(self.partition, next, READ).await {
                Ok(chunk) => chunk,
                // Retention has taken some meanwhile.
                Err(ReadError::OutOfRange { low, .. }) if next < low => {
                    (self.low, next) = (low, low);
                    continue;
                }
                Err(error) => return Err(error),
            };
            // The end of what is committed may be below that of the log.
            if chunk.next <= next {
                break;
            }
            next = chunk.next;
            let wanted = |record: &Record| record.offset < self.upper && record.key == self.key;
            let within = chunk.records.into_iter().filter(wanted);
            self.read.extend(within);
        }
        self.upper = lower.max(self.low);
        Ok(())
    }

    /// The latest that was read and not taken.
    #[must_use]
    pub fn latest(&self) -> Option<&Record> {
        self.read.last()
    }

    /// Takes it.
    pub fn take(&mut self) -> Option<Record> {
        self.read.pop()
    }

    /// Below which offset there may be more that was not taken; `None` at the beginning of the log.
    #[must_use]
    pub fn rest(&self) -> Option<i64> {
        let below = self.read.last().map_or(self.upper, |record| record.offset + 1);
        (below > self.low).then_some(below)
    }
}
