//! Settings.

use std::num::NonZeroUsize;
use std::time::Duration;

/// Settings of fanout. The defaults suit a worker with all twelve events partitions and 1 GiB of memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Consumer group of all fanout workers; its committed offsets are where a new owner of a partition starts.
    pub group: String,
    /// How Kafka's groups, logs and metrics name this worker: it alone, and the same when it is started again.
    pub client_id: String,
    /// How long a worker may be silent before Kafka gives its partitions to others.
    pub session_timeout: Duration,
    /// How many events of one partition may await Kafka's acknowledgement of their deliveries.
    pub max_pending_events: NonZeroUsize,
    /// How many bytes of deliveries of one partition may await it. One event is always let in.
    pub max_pending_bytes: NonZeroUsize,
    /// How often the place in the events topic is committed: what is repeated after a crash is at most this long.
    pub commit_interval: Duration,
}

impl Default for Config {
    fn default() -> Self {
        const fn count(n: usize) -> NonZeroUsize {
            match NonZeroUsize::new(n) {
                Some(n) => n,
                None => NonZeroUsize::MIN,
            }
        }
        Self {
            group: "angarium.fanout".to_owned(),
            client_id: "angarium-fanout".to_owned(),
            session_timeout: Duration::from_secs(25),
            max_pending_events: count(10_000),
            max_pending_bytes: count(16 << 20),
            commit_interval: Duration::from_millis(200),
        }
    }
}
