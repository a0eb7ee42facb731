//! Webhooks that have fallen behind: what is read back from Kafka for them.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::Arc;

use angarium_model::WebhookId;

use super::{Effect, Entry, Incoming, Partition};
use crate::hook::{Hook, MayRead, Stream, Wanted};

/// How reading back goes on.
#[derive(Debug)]
pub(super) struct Reading {
    /// Where it stands.
    to: i64,
    /// How many records the next read should bring.
    limit: usize,
    /// Something has changed since nobody wanted anything.
    pub(super) look_again: bool,
    /// For whom the read under way is: of what is for others, nothing comes back.
    readers: Option<Arc<BTreeSet<WebhookId>>>,
}

impl Default for Reading {
    fn default() -> Self {
        Self {
            to: 0,
            limit: MOST_READ,
            look_again: true,
            readers: None,
        }
    }
}

/// What one read brings, in records.
const MOST_READ: usize = 1_000;
const LEAST_READ: usize = 16;
/// What is read with what lies before it, in records.
const NEAR: i64 = 1_000;

fn lower(than: Option<i64>, from: i64) -> Option<i64> {
    Some(than.map_or(from, |than| than.min(from)))
}

impl Partition {
    /// Where to read back from, when some webhook waits for it. Reading goes forward from one that waits to the next, so
    /// that one that is days behind holds up none that is seconds behind, and begins again with the first. What is read
    /// serves all that wait for a place in it: those that have come equally far go on together.
    pub(crate) fn wanted_read(&mut self, now_ms: i64) -> Option<i64> {
        // Nobody looks through all that are behind whenever a call ends.
        if !std::mem::take(&mut self.reading.look_again) {
            return None;
        }
        let (live_next, may) = (self.live_next, self.may_read());
        let (mut first, mut next, mut is_wanted_here) = (None, None, false);
        for id in self.behind.iter() {
            let hook = self.entries.get(*id).map(|entry| &entry.hook);
            let Some(wanted) = hook.and_then(|hook| hook.wants_read(now_ms, live_next, may)) else {
                continue;
            };
            let from = wanted.from();
            first = lower(first, from);
            if from > self.reading.to {
                next = lower(next, from);
            }
            is_wanted_here |= from == self.reading.to;
        }
        self.reading.look_again = first.is_some();
        // Whoever waits a little further on is served with those that wait here.
        let is_near = next.is_some_and(|next| next.saturating_sub(self.reading.to) < NEAR);
        if is_wanted_here && is_near {
            return Some(self.reading.to);
        }
        next.or(first)
    }

    /// How many records a read should bring: as many as there was room for the last time, or twice as many.
    pub(crate) fn read_limit(&self) -> usize {
        self.reading.limit
    }

    /// What may be read back, for all that is in memory of it and waits for a call: a quarter of the queues' bound for
    /// retries, and half of it for webhooks that are behind. At most half of that is for those that cannot be called yet,
    /// so that who is slow, or has a rate, holds up none that could be.
    fn may_read(&self) -> MayRead {
        /// At least so much of a webhook is worth a read.
        const LEAST: usize = 64 * 1024;
        let (most, read) = (self.rules.max_queued_bytes, self.entries.read());
        let stream = if read.next + read.ahead > most / 2 {
            Stream::Nothing
        } else if read.next + read.ahead > most / 4 || read.ahead > most / 8 {
            Stream::OneGroup
        } else {
            Stream::Ahead(LEAST.max(most / 16))
        };
        MayRead {
            retries: read.retries <= most / 4,
            stream,
        }
    }

    /// What of a read may be kept.
    fn may_keep(&self) -> MayRead {
        let may = self.may_read();
        match may.stream {
            Stream::OneGroup if self.entries.read().ahead <= self.rules.max_queued_bytes / 4 => MayRead {
                stream: Stream::Along,
                ..may
            },
            _ => may,
        }
    }

    /// Webhooks that stand at one of these places and take what is read there.
    fn taking(&self, places: Range<i64>, now_ms: i64) -> impl Iterator<Item = (WebhookId, &Hook, Wanted)> {
        let may = self.may_keep();
        self.behind.iter().filter_map(move |id| {
            let hook = &self.entries.get(*id)?.hook;
            let wanted = hook.takes(now_ms, self.live_next, may)?;
            places.contains(&wanted.from()).then_some((*id, hook, wanted))
        })
    }

