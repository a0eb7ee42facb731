//! What delivery remembers of webhooks outside Kafka: how far each is done, and how it is failing.
//!
//! It only saves time (DESIGN §7): Kafka's committed offset never passes what is undone, and what is read again is
//! compared with these marks. Without them a restart repeats deliveries; it loses none.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use angarium_model::{Lane, WebhookId};
use angarium_proto::delivery::v1::RetryState;
use bytes::Bytes;
use prost::Message;
use redis::aio::{ConnectionManager, ConnectionManagerConfig};

/// Redis answers within this, or it counts as away.
const TIMEOUT: Duration = Duration::from_secs(1);

/// Redis could not be asked.
#[derive(Debug, thiserror::Error)]
pub enum CheckpointError {
    /// The address is wrong.
    #[error("{url:?} is no address of a Redis, such as redis://127.0.0.1:6379/")]
    Address {
        /// What was given, without its password.
        url: String,
        /// Why.
        #[source]
        source: redis::RedisError,
    },
    /// Redis did not answer, or refused.
    #[error("Redis did not answer")]
    Redis(#[from] redis::RedisError),
}

/// Where marks are kept. Cheap to clone.
#[derive(Clone)]
pub enum Checkpoints {
    /// In Redis: a hash for each partition, `<prefix>:{<lane>:<partition>}:hooks`, webhook id to `RetryState`.
    Redis {
        /// The connection; it reconnects by itself.
        connection: ConnectionManager,
        /// What all keys begin with.
        prefix: Arc<str>,
    },
    /// In this process, and gone with it: for `angarium dev`.
    Memory(Memory),
}

/// What is remembered of a partition's webhooks.
type Marks = HashMap<WebhookId, RetryState>;

/// Marks in memory, by lane and partition.
#[derive(Clone, Debug, Default)]
pub struct Memory(Arc<Mutex<HashMap<(Lane, i32), Marks>>>);

impl std::fmt::Debug for Checkpoints {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Redis { .. } => "Checkpoints::Redis",
            Self::Memory(_) => "Checkpoints::Memory",
        })
    }
}

impl Checkpoints {
    /// Uses the Redis at `url`; it need not be there yet. Call it inside a tokio runtime.
    ///
    /// # Errors
    /// [`CheckpointError::Address`].
    pub fn redis(url: &str, prefix: &str) -> Result<Self, CheckpointError> {
        let address = |source| CheckpointError::Address {
            url: without_password(url),
            source,
        };
        let client = redis::Client::open(url).map_err(address)?;
        let config = ConnectionManagerConfig::new()
            .set_connection_timeout(Some(TIMEOUT))
            .set_response_timeout(Some(TIMEOUT))
            .set_number_of_retries(1);
        let connection = ConnectionManager::new_lazy_with_config(client, config).map_err(address)?;
        Ok(Self::Redis {
            connection,
            prefix: prefix.into(),
        })
    }

    /// Everything that is remembered of a partition.
    ///
    /// # Errors
    /// [`CheckpointError::Redis`]. An entry that cannot be read counts as not there.
    pub(crate) async fn load(&self, lane: Lane, partition: i32) -> Result<Marks, CheckpointError> {
        match self {
            Self::Memory(memory) => {
                let marks = memory.0.lock().unwrap_or_else(PoisonError::into_inner);
                Ok(marks.get(&(lane, partition)).cloned().unwrap_or_default())
            }
            Self::Redis { connection, prefix } => {
                let mut connection = connection.clone();
                let mut command = redis::cmd("HGETALL");
                command.arg(key(prefix, lane, partition));
                let fields: Vec<(Vec<u8>, Vec<u8>)> = command.query_async(&mut connection).await?;
                Ok(fields
                    .into_iter()
                    .filter_map(|(id, state)| decode(&id, state))
                    .collect())
            }
        }
    }

    /// Remembers what has changed; `None` forgets.
    ///
    /// # Errors
    /// [`CheckpointError::Redis`]: some or none of it is remembered.
    pub(crate) async fn save(
        &self,
        lane: Lane,
        partition: i32,
        changed: &[(WebhookId, Option<RetryState>)],
    ) -> Result<(), CheckpointError> {
        match self {
            // Redis refuses a command that is empty.
            _ if changed.is_empty() => Ok(()),
            Self::Memory(memory) => {
                let mut marks = memory.0.lock().unwrap_or_else(PoisonError::into_inner);
                let marks = marks.entry((lane, partition)).or_default();
                for (id, state) in changed {
                    match state {
                        Some(state) => marks.insert(*id, *state),
                        None => marks.remove(id),
                    };
                }
                Ok(())
            }
            Self::Redis { connection, prefix } => {
                let key = key(prefix, lane, partition);
                let mut pipeline = redis::pipe();
                for (id, state) in changed {
                    match state {
                        Some(state) => pipeline.hset(&key, id.as_bytes(), state.encode_to_vec()).ignore(),
                        None => pipeline.hdel(&key, id.as_bytes()).ignore(),
                    };
                }
                let mut connection = connection.clone();
                Ok(pipeline.query_async::<()>(&mut connection).await?)
            }
        }
    }
}

/// The braces are a hash tag: a Redis Cluster keeps all of a partition on one node.
fn key(prefix: &str, lane: Lane, partition: i32) -> String {
    format!("{prefix}:{{{lane}:{partition}}}:hooks")
}

fn decode(id: &[u8], state: Vec<u8>) -> Option<(WebhookId, RetryState)> {
    let id = WebhookId::from_bytes(id.try_into().ok()?);
    Some((id, RetryState::decode(Bytes::from(state)).ok()?))
}

fn without_password(url: &str) -> String {
    match (url.split_once("://"), url.rsplit_once('@')) {
        (Some((scheme, _)), Some((_, host))) => format!("{scheme}://…@{host}"),
        _ => url.to_owned(),
    }
}
