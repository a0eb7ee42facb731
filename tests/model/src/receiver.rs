//! A receiver, and what it has got.

use crate::Protocol;
use crate::bits::Bits;
use crate::bounds::MAX_ORDERS;
use crate::log::Log;

/// The receiver of one webhook.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Receiver {
    /// The events received since each order was taken, the first place being since ever.
    received: [Bits; 1 + MAX_ORDERS],
}

impl Receiver {
    /// The events received.
    pub(crate) fn received(&self) -> Bits {
        self.received[0]
    }

    /// The events received in this generation or a later one.
    pub(crate) fn received_since(&self, webhook: u8, generation: u8, log: &Log) -> Bits {
        self.received[log.rank(webhook, generation)]
    }

    /// Takes a group. Whether each event came after all that must come before it, in its generation too.
    pub(crate) fn receive(
        &mut self,
        group: Bits,
        webhook: u8,
        generation: u8,
        log: &Log,
        protocol: &Protocol,
    ) -> bool {
        let rank = log.rank(webhook, generation);
        let order = log.order(generation).filter(|_| rank > 0);
        let skipped = order.map(|order| log.owed(webhook).without(log.asked(order)));
        let mut in_order = true;
        for offset in group.iter() {
            let before = before(offset, webhook, log, protocol);
            let since = self.received[rank].union(skipped.unwrap_or(Bits::EMPTY));
            in_order &= before.is_subset_of(self.received()) && before.is_subset_of(since);
            for of_generation in &mut self.received[..=rank] {
                of_generation.insert(log.at(offset).source);
            }
        }
        in_order || protocol.bounds.unordered
    }
}

/// The events that must be received before the one at `offset`.
///
/// Under one view these are all earlier ones that the webhook wants. Where views change, what a frozen fanout wrote
/// late under an old view may run ahead of its follower: then it is what no late fanout wrote under a view not newer.
fn before(offset: u8, webhook: u8, log: &Log, protocol: &Protocol) -> Bits {
    let record = log.at(offset);
    let mut before = Bits::EMPTY;
    if protocol.bounds.sources_rise() {
        (1..record.source)
            .filter(|source| protocol.bounds.wanted(*source, 0).contains(webhook))
            .for_each(|source| before.insert(source));
    } else {
        log.of(webhook, 0, log.end())
            .filter(|(_, r)| !r.late && r.revision <= record.revision && r.source < record.source)
            .for_each(|(_, r)| before.insert(r.source));
    }
    before
}
