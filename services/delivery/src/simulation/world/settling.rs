//! Time passes; in the end the faults stop, and all must arrive.

use angarium_model::WebhookId;
use rand::RngExt as _;

use super::super::owner::Stage;
use super::{Checked, World};

/// Rounds without faults in which all must be done.
const ROUNDS: usize = 20_000;
const DAY_MS: i64 = 24 * 60 * 60 * 1_000;

impl World {
    pub(super) fn time_passes(&mut self) {
        let by = match self.rng.random_range(0..100) {
            0..3 => self.rng.random_range(0..4 * DAY_MS),
            _ => self.rng.random_range(0..400),
        };
        let skew_ms = self.owner().skew_ms;
        let due = self.owner().partition.next_due();
        let now_ms = match due {
            Some(due) if self.rng.random_bool(0.5) => (due - skew_ms).max(self.now_ms),
            _ => self.now_ms + by,
        };
        self.now_ms = now_ms;
        if self.owner().stage == Stage::Acting {
            if self.rng.random_bool(0.03) {
                // Someone sets the clock.
                let skew_ms = self.any_skew();
                self.owner().skew_ms = skew_ms;
            }
            let now_ms = self.owner().clock(now_ms);
            self.owner().partition.tick(now_ms);
        }
    }

    /// Without faults, until nothing is left to do.
    pub(super) fn settle(&mut self) -> Checked {
        self.down.clear();
        self.unordered.settle();
        self.fanout.settle();
        self.redis_is_away = false;
        let last = self.owners.pop();
        self.owners.clear();
        self.owners.extend(last);
        for number in 0..self.webhooks.len() {
            self.switch(number, true);
        }
        if self.owner().is_frozen {
            self.crash();
        }
        for _ in 0..ROUNDS {
            self.learn();
            self.fanout_ends();
            self.read_live();
            self.perform()?;
            for post in 0..self.owner().posts.len() {
                let post = &mut self.owner().posts[post];
                if !std::mem::replace(&mut post.arrived, true) {
                    let post = post.clone();
                    self.tell(|| format!("{} gets {:?}", post.webhook, post.offsets()));
                    self.receive(&post)?;
                }
            }
            self.answer(false);
            self.read_back();
            self.put_aside_lands();
            self.land();
            self.acknowledge()?;
            let due = self.owner().partition.next_due();
            let skew_ms = self.owner().skew_ms;
            self.now_ms = due.map_or(self.now_ms, |due| due - skew_ms).max(self.now_ms);
            if self.owner().stage == Stage::Acting {
                let now_ms = self.now_ms + skew_ms;
                self.owner().partition.tick(now_ms);
                self.owner().append_place()?;
            }
            self.perform()?;
            let all_live = self.fanout.is_done() && self.owner().live == self.log.len();
            let end = i64::try_from(self.log.len()).unwrap_or(i64::MAX);
            let owner = self.owner();
            let idle = owner.posts.is_empty()
                && owner.putting_aside.is_empty()
                && owner.appends.is_empty()
                && owner.landed.is_empty();
            if owner.stage == Stage::Acting && all_live && idle && owner.partition.is_at_rest(end) {
                return Ok(());
            }
        }
        let lacking = self.check_all_arrived();
        let waits = self.owner().partition.waits();
        Err(format!(
            "not all is done once the faults have stopped: {lacking:?}; {waits}"
        ))
    }

    /// Fanout writes what it has not written yet.
    fn fanout_ends(&mut self) {
        let owner = self.fanout.owner();
        while self.fanout.decide(owner, &self.changes) || self.record_lands(owner) {}
    }

    /// It was given up as it may be, or has left Kafka. What fanout repeated of it may be there still, and is passed when
    /// what came behind it is done.
    pub(super) fn may_lack(&self, webhook: WebhookId, source: i64) -> bool {
        let given_up = self.given_up.get(&webhook);
        let mut records = (0..).zip(&self.log);
        given_up.is_some_and(|sources| sources.contains(&source))
            || records.any(|(offset, record)| {
                record.delivery.source.offset == source && self.is_gone(webhook, offset)
            })
    }

    pub(super) fn check_all_arrived(&mut self) -> Checked {
        for (webhook, owed) in &self.owed {
            let lacks = self.receivers.lacks(*webhook, owed);
            if lacks.iter().any(|source| !self.may_lack(*webhook, *source)) {
                return Err(format!("{webhook} never got {lacks:?}"));
            }
        }
        Ok(())
    }
}
