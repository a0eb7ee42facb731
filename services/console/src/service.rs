//! Starts the console.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use angarium_kafka::Connection;
use angarium_kafka::topics::Names;
use angarium_runtime::{Clock, Tasks, http, millis};

use crate::backend::Backend;
use crate::config::Config;
use crate::error::Error;
use crate::log::{Bounds, Log, Store};
use crate::session::Sessions;
use crate::web::{self, App};

/// Browsers keep up to six connections each; people are few.
const CONNECTIONS: usize = 2_000;
/// A page is made in less; a stream of news ends with the shutdown by itself.
const DRAIN: Duration = Duration::from_secs(5);

/// A console that runs. Dropping it ends nothing: it ends with the shutdown.
#[derive(Debug)]
pub struct Service {
    address: SocketAddr,
}

impl Service {
    /// Opens the log, begins to follow the journal, listens.
    ///
    /// # Errors
    /// When the log cannot be opened, or the address cannot be listened on.
    pub async fn start(
        config: Config,
        kafka: &Connection,
        names: &Names,
        clock: Clock,
        tasks: &Tasks,
    ) -> Result<Self, Error> {
        let bounds = Bounds {
            bytes: config.max_bytes,
            age_ms: millis(config.max_age),
        };
        let file = format!("log-{}.redb", config.log_name);
        let log = Log::new(Arc::new(Store::open(&config.data_dir, &file, bounds)?));
        let backend = Backend::new(&config.registry, &config.fanout, &config.delivery)?;
        let (listener, address) =
            angarium_runtime::listen(config.listen)
                .await
                .map_err(|source| Error::Listen {
                    address: config.listen,
                    source,
                })?;
        log.follow(kafka, names, clock.clone(), tasks)?;
        let sessions = Sessions::new(config.secure_cookies, config.local_operator);
        let app = App::new(log, backend, sessions, clock, tasks.shutdown().clone());
        let served = http::Bounds {
            connections: CONNECTIONS,
            drain: DRAIN,
            ..http::Bounds::default()
        };
        tasks.spawn(
            "console http",
            http::serve(listener, web::router(app), served, tasks.clone()),
        );
        tracing::info!(%address, "the console serves its pages");
        Ok(Self { address })
    }

    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }
}
