//! What delivery remembers of webhooks outside Kafka: how far each is, and when a failing one is tried again.
//!
//! It only saves time (DESIGN §7): the cursors topic knows all that must not be lost, and what is read again is compared
//! with what is remembered here. Without it a restart repeats deliveries; it loses none.
//!
//! A partition has three keys: `own`, the epoch of the last owner that wrote; `lag`, a hash with a field for each webhook
//! that is behind; `live`, one value for all others that are further than the partition's place. All are written by one
//! script, which refuses an owner that another has followed.

mod memory;
mod redis_keys;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use angarium_model::{Lane, WebhookId};
use angarium_proto::delivery::v1::{LiveProgress, RetryState};
use redis::aio::{ConnectionManager, ConnectionManagerConfig};

pub use self::memory::Memory;
use self::redis_keys::Keys;
use crate::hook::Remembered;

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

/// Where progress is kept. Cheap to clone.
#[derive(Clone)]
pub enum Checkpoints {
    /// In Redis, in three keys for each partition: `<prefix>:{<lane>:<partition>}:own`, `…:lag`, `…:live`.
    Redis {
        /// The connection; it reconnects by itself.
        connection: ConnectionManager,
        /// What all keys begin with.
        prefix: Arc<str>,
    },
    /// In this process, and gone with it: for `angarium dev`.
    Memory(Memory),
}

/// What has changed since the last checkpoint.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Checkpoint {
    /// Whether it is the first of an owner.
    pub(crate) first: First,
    /// All live webhooks beyond the place, if any of them moved.
    pub(crate) live: Option<LiveProgress>,
    /// Webhooks that are behind, or are no more.
    pub(crate) lag: Vec<(WebhookId, Option<RetryState>)>,
}

impl Checkpoint {
    pub(crate) fn is_empty(&self) -> bool {
        self.first == First::No && self.live.is_none() && self.lag.is_empty()
    }
}

/// Whether a checkpoint is the first of its owner.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum First {
    /// It is not.
    #[default]
    No,
    /// It is: what is there is of earlier owners, and goes.
    Yes,
    /// It is, and what is there is of a cursors topic that is no more: it goes although its epoch is higher.
    Anew,
}

/// What became of a checkpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Saved {
    Taken,
    /// An owner of this higher epoch has written: nothing was taken.
    Superseded(i64),
}

/// What is remembered of a partition.
#[derive(Clone, Debug, Default)]
pub(crate) struct Memories {
    /// The epoch of the last owner that wrote.
    pub(crate) own: Option<i64>,
    pub(crate) webhooks: HashMap<WebhookId, Remembered>,
}

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
    pub(crate) async fn load(&self, lane: Lane, partition: i32) -> Result<Memories, CheckpointError> {
        match self {
            Self::Memory(memory) => Ok(memory.load(lane, partition)),
            Self::Redis { connection, prefix } => {
                let stored = Keys::new(prefix, lane, partition).load(connection).await?;
                Ok(stored.into())
            }
        }
    }

    /// Writes a checkpoint of the owner with this epoch, whole or not at all.
    ///
    /// # Errors
    /// [`CheckpointError::Redis`]: it may be taken or not.
    pub(crate) async fn save(
        &self,
        lane: Lane,
        partition: i32,
        epoch: i64,
        checkpoint: &Checkpoint,
    ) -> Result<Saved, CheckpointError> {
        match self {
            Self::Memory(memory) => Ok(memory.save(lane, partition, epoch, checkpoint)),
            Self::Redis { connection, prefix } => {
                let keys = Keys::new(prefix, lane, partition);
                Ok(keys.save(connection, epoch, checkpoint).await?)
            }
        }
    }
}

/// What is stored of a partition, as it is.
#[derive(Clone, Debug, Default)]
pub(crate) struct Stored {
    own: Option<i64>,
    lag: HashMap<WebhookId, RetryState>,
    live: Option<LiveProgress>,
}

impl Stored {
    /// What the script does, for the memory.
    pub(crate) fn save(&mut self, epoch: i64, checkpoint: &Checkpoint) -> Saved {
        match self.own {
            Some(own) if own > epoch && checkpoint.first != First::Anew => return Saved::Superseded(own),
            _ => self.own = Some(epoch),
        }
        if checkpoint.first != First::No {
            self.lag.clear();
            self.live = None;
        }
        if let Some(live) = &checkpoint.live {
            self.live = Some(live.clone());
        }
        for (id, state) in &checkpoint.lag {
            match state {
                Some(state) => self.lag.insert(*id, *state),
                None => self.lag.remove(id),
            };
        }
        Saved::Taken
    }
}

impl From<Stored> for Memories {
    fn from(stored: Stored) -> Self {
        let live = stored.live.unwrap_or_default();
        let mut webhooks: HashMap<WebhookId, Remembered> = live
            .webhooks
            .iter()
            .filter_map(|webhook| {
                let id = WebhookId::from_bytes(webhook.id.as_ref().try_into().ok()?);
                let remembered = Remembered {
                    epoch: live.epoch,
                    generation: webhook.generation,
                    resume: webhook.resume,
                    done: webhook.done.map(Into::into),
                    retry: None,
                    parked: 0,
                };
                Some((id, remembered))
            })
            .collect();
        for (id, state) in stored.lag {
            let remembered = Remembered {
                epoch: state.epoch,
                generation: state.generation,
                resume: state.resume,
                done: state.done.map(Into::into),
                retry: std::num::NonZeroU32::new(state.attempts).map(|attempts| (attempts, state.next_at_ms)),
                parked: state.parked,
            };
            let order = |of: &Remembered| (of.generation, of.resume);
            match webhooks.get(&id) {
                Some(other) if order(other) > order(&remembered) => {}
                _ => {
                    webhooks.insert(id, remembered);
                }
            }
        }
        Self {
            own: stored.own,
            webhooks,
        }
    }
}

fn without_password(url: &str) -> String {
    match (url.split_once("://"), url.rsplit_once('@')) {
        (Some((scheme, _)), Some((_, host))) => format!("{scheme}://…@{host}"),
        _ => url.to_owned(),
    }
}
