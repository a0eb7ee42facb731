//! Why fanout cannot start, or go on.

/// Why fanout cannot start, or go on.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Kafka could not be reached, or lacks a topic.
    #[error("fanout cannot start")]
    Kafka(#[from] angarium_kafka::Error),
    /// The membership has ended for good; why is in the log.
    #[error("fanout is no longer a member of its consumer group")]
    LeftGroup,
}
