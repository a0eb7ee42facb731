//! Why the registry cannot start, or ended.

use std::io;
use std::net::SocketAddr;
use std::num::NonZeroU32;

use angarium_runtime::grpc;

use crate::record::UnreadableRecord;

/// What ends the registry.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The topic cannot be read or written.
    #[error("the registry needs Kafka")]
    Kafka(#[from] angarium_kafka::Error),
    /// A change and what is told of it are in partitions of one number.
    #[error(
        "the audit topic has {audit} partitions and the registry topic {registry}, and they must be as many; the audit topic may be deleted \
         and created anew by `angarium topics apply`"
    )]
    PartitionsDiffer {
        /// Of the registry topic.
        registry: NonZeroU32,
        /// Of the audit topic.
        audit: NonZeroU32,
    },
    /// The topic holds something that is not understood. Leaving it out could lose a webhook's events.
    #[error(transparent)]
    Record(#[from] UnreadableRecord),
    /// The reader of the topic ended.
    #[error("the registry topic is not read any more")]
    ReaderEnded,
    /// The shutdown began, or the reader failed and said why, before everything was loaded.
    #[error("the registry ended before it had read its topic")]
    EndedWhileLoading,
    /// The address cannot be listened on.
    #[error("cannot listen on {address}; is another process using it?")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Another service is nowhere.
    #[error(transparent)]
    Endpoint(#[from] grpc::InvalidEndpoint),
    /// gRPC cannot be served.
    #[error("the registry cannot serve")]
    Grpc(#[from] grpc::Error),
    /// HTTP cannot be served.
    #[error("the registry cannot serve HTTP")]
    Rest(#[from] angarium_rest::Error),
}
