//! Webhooks that have fallen behind: what is read back from Kafka for them.

use std::collections::BTreeMap;
use std::ops::Bound;

use angarium_model::WebhookId;

use super::{Entry, Incoming, Partition};
use crate::hook::{MayRead, Stream, Wanted};

impl Partition {
    /// Where to read back from, when some webhook waits for it. They take turns, so that one that is days behind holds
    /// up none that is seconds behind; what is read serves all that wait for a place in it.
    pub(crate) fn wanted_read(&mut self, now_ms: i64) -> Option<i64> {
        let (live_next, may) = (self.live_next, self.may_read());
        let wants = |id: &WebhookId| {
            let hook = &self.entries.get(*id)?.hook;
            let wanted = hook.wants_read(now_ms, live_next, may)?;
            Some((*id, wanted.from()))
        };
        let next = match self.served {
            Some(served) => {
                let behind = (Bound::Excluded(served), Bound::Unbounded);
                self.behind.range(behind).find_map(wants)
            }
            None => None,
        };
        let (id, from) = next.or_else(|| self.behind.iter().find_map(wants))?;
        self.served = Some(id);
        Some(from)
    }

    /// What may be read back, for all that is in memory of it and waits for a call: a quarter of the queues' bound for
    /// retries and half of it for webhooks that are behind, of which the second quarter is for groups that go at once. So
    /// those that are slow, or may not be called yet, hold up no other.
    fn may_read(&self) -> MayRead {
        /// At least so much of a webhook is worth a read.
        const LEAST: usize = 64 * 1024;
        let (most, read) = (self.rules.max_queued_bytes, self.entries.read());
        MayRead {
            retries: read.retries <= most / 4,
            stream: match read.stream {
                bytes if bytes <= most / 4 => Stream::Ahead(LEAST.max(most / 16)),
                bytes if bytes <= most / 2 => Stream::OneGroup,
                _ => Stream::Nothing,
            },
        }
    }

    /// Records `[start, next)` that were read back: offered to every webhook that waits for one of these places.
    pub(crate) fn read_back(&mut self, start: i64, next: i64, records: &[Incoming], now_ms: i64) {
        let (group, may) = (self.rules.group, self.may_read());
        let wants = |id: &WebhookId| {
            let hook = &self.entries.get(*id)?.hook;
            Some((*id, hook.wants_read(now_ms, self.live_next, may)?))
        };
        let mut taking: BTreeMap<WebhookId, (Wanted, bool)> = self
            .behind
            .iter()
            .filter_map(wants)
            .filter(|(_, wanted)| (start..next.max(start.saturating_add(1))).contains(&wanted.from()))
            .map(|(id, wanted)| (id, (wanted, true)))
            .collect();
        for record in records.iter().filter(|record| record.offset < next) {
            for id in &record.webhooks {
                let Some((wanted, open)) = taking.get_mut(id).filter(|(_, open)| *open) else {
                    continue;
                };
                let stream = self.may_read().stream;
                let offer = |entry: &mut Entry| {
                    entry.hook.saw_view(record.delivery.revision);
                    let (known, limit) = (entry.known(), entry.group_limit(group));
                    entry
                        .hook
                        .offer_read_back(*wanted, record.offset, &record.delivery, known)
                        && !entry.hook.has_read_enough(stream, limit)
                };
                *open = self.entries.change(*id, offer) == Some(true);
            }
        }
        for (id, (wanted, open)) in taking {
            if open {
                self.entries
                    .change(id, |entry| entry.hook.read_back_until(wanted, next));
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
    pub(crate) fn log_was_cut(&mut self, low: i64) {
        for id in self.entries.ids() {
            self.entries.change(id, |entry| entry.hook.rescan(low));
        }
    }
}
