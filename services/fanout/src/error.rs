//! Why fanout cannot start, or go on.

use std::net::SocketAddr;

/// Why fanout cannot start, or go on.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Kafka could not be reached, or lacks a topic.
    #[error("fanout cannot start")]
    Kafka(#[source] Box<angarium_kafka::Error>),
    /// The membership has ended for good; why is in the log.
    #[error("fanout is no longer a member of its consumer group")]
    LeftGroup,
    /// The address for gRPC is taken, or not ours.
    #[error(
        "fanout cannot listen on {address}; is another process using it? `fanout.grpc_listen` sets another"
    )]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the system says.
        #[source]
        source: std::io::Error,
    },
    /// gRPC cannot be served.
    #[error("fanout cannot serve gRPC")]
    Grpc(#[from] angarium_runtime::grpc::Error),
}

impl From<angarium_kafka::Error> for Error {
    fn from(error: angarium_kafka::Error) -> Self {
        Self::Kafka(Box::new(error))
    }
}
