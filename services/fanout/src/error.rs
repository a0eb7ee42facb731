//! What can keep fanout from starting.

/// Fanout could not start.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Kafka could not be reached, or lacks a topic.
    #[error("fanout cannot start")]
    Kafka(#[from] angarium_kafka::Error),
}
