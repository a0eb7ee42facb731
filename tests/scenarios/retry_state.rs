//! What Redis holds of webhooks that are behind: the hashes `<prefix>:{<lane>:<partition>}:lag`.

use redis::aio::MultiplexedConnection;
use redis::{FromRedisValue, RedisError, cmd};

/// A Redis that no other test uses.
pub(crate) struct RetryState(MultiplexedConnection);

/// All its hashes together.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Lag {
    /// Webhooks.
    pub(crate) fields: u64,
    /// As `MEMORY USAGE` has them, keys included.
    pub(crate) bytes: u64,
}

impl RetryState {
    /// Connects; after a restart of Redis it must be done again.
    pub(crate) async fn at(url: &str) -> Result<Self, RedisError> {
        let client = redis::Client::open(url)?;
        Ok(Self(client.get_multiplexed_async_connection().await?))
    }

    /// Forgets all.
    pub(crate) async fn flush_all(&mut self) {
        self.ask::<String>(&["FLUSHALL"]).await;
    }

    /// The most that fields take: of large hashes, whose fields Redis does not pack. Before any is written.
    pub(crate) async fn pack_nothing(&mut self) {
        self.ask::<String>(&["CONFIG", "SET", "hash-max-listpack-entries", "0"])
            .await;
    }

    pub(crate) async fn lag(&mut self) -> Lag {
        let mut lag = Lag::default();
        for key in self.ask::<Vec<String>>(&["KEYS", "*:lag"]).await {
            lag.fields += self.ask::<u64>(&["HLEN", &key]).await;
            // Every field is measured, not a sample. A hash that was emptied meanwhile is gone.
            let usage = self
                .ask::<Option<u64>>(&["MEMORY", "USAGE", &key, "SAMPLES", "0"])
                .await;
            lag.bytes += usage.unwrap_or(0);
        }
        lag
    }

    /// How many commands the server has processed for anyone.
    pub(crate) async fn commands(&mut self) -> u64 {
        let stats = self.ask::<String>(&["INFO", "stats"]).await;
        let mut lines = stats.lines();
        let processed = lines.find_map(|line| line.strip_prefix("total_commands_processed:"));
        processed.unwrap().trim().parse().unwrap()
    }

    async fn ask<T: FromRedisValue>(&mut self, words: &[&str]) -> T {
        let mut command = cmd(words[0]);
        for word in &words[1..] {
            command.arg(*word);
        }
        command.query_async(&mut self.0).await.unwrap()
    }
}
