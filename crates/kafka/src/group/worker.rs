//! The thread of a group's member: between librdkafka and the owners of partitions.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use angarium_runtime::{Shutdown, uptime};
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::GroupConfig;
use super::client::Client;
use super::context::{GroupContext, Notice};
use super::held::{Held, Reading};
use super::lease::Renewal;
use super::owned::{Owned, Place, Start, owned};
use super::predecessor;
use crate::record::Record;

/// The longest sleep in `poll`, and so the delay of an owner's wish. A record that arrives ends it at once.
const TURN: Duration = Duration::from_millis(10);
/// Records routed before the owners' wishes are looked at again.
const RECORDS_PER_TURN: usize = 256;
/// How long owners have to let go of revoked partitions. More than the longest request to a receiver (D3, 15 s).
const DRAIN: Duration = Duration::from_secs(20);
/// How long leaving the group may take: draining, and the last commit.
const LEAVE: Duration = Duration::from_secs(22);
/// Before a question that Kafka did not answer is asked again.
const ASK_AGAIN: Duration = Duration::from_secs(1);

pub(super) struct Worker {
    /// First, so that the member has left the group when `offers` ends.
    client: Client,
    config: GroupConfig,
    offers: mpsc::Sender<Owned>,
    closing: Shutdown,
    /// Assigned by the group, not yet offered.
    arriving: BTreeSet<i32>,
    /// In the hands of an owner.
    held: BTreeMap<i32, Held>,
    /// Owners that lost their partition and have not ended. It is not offered to another one before.
    parting: Vec<Arc<Place>>,
    revocation: Option<Revocation>,
    /// A place that we read from is gone: all partitions are to be put right.
    misplaced: bool,
    ask_not_before: Option<Instant>,
    renewal: Renewal,
    /// We are leaving the group, at the latest at this time.
    leave_by: Option<Instant>,
    failed: bool,
}

/// Partitions that the group wants back. It gets them all at once, when the last owner has let go.
struct Revocation {
    partitions: BTreeSet<i32>,
    by: Instant,
}

impl Worker {
    pub(super) fn new(
        consumer: BaseConsumer<GroupContext>,
        config: GroupConfig,
        offers: mpsc::Sender<Owned>,
        closing: Shutdown,
    ) -> Self {
        // There from the start: a rise from nothing is seen by no alert.
        consumer.context().misplaced(&config.topic, 0);
        Self {
            client: Client::new(consumer, config.topic.clone()),
            renewal: Renewal::new(config.session_timeout),
            config,
            offers,
            closing,
            arriving: BTreeSet::new(),
            held: BTreeMap::new(),
            parting: Vec::new(),
            revocation: None,
            misplaced: false,
            ask_not_before: None,
            leave_by: None,
            failed: false,
        }
    }

    pub(super) fn run(mut self) {
        predecessor::outlast(&self.client, &self.config, &self.closing);
        if let Err(error) = self.client.subscribe() {
            tracing::error!(topic = self.config.topic, %error, "cannot join the group");
            return;
        }
        while !self.is_done() {
            let now = Instant::now();
            self.heed_notices(now);
            self.begin_to_leave(now);
            self.serve_owners();
            self.renew_lease();
            self.hand_back(now);
            if self.ask_not_before.is_none_or(|not_before| now >= not_before) {
                self.offer(now);
                self.put_right(now);
            }
            self.poll();
        }
        for held in self.held.values() {
            held.queue.place.lose();
        }
        self.client.consumer.context().close();
        // Dropping the client leaves the group, if it has not left yet.
    }

    fn is_done(&self) -> bool {
        let left = |by: Instant| (self.held.is_empty() && self.revocation.is_none()) || Instant::now() >= by;
        self.failed || self.leave_by.is_some_and(left)
    }

    fn heed_notices(&mut self, now: Instant) {
        for notice in self.client.consumer.context().take() {
            match notice {
                Notice::Assigned(partitions) => {
                    tracing::info!(topic = self.config.topic, ?partitions, "partitions assigned");
                    self.client.accept();
                    self.arriving.extend(partitions);
                }
                Notice::Revoked(partitions) => self.revoke(partitions, now),
                Notice::Lost(partitions) => self.lose(&partitions),
                Notice::Committed(offsets) => self.accepted(&offsets),
            }
        }
    }

    fn accepted(&self, offsets: &[(i32, i64)]) {
        for (partition, next) in offsets {
            if let Some(held) = self.held.get(partition) {
                held.queue.place.accepted(*next);
            }
        }
    }

