//! Time passes; in the end the faults stop, and all must arrive.

use angarium_model::WebhookId;
use angarium_policy::Verdict;
use rand::RngExt as _;

use super::super::fanout::Step;
use super::super::happened::What;
use super::super::owner::Stage;
use super::{Checked, World};
use crate::hook::Look;

/// Rounds without faults in which all must be done.
const ROUNDS: usize = 20_000;
const DAY_MS: i64 = 24 * 60 * 60 * 1_000;

impl World {
    pub(super) fn time_passes(&mut self) {
        let by = match self.rng.random_range(0..100) {
            0..6 if self.is_long => 8 * DAY_MS,
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
                let is_set = std::mem::replace(&mut self.owner().skew_ms, skew_ms) != skew_ms;
                self.note_if(is_set, What::ClockIsSet);
            }
            let now_ms = self.owner().clock(now_ms);
            let before: Vec<(WebhookId, Look)> = self.owner().partition.looks().collect();
            self.owner().partition.tick(now_ms);
            let partition = &self.owners[self.owners.len() - 1].partition;
            let now = before
                .iter()
                .filter_map(|(id, before)| Some((before, partition.look(*id)?)));
            let (mut slot_begins, mut is_let_go) = (false, false);
            for (before, now) in now {
                slot_begins |= before.is_failing && !before.is_in_slot && now.is_in_slot;
                is_let_go |= !before.is_detached && now.is_detached;
            }
            self.note_if(slot_begins, What::SlotInBackOff);
            self.note_if(is_let_go, What::PlaceIsLetGo);
        }
    }

    /// Without faults, until nothing is left to do.
    pub(super) fn settle(&mut self) -> Checked {
        self.down.clear();
        self.unordered.settle();
        self.deleting.settle();
        self.fanout.settle();
        self.redis_is_away = false;
        self.has_room = None;
        let last = self.owners.pop();
        self.owners.clear();
        self.owners.extend(last);
        for number in 0..self.webhooks.len() {
            if !self.deleting.is_gone(self.webhooks[number].id) {
                self.switch(number, true);
            }
        }
        if self.owner().is_frozen {
            self.crash();
        }
        for _ in 0..ROUNDS {
            // One that was silent for as long as events are kept may be switched off even now.
            for number in 0..self.webhooks.len() {
                if !self.webhooks[number].active && !self.deleting.is_gone(self.webhooks[number].id) {
                    self.switch(number, true);
                }
            }
            self.learn();
            self.fanout_ends()?;
            let last = self.owners.len() - 1;
            self.read_live(last)?;
            self.perform()?;
            self.all_arrive()?;
            self.answer(false);
            // One begins, and ends.
            self.read_back(last)?;
            self.read_back(last)?;
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
            // Nobody learns of a place behind which there is nothing any more.
            let has_nothing = self.low() == end;
            let owner = self.owner();
            let idle = owner.posts.is_empty()
                && owner.putting_aside.is_empty()
                && owner.appends.is_empty()
                && owner.landed.is_empty();
            if owner.stage == Stage::Acting
                && all_live
                && idle
                && (has_nothing || owner.partition.is_at_rest(end))
            {
                return Ok(());
            }
        }
        let lacking = self.check_all_arrived();
        let waits = self.owner().partition.waits();
        Err(format!(
            "not all is done once the faults have stopped: {lacking:?}; {waits}"
        ))
    }

    /// All POSTs arrive; receivers that manage few events still do not manage more.
    fn all_arrive(&mut self) -> Checked {
        let last = self.owners.len() - 1;
        for mut post in std::mem::take(&mut self.owner().posts) {
            if post.arrived {
                self.owner().posts.push(post);
            } else if self.few.refuses(&post) {
                self.tell_answer(last, &post, Verdict::TooLarge);
            } else {
                post.arrived = true;
                self.tell(|| format!("{} gets {:?}", post.webhook, post.offsets()));
                self.receive(&post)?;
                self.owner().posts.push(post);
            }
        }
        self.perform()
    }

    /// Fanout learns what there is to learn, and writes what it has not written yet.
    fn fanout_ends(&mut self) -> Checked {
        self.fanout.learn(&self.changes, self.changes.len());
        while self.fanout_goes_on_alone()? {}
        Ok(())
    }

    /// All that it has handed over is written and known, and what it awaits is accepted. Whether it went on.
    pub(super) fn fanout_goes_on_alone(&mut self) -> Result<bool, String> {
        let owner = self.fanout.owner();
        let went = self.fanout.step(owner)? == Step::Went;
        while self.record_lands(owner)? {}
        self.fanout.all_is_known(&self.changes)?;
        Ok(went || self.fanout.accept_awaited(&self.changes)?)
    }

    /// It was given up as it may be, or has left Kafka. What fanout repeated of it may be there still, and is passed when
    /// what came behind it is done.
    pub(super) fn may_lack(&self, webhook: WebhookId, source: i64) -> bool {
        let given_up = self.given_up.get(&webhook);
        let mut records = (0..).zip(&self.log);
        given_up.is_some_and(|sources| sources.contains(&source))
            || self.is_forgotten(webhook, source)
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
