//! What the owner reads: the live stream, and back; and what Kafka still has.

use angarium_model::WebhookId;
use rand::RngExt as _;

use super::super::happened::What;
use super::super::owner::Stage;
use super::{Checked, World};
use crate::hook::{Full, Look, Order, Ordered};
use crate::partition::{Incoming, Partition};

/// How long Kafka keeps deliveries: 7 days and 12 hours.
const KEPT_MS: i64 = (7 * 24 + 12) * 60 * 60 * 1_000;

impl World {
    /// Where the deliveries log begins.
    pub(super) fn low(&self) -> i64 {
        let oldest = self.now_ms - KEPT_MS;
        let removed = self.appended.partition_point(|appended_ms| *appended_ms < oldest);
        i64::try_from(removed).unwrap_or(i64::MAX)
    }

    /// Whether a record cannot be sent any more: its event was given up, or it has left Kafka.
    pub(super) fn is_gone(&self, webhook: WebhookId, offset: i64) -> bool {
        let source = usize::try_from(offset)
            .ok()
            .and_then(|index| self.log.get(index))
            .map(|record| record.delivery.source.offset);
        let given_up = |source: i64| {
            self.given_up
                .get(&webhook)
                .is_some_and(|sources| sources.contains(&source))
        };
        offset < self.low() || source.is_some_and(given_up)
    }

    pub(super) fn read_live(&mut self, index: usize) -> Checked {
        let low = usize::try_from(self.low()).unwrap_or(0);
        for _ in 0..self.rng.random_range(1..5) * self.scale.stride() {
            let owner = &mut self.owners[index];
            // What has left Kafka before it was read is passed.
            if owner.live < low {
                let places = [owner.live, low].map(|place| i64::try_from(place).unwrap_or(i64::MAX));
                self.told.unread(places[0]..places[1]);
                owner.live = low;
            }
            let Some(record) = self.log.get(owner.live).filter(|_| owner.stage == Stage::Acting) else {
                continue;
            };
            if owner.partition.goes_back(record.offset) {
                return self.cut_is_seen(index);
            }
            self.live_record(index);
        }
        Ok(())
    }

    fn live_record(&mut self, index: usize) {
        let owner = &mut self.owners[index];
        let record = &self.log[owner.live];
        let now_ms = owner.clock(self.now_ms);
        let seen = match self.orders.get(&record.offset) {
            Some((webhook, order)) => {
                let seen = ordered(owner.partition.look(*webhook), order);
                let of = (record.delivery.account, record.delivery.revision);
                owner.heads.ordered(*webhook);
                owner.partition.ordered(*webhook, of, *order, now_ms);
                seen
            }
            None => {
                let mut seen = overflowing(&owner.partition, record);
                seen.extend(record.delivery.resent.then_some(What::IsResent));
                owner.partition.live(record, now_ms);
                seen
            }
        };
        owner.live += 1;
        let live = owner.live;
        seen.into_iter().for_each(|what| self.note(what));
        self.tell(|| format!("[{index}] the live position is {live}"));
    }

    /// Begins to read back, or has what was read: whatever may have happened in between.
    pub(super) fn read_back(&mut self, index: usize) -> Checked {
        let count = self.rng.random_range(1..20) * self.scale.stride();
        let (low, end) = (self.low(), self.end());
        let owner = &mut self.owners[index];
        let now_ms = owner.clock(self.now_ms);
        if owner.stage != Stage::Acting {
            return Ok(());
        }
        let Some((from, readers)) = owner.reading.take() else {
            if let Some(from) = owner.partition.wanted_read(now_ms) {
                owner.reading = Some((from, owner.partition.readers()));
            }
            return Ok(());
        };
        if from < low {
            let has_head = owner.partition.looks().any(|(_, look)| look.has_head);
            owner.partition.log_starts_at(low, now_ms);
            let still_has = owner.partition.looks().any(|(_, look)| look.has_head);
            self.note(What::StartPassesResume);
            self.note_if(has_head && !still_has, What::StartPassesHead);
            self.tell(|| format!("{from} is read back, and the log starts at {low}"));
        } else if from > end {
            return self.cut_is_seen(index);
        } else {
            let start = usize::try_from(from).unwrap_or(0).min(self.log.len());
            let end = (start + count).min(self.log.len());
            let next = i64::try_from(end).unwrap_or(i64::MAX);
            let is_of_use = |record: &&Incoming| record.webhooks.iter().any(|id| readers.contains(id));
            let records: Vec<_> = self.log[start..end].iter().filter(is_of_use).cloned().collect();
            owner.partition.read_back(from, next, &records, now_ms);
            self.tell(|| format!("[{index}] {start}..{end} is read back"));
        }
        Ok(())
    }
}

/// Where an order meets its webhook.
fn ordered(webhook: Option<Look>, order: &Order) -> Vec<What> {
    let Some(look) = webhook else { return Vec::new() };
    match order.what {
        Ordered::Cancel { .. } => look
            .is_in_replay
            .then_some(What::ReplayIsCancelled)
            .into_iter()
            .collect(),
        Ordered::Replay { .. } => [
            (!look.is_detached, What::ReplayWhileLive),
            (look.is_detached, What::ReplayWhileBehind),
            (look.is_failing, What::ReplayWhileFailing),
            (look.is_calling, What::ReplayDuringCall),
            (look.is_in_replay, What::SecondReplay),
        ]
        .into_iter()
        .filter_map(|(is_so, what)| is_so.then_some(what))
        .collect(),
    }
}

/// What has no room for a record of the live stream.
fn overflowing(partition: &Partition, record: &Incoming) -> Vec<What> {
    let mut overflows = Vec::new();
    for id in &record.webhooks {
        let is_calling = partition.look(*id).is_some_and(|look| look.is_calling);
        match partition.full_for(*id, &record.delivery) {
            Some(Full::Queue) if is_calling => overflows.push(What::QueueOverflowsDuringCall),
            Some(Full::Queue) => overflows.push(What::QueueOverflows),
            Some(Full::Join) => overflows.push(What::JoinOverflows),
            None => {}
        }
    }
    overflows
}
