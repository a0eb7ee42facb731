//! Why delivery cannot begin, or go on.

use std::net::SocketAddr;

use crate::checkpoint::CheckpointError;

/// Why delivery cannot begin, or go on.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Kafka's client or its topics.
    #[error("delivery cannot use Kafka")]
    Kafka(#[source] Box<angarium_kafka::Error>),
    /// The membership has ended for good; why is in the log.
    #[error("delivery is no longer a member of its {0} consumer group")]
    LeftGroup(angarium_model::Lane),
    /// TLS for calls.
    #[error("delivery cannot set up TLS")]
    Tls(#[from] rustls::Error),
    /// The address for gRPC is taken, or not ours.
    #[error(
        "delivery cannot listen on {address}; is another process using it? `delivery.grpc_listen` sets another"
    )]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the system says.
        #[source]
        source: std::io::Error,
    },
    /// gRPC cannot be served.
    #[error("delivery cannot serve gRPC")]
    Grpc(#[from] angarium_runtime::grpc::Error),
    /// The producer of cursors has failed for good.
    #[error("delivery can write no cursors any more: start it again")]
    Cursors(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// Redis.
    #[error("delivery cannot use Redis")]
    Checkpoints(#[from] CheckpointError),
}

impl From<angarium_kafka::Error> for Error {
    fn from(error: angarium_kafka::Error) -> Self {
        Self::Kafka(Box::new(error))
    }
}
