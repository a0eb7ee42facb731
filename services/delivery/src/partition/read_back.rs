//! Webhooks that have fallen behind: what is read back from Kafka for them.

use std::collections::BTreeMap;

use angarium_model::WebhookId;

use super::{Incoming, Partition};
use crate::hook::Offered;

impl Partition {
    /// Where to read back from, when some webhook waits for it: the lowest place, so that one pass serves many.
    pub(crate) fn wanted_read(&self, now_ms: i64) -> Option<i64> {
        let wants = |id: &WebhookId| {
            self.entries
                .get(id)
                .and_then(|entry| entry.hook.wants_read(now_ms))
        };
        self.behind.iter().filter_map(wants).min()
    }

    /// Records `[start, next)` that were read back: offered to every webhook that waits for one of these places.
    pub(crate) fn read_back(&mut self, start: i64, next: i64, records: &[Incoming], now_ms: i64) {
        let mut taking: BTreeMap<WebhookId, bool> = self
            .behind
            .iter()
            .filter_map(|id| Some((*id, self.entries.get(id)?.hook.wants_read(now_ms)?)))
            .filter(|(_, from)| (start..next.max(start.saturating_add(1))).contains(from))
            .map(|(id, _)| (id, true))
            .collect();
        for record in records.iter().filter(|record| record.offset < next) {
            for id in &record.webhooks {
                let (Some(open), Some(entry)) = (taking.get_mut(id), self.entries.get_mut(id)) else {
                    continue;
                };
                if *open {
                    entry.hook.saw_view(record.delivery.revision);
                    let before = entry.hook.queued_bytes();
                    let known = entry.known();
                    let offered = entry.hook.offer_read_back(record.offset, &record.delivery, known);
                    self.queued_bytes = self.queued_bytes + entry.hook.queued_bytes() - before;
                    *open = offered != Offered::Full;
                }
            }
        }
        for (id, open) in taking {
            if let Some(entry) = self.entries.get_mut(&id)
                && open
            {
                entry.hook.read_back_until(next);
            }
            self.poke(id, now_ms);
        }
        self.relieve_memory(now_ms);
    }

    /// Kafka no longer has what is below `low`: its retention is over (D5), and reading goes on from there.
    pub(crate) fn log_starts_at(&mut self, low: i64, now_ms: i64) {
        self.read_back(i64::MIN, low, &[], now_ms);
    }

    /// Kafka has less than it had: the topic was cut or created anew. What waited beyond its end is looked for from the
    /// start; what was done is known by its mark.
    pub(crate) fn log_was_cut(&mut self, low: i64, high: i64) {
        for id in &self.behind {
            if let Some(entry) = self.entries.get_mut(id) {
                entry.hook.rescan(low, high);
            }
        }
    }
}
