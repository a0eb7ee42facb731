//! What the owner reads: the live stream, and back; and what Kafka still has.

use angarium_model::WebhookId;
use rand::RngExt as _;

use super::super::owner::Stage;
use super::World;

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

    pub(super) fn read_live(&mut self) {
        let last = self.owners.len() - 1;
        let low = usize::try_from(self.low()).unwrap_or(0);
        for _ in 0..self.rng.random_range(1..5) {
            let owner = &mut self.owners[last];
            // What has left Kafka before it was read is passed.
            owner.live = owner.live.max(low);
            if owner.stage == Stage::Acting
                && let Some(record) = self.log.get(owner.live)
            {
                let now_ms = owner.clock(self.now_ms);
                match self.orders.get(&record.offset) {
                    Some((webhook, order)) => {
                        let of = (record.delivery.account, record.delivery.revision);
                        owner.heads.ordered(*webhook);
                        owner.partition.ordered(*webhook, of, *order, now_ms);
                    }
                    None => owner.partition.live(record, now_ms),
                }
                owner.live += 1;
                let live = owner.live;
                self.tell(|| format!("the live position is {live}"));
            }
        }
    }

    pub(super) fn read_back(&mut self) {
        let count = self.rng.random_range(1..20);
        let low = self.low();
        let last = self.owners.len() - 1;
        let owner = &mut self.owners[last];
        let now_ms = owner.clock(self.now_ms);
        if owner.stage != Stage::Acting {
            return;
        }
        match owner.partition.wanted_read(now_ms) {
            Some(from) if from < low => {
                owner.partition.log_starts_at(low, now_ms);
                self.tell(|| format!("{from} is read back, and the log starts at {low}"));
            }
            Some(from) => {
                let start = usize::try_from(from).unwrap_or(0).min(self.log.len());
                let end = (start + count).min(self.log.len());
                let next = i64::try_from(end).unwrap_or(i64::MAX);
                owner
                    .partition
                    .read_back(from, next, &self.log[start..end], now_ms);
                self.tell(|| format!("{start}..{end} is read back"));
            }
            None => {}
        }
    }
}
