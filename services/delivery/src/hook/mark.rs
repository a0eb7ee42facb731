//! How far a webhook has come.

use angarium_model::Revision;

use crate::record::Delivery;

/// What is known of a webhook's changes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Known {
    /// Its last change.
    pub(crate) changed_at: Revision,
    /// The view that says so: what came later is not known.
    pub(crate) as_of: Revision,
}

/// The last event of a webhook up to which everything is settled, and the view that put it there.
///
/// Source offsets rise per webhook (DESIGN §3), so what is at or below the mark has been seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Mark {
    pub(crate) source_offset: i64,
    pub(crate) revision: Revision,
}

impl Mark {
    /// Everything up to this place of the events topic, whatever was changed since: there need not be an event of the webhook.
    pub(super) fn up_to(source_offset: i64) -> Self {
        Self {
            source_offset,
            revision: Revision::from_offset(i64::MAX),
        }
    }

    pub(super) fn is_of_an_event(self) -> bool {
        self.revision.offset() < i64::MAX
    }

    /// `None` of an event that is sent again because someone asked for it: nothing follows from it for others.
    pub(crate) fn of(delivery: &Delivery) -> Option<Self> {
        (!delivery.resent).then_some(Self {
            source_offset: delivery.source.offset,
            revision: delivery.revision,
        })
    }

    /// Whether the event was seen. A mark does not count against a record of a newer view if the webhook was changed
    /// since the mark: a frozen fanout that thaws may have put it there too far ahead (DESIGN §3). Any change counts,
    /// not the last one alone, and what is not known yet may be one (docs/model-findings.md, 2 and 3).
    pub(super) fn covers(self, delivery: &Delivery, known: Known) -> bool {
        let changed_since = known.changed_at > self.revision || delivery.revision > known.as_of;
        let outdated = delivery.revision > self.revision && changed_since;
        delivery.source.offset <= self.source_offset && !outdated && !delivery.resent
    }
}
