//! How far a webhook has come, by which readers drop what fanout repeats.

use crate::Protocol;
use crate::log::Record;
use crate::rules::Rule;

/// The last event of a webhook that is done, and the view of the record that carried it (DESIGN §3).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Mark {
    /// The event's offset in `events`; 0: nothing is known, everything is accepted.
    pub source: u8,
    /// The view of the record that made the mark.
    pub revision: u8,
}

impl Mark {
    /// Nothing is known.
    pub(crate) const NONE: Self = Self {
        source: 0,
        revision: 0,
    };

    /// The mark behind a record that follows this mark.
    pub(crate) fn after(self, record: &Record, protocol: &Protocol) -> Self {
        let revision = if protocol.keeps(Rule::MarkOfItsRecord) {
            record.revision
        } else {
            record.revision.max(self.revision)
        };
        Self {
            source: record.source,
            revision,
        }
    }

    /// Whether the record's event was seen, as an owner judges that knows the registry up to `view`.
    pub(crate) fn covers(self, record: &Record, webhook: u8, view: u8, protocol: &Protocol) -> bool {
        record.source <= self.source && !self.is_outdated(record, webhook, view, protocol)
    }

    /// Whether the webhook may have been changed between the view of the mark and the view of the record.
    fn is_outdated(self, record: &Record, webhook: u8, view: u8, protocol: &Protocol) -> bool {
        if !protocol.keeps(Rule::RevisionRule) || record.revision <= self.revision {
            return false;
        }
        if record.revision > view && protocol.keeps(Rule::UnknownViewIsChange) {
            return true;
        }
        let Some(changed_at) = protocol.bounds.changed_at(webhook, view) else {
            return true;
        };
        if protocol.keeps(Rule::AnyChangeSinceMark) {
            changed_at > self.revision
        } else {
            changed_at > self.revision && record.revision >= changed_at
        }
    }
}
