//! POSTs: they begin, arrive, and are answered, or not.

use std::collections::BTreeSet;

use angarium_policy::{ErrorClass, Failure, RETENTION, Verdict};
use angarium_runtime::millis;
use rand::RngExt as _;

use super::super::happened::What;
use super::super::owner::{Owner, Post, Stage};
use super::{Checked, World};
use crate::group::Item;
use crate::hook::Class;
use crate::partition::Answer;

impl World {
    /// Carries out what the partition has decided, and begins the calls that there happens to be room for.
    pub(super) fn perform(&mut self) -> Checked {
        for index in 0..self.owners.len() {
            self.owners[index].perform();
            self.look_at_expired()?;
            self.look_at_removed()?;
            self.begin(index)?;
        }
        let queued = self.owner().partition.queued_bytes();
        if queued > self.scale.admits() {
            return Err(format!("{queued} bytes are queued"));
        }
        Ok(())
    }

    fn begin(&mut self, index: usize) -> Checked {
        for class in Class::ALL {
            while self.has_room.is_none_or(|chance| self.rng.random_bool(chance)) {
                let now_ms = self.owners[index].clock(self.now_ms);
                let Some(post) = self.owners[index].next_post(class, now_ms) else {
                    break;
                };
                self.owners[index].perform();
                // Of a group whose turn came late, some may be too old by then.
                self.look_at_expired()?;
                if self.owners[index].is_frozen {
                    self.is_not_sent(index, &post, 0.5);
                    break;
                }
                let epoch = self.owners[index].epoch;
                self.tell(|| format!("[{epoch}] POST to {} begins: {:?}", post.webhook, post.offsets()));
                self.check_halved(index, &post)?;
                self.check_post(&self.owners[index], &post)?;
                self.summary.calls += 1;
                let owner = &mut self.owners[index];
                owner.heads.begin(&post);
                owner.posts.push(post);
            }
        }
        Ok(())
    }

    pub(super) fn arrive(&mut self) -> Checked {
        let index = self.anyone();
        let refused = self.rng.random_bool(0.1);
        let owner = &mut self.owners[index];
        let Some(position) = self.unordered.pick(&owner.posts, |post| !post.arrived) else {
            return Ok(());
        };
        if self.unordered.is_held_back() {
            let post = owner.posts.remove(position);
            self.is_not_sent(index, &post, 1.0);
            return self.perform();
        }
        let post = &mut owner.posts[position];
        if refused || self.down.contains(&post.webhook) || self.unordered.refuses(post) {
            let post = owner.posts.remove(position);
            let verdict = self.failure();
            self.tell_answer(index, &post, verdict);
        } else if self.few.refuses(post) {
            let post = owner.posts.remove(position);
            self.tell_answer(index, &post, Verdict::TooLarge);
        } else {
            post.arrived = true;
            let post = post.clone();
            let is_late = index + 1 < self.owners.len();
            self.note_if(is_late, What::LatePostArrives);
            self.tell(|| format!("{} gets {:?}", post.webhook, post.offsets()));
            self.receive(&post)?;
        }
        self.perform()
    }

    /// A call is not made; its owner learns of it, or it hangs.
    fn is_not_sent(&mut self, index: usize, post: &Post, chance: f64) {
        if self.rng.random_bool(chance) {
            let owner = &mut self.owners[index];
            let now_ms = owner.clock(self.now_ms);
            owner.partition.not_sent(post.webhook, &post.group, now_ms);
            self.note(What::NotSent);
            self.tell(|| format!("{:?} is not sent to {}", post.offsets(), post.webhook));
        }
    }

    pub(super) fn receive(&mut self, post: &Post) -> Checked {
        let webhook = post.webhook;
        let is_unordered = self.unordered.webhooks.contains(&webhook);
        let mut receivers = std::mem::take(&mut self.receivers);
        // What must have come before: what its own view or an older one named (docs/model-findings.md, 13), unless it was
        // given up. What is resent stands outside the order; so does what was matched before the webhook was deleted, of which
        // some may have been forgotten and come again, matched anew.
        let (fanout, may_lack) = (&self.fanout, |source| self.may_lack(webhook, source));
        let deleting = &self.deleting;
        let lacks = |item: &Item, seen: &BTreeSet<i64>| {
            let (source, view) = (item.delivery.source.offset, item.delivery.revision);
            let earlier = fanout.named(webhook).take_while(|(named, _)| *named < source);
            let mut earlier = earlier.filter(|(named, by)| {
                *by <= view && !seen.contains(named) && !deleting.forgets(webhook, Some(*by))
            });
            let missing = earlier.find(|(named, _)| !may_lack(*named));
            missing
                .filter(|_| !is_unordered && !item.delivery.resent && !deleting.forgets(webhook, Some(view)))
                .map(|(named, _)| named)
        };
        let received = receivers.receive(webhook, &post.group, post.generation, lacks);
        self.receivers = receivers;
        let mut items = post.group.items.iter();
        let is_huge = items.any(|item| item.delivery.data.len() > 1024 * 1024);
        self.note_if(is_huge, What::LargerThanAnyQueue);
        received
    }

