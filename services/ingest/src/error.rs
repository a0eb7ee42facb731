//! Why ingest could not be started, or ended.

use std::net::SocketAddr;

use crate::idempotency::RedisError;

/// Why ingest could not be started, or ended.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// An address is taken, or not ours.
    #[error("cannot listen on {address}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// Kafka's client refused the settings.
    #[error("cannot make a producer")]
    Kafka(#[from] Box<angarium_kafka::Error>),
    /// The address of Redis is wrong.
    #[error("cannot use Redis")]
    Redis(#[from] RedisError),
    /// The gRPC server could not be made, or ended.
    #[error("cannot serve gRPC")]
    Grpc(#[from] angarium_runtime::grpc::Error),
}
