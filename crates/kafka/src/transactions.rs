//! Writing records as one, by one writer at a time.

use std::time::Duration;

use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::producer::Producer as _;
use tokio::task::spawn_blocking;
use tokio::time::Instant;

use crate::connection::{Connection, Log};
use crate::error::Error;
use crate::producer::{Acked, Outgoing, ProduceError, Producer, SendError};

/// How a [`TransactionalProducer`] behaves.
#[derive(Clone, Debug)]
pub struct TransactionalConfig {
    /// The name that the brokers' logs and metrics show.
    pub client_id: String,
    /// Of all producers of this id only the one that fenced last can write.
    pub transactional_id: String,
    /// How long Kafka may take to acknowledge a transaction. One that nobody ends is aborted by the broker then.
    pub timeout: Duration,
}

/// A producer whose records are seen all or not at all, by readers that read what is committed, and that fences the one
/// of its id that came before. After any error it is of no more use: open another one and fence.
#[derive(Debug)]
pub struct TransactionalProducer {
    producer: Producer,
    timeout: Duration,
}

/// Why records were not written as one.
#[derive(Debug, thiserror::Error)]
pub enum TransactionError {
    /// None of them is in the topic for those who read what is committed, nor will be.
    #[error("nothing was written")]
    NotWritten(#[source] Reason),
    /// They may have been written, or may yet be: the next producer of this id that has fenced knows.
    #[error("Kafka did not say in time whether the records were written")]
    Unknown(#[source] Reason),
}

/// What Kafka, or its client, has against a transaction.
#[derive(Debug, thiserror::Error)]
pub enum Reason {
    /// The client refused a record.
    #[error(transparent)]
    Refused(#[from] SendError),
    /// A record was not acknowledged.
    #[error(transparent)]
    Failed(#[from] ProduceError),
    /// Another producer of this id has fenced this one.
    #[error("another writer has taken over")]
    Fenced(#[source] KafkaError),
    /// The transaction was not begun or not ended.
    #[error("the transaction failed")]
    Kafka(#[source] KafkaError),
    /// The process is ending.
    #[error("the process is ending")]
    Ending,
}

impl TransactionalProducer {
    /// Takes the id over: who had it before can write nothing any more, what it had not ended is aborted, and what it had
    /// is in the topic. Blocks a thread of the runtime's pool at most for the timeout.
    ///
    /// # Errors
    /// If librdkafka refuses the settings, or Kafka does not answer in time.
    pub async fn fence(connection: &Connection, config: &TransactionalConfig) -> Result<Self, Error> {
        let timeout_ms = config.timeout.as_millis().max(1).to_string();
        let inner = connection
            .client(&config.client_id)
            .set("transactional.id", &config.transactional_id)
            .set("transaction.timeout.ms", &timeout_ms)
            .set("message.timeout.ms", &timeout_ms)
            .set("linger.ms", "0")
            .create_with_context(Log::new(&config.client_id))
            .map_err(Error::Client)?;
        let producer = Producer::of(inner);
        let (client, timeout) = (producer.client().clone(), config.timeout);
        let fenced = spawn_blocking(move || client.init_transactions(timeout)).await;
        fenced
            .map_err(|_unfinished| Error::Ending)?
            .map_err(Error::NotFenced)?;
        Ok(Self { producer, timeout })
    }

    /// Writes all of these or none, and says where they are, in the same order. Takes at most the timeout, and as long
    /// again to take back what failed.
    ///
    /// # Errors
    /// If they were not written, or nobody knows.
    pub async fn write(&self, records: &[Outgoing<'_>]) -> Result<Vec<Acked>, TransactionError> {
        let deadline = Instant::now() + self.timeout;
        let begun = self.producer.client().begin_transaction();
        begun.map_err(|error| TransactionError::NotWritten(Reason::of(error)))?;
        let mut acks = Vec::with_capacity(records.len());
        for record in records {
            match self.producer.send(*record) {
                Ok(ack) => acks.push(ack),
                Err(error) => return Err(self.take_back(error.into()).await),
            }
        }
        // Each comes with the answer to its record, or with the timeout.
        let mut acked = Vec::with_capacity(records.len());
        for ack in acks {
            match ack.await {
                Ok(place) => acked.push(place),
                Err(error) => return Err(self.take_back(error.into()).await),
            }
        }
        let client = self.producer.client().clone();
        let left = deadline.saturating_duration_since(Instant::now());
        match spawn_blocking(move || client.commit_transaction(left)).await {
            Ok(Ok(())) => Ok(acked),
            // It was flushed before it was to be committed: the commit was not tried.
            Ok(Err(error @ KafkaError::Flush(_))) => Err(self.take_back(Reason::of(error)).await),
            Ok(Err(error)) if requires_abort(&error) => Err(self.take_back_commit(Reason::of(error)).await),
            Ok(Err(error)) => Err(TransactionError::Unknown(Reason::of(error))),
            Err(_unfinished) => Err(TransactionError::Unknown(Reason::Ending)),
        }
    }

    /// Aborts what was not to be committed yet. If even that fails, the next one that fences does it.
    async fn take_back(&self, reason: Reason) -> TransactionError {
        self.abort().await;
        TransactionError::NotWritten(reason)
    }

    /// Aborts what was to be committed, and failed: unless that is done it may have been committed all the same.
    async fn take_back_commit(&self, reason: Reason) -> TransactionError {
        if self.abort().await {
            TransactionError::NotWritten(reason)
        } else {
            TransactionError::Unknown(reason)
        }
    }

    async fn abort(&self) -> bool {
        let client = self.producer.client().clone();
        let timeout = self.timeout;
        match spawn_blocking(move || client.abort_transaction(timeout)).await {
            Ok(Ok(())) => true,
            Ok(Err(error)) => {
                tracing::debug!(%error, "a transaction was not aborted; the next writer does it");
                false
            }
            Err(_unfinished) => false,
        }
    }
}

impl TransactionError {
    /// Whether another producer of the same id has taken over.
    #[must_use]
    pub fn is_fenced(&self) -> bool {
        let (Self::NotWritten(reason) | Self::Unknown(reason)) = self;
        matches!(
            reason,
            Reason::Fenced(_) | Reason::Failed(ProduceError::Fatal(_)) | Reason::Refused(SendError::Fatal(_))
        )
    }
}

impl Reason {
    fn of(error: KafkaError) -> Self {
        match error.rdkafka_error_code() {
            Some(
                RDKafkaErrorCode::Fenced
                | RDKafkaErrorCode::ProducerFenced
                | RDKafkaErrorCode::InvalidProducerEpoch,
            ) => Self::Fenced(error),
            _ => Self::Kafka(error),
        }
    }
}

fn requires_abort(error: &KafkaError) -> bool {
    matches!(error, KafkaError::Transaction(error) if error.txn_requires_abort())
}
