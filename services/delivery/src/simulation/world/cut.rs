//! The deliveries topic is cut, or created anew, and the events topic goes on: what was in it is lost with it, unless it
//! was done; what stands in it now must arrive. That is promised when all workers are started again before the log has
//! grown, or when one runs on that sees it, and when Redis is told before it forgets anything. What is chosen here has dice of its own: other worlds are the same.

use std::collections::BTreeSet;

use rand::rngs::SmallRng;
use rand::{RngExt as _, SeedableRng as _};

use super::super::happened::What;
use super::super::owner::{Owner, Stage};
use super::{Checked, STEPS, World};

/// Whether, when and how.
#[derive(Debug)]
pub(super) struct Cut {
    at_step: Option<usize>,
    is_anew: bool,
    /// The worker runs on.
    runs_on: bool,
    /// Of what there is, what stays: in a thousandth.
    keeps: usize,
    /// The owner was there before, and does not know.
    pub(super) is_unseen: bool,
    /// No owner has acted since.
    pub(super) is_open: bool,
}

impl Cut {
    pub(super) fn new(seed: u64) -> Self {
        let mut rng = SmallRng::seed_from_u64(seed.rotate_left(17));
        let is_here = rng.random_bool(0.12);
        Self {
            at_step: is_here.then(|| rng.random_range(100..STEPS)),
            is_anew: rng.random_bool(0.4),
            keeps: rng.random_range(0..1_000),
            runs_on: rng.random_bool(0.5),
            is_unseen: false,
            is_open: false,
        }
    }

    /// Whether the world has one.
    pub(super) fn has_been(&self) -> bool {
        self.at_step.is_some()
    }

    pub(super) fn is_due(&self, step: usize) -> bool {
        self.at_step == Some(step)
    }
}

impl World {
    pub(super) fn cut_log(&mut self) -> Checked {
        // What fanout has written, lost or not, lies behind it, and no frozen one goes on from there.
        self.fanout.settle();
        while !self.fanout.has_repeated_all() {
            self.fanout_goes_on_alone()?;
        }
        let keep = if self.cut.is_anew {
            0
        } else {
            self.log.len() * self.cut.keeps / 1_000
        };
        self.note(if self.cut.is_anew {
            What::LogIsAnew
        } else {
            What::LogIsCut
        });
        self.tell(|| format!("the log is cut at {keep}"));
        // What had left Kafka before is known of no record any more.
        let gone = usize::try_from(self.low()).unwrap_or(0);
        for record in self.log.iter().take(gone) {
            for webhook in &record.webhooks {
                let given_up = self.given_up.entry(*webhook).or_default();
                given_up.insert(record.delivery.source.offset);
            }
        }
        self.log.truncate(keep);
        self.appended.truncate(keep);
        let end = self.end();
        self.orders.retain(|at, _| *at < end);
        self.fanout.log_ends_at(end, &self.log);
        for (webhook, owed) in &mut self.owed {
            let named: BTreeSet<i64> = self.fanout.named(*webhook).map(|(source, _)| source).collect();
            let lacks: BTreeSet<i64> = self.receivers.lacks(*webhook, owed).into_iter().collect();
            owed.retain(|source| named.contains(source) || !lacks.contains(source));
        }
        self.redis_before.clear();
        self.cut.is_open = true;
        let owner = self.owners.pop();
        self.owners.clear();
        let is_beyond = |owner: &Owner| owner.stage == Stage::Acting && owner.live > keep && !owner.is_frozen;
        match owner.filter(|owner| self.cut.runs_on && is_beyond(owner)) {
            Some(mut owner) => {
                // Kafka's client finds its place gone, and reads on from the start.
                owner.live = usize::try_from(self.low()).unwrap_or(0);
                self.owners.push(owner);
                self.cut.is_unseen = true;
            }
            None => self.take_over(None),
        }
        Ok(())
    }

    /// The log has grown, by anything; the worker is there, and sees what was appended.
    pub(super) fn cut_log_grows(&mut self) -> Checked {
        self.fan_out()?;
        let last = self.owners.len() - 1;
        self.read_live(last)
    }

    /// A worker sees that its log was cut, and takes the partition over again. One that was followed does not get it.
    pub(super) fn cut_is_seen(&mut self, index: usize) -> Checked {
        if index + 1 < self.owners.len() {
            self.owners[index].is_superseded = true;
            return Ok(());
        }
        self.note(What::CutUnderWorker);
        let Some(mut owner) = self.owners.pop() else {
            return Ok(());
        };
        // Its producer is the same: what it has under way lands before the claim.
        for append in owner.appends.drain(..) {
            self.topic.write(owner.epoch, &append);
        }
        self.owners.clear();
        let (directory, skew_ms) = (owner.directory, owner.skew_ms);
        self.take_over_cut(Some((directory, skew_ms)), Some(owner.partition.kept()));
        // Nobody knows it but this worker: that it lives for so long is promised by nobody.
        while self.owner().stage != Stage::Acting {
            self.land();
            self.acknowledge()?;
        }
        Ok(())
    }

    /// An owner acts. Its first checkpoint is taken before anything else fails.
    pub(super) fn log_is_known(&mut self) {
        if std::mem::take(&mut self.cut.is_open) {
            let owner = self.owner();
            let checkpoint = owner.partition.take_checkpoint();
            let epoch = owner.epoch;
            self.redis.save(epoch, &checkpoint);
        }
    }
}
