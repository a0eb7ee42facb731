//! The partition of `deliveries`: what fanout wrote, in the order in which it landed.

use crate::bits::Bits;
use crate::bounds::MAX_RECORDS;

/// One record: an event, and the webhooks of this partition that it goes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Record {
    /// The event's offset in `events`, from 1.
    pub source: u8,
    /// The webhooks that the record names.
    pub webhooks: Bits,
    /// The view under which fanout made it.
    pub revision: u8,
    /// Whether a fanout made it that another one had followed.
    pub late: bool,
}

/// Everything in the partition, by offset.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Log(Vec<Record>);

impl Log {
    pub(crate) fn append(&mut self, record: Record) {
        self.0.push(record);
    }

    pub(crate) fn has_room(&self) -> bool {
        self.end() < MAX_RECORDS
    }

    /// The high watermark.
    pub(crate) fn end(&self) -> u8 {
        u8::try_from(self.0.len()).unwrap_or(u8::MAX)
    }

    pub(crate) fn at(&self, offset: u8) -> &Record {
        &self.0[usize::from(offset)]
    }

    /// The records of a webhook at `from` and below `until`, with their offsets.
    pub(crate) fn of(&self, webhook: u8, from: u8, until: u8) -> impl Iterator<Item = (u8, &Record)> {
        (from..until.min(self.end()))
            .map(|offset| (offset, self.at(offset)))
            .filter(move |(_, record)| record.webhooks.contains(webhook))
    }

    /// The offsets of a webhook's records at `from` and below `until`.
    pub(crate) fn offsets(&self, webhook: u8, from: u8, until: u8) -> Bits {
        let mut offsets = Bits::EMPTY;
        self.of(webhook, from, until).for_each(|(o, _)| offsets.insert(o));
        offsets
    }

    /// The events behind some offsets.
    pub(crate) fn sources(&self, offsets: Bits) -> Bits {
        let mut sources = Bits::EMPTY;
        offsets.iter().for_each(|o| sources.insert(self.at(o).source));
        sources
    }

    /// The events that a webhook is owed. What a superseded fanout wrote late is none: its follower decides anew.
    pub(crate) fn owed(&self, webhook: u8) -> Bits {
        let mut owed = Bits::EMPTY;
        self.of(webhook, 0, self.end())
            .filter(|(_, record)| !record.late)
            .for_each(|(_, record)| owed.insert(record.source));
        owed
    }

    /// The highest source offset below an offset.
    pub(crate) fn highest_source_below(&self, offset: u8) -> u8 {
        self.0[..usize::from(offset)]
            .iter()
            .map(|r| r.source)
            .max()
            .unwrap_or(0)
    }
}
