//! An owner of the partition: the partition itself, and what it has under way.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

use angarium_directory::Directory;
use angarium_model::WebhookId;

use super::cursors::Append;
use super::heads::Heads;
use crate::checkpoint::Checkpoint;
use crate::group::Group;
use crate::hook::{Class, Removed};
use crate::partition::{Effect, Partition};
use crate::record::Delivery;

/// So many events that others were answered for while a POST hung: all that a queue holds, but for itself.
const OUTRUN: usize = 255;

/// How far its takeover has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// Its cursors are being written under its epoch.
    Asserting,
    /// Its place is being written.
    Completing,
    /// Its set counts.
    Acting,
}

/// A POST under way.
#[derive(Clone, Debug)]
pub(super) struct Post {
    pub(super) webhook: WebhookId,
    pub(super) group: Arc<Group>,
    pub(super) arrived: bool,
    /// The last replay order that its webhook had taken.
    pub(super) generation: i64,
    /// Events of the same webhook that others were answered for since it began.
    pub(super) outrun_by: usize,
}

impl Post {
    pub(super) fn offsets(&self) -> Vec<i64> {
        self.group.items.iter().map(|item| item.offset).collect()
    }
}

/// An owner, or one that was frozen and followed.
#[derive(Debug)]
pub(super) struct Owner {
    pub(super) epoch: i64,
    pub(super) stage: Stage,
    pub(super) partition: Partition,
    pub(super) directory: Directory,
    /// How many changes of webhooks it has learnt.
    pub(super) learnt: usize,
    /// Where its live stream stands: an index of the log.
    pub(super) live: usize,
    /// In the order in which they land.
    pub(super) appends: VecDeque<Append>,
    /// Landed, and not acknowledged yet.
    pub(super) landed: VecDeque<Append>,
    pub(super) place: i64,
    pub(super) saving: Option<Checkpoint>,
    /// The read under way, from where and for whom.
    pub(super) reading: Option<(i64, Arc<BTreeSet<WebhookId>>)>,
    pub(super) posts: Vec<Post>,
    /// Groups whose only event is being put aside.
    pub(super) putting_aside: VecDeque<(WebhookId, Arc<Group>)>,
    /// Events that were given up as too old, and are to be looked at.
    pub(super) expired: Vec<(WebhookId, Arc<Delivery>)>,
    /// What it tells that Kafka had removed.
    pub(super) removed: Vec<(WebhookId, Removed)>,
    /// The groups that its set named as failed: the first POST that has any of it has all of it.
    pub(super) heads: Heads,
    /// It was followed: it begins no POST any more.
    pub(super) is_frozen: bool,
    /// It knows, and does nothing any more.
    pub(super) is_superseded: bool,
    /// How far its clock is off, in milliseconds.
    pub(super) skew_ms: i64,
}

impl Owner {
    /// What its clock says.
    pub(super) fn clock(&self, now_ms: i64) -> i64 {
        now_ms + self.skew_ms
    }

    /// Takes up what the partition has decided.
    pub(super) fn perform(&mut self) {
        for effect in self.partition.take_effects() {
            match effect {
                Effect::Append { webhook, cursor } => self.appends.push_back(Append::Cursor(webhook, cursor)),
                Effect::PutAside { webhook, group, .. } => {
                    self.putting_aside.push_back((webhook, group));
                }
                Effect::Expired { webhook, events } => {
                    self.expired
                        .extend(events.into_iter().map(|event| (webhook, event)));
                }
                Effect::Removed { webhook, what, .. } => self.removed.push((webhook, what)),
                Effect::Stands { .. } => {}
            }
        }
    }

    /// There is room for a call of this class.
    pub(super) fn next_post(&mut self, class: Class, now_ms: i64) -> Option<Post> {
        let call = self.partition.next_call(class, now_ms, |_| true)?;
        Some(Post {
            webhook: call.webhook,
            arrived: false,
            outrun_by: 0,
            generation: self.partition.generation(call.webhook, &call.group),
            group: call.group,
        })
    }

    /// A group was delivered. Whether one that began before it has now been outrun by 255 events.
    pub(super) fn others_were_delivered(&mut self, post: &Post) -> bool {
        let events = post.group.items.len();
        let others = self
            .posts
            .iter_mut()
            .filter(|other| other.webhook == post.webhook);
        others.fold(false, |any, other| {
            let before = other.outrun_by;
            other.outrun_by += events;
            any || (before < OUTRUN && other.outrun_by >= OUTRUN)
        })
    }

    /// Appends its place, if it has moved.
    pub(super) fn append_place(&mut self) -> Result<(), String> {
        let place = self.partition.place();
        if place < self.place {
            return Err(format!("the place went back from {} to {place}", self.place));
        }
        if place > self.place || self.stage == Stage::Completing {
            self.place = place;
            self.appends.push_back(Append::Place(place));
        }
        Ok(())
    }
}
