//! Puts the notifier together and runs it.

use std::net::SocketAddr;
use std::sync::Arc;

use angarium_kafka::topics::Names;
use angarium_kafka::{Connection, GroupConfig, GroupConsumer};
use angarium_runtime::{Clock, Tasks, grpc, http, listen};
use axum::Router;
use axum::routing::get;

use crate::config::Config;
use crate::error::Error;
use crate::metrics::Metrics;
use crate::post::Post;
use crate::subject::Subjects;
use crate::words::Words;
use crate::worker::{self, Shared};

/// Notices, and bytes of them, of one partition that may wait for its owner: each is told before the next is read.
const MAX_BUFFERED_RECORDS: usize = 16;
const MAX_BUFFERED_BYTES: usize = 256 * 1024;

/// The notifier; see [`Service::start`].
#[derive(Clone, Copy, Debug)]
pub struct Service;

/// A running notifier.
#[derive(Clone, Copy, Debug)]
pub struct Handle {
    http: SocketAddr,
}

impl Handle {
    /// Where probes ask.
    #[must_use]
    pub const fn http(&self) -> SocketAddr {
        self.http
    }
}

impl Service {
    /// Joins the group of notifiers and tells what comes, until the shutdown of `tasks` begins. Neither Kafka nor the registry nor the
    /// mail server need be there yet.
    ///
    /// # Errors
    /// When a setting is wrong or the address cannot be listened on.
    pub async fn start(
        config: Config,
        (connection, names): (&Connection, &Names),
        registry: grpc::Client,
        clock: Clock,
        tasks: &Tasks,
    ) -> Result<Handle, Error> {
        let address = config.listen;
        let listening = listen(address).await;
        let (listener, http) = listening.map_err(|source| Error::Listen { address, source })?;
        let shared = Arc::new(Shared {
            subjects: Subjects::new(registry, config.fallback_contacts),
            post: Post::new(&config.server, config.from)?,
            words: Words::of(config.language),
            page: config.page,
            first_reminder: config.first_reminder,
            metrics: Metrics::new(),
            clock,
        });
        let group = GroupConfig {
            group: config.group,
            topic: names.notices().to_owned(),
            client_id: config.client_id,
            session_timeout: config.session_timeout,
            max_buffered_records: MAX_BUFFERED_RECORDS,
            max_buffered_bytes: MAX_BUFFERED_BYTES,
        };
        let (_member, mut partitions) = GroupConsumer::start(connection, group, tasks)?;
        let actors = tasks.clone();
        // Without its membership the process would live on and do nothing: it ends, and is started again.
        tasks.spawn_critical("notifier", async move {
            while let Some(owned) = partitions.recv().await {
                actors.spawn_critical("notices", worker::work(owned, Arc::clone(&shared)));
            }
            if actors.shutdown().has_begun() {
                Ok(())
            } else {
                Err(Error::LeftGroup)
            }
        });
        // No probe asks whether the mail server is there: a restart would not bring it back.
        let router = Router::new()
            .route("/livez", get(|| async { "ok\n" }))
            .route("/readyz", get(|| async { "ok\n" }));
        tasks.spawn(
            "notifier http",
            http::serve(listener, router, http::Bounds::default(), tasks.clone()),
        );
        tracing::info!(%http, "the notifier follows the notices");
        Ok(Handle { http })
    }
}
