//! Why something with Kafka did not work.

use std::time::Duration;

use rdkafka::error::KafkaError;

/// What can go wrong outside the sending and reading of single records.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// librdkafka refused the settings, or could not start its threads.
    #[error("cannot make a Kafka client")]
    Client(#[source] KafkaError),
    /// The brokers did not answer a question.
    #[error(
        "Kafka at {bootstrap} did not answer ({asked}); check that it runs and that the address is right"
    )]
    Unanswered {
        /// Where we asked.
        bootstrap: String,
        /// What we asked for.
        asked: &'static str,
        /// Why there was no answer.
        #[source]
        source: KafkaError,
    },
    /// A topic is not there.
    #[error("topic {topic} does not exist at {bootstrap}; create it with `angarium topics apply`")]
    NoTopic {
        /// Its name.
        topic: String,
        /// Where we looked.
        bootstrap: String,
    },
    /// Kafka refused to create or change a topic.
    #[error("Kafka refused to {action} topic {topic}")]
    Refused {
        /// `create` or `change`.
        action: &'static str,
        /// Its name.
        topic: String,
        /// Why.
        #[source]
        source: KafkaError,
    },
    /// An existing topic differs in a way that cannot be put right without losing or reordering events.
    #[error("topic {topic}: {} is {has}, wanted {wanted}; {}", .what.name(), .what.remedy())]
    Conflict {
        /// Its name.
        topic: String,
        /// What differs.
        what: Conflict,
        /// As it is.
        has: String,
        /// As it should be.
        wanted: String,
    },
    /// Records were still queued when the time was up.
    #[error("records were still on their way to Kafka after {within:?}")]
    Unflushed {
        /// How long we waited.
        within: Duration,
        /// As librdkafka tells it.
        #[source]
        source: KafkaError,
    },
    /// Who wrote under a transactional id before was not kept out.
    #[error("Kafka did not let a transactional producer take over in time")]
    NotFenced(#[source] KafkaError),
    /// The in-process cluster did not start.
    #[error("cannot start the in-process Kafka")]
    Mock(#[source] KafkaError),
    /// A blocking call did not finish because the process ends.
    #[error("the process is ending")]
    Ending,
}

/// What of an existing topic is not as wanted and may not be changed in place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Conflict {
    /// The number of partitions decides where a key belongs.
    Partitions,
    /// Fewer replicas than wanted.
    Replication,
    /// Longer than wanted: shrinking it deletes events that are still to be delivered.
    Retention,
    /// Compacted or deleted by age.
    CleanupPolicy,
}

impl Conflict {
    const fn name(self) -> &'static str {
        match self {
            Self::Partitions => "its number of partitions",
            Self::Replication => "its replication factor",
            Self::Retention => "retention.ms",
            Self::CleanupPolicy => "cleanup.policy",
        }
    }

    const fn remedy(self) -> &'static str {
        match self {
            Self::Partitions => {
                "keys would move between partitions and lose their order: set the layout to what is there"
            }
            Self::Replication => "move the replicas with kafka-reassign-partitions, or lower the setting",
            Self::Retention => {
                "shrinking it would delete events that may still be waiting: raise the setting, or alter the topic by hand"
            }
            Self::CleanupPolicy => {
                "changing it could delete records: check that this is the right topic, then alter it by hand"
            }
        }
    }
}
