//! What the journal says of an event: who gets it, and who would have.

use angarium_model::WebhookId;
use angarium_proto::convert;
use angarium_proto::journal::v1::journal_record::Entry;
use angarium_proto::journal::v1::{EventReference, Matched, Undecided};

use crate::matching::Summary;

/// The journal's entry for a matched event.
pub(crate) fn entry(summary: &Summary) -> Entry {
    let texts = |ids: &[WebhookId]| ids.iter().map(ToString::to_string).collect();
    let undecided = summary.matched.undecided.iter().map(|(id, failure)| Undecided {
        webhook_id: id.to_string(),
        reason: failure.to_string(),
    });
    Entry::Matched(Matched {
        event: Some(EventReference {
            position: Some(convert::position_to_wire(summary.position)),
            event_id: summary.id.as_str().to_owned(),
            event_name: summary.name.as_str().to_owned(),
        }),
        lane: convert::lane_to_wire(summary.lane).into(),
        webhook_ids: texts(&summary.matched.active),
        inactive_webhook_ids: texts(&summary.matched.inactive),
        registry_revision: summary.matched.revision.offset(),
        accepted_at_ms: summary.accepted_at.unix_ms(),
        filtered_webhook_ids: texts(&summary.matched.filtered),
        undecided: undecided.collect(),
    })
}
