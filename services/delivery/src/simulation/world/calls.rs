//! POSTs: they begin, arrive, and are answered, or not.

use angarium_model::WebhookId;
use angarium_policy::{ErrorClass, Failure, Verdict};
use rand::RngExt as _;

use super::super::cursors::Topic;
use super::super::owner::{Owner, Post, Stage};
use super::{Checked, MAX_QUEUED_BYTES, World};
use crate::partition::Answer;

impl World {
    /// Begins what the partition wants to send, if the owner may.
    pub(super) fn perform(&mut self) -> Checked {
        for index in 0..self.owners.len() {
            let begun = self.owners[index].perform();
            for post in begun {
                let owner = &self.owners[index];
                if owner.is_frozen {
                    continue;
                }
                check_post(owner, &post, &self.topic)?;
                self.summary.calls += 1;
                let epoch = owner.epoch;
                self.tell(|| format!("[{epoch}] POST to {} begins: {:?}", post.webhook, post.offsets()));
                let owner = &mut self.owners[index];
                owner.heads.remove(&post.webhook);
                owner.posts.push(post);
            }
        }
        let queued = self.owner().partition.queued_bytes();
        // Every bound admits one event, and the group that is kept for its retry.
        if queued > MAX_QUEUED_BYTES + 1_000 {
            return Err(format!("{queued} bytes are queued"));
        }
        Ok(())
    }

    pub(super) fn arrive(&mut self) -> Checked {
        let index = self.anyone();
        let refused = self.rng.random_bool(0.1);
        let owner = &mut self.owners[index];
        let Some(position) = owner.posts.iter().position(|post| !post.arrived) else {
            return Ok(());
        };
        let post = &mut owner.posts[position];
        if refused || self.down.contains(&post.webhook) {
            let post = owner.posts.remove(position);
            let verdict = self.failure();
            self.tell_answer(index, post.webhook, verdict);
        } else {
            post.arrived = true;
            let post = post.clone();
            self.tell(|| format!("{} gets {:?}", post.webhook, post.offsets()));
            self.receivers.receive(post.webhook, &post.group)?;
        }
        self.perform()
    }

    pub(super) fn failure(&mut self) -> Verdict {
        match self.rng.random_range(0..6) {
            0 => Verdict::TooLarge,
            1 => Verdict::Refused,
            2 | 3 => Verdict::Retry {
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
        let Some(position) = self.owners[index].posts.iter().position(|post| post.arrived) else {
            return;
        };
        let post = self.owners[index].posts.remove(position);
        // The receiver has it, but its answer may be lost (D6).
        let verdict = if faults && self.rng.random_bool(0.15) {
            self.failure()
        } else {
            Verdict::Delivered
        };
        self.tell_answer(index, post.webhook, verdict);
    }

    pub(super) fn tell_answer(&mut self, index: usize, webhook: WebhookId, verdict: Verdict) {
        let answer = Answer {
            verdict,
            took_ms: self.rng.random_range(0..2_000),
            jitter: self.rng.random(),
        };
        let now_ms = self.now_ms;
        self.tell(|| format!("{webhook} answered {verdict:?}"));
        self.owners[index].partition.answered(webhook, answer, now_ms);
    }
}

/// What must hold of a POST that begins.
fn check_post(owner: &Owner, post: &Post, topic: &Topic) -> Checked {
    if owner.stage != Stage::Acting {
        return Err("a POST before the own set counts".to_owned());
    }
    if owner.posts.iter().any(|other| other.webhook == post.webhook) {
        return Err(format!("two POSTs of {} at once", post.webhook));
    }
    let offsets = post.offsets();
    let told = topic.told(post.webhook);
    if offsets.iter().any(|offset| *offset < told) {
        return Err(format!(
            "{} is sent {offsets:?} although a cursor says that all below {told} is done",
            post.webhook
        ));
    }
    if let Some(head) = owner.heads.get(&post.webhook)
        && offsets != head.offsets()
        && offsets.iter().any(|offset| head.contains(*offset))
    {
        return Err(format!(
            "{} failed with {:?} and is sent {offsets:?}",
            post.webhook,
            head.offsets()
        ));
    }
    Ok(())
}
