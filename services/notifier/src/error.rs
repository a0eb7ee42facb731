//! Why the notifier cannot run.

use std::net::SocketAddr;

use crate::post::InvalidServer;

/// Why the notifier cannot run.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Kafka refuses its settings.
    #[error("cannot follow the notices")]
    Kafka(#[from] angarium_kafka::Error),
    /// The mail server is none.
    #[error("mails cannot be handed in")]
    Server(#[from] InvalidServer),
    /// The address is taken, or not ours.
    #[error("cannot listen on {address}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A mail could not be made of its parts, which are ours.
    #[error("a template cannot be filled in")]
    Template(#[from] askama::Error),
    /// Its membership of the consumer group has ended.
    #[error("the notifier has left its consumer group; the log has the reason")]
    LeftGroup,
}
