//! The partition of `deliveries`: what fanout wrote, and what was ordered, in the order in which it landed.

use crate::bits::Bits;
use crate::bounds::MAX_RECORDS;

/// One record of fanout: an event, and the webhooks of this partition that it goes to.
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

/// What is ordered of a webhook (ADR 5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Ordered {
    /// To send again what lies from `from` up to `until` in this log.
    Replay {
        /// The first offset.
        from: u8,
        /// Behind the last one; not above the end that the log had when someone asked.
        until: u8,
    },
    /// To end the replay under way, if there is one.
    Cancel,
}

/// An order, and where it stands: the generation of what is sent from then on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Order {
    pub(crate) at: u8,
    pub(crate) webhook: u8,
    pub(crate) what: Ordered,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Entry {
    Event(Record),
    Order { webhook: u8, what: Ordered },
}

/// What an order has of an event: nothing.
const NO_EVENT: Record = Record {
    source: 0,
    webhooks: Bits::EMPTY,
    revision: 0,
    late: false,
};

/// Everything in the partition, by offset.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Log(Vec<Entry>);

impl Log {
    pub(crate) fn append_event(&mut self, record: Record) {
        self.0.push(Entry::Event(record));
    }

    pub(crate) fn append_order(&mut self, webhook: u8, what: Ordered) {
        self.0.push(Entry::Order { webhook, what });
    }

    pub(crate) fn has_room(&self) -> bool {
        self.end() < MAX_RECORDS
    }

    /// The high watermark.
    pub(crate) fn end(&self) -> u8 {
        u8::try_from(self.0.len()).unwrap_or(u8::MAX)
    }

    pub(crate) fn at(&self, offset: u8) -> &Record {
        match &self.0[usize::from(offset)] {
            Entry::Event(record) => record,
            Entry::Order { .. } => &NO_EVENT,
        }
    }

    /// The order at this offset, if there is one.
    pub(crate) fn order(&self, at: u8) -> Option<Order> {
        match *self.0.get(usize::from(at))? {
            Entry::Order { webhook, what } => Some(Order { at, webhook, what }),
            Entry::Event(_) => None,
        }
    }

    fn orders(&self, webhook: u8) -> impl DoubleEndedIterator<Item = Order> {
        let orders = (0..self.end()).filter_map(|at| self.order(at));
        orders.filter(move |order| order.webhook == webhook)
    }

    /// The last order for a webhook.
    pub(crate) fn last_order(&self, webhook: u8) -> Option<Order> {
        self.orders(webhook).next_back()
    }

    /// Which order for the webhook a generation is, from 1; 0: none.
    pub(crate) fn rank(&self, webhook: u8, generation: u8) -> usize {
        self.orders(webhook)
            .filter(|order| order.at <= generation)
            .count()
    }

    /// The events that an order asks for. A repetition of what lies before its range is none of it, nor what was written
    /// late.
    pub(crate) fn asked(&self, order: Order) -> Bits {
        let Ordered::Replay { from, until } = order.what else {
            return Bits::EMPTY;
        };
        let (mut met, mut asked) = (Bits::EMPTY, Bits::EMPTY);
        for (offset, record) in self.of(order.webhook, 0, until) {
            if offset >= from && !record.late && !met.contains(record.source) {
                asked.insert(record.source);
            }
            met.insert(record.source);
        }
        asked
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
        (0..offset).map(|o| self.at(o).source).max().unwrap_or(0)
    }
}
