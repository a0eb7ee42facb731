//! The calls to librdkafka that a worker makes, for one topic.

use std::time::Duration;

use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer as _};
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

use super::context::GroupContext;
use super::owned::Watermarks;
use crate::connection::ends;

/// How long Kafka has for a question. Heartbeats go on meanwhile, from a thread of librdkafka's own.
const PATIENCE: Duration = Duration::from_secs(5);

pub(super) struct Client {
    pub(super) consumer: BaseConsumer<GroupContext>,
    topic: String,
}

impl Client {
    pub(super) fn new(consumer: BaseConsumer<GroupContext>, topic: String) -> Self {
        Self { consumer, topic }
    }

    /// Begins to join the group.
    pub(super) fn subscribe(&self) -> KafkaResult<()> {
        self.consumer.subscribe(&[&self.topic])
    }

    /// Whether someone of this name is in the group.
    pub(super) fn has_member(&self, group: &str, client_id: &str) -> KafkaResult<bool> {
        let groups = self.consumer.fetch_group_list(Some(group), PATIENCE)?;
        let mut members = groups.groups().iter().flat_map(|group| group.members());
        Ok(members.any(|member| member.client_id() == client_id))
    }

    /// Tells the group that what came has arrived. Nothing is fetched yet: that takes [`assign`](Self::assign).
    pub(super) fn accept(&self) {
        self.told(
            "accept",
            self.consumer.incremental_assign(&TopicPartitionList::new()),
        );
    }

    pub(super) fn assign(&self, partition: i32, offset: i64) {
        // A negative offset would be one of librdkafka's logical ones.
        let list = self.list([(partition, Some(offset.max(0)))]);
        self.told(
            "assign",
            list.and_then(|list| self.consumer.incremental_assign(&list)),
        );
    }

    /// Takes them out of the assignment; while partitions are being revoked, also hands those back, all at once.
    pub(super) fn unassign(&self, partitions: &[i32]) {
        let list = self.list(partitions.iter().map(|partition| (*partition, None)));
        self.told(
            "unassign",
            list.and_then(|list| self.consumer.incremental_unassign(&list)),
        );
    }

    /// Stops fetching. What was fetched ahead is dropped, and fetched again after [`resume`](Self::resume).
    pub(super) fn pause(&self, partition: i32) {
        self.told(
            "pause",
            self.list([(partition, None)])
                .and_then(|list| self.consumer.pause(&list)),
        );
    }

    pub(super) fn resume(&self, partition: i32) {
        self.told(
            "resume",
            self.list([(partition, None)])
                .and_then(|list| self.consumer.resume(&list)),
        );
    }

    /// Resumes at `next`. The seek changes nothing but this: it wakes librdkafka's fetcher, which otherwise looks for
    /// resumed partitions after 100 ms or more.
    pub(super) fn resume_at(&self, partition: i32, next: i64) {
        self.resume(partition);
        self.told(
            "seek",
            self.consumer
                .seek(&self.topic, partition, Offset::Offset(next), Duration::ZERO),
        );
    }

    /// Goes on at `offset`, and drops what was fetched. Whether librdkafka has agreed.
    pub(super) fn seek(&self, partition: i32, offset: i64) -> bool {
        let offset = Offset::Offset(offset.max(0));
        self.consumer
            .seek(&self.topic, partition, offset, PATIENCE)
            .is_ok()
    }

    /// Stores an offset, to be committed soon, and at the latest before the partition is handed back.
    pub(super) fn store(&self, partition: i32, next: i64) {
        self.told(
            "store",
            self.list([(partition, Some(next))])
                .and_then(|list| self.consumer.store_offsets(&list)),
        );
    }

    /// Commits these offsets and waits for the group's answer, as [`commit_stored`](Self::commit_stored) does; whether
    /// it has accepted them. Only for partitions in the assignment, and on the worker's thread: librdkafka takes none
    /// out of it, and joins the group anew, only behind an answer of this thread.
    pub(super) fn commit(&self, offsets: &[(i32, i64)]) -> bool {
        let list = self.list(offsets.iter().map(|(partition, next)| (*partition, Some(*next))));
        match list.and_then(|list| self.consumer.commit(&list, CommitMode::Sync)) {
            Ok(()) => true,
            Err(error) => {
                tracing::warn!(topic = self.topic, %error, ?offsets, "offsets not committed; trying again");
                false
            }
        }
    }

    /// Commits what is stored, and waits for the group's answer: the next owner asks at once. While the coordinator is
    /// away it waits for the session timeout at most. `false`: it may be taken a moment later, as when the group is
    /// still busy with the rebalance that revoked the partitions.
    pub(super) fn commit_stored(&self) -> bool {
        let refused = match self.consumer.commit_consumer_state(CommitMode::Sync) {
            Ok(()) | Err(KafkaError::ConsumerCommit(RDKafkaErrorCode::NoOffset)) => return true,
            Err(refused) => refused,
        };
        let counted_out = matches!(
            refused.rdkafka_error_code(),
            Some(RDKafkaErrorCode::UnknownMemberId | RDKafkaErrorCode::IllegalGeneration)
        );
        tracing::debug!(topic = self.topic, error = %refused, counted_out, "the last commit was refused");
        counted_out
    }

    /// What the group has committed, in the order of `partitions`.
    pub(super) fn committed(&self, partitions: &[i32]) -> KafkaResult<Vec<(i32, Option<i64>)>> {
        let list = self.list(partitions.iter().map(|partition| (*partition, None)))?;
        let answer = self.consumer.committed_offsets(list, PATIENCE)?;
        let offset =
            |element: &rdkafka::topic_partition_list::TopicPartitionListElem<'_>| match element.offset() {
                Offset::Offset(next) => Some(next),
                _ => None,
            };
        answer
            .elements()
            .iter()
            .map(|element| element.error().map(|()| (element.partition(), offset(element))))
            .collect()
    }

    pub(super) fn watermarks(&self, partition: i32) -> KafkaResult<Watermarks> {
        let (low, high) = ends(&self.consumer, &self.topic, partition, PATIENCE)?;
        Ok(Watermarks { low, high })
    }

    fn list(
        &self,
        partitions: impl IntoIterator<Item = (i32, Option<i64>)>,
    ) -> KafkaResult<TopicPartitionList> {
        let mut list = TopicPartitionList::new();
        for (partition, offset) in partitions {
            list.add_partition_offset(
                &self.topic,
                partition,
                offset.map_or(Offset::Invalid, Offset::Offset),
            )?;
        }
        Ok(list)
    }

    /// librdkafka refuses these calls only when they contradict its state, which would be a mistake of ours or of its.
    fn told(&self, action: &'static str, result: Result<(), KafkaError>) {
        if let Err(error) = result {
            tracing::error!(topic = self.topic, %error, "librdkafka refused to {action} a partition");
        }
    }
}
