//! How far a webhook has come.

use angarium_model::Revision;

use crate::record::Delivery;

/// The last event of a webhook up to which everything is settled, and the view that put it there.
///
/// Source offsets rise per webhook (DESIGN §3), so what is at or below the mark has been seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Mark {
    pub(crate) source_offset: i64,
    pub(crate) revision: Revision,
}

impl Mark {
    pub(super) fn of(delivery: &Delivery) -> Self {
        Self {
            source_offset: delivery.source.offset,
            revision: delivery.revision,
        }
    }

    /// Whether the event was seen. A mark made under an older view does not count against a record made after the
    /// webhook was changed: a frozen fanout that thaws may have put it there too far ahead (DESIGN §3).
    pub(super) fn covers(self, delivery: &Delivery, changed_at: Revision) -> bool {
        let outdated = changed_at > self.revision && delivery.revision >= changed_at;
        delivery.source.offset <= self.source_offset && !outdated
    }
}