    pub(super) fn failure(&mut self) -> Verdict {
        match self.rng.random_range(0..60) {
            0..10 => Verdict::TooLarge,
            10..20 => Verdict::Refused,
            20 => Verdict::Gone,
            21..40 => Verdict::Retry {
                class: ErrorClass::NoAnswer(Failure::AnswerTimeout),
                not_before: None,
            },
            _ => Verdict::Retry {
                class: ErrorClass::ServerError,
                not_before: None,
            },
        }
    }

    pub(super) fn answer(&mut self, faults: bool) {
        let index = self.anyone();
        let posts = &self.owners[index].posts;
        let Some(position) = self.unordered.pick(posts, |post| post.arrived) else {
            return;
        };
        let post = self.owners[index].posts.remove(position);
        // The receiver has it, but its answer may be lost (D6).
        let verdict = if faults && self.rng.random_bool(0.15) {
            self.note(What::AnswerIsLost);
            self.failure()
        } else {
            Verdict::Delivered
        };
        self.tell_answer(index, &post, verdict);
    }

    pub(super) fn tell_answer(&mut self, index: usize, post: &Post, verdict: Verdict) {
        let webhook = post.webhook;
        let answer = Answer {
            verdict,
            status: 0,
            took_ms: self.rng.random_range(0..2_000),
            jitter: self.rng.random(),
        };
        self.tell(|| format!("{webhook} answered {verdict:?}"));
        if verdict == Verdict::TooLarge {
            self.few.refused(self.owners[index].epoch, post);
        }
        let owner = &mut self.owners[index];
        let hangs = verdict == Verdict::Delivered && owner.others_were_delivered(post);
        let now_ms = owner.clock(self.now_ms);
        let settled = owner.partition.answered(webhook, &post.group, answer, now_ms);
        self.note_if(hangs, What::HangsAmong255);
        if settled.is_some_and(|settled| settled.disable.is_some()) {
            self.note(What::SwitchedOff);
            let is_gone = self.deleting.is_gone(webhook);
            let number = self
                .webhooks
                .iter()
                .position(|known| known.id == webhook && !is_gone);
            number.into_iter().for_each(|number| self.switch(number, false));
        }
    }

    /// It is on record that an event was put aside; its owner may never learn of it.
    pub(super) fn put_aside_lands(&mut self) {
        let index = self.anyone();
        let owner = &mut self.owners[index];
        let Some((webhook, group)) = owner.putting_aside.pop_front() else {
            return;
        };
        let sources: Vec<i64> = group
            .items
            .iter()
            .map(|item| item.delivery.source.offset)
            .collect();
        self.given_up.entry(webhook).or_default().extend(&sources);
        owner
            .partition
            .was_put_aside(webhook, &group, owner.clock(self.now_ms));
        self.note(What::PutAside);
        self.tell(|| format!("events {sources:?} for {webhook} were put aside"));
    }

    /// What owners gave up as too old must be, whatever their clocks say.
    fn look_at_expired(&mut self) -> Checked {
        /// Our clocks and the broker's may differ by so much.
        const TOLERANCE_MS: i64 = 5 * 60 * 1_000;
        let expired: Vec<_> = self
            .owners
            .iter_mut()
            .flat_map(|owner| owner.expired.drain(..))
            .collect();
        for (webhook, event) in expired {
            let source = event.source.offset;
            let age_ms = self.now_ms - event.accepted_at.unix_ms();
            if age_ms <= millis(RETENTION) - TOLERANCE_MS {
                return Err(format!(
                    "event {source} for {webhook} was given up after {age_ms} ms"
                ));
            }
            self.given_up.entry(webhook).or_default().insert(source);
            self.note(What::Expires);
            self.tell(|| format!("event {source} for {webhook} was too old"));
        }
        Ok(())
    }

    /// What must hold of a POST that begins.
    fn check_post(&self, owner: &Owner, post: &Post) -> Checked {
        let webhook = post.webhook;
        if owner.stage != Stage::Acting {
            return Err("a POST before the own set counts".to_owned());
        }
        let most = Self::most_at_once(owner, webhook);
        let others = owner.posts.iter().filter(|other| other.webhook == webhook);
        if others.count() >= most {
            return Err(format!("more than {most} POSTs of {webhook} at once"));
        }
        let offsets = post.offsets();
        let told = self.topic.told(webhook);
        if offsets
            .iter()
            .any(|offset| told.is_done(post.generation, *offset))
        {
            return Err(format!(
                "{webhook} is sent {offsets:?} although a cursor says: {told:?}"
            ));
        }
        for head in owner.heads.of(post) {
            // What has left Kafka since is missing, unless it had been read before.
            let mut missing = head.offsets().iter().filter(|offset| !offsets.contains(offset));
            let is_part = offsets.iter().all(|offset| head.contains(*offset));
            if !is_part || !missing.all(|offset| self.is_gone(webhook, *offset)) {
                return Err(format!(
                    "{webhook} failed with {:?} and is sent {offsets:?}",
                    head.offsets()
                ));
            }
        }
        Ok(())
    }
}
