//! Kafka as the rest of the house sees it; the only user of `rdkafka`.
//!
//! - [`topics`] names, creates and checks the topics; [`partition_of`] says where a key belongs.
//! - [`Producer`] writes, never blocks, and gives an [`Ack`] that resolves once all in-sync replicas have the record.
//! - [`TransactionalProducer`] writes several as one, and keeps out who wrote before it.
//! - [`GroupConsumer`] shares the partitions of a topic between processes. Each partition that comes is an
//!   [`Owned`]: its owner says where to start, reads its bounded queue, commits, and hands it back when it is revoked.
//! - [`LogReader`] reads back by place, outside any group. [`Tail`] follows every partition of a topic.
//! - [`MockBroker`] is an in-process cluster, for tests and for a first look.
//!
//! Each consumer here is one librdkafka client, polled by one thread of its own, which demultiplexes into bounded
//! queues: librdkafka's own queues per partition were seen to lose wake-ups and to reorder.

mod backward;
mod connection;
mod error;
mod group;
mod metrics;
mod mock;
mod partition;
mod producer;
mod reader;
mod record;
mod tail;
pub mod topics;
mod transactions;

pub use backward::Backward;
pub use connection::Connection;
pub use error::Error;
pub use group::{GroupConfig, GroupConsumer, Lease, Owned, Watermarks};
pub use metrics::METRICS;
pub use mock::MockBroker;
pub use partition::partition_of;
pub use producer::{Ack, Acked, Outgoing, ProduceError, Producer, ProducerConfig, SendError};
pub use reader::{Chunk, Limit, LogReader, ReadError};
pub use record::{Headers, Record};
pub use tail::{From, Tail, TailEvent};
pub use transactions::{Reason, TransactionError, TransactionalConfig, TransactionalProducer};

/// The version of the Kafka client, librdkafka, that is part of this program.
#[must_use]
pub fn client_version() -> String {
    rdkafka::util::get_rdkafka_version().1
}