    /// Records `[start, next)` that were read back: offered to every webhook that takes them at one of these places. How many of
    /// them any took.
    pub(crate) fn read_back(&mut self, start: i64, next: i64, records: &[Incoming], now_ms: i64) -> usize {
        let group = self.rules.group;
        let readers = self.reading.readers.take();
        let taking = self.taking(start..next.max(start.saturating_add(1)), now_ms);
        let mut taking: BTreeMap<WebhookId, (Wanted, bool)> = taking
            .filter(|(id, _, _)| readers.as_ref().is_none_or(|readers| readers.contains(id)))
            .map(|(id, _, wanted)| (id, (wanted, true)))
            .collect();
        self.reading.to = next;
        let (mut paused, mut used, mut taken) = (false, start, 0);
        for record in records.iter().filter(|record| record.offset < next) {
            // Between two records, not for some of a record's webhooks: they share the event, and go on together.
            let stream = self.may_keep().stream;
            if matches!(stream, Stream::Nothing) && !paused {
                paused = true;
                self.pause_streams(&mut taking, record.offset);
            }
            let mut is_taken = false;
            for id in &record.webhooks {
                let Some((wanted, open)) = taking.get_mut(id).filter(|(_, open)| *open) else {
                    continue;
                };
                let offer = |entry: &mut Entry| {
                    entry.hook.saw_view(record.delivery.revision);
                    let (known, limit) = (entry.known(), entry.group_limit(group));
                    let held = entry.hook.queued_bytes();
                    let goes_on = entry
                        .hook
                        .offer_read_back(*wanted, record.offset, &record.delivery, known);
                    is_taken |= entry.hook.queued_bytes() > held;
                    goes_on && !entry.hook.has_read_enough(stream, limit)
                };
                *open = self.entries.change(*id, offer) == Some(true);
                used = record.offset + 1;
            }
            taken += usize::from(is_taken);
        }
        self.reading.limit = if taking.values().any(|(_, open)| *open) {
            self.reading.limit * 2
        } else {
            usize::try_from(used.saturating_sub(start)).unwrap_or(0)
        };
        self.reading.limit = self.reading.limit.clamp(LEAST_READ, MOST_READ);
        for (id, (wanted, open)) in taking {
            if open {
                self.entries
                    .change(id, |entry| entry.hook.read_back_until(wanted, next));
            }
            self.poke(id, now_ms);
        }
        self.relieve_memory(now_ms);
        taken
    }

    /// Memory is short: those that read for new groups all stop at this place, and go on together from there.
    fn pause_streams(&mut self, taking: &mut BTreeMap<WebhookId, (Wanted, bool)>, at: i64) {
        let group = self.rules.group;
        let is_new = |(wanted, open): &(Wanted, bool)| *open && matches!(wanted, Wanted::Stream(_));
        for (id, (wanted, open)) in taking.iter_mut().filter(|(_, taken)| is_new(taken)) {
            self.entries.change(*id, |entry| {
                if entry.hook.has_read_enough(Stream::Nothing, group) {
                    entry.hook.read_back_until(*wanted, at);
                    *open = false;
                    self.reading.to = at;
                }
            });
        }
    }

    /// For whom a read that begins now is: nobody else may take of what it brings, for records that are for others alone
    /// may be left out of it.
    pub(crate) fn readers(&mut self) -> Arc<BTreeSet<WebhookId>> {
        let readers = Arc::clone(&self.behind);
        self.reading.readers = Some(Arc::clone(&readers));
        readers
    }

    /// Kafka no longer has what is below `low`: its retention is over (D5), and reading goes on from there.
    pub(crate) fn log_starts_at(&mut self, low: i64, now_ms: i64) {
        let removed = self
            .taking(i64::MIN..low, now_ms)
            .filter_map(|(webhook, hook, wanted)| {
                Some(Effect::Removed {
                    webhook,
                    account: hook.account(),
                    what: hook.removed(wanted, low)?,
                })
            });
        let removed: Vec<Effect> = removed.collect();
        self.effects.extend(removed);
        self.read_back(i64::MIN, low, &[], now_ms);
    }
}