    /// The owners are told; [`hand_back`](Self::hand_back) goes on when they have let go.
    fn revoke(&mut self, partitions: Vec<i32>, now: Instant) {
        tracing::info!(topic = self.config.topic, ?partitions, "partitions revoked");
        for partition in &partitions {
            self.arriving.remove(partition);
            if let Some(held) = self.held.get_mut(partition) {
                held.stop(&self.client);
                held.queue.place.revoke();
            }
        }
        let by = now + DRAIN;
        let revocation = self.revocation.get_or_insert_with(|| Revocation {
            partitions: BTreeSet::new(),
            by,
        });
        revocation.partitions.extend(partitions);
    }

    /// Others may own them by now: there is nothing to wait for.
    fn lose(&mut self, partitions: &[i32]) {
        tracing::warn!(
            topic = self.config.topic,
            ?partitions,
            "partitions lost: the group has counted us out"
        );
        for partition in partitions {
            self.arriving.remove(partition);
        }
        if let Some(revocation) = &mut self.revocation {
            revocation
                .partitions
                .retain(|partition| !partitions.contains(partition));
        }
        self.revocation
            .take_if(|revocation| revocation.partitions.is_empty());
        self.part_with(partitions);
    }

    fn part_with<'a>(&mut self, partitions: impl IntoIterator<Item = &'a i32>) {
        let mut assigned = Vec::new();
        for partition in partitions {
            let Some(mut held) = self.held.remove(partition) else {
                continue;
            };
            held.stop(&self.client);
            if held.assigned {
                assigned.push(*partition);
            }
            held.queue.place.lose();
            if !held.queue.place.is_released() {
                self.parting.push(held.queue.place);
            }
        }
        self.client.unassign(&assigned);
    }

    fn begin_to_leave(&mut self, now: Instant) {
        if self.leave_by.is_some() || !(self.closing.has_begun() || self.offers.is_closed()) {
            return;
        }
        self.leave_by = Some(now + LEAVE);
        self.arriving.clear();
        for held in self.held.values_mut() {
            held.stop(&self.client);
            held.queue.place.revoke();
        }
        // Makes the group revoke everything, and lets us leave it once all is handed back.
        self.client.consumer.unsubscribe();
    }

    fn serve_owners(&mut self) {
        let revoking = self.revocation.is_some();
        let mut at_once = Vec::new();
        for held in self.held.values_mut() {
            let (start, commit, released) = {
                let mut wishes = held.queue.place.wishes();
                // Only what is assigned can be committed: before the start it has to wait. And a partition that
                // starts over may leave the assignment for a moment, which would hand back what is being revoked.
                let commit = if held.assigned { wishes.commit.take() } else { None };
                let start = if held.assigned && revoking {
                    None
                } else {
                    wishes.start.take()
                };
                if let Some(next) = commit
                    && std::mem::take(&mut wishes.commit_at_once)
                {
                    at_once.push((held.queue.place.partition, next));
                }
                (start, commit, wishes.released)
            };
            if let Some(next) = commit {
                self.client.store(held.queue.place.partition, next);
                held.committed = Some(next);
            }
            match (&held.reading, start) {
                (Reading::Over, _) => {}
                _ if released => {
                    tracing::warn!(
                        topic = self.config.topic,
                        partition = held.queue.place.partition,
                        "released without being revoked: nobody reads it until the group is rebalanced"
                    );
                    held.stop(&self.client);
                }
                (_, Some(start)) => held.start(&self.client, start),
                (Reading::Full(_), None) => held.resume_below_half(&self.client),
                (Reading::NotStarted | Reading::Running { .. }, None) => {}
            }
        }
        // If it fails, what is stored is tried again with the regular commits, and the context tells.
        if !at_once.is_empty() && self.client.commit(&at_once) {
            self.accepted(&at_once);
        }
    }

    /// Has a commit accepted although there may be nothing new to commit: what the lease of every owner lives on. Those
    /// that are being revoked have no part in it: what is left is for what they have under way.
    fn renew_lease(&mut self) {
        if self.leave_by.is_some() || !self.renewal.is_due() {
            return;
        }
        let revoked = self.revocation.as_ref().map(|revocation| &revocation.partitions);
        let is_revoked = |partition: &i32| revoked.is_some_and(|revoked| revoked.contains(partition));
        let committed: Vec<(i32, i64)> = self
            .held
            .iter()
            .filter(|(partition, held)| held.assigned && !is_revoked(partition))
            .filter_map(|(partition, held)| Some((*partition, held.committed?)))
            .collect();
        if committed.is_empty() {
            return;
        }
        let sent = uptime();
        if self.client.commit(&committed) {
            self.renewal.accepted(sent);
            self.accepted(&committed);
        } else {
            self.renewal.refused();
        }
    }

    /// Hands back what is revoked, once every owner has let go, or the time is up.
    fn hand_back(&mut self, now: Instant) {
        let Some(revocation) = &self.revocation else {
            return;
        };
        let is_free = |partition: &i32| {
            self.held.get(partition).is_none_or(|held| {
                // Looked at together: an owner commits first, then lets go.
                let wishes = held.queue.place.wishes();
                wishes.released && (wishes.commit.is_none() || !held.assigned)
            })
        };
        let kept: Vec<i32> = revocation
            .partitions
            .iter()
            .copied()
            .filter(|partition| !is_free(partition))
            .collect();
        if !kept.is_empty() && now < revocation.by {
            return;
        }
        if !kept.is_empty() {
            tracing::error!(
                topic = self.config.topic,
                ?kept,
                "not released in time: handed back under their owners"
            );
        }
        // librdkafka commits by itself as it hands back, but was seen to be overtaken by the next owner's question, and
        // does not try again what a group refuses in the middle of a rebalance.
        if !self.client.commit_stored() && now < revocation.by {
            return;
        }
        if let Some(revocation) = self.revocation.take() {
            self.part_with(&revocation.partitions);
        }
    }

    /// Offers what has arrived, with where to go on.
    fn offer(&mut self, now: Instant) {
        self.parting.retain(|place| !place.is_released());
        let has_owner = |partition: &i32| self.parting.iter().any(|place| place.partition == *partition);
        let ready: Vec<i32> = self
            .arriving
            .iter()
            .copied()
            .filter(|partition| !has_owner(partition))
            .collect();
        if ready.is_empty() {
            return;
        }
        let offered = self.client.committed(&ready).and_then(|committed| {
            for (partition, next) in committed {
                // Full or closed: the next turn sees to it.
                let Ok(permit) = self.offers.try_reserve() else {
                    break;
                };
                let watermarks = self.client.watermarks(partition)?;
                let (max_records, max_bytes) =
                    (self.config.max_buffered_records, self.config.max_buffered_bytes);
                let lease = self.renewal.lease();
                let (owner, queue) = owned(partition, next, watermarks, lease, max_records, max_bytes);
                permit.send(owner);
                self.held.insert(
                    partition,
                    Held {
                        queue,
                        reading: Reading::NotStarted,
                        assigned: false,
                        committed: None,
                    },
                );
                self.arriving.remove(&partition);
            }
            Ok(())
        });
        if let Err(error) = offered {
            tracing::warn!(topic = self.config.topic, %error, "cannot learn where to go on; asking again");
        }
        if !self.arriving.is_empty() {
            self.ask_not_before = Some(now + ASK_AGAIN);
        }
    }

    /// Goes on at the oldest record where the next one is gone, or where the log ends before it.
    fn put_right(&mut self, now: Instant) {
        // As in `serve_owners`: not while partitions are being revoked.
        if !self.misplaced || self.revocation.is_some() {
            return;
        }
        for (partition, held) in &mut self.held {
            let Reading::Running { epoch, next } = held.reading else {
                continue;
            };
            let watermarks = match self.client.watermarks(*partition) {
                Ok(watermarks) => watermarks,
                Err(error) => {
                    tracing::warn!(topic = self.config.topic, partition, %error, "cannot learn where its log begins");
                    self.ask_not_before = Some(now + ASK_AGAIN);
                    return;
                }
            };
            let mut offset = next;
            if next < watermarks.low || next > watermarks.high {
                let topic = self.config.topic.as_str();
                tracing::error!(
                    topic,
                    partition,
                    next,
                    ?watermarks,
                    "not in the log: reading on from its start"
                );
                self.client.consumer.context().misplaced(topic, 1);
                offset = watermarks.low;
            }
            // Also where nothing is wrong: the report does not say which partition has stopped.
            held.start(&self.client, Start { epoch, offset });
        }
        self.misplaced = false;
    }

    fn poll(&mut self) {
        let mut wait = TURN;
        for _ in 0..RECORDS_PER_TURN {
            let Self { client, held, .. } = self;
            match client.consumer.poll(wait) {
                None => return,
                Some(Ok(message)) => {
                    if let Some(held) = held.get_mut(&rdkafka::Message::partition(&message)) {
                        let record = Record::copied(&message);
                        client.consumer.context().read(&record);
                        held.route(client, record);
                    }
                }
                Some(Err(KafkaError::MessageConsumptionFatal(code))) => {
                    tracing::error!(topic = self.config.topic, %code, "the group's member has failed for good");
                    self.failed = true;
                    return;
                }
                // The log has it already, through the context.
                Some(Err(error)) => {
                    self.misplaced |= error.rdkafka_error_code() == Some(RDKafkaErrorCode::AutoOffsetReset);
                }
            }
            wait = Duration::ZERO;
        }
    }
}
