//! Claims in a Redis that all processes of a receiver share.

use std::time::Duration;

use redis::aio::{ConnectionManager, ConnectionManagerConfig};
use redis::{Client, Script};

use super::{Key, Seen};
use crate::Arrival;

/// How long an event is remembered: Angarium repeats one for at most 7 days (D5), and half a day more while it is behind.
pub const WINDOW: Duration = Duration::from_secs(8 * 24 * 60 * 60);

/// Redis answers within this, or it counts as away: the group is claimed again by whoever asks next.
const TIMEOUT: Duration = Duration::from_secs(2);

/// Claims each key that is free or is this arrival's already.
const CLAIM: &str = "
local own = {}
for i, key in ipairs(KEYS) do
  local holder = redis.call('GET', key)
  if not holder then
    redis.call('SET', key, ARGV[1], 'EX', ARGV[2])
    holder = ARGV[1]
  end
  own[i] = holder == ARGV[1] and 1 or 0
end
return own";

/// Removes each key that is this arrival's.
const RELEASE: &str = "
for i, key in ipairs(KEYS) do
  if redis.call('GET', key) == ARGV[1] then redis.call('DEL', key) end
end";

/// Redis cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RedisError {
    /// The address is wrong. Does not show it: it may carry a password.
    #[error("the address of Redis is wrong: write it as redis://[:password@]host:port[/database]")]
    Address(#[source] redis::RedisError),
    /// It did not answer, or not as expected.
    #[error("Redis cannot tell which events were taken before: nothing was, ask again when it is back")]
    Away(#[source] redis::RedisError),
    /// It answered for other keys than were asked about.
    #[error("Redis answered for {answered} keys instead of {asked}")]
    Answer {
        /// How many keys were claimed.
        asked: usize,
        /// How many answers came.
        answered: usize,
    },
}

/// Remembers in Redis for [`WINDOW`]. An event takes some 150 bytes there: let Redis evict nothing, or duplicates come back.
#[derive(Clone)]
pub struct InRedis {
    connection: ConnectionManager,
    prefix: String,
    claim: Script,
    release: Script,
}

impl std::fmt::Debug for InRedis {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The address may carry a password.
        f.debug_struct("InRedis")
            .field("prefix", &self.prefix)
            .finish_non_exhaustive()
    }
}

impl InRedis {
    /// Connects at the first claim, and again whenever the connection is lost. `prefix` begins all keys: one for each
    /// webhook, for two webhooks may be sent the same event.
    ///
    /// # Errors
    /// [`RedisError::Address`].
    pub fn open(url: &str, prefix: &str) -> Result<Self, RedisError> {
        let config = ConnectionManagerConfig::new()
            .set_connection_timeout(Some(TIMEOUT))
            .set_response_timeout(Some(TIMEOUT))
            .set_number_of_retries(0);
        let client = Client::open(url).map_err(RedisError::Address)?;
        let connection =
            ConnectionManager::new_lazy_with_config(client, config).map_err(RedisError::Address)?;
        Ok(Self {
            connection,
            prefix: prefix.to_owned(),
            claim: Script::new(CLAIM),
            release: Script::new(RELEASE),
        })
    }

    /// The braces are a hash tag: a Redis Cluster keeps an account's keys on one node, so that a script may take several.
    fn key(&self, key: &Key) -> String {
        use std::fmt::Write as _;

        let mut text = format!("{}:{{{}}}:", self.prefix, key.account());
        for byte in key.hash() {
            // Writing to a string does not fail.
            write!(text, "{byte:02x}").ok();
        }
        text
    }
}

impl Seen for InRedis {
    type Error = RedisError;

    async fn claim(&self, arrival: Arrival, keys: &[Key]) -> Result<Vec<bool>, RedisError> {
        let mut call = self.claim.prepare_invoke();
        call.arg(arrival.as_bytes()).arg(WINDOW.as_secs());
        for key in keys {
            call.key(self.key(key));
        }
        let own: Vec<bool> = call
            .invoke_async(&mut self.connection.clone())
            .await
            .map_err(RedisError::Away)?;
        if own.len() == keys.len() {
            Ok(own)
        } else {
            Err(RedisError::Answer {
                asked: keys.len(),
                answered: own.len(),
            })
        }
    }

    async fn release(&self, arrival: Arrival, keys: &[Key]) -> Result<(), RedisError> {
        let mut call = self.release.prepare_invoke();
        call.arg(arrival.as_bytes());
        for key in keys {
            call.key(self.key(key));
        }
        call.invoke_async(&mut self.connection.clone())
            .await
            .map_err(RedisError::Away)
    }
}
