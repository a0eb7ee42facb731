//! Why delivery cannot begin, or go on.

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
    /// Redis.
    #[error("delivery cannot use Redis")]
    Checkpoints(#[from] CheckpointError),
}

impl From<angarium_kafka::Error> for Error {
    fn from(error: angarium_kafka::Error) -> Self {
        Self::Kafka(Box::new(error))
    }
}
