//! Puts the parts together and runs them.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use angarium_directory::Directory;
use angarium_kafka::{Connection, topics};
use angarium_model::{Access, AccountId, AccountRef, Strictness};
use angarium_proto::METHOD_SCOPES;
use angarium_runtime::access::Gate;
use angarium_runtime::grpc::Server;
use angarium_runtime::http::serve;
use angarium_runtime::{Clock, Tasks};
use tokio::net::TcpListener;
use tokio::time::timeout;

use crate::accept::Acceptor;
use crate::budget::Budget;
use crate::config::{Config, Rules};
use crate::error::Error;
use crate::idempotency::Ids;
use crate::metrics::Metrics;
use crate::outlet::Outlet;
use crate::own_types::{OwnTypes, Schemas};
use crate::{grpc, http};

/// What ingest needs from the process around it.
#[derive(Clone, Debug)]
pub struct Surroundings {
    /// Where Kafka is.
    pub kafka: Connection,
    /// The names of the topics.
    pub topics: topics::Names,
    /// The accounts that exist.
    pub directory: Directory,
    /// Tells the time of receipt.
    pub clock: Clock,
}

/// What HTTP and gRPC share.
#[derive(Debug)]
pub(crate) struct Core {
    pub(crate) config: Config,
    pub(crate) directory: Directory,
    pub(crate) gate: Gate,
    pub(crate) acceptor: Acceptor,
    pub(crate) budget: Budget,
    /// Of open streams, busy or not.
    pub(crate) streams: Budget,
    schemas: Arc<Schemas>,
}

/// Why an account is not known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unknown {
    /// There is none, or the caller does not see it.
    None,
    /// Which there are cannot be said now.
    NotYet,
}

/// How long a request of an account that is not known waits for it to be seen whether the registry has it now.
const ACCOUNTS_WITHIN: Duration = Duration::from_secs(1);

impl Core {
    /// The account that is named, if there is one that the caller sees.
    ///
    /// # Errors
    /// That there is none, or that this cannot be said now: the registry may have it.
    pub(crate) fn find(&self, asked: &AccountRef, access: Access) -> Result<AccountId, Unknown> {
        let known = match asked {
            AccountRef::Id(id) if !access.sees(*id) => return Err(Unknown::None),
            AccountRef::Id(id) => self.directory.account(*id).map(|account| account.id),
            AccountRef::External(external_id) => self.directory.account_of(external_id),
        };
        // Whether there is one that the caller does not see, neither the answer nor its time tells.
        match known.filter(|account| access.sees(*account)) {
            Some(account) => Ok(account),
            None if self.directory.is_ready() && self.directory.is_in_force() => Err(Unknown::None),
            None => Err(Unknown::NotYet),
        }
    }

    /// What events of an account are held against.
    pub(crate) fn rules(&self, account: AccountId) -> Rules {
        let known = self.directory.account(account);
        Rules {
            limits: self.config.limits,
            strictness: known.map_or_else(Strictness::default, |known| known.strictness),
            types: OwnTypes::of(account, self.directory.view(), Arc::clone(&self.schemas)),
        }
    }

    /// Waits, for a bounded time, until [`Core::find`] can say it of these.
    pub(crate) async fn look_for<'a>(
        &self,
        accounts: impl IntoIterator<Item = &'a AccountRef>,
        access: Access,
    ) {
        let is_open = |asked| matches!(self.find(asked, access), Err(Unknown::NotYet));
        if self.directory.is_ready() && accounts.into_iter().any(is_open) {
            // What came of it is seen with each account.
            timeout(ACCOUNTS_WITHIN, self.directory.in_force()).await.ok();
        }
    }

    /// What is still missing before requests can be answered well.
    pub(crate) fn not_ready(&self) -> Option<&'static str> {
        match (self.directory.is_ready(), self.acceptor.outlet.is_ready()) {
            (true, true) => None,
            (false, _) => Some("the registry has not told the accounts yet\n"),
            (true, false) => Some("Kafka has not described the events topic yet\n"),
        }
    }
}

/// The ingest service.
#[derive(Clone, Copy, Debug)]
pub struct Service;

/// A running ingest.
#[derive(Clone, Copy, Debug)]
pub struct Handle {
    http: SocketAddr,
    grpc: SocketAddr,
}

impl Handle {
    /// Where HTTP is served.
    #[must_use]
    pub const fn http(&self) -> SocketAddr {
        self.http
    }

    /// Where gRPC is served.
    #[must_use]
    pub const fn grpc(&self) -> SocketAddr {
        self.grpc
    }
}

impl Service {
    /// Listens, and serves on `tasks` until their shutdown begins. Neither Kafka nor Redis need be there yet.
    ///
    /// # Errors
    /// If an address cannot be listened on, or a setting is wrong.
    pub async fn start(config: Config, around: Surroundings, tasks: &Tasks) -> Result<Handle, Error> {
        let (http_listener, http) = listen(config.listen_http).await?;
        let (grpc_listener, grpc) = listen(config.listen_grpc).await?;
        let metrics = Metrics::new();
        let keys = Arc::new(around.directory.clone());
        let gate = Gate::new(config.key.clone(), keys, around.clock.clone());
        let acceptor = Acceptor {
            ids: Ids::open(&config.idempotency, around.clock.clone(), metrics.clone())?,
            outlet: Outlet::open(
                around.kafka,
                around.topics.events(),
                config.max_queued.get(),
                config.produce_timeout,
            )?,
            clock: around.clock,
            produce_timeout: config.produce_timeout,
            metrics,
        };
        let budget = Budget::new(config.traffic.requests);
        budget.observe();
        let core = Arc::new(Core {
            budget,
            streams: Budget::new(config.traffic.streams()),
            schemas: Arc::default(),
            config,
            gate: gate.clone(),
            directory: around.directory,
            acceptor,
        });

        let (learner, shutdown) = (Arc::clone(&core), tasks.shutdown().clone());
        tasks.spawn("ingest partitions", async move {
            learner.acceptor.outlet.learn_partitions(&shutdown).await
        });
        let router = http::router(Arc::clone(&core));
        tasks.spawn(
            "ingest http",
            serve(http_listener, router, core.config.traffic.bounds(), tasks.clone()),
        );
        let server = Server::new(gate, METHOD_SCOPES)
            .drain(core.config.traffic.drain)
            .timeout(core.config.call_timeout())
            .add_service(grpc::service(core, tasks.clone()))
            .reflection(angarium_proto::FILE_DESCRIPTOR_SET)?;
        tasks.spawn_critical(
            "ingest grpc",
            server.serve(grpc_listener, tasks.shutdown().clone()),
        );
        tracing::info!(%http, %grpc, "ingest serves");
        Ok(Handle { http, grpc })
    }
}

async fn listen(address: SocketAddr) -> Result<(TcpListener, SocketAddr), Error> {
    let listening = angarium_runtime::listen(address).await;
    listening.map_err(|source| Error::Listen { address, source })
}
