//! What the console is told.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use angarium_runtime::access::OperatorKey;

/// Settings of the console.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where browsers, or the proxy before them, find it.
    pub listen: SocketAddr,
    /// The registry: `http://host:port`.
    pub registry: String,
    /// A fanout worker: `http://host:port`.
    pub fanout: String,
    /// A delivery worker: `http://host:port`.
    pub delivery: String,
    /// The folder of the log.
    pub data_dir: PathBuf,
    /// What names the log in its folder: the prefix of the topics that it is of.
    pub log_name: String,
    /// What the log may take, in bytes.
    pub max_bytes: u64,
    /// For how long what happened is kept.
    pub max_age: Duration,
    /// Whether cookies are for https alone. Off only where the console is asked over plain HTTP.
    pub secure_cookies: bool,
    /// For `angarium dev`: whoever comes to this machine's loopback address acts with this key, and nobody signs in.
    pub local_operator: Option<OperatorKey>,
}

impl Config {
    /// The log's size unless another is set: about ten million attempts of one event.
    pub const MAX_BYTES: u64 = 4 << 30;
    /// As long as Kafka keeps the journal (D5).
    pub const MAX_AGE: Duration = Duration::from_hours(7 * 24);

    /// The usual, for services at these addresses.
    #[must_use]
    pub fn new(
        listen: SocketAddr,
        registry: String,
        fanout: String,
        delivery: String,
        data_dir: PathBuf,
    ) -> Self {
        Self {
            listen,
            registry,
            fanout,
            delivery,
            data_dir,
            log_name: "angarium".to_owned(),
            max_bytes: Self::MAX_BYTES,
            max_age: Self::MAX_AGE,
            secure_cookies: true,
            local_operator: None,
        }
    }
}
