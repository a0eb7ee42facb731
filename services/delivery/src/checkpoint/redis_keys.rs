//! Progress in Redis.

use std::sync::LazyLock;

use angarium_model::{Lane, WebhookId};
use angarium_proto::delivery::v1::{LiveProgress, RetryState};
use prost::Message as _;
use redis::aio::ConnectionManager;
use redis::{RedisError, Script};

use super::{Checkpoint, First, Saved, Stored};

/// Takes a checkpoint, unless an owner of a higher epoch has written: then its epoch is the answer. A lower epoch, or
/// none, is overwritten. What Redis takes for a number may lose digits: epochs are compared as the numbers they are up
/// to 2^53, which a partition's log does not reach.
static SAVE: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        r"
        local own = redis.call('GET', KEYS[1])
        if own and tonumber(own) > tonumber(ARGV[1]) and ARGV[2] ~= 'anew' then return own end
        if own ~= ARGV[1] then redis.call('SET', KEYS[1], ARGV[1]) end
        if ARGV[2] ~= 'no' then redis.call('DEL', KEYS[2], KEYS[3]) end
        if ARGV[3] ~= '' then redis.call('SET', KEYS[3], ARGV[3]) end
        for i = 4, #ARGV, 2 do
            if ARGV[i + 1] == '' then redis.call('HDEL', KEYS[2], ARGV[i])
            else redis.call('HSET', KEYS[2], ARGV[i], ARGV[i + 1]) end
        end
        return false
        ",
    )
});

/// The keys of a partition. The braces are a hash tag: a Redis Cluster keeps all of a partition on one node.
pub(super) struct Keys {
    own: String,
    lag: String,
    live: String,
}

impl Keys {
    pub(super) fn new(prefix: &str, lane: Lane, partition: i32) -> Self {
        let key = |name: &str| format!("{prefix}:{{{lane}:{partition}}}:{name}");
        Self {
            own: key("own"),
            lag: key("lag"),
            live: key("live"),
        }
    }

    pub(super) async fn load(&self, connection: &ConnectionManager) -> Result<Stored, RedisError> {
        let mut connection = connection.clone();
        let mut pipeline = redis::pipe();
        pipeline
            .atomic()
            .get(&self.own)
            .hgetall(&self.lag)
            .get(&self.live);
        type Fields = Vec<(Vec<u8>, Vec<u8>)>;
        let (own, lag, live): (Option<i64>, Fields, Option<Vec<u8>>) =
            pipeline.query_async(&mut connection).await?;
        let lag = lag.into_iter().filter_map(|(id, state)| {
            let id = WebhookId::from_bytes(id.try_into().ok()?);
            Some((id, RetryState::decode(state.as_slice()).ok()?))
        });
        Ok(Stored {
            own,
            lag: lag.collect(),
            live: live.and_then(|live| LiveProgress::decode(live.as_slice()).ok()),
        })
    }

    pub(super) async fn save(
        &self,
        connection: &ConnectionManager,
        epoch: i64,
        checkpoint: &Checkpoint,
    ) -> Result<Saved, RedisError> {
        let mut connection = connection.clone();
        let mut call = SAVE.key(&self.own);
        call.key(&self.lag).key(&self.live);
        let first = match checkpoint.first {
            First::No => "no",
            First::Yes => "yes",
            First::Anew => "anew",
        };
        call.arg(epoch).arg(first);
        // An empty message has no bytes: the epoch is above 0 but for the first owner, whose list is then what counts.
        call.arg(
            checkpoint
                .live
                .as_ref()
                .map(prost::Message::encode_to_vec)
                .unwrap_or_default(),
        );
        for (id, state) in &checkpoint.lag {
            call.arg(&id.as_bytes()[..]);
            call.arg(
                state
                    .as_ref()
                    .map(prost::Message::encode_to_vec)
                    .unwrap_or_default(),
            );
        }
        let superseded: Option<i64> = call.invoke_async(&mut connection).await?;
        Ok(superseded.map_or(Saved::Taken, Saved::Superseded))
    }
}
