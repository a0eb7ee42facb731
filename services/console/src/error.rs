//! Why the console cannot start.

use std::net::SocketAddr;

use crate::log::Trouble;

/// Why the console cannot start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The address is taken, or not ours.
    #[error(
        "the console cannot listen on {address}; is another process using it? `console.listen` sets another"
    )]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the system says.
        #[source]
        source: std::io::Error,
    },
    /// The log's file cannot be used.
    #[error("the console cannot use its log")]
    Log(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The Kafka client refuses its settings.
    #[error("the console cannot follow the journal")]
    Kafka(#[source] Box<angarium_kafka::Error>),
    /// An address of another service is none.
    #[error("an address of a service is wrong")]
    Endpoint(#[from] angarium_runtime::grpc::InvalidEndpoint),
}

impl From<angarium_kafka::Error> for Error {
    fn from(error: angarium_kafka::Error) -> Self {
        Self::Kafka(Box::new(error))
    }
}

impl From<Trouble> for Error {
    fn from(trouble: Trouble) -> Self {
        Self::Log(Box::new(trouble))
    }
}
