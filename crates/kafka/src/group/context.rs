//! What librdkafka tells a member of a group, noted for its worker.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, Consumer as _, ConsumerContext};
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList, TopicPartitionListElem};
use rdkafka::types::RDKafkaRespErr;
use rdkafka::{ClientContext, Statistics};

use crate::connection::{Log, is_outage};
use crate::record::Record;

/// What came from the group.
#[derive(Debug)]
pub(super) enum Notice {
    /// Partitions came. The group waits for the answer.
    Assigned(Vec<i32>),
    /// Partitions are to be handed back. The group waits until they are.
    Revoked(Vec<i32>),
    /// Partitions are gone: others may own them already.
    Lost(Vec<i32>),
    /// The group has accepted these offsets as committed: partition and next offset.
    Committed(Vec<(i32, i64)>),
}

/// Notes what librdkafka's callbacks say. They run on the worker's own thread, inside `poll`.
#[derive(Debug)]
pub(super) struct GroupContext {
    log: Log,
    group: String,
    notices: Mutex<Vec<Notice>>,
    /// The worker has ended and the client is closing: nobody reads notices any more.
    closing: AtomicBool,
}

impl GroupContext {
    pub(super) fn new(client_id: &str, group: &str) -> Self {
        Self {
            log: Log::new(client_id),
            group: group.to_owned(),
            notices: Mutex::default(),
            closing: AtomicBool::new(false),
        }
    }

    pub(super) fn take(&self) -> Vec<Notice> {
        std::mem::take(&mut self.notices())
    }

    /// A record was read.
    pub(super) fn read(&self, record: &Record) {
        self.log.told.read(record.partition, record.timestamp_ms);
    }

    /// Of so many partitions the next record was not in the log.
    pub(super) fn misplaced(&self, topic: &str, partitions: u64) {
        self.log.told.misplaced(&self.group, topic, partitions);
    }

    pub(super) fn close(&self) {
        self.closing.store(true, Ordering::Relaxed);
    }

    fn note(&self, notice: Notice) {
        self.notices().push(notice);
    }

    fn notices(&self) -> MutexGuard<'_, Vec<Notice>> {
        self.notices.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ClientContext for GroupContext {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        self.log.log(level, facility, message);
    }

    fn stats(&self, statistics: Statistics) {
        self.log.told.statistics(&statistics, Some(&self.group));
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.log.error(error, reason);
    }
}

impl ConsumerContext for GroupContext {
    fn rebalance(&self, consumer: &BaseConsumer<Self>, kind: RDKafkaRespErr, list: &mut TopicPartitionList) {
        if self.closing.load(Ordering::Relaxed) {
            // While it closes, librdkafka takes any answer for "everything is unassigned".
            if let Err(error) = consumer.incremental_unassign(list) {
                tracing::debug!(%error, "unassigning while closing");
            }
            return;
        }
        let partitions: Vec<_> = list
            .elements()
            .iter()
            .map(|element| element.partition())
            .collect();
        if kind != RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS {
            for partition in &partitions {
                self.log.told.gone(*partition);
            }
        }
        self.note(match kind {
            RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS => Notice::Assigned(partitions),
            // This flag is gone with the next call that changes the assignment: look now.
            _ if consumer.assignment_lost() => Notice::Lost(partitions),
            _ => Notice::Revoked(partitions),
        });
    }

    fn commit_callback(&self, result: KafkaResult<()>, offsets: &TopicPartitionList) {
        if result.is_ok() {
            let accepted = |element: &TopicPartitionListElem<'_>| match (element.error(), element.offset()) {
                (Ok(()), Offset::Offset(next)) => Some((element.partition(), next)),
                _ => None,
            };
            let accepted = offsets.elements().iter().filter_map(accepted).collect();
            self.note(Notice::Committed(accepted));
        }
        // After an outage it is tried again by itself, and the log tells of the outage.
        match result.map_err(|error| (error.rdkafka_error_code(), error)) {
            Ok(()) | Err((Some(RDKafkaErrorCode::NoOffset), _)) => {}
            Err((Some(code), error)) if is_outage(code) || code == RDKafkaErrorCode::RebalanceInProgress => {
                tracing::debug!(%error, ?offsets, "offsets not committed")
            }
            Err((_, error)) => tracing::warn!(%error, ?offsets, "offsets not committed"),
        }
    }
}
