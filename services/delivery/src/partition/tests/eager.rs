//! A partition for which there is always room: what may be called is called at once.

use std::ops::{Deref, DerefMut};

use super::*;

#[derive(Debug)]
pub(super) struct Eager {
    partition: Partition,
    begun: Vec<Call>,
}

impl Eager {
    pub(super) fn take_over(lane: Lane, rules: Rules, directory: Directory, start: Start) -> Self {
        let partition = Partition::take_over(lane, rules, directory, start);
        let begun = Vec::new();
        Self { partition, begun }
    }

    /// What was called since it was last asked for.
    pub(super) fn take_calls(&mut self) -> Vec<Call> {
        std::mem::take(&mut self.begun)
    }

    pub(super) fn live(&mut self, record: &Incoming, now_ms: i64) {
        self.partition.live(record, now_ms);
        self.begin(now_ms);
    }

    pub(super) fn ordered(&mut self, id: WebhookId, of: (AccountId, Revision), order: Order, now_ms: i64) {
        self.partition.ordered(id, of, order, now_ms);
        self.begin(now_ms);
    }

    pub(super) fn tick(&mut self, now_ms: i64) {
        self.partition.tick(now_ms);
        self.begin(now_ms);
    }

    pub(super) fn refresh(&mut self, now_ms: i64) {
        self.partition.refresh(now_ms);
        self.begin(now_ms);
    }

    pub(super) fn read_back(&mut self, start: i64, next: i64, records: &[Incoming], now_ms: i64) {
        self.partition.read_back(start, next, records, now_ms);
        self.begin(now_ms);
    }

    pub(super) fn answered(
        &mut self,
        id: WebhookId,
        group: &Arc<Group>,
        answer: Answer,
        now_ms: i64,
    ) -> Option<Settled> {
        let settled = self.partition.answered(id, group, answer, now_ms);
        self.begin(now_ms);
        settled
    }

    pub(super) fn not_sent(&mut self, id: WebhookId, group: &Arc<Group>, now_ms: i64) {
        self.partition.not_sent(id, group, now_ms);
        self.begin(now_ms);
    }

    pub(super) fn appended(&mut self, id: WebhookId, now_ms: i64) {
        self.partition.appended(id, now_ms);
        self.begin(now_ms);
    }

    pub(super) fn was_put_aside(&mut self, id: WebhookId, group: &Arc<Group>, now_ms: i64) {
        self.partition.was_put_aside(id, group, now_ms);
        self.begin(now_ms);
    }

    fn begin(&mut self, now_ms: i64) {
        let mut next = |class| self.partition.next_call(class, now_ms, |_| true);
        let calls = std::iter::repeat_with(|| Class::ALL.into_iter().find_map(&mut next));
        self.begun.extend(calls.map_while(|call| call));
    }
}

impl Deref for Eager {
    type Target = Partition;

    fn deref(&self) -> &Partition {
        &self.partition
    }
}

impl DerefMut for Eager {
    fn deref_mut(&mut self) -> &mut Partition {
        &mut self.partition
    }
}
