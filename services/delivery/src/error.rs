//! Why delivery cannot begin.

use crate::checkpoint::CheckpointError;

/// Why delivery cannot begin.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Kafka's client or its topics.
    #[error("delivery cannot use Kafka")]
    Kafka(#[source] Box<angarium_kafka::Error>),
    /// TLS for calls.
    #[error("delivery cannot set up TLS")]
    Tls(#[from] rustls::Error),
    /// Redis.
    #[error("delivery cannot use Redis")]
    Checkpoints(#[from] CheckpointError),
}

impl From<angarium_kafka::Error> for Error {
    fn from(error: angarium_kafka::Error) -> Self {
        Self::Kafka(Box::new(error))
    }
}
