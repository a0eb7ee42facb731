//! Serves gRPC: keys, health, reflection, limits, and an end that is bounded.

use std::convert::Infallible;
use std::pin::pin;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tonic::body::Body;
use tonic::codegen::http::{Request, Response};
use tonic::codegen::{Body as HttpBody, Bytes, Service, StdError};
use tonic::server::NamedService;
use tonic::service::interceptor::InterceptedService;
use tonic::service::{Interceptor, Routes};
use tonic::{Status, transport};
use tonic_health::ServingStatus;
use tonic_health::pb::health_server::HealthServer;
use tonic_health::server::{HealthReporter, HealthService};

use super::severable::accept;
use super::{KEEPALIVE_ANSWER, KEEPALIVE_EVERY, MAX_MESSAGE_BYTES};
use crate::Shutdown;
use crate::access::OperatorKey;

/// Calls in flight on one connection; more wait.
const MAX_STREAMS: u32 = 1024;

/// How long calls in flight may take once the shutdown began; then connections are cut.
const DRAIN: Duration = Duration::from_secs(5);

/// Why a server could not be built, or ended.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The descriptor set given to [`Server::reflection`] is broken.
    #[error("the descriptor set for reflection cannot be read")]
    Descriptors(#[source] tonic_reflection::server::Error),
    /// The transport gave up.
    #[error("the gRPC server ended")]
    Transport(#[source] transport::Error),
}

/// A gRPC server, until it is served.
#[derive(Debug)]
pub struct Server {
    key: OperatorKey,
    routes: Routes,
    health: HealthReporter,
    names: Vec<&'static str>,
    timeout: Option<Duration>,
    drain: Duration,
}

impl Server {
    /// A server with a health service and nothing else.
    #[must_use]
    pub fn new(key: OperatorKey) -> Self {
        let health = HealthReporter::new();
        let service = HealthServer::new(HealthService::from_health_reporter(health.clone()));
        Self {
            key,
            routes: Routes::new(service),
            health,
            names: Vec::new(),
            timeout: None,
            drain: DRAIN,
        }
    }

    /// Adds a service that only calls with the key reach; health reports it as serving. Set its
    /// [`MAX_MESSAGE_BYTES`] first.
    #[must_use]
    pub fn add_service<S, B>(mut self, service: S) -> Self
    where
        S: Service<Request<Body>, Response = Response<B>, Error = Infallible>,
        S: NamedService + Clone + Send + Sync + 'static,
        S::Future: Send + 'static,
        B: HttpBody<Data = Bytes> + Send + 'static,
        B::Error: Into<StdError>,
    {
        let guard = RequireKey {
            key: self.key.clone(),
        };
        self.routes = self.routes.add_service(InterceptedService::new(service, guard));
        self.names.push(S::NAME);
        self
    }

    /// Lets tools such as grpcurl ask, with the key, for what is served here.
    ///
    /// # Errors
    /// When the descriptor set is broken.
    pub fn reflection(self, descriptors: &'static [u8]) -> Result<Self, Error> {
        let builder =
            tonic_reflection::server::Builder::configure().register_encoded_file_descriptor_set(descriptors);
        let service = builder.build_v1().map_err(Error::Descriptors)?;
        Ok(self.add_service(service.max_decoding_message_size(MAX_MESSAGE_BYTES)))
    }

    /// Ends calls whose answer has not begun after this long; by default only the caller's deadline counts.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// How long calls in flight may take once the shutdown began, instead of 5 s.
    #[must_use]
    pub fn drain(mut self, drain: Duration) -> Self {
        self.drain = drain;
        self
    }

    /// Serves until `shutdown` begins, and then as long as calls are in flight, but no longer than the drain.
    ///
    /// On shutdown health turns to NOT_SERVING, the listener closes, and callers are told to go elsewhere.
    ///
    /// # Errors
    /// When the transport gives up.
    pub async fn serve(self, listener: TcpListener, shutdown: Shutdown) -> Result<(), Error> {
        self.report(ServingStatus::Serving).await;
        let mut builder = transport::Server::builder()
            .max_concurrent_streams(MAX_STREAMS)
            .http2_keepalive_interval(Some(KEEPALIVE_EVERY))
            .http2_keepalive_timeout(Some(KEEPALIVE_ANSWER));
        if let Some(timeout) = self.timeout {
            builder = builder.timeout(timeout);
        }
        let cut = CancellationToken::new();
        let connections = accept(listener, cut.clone());
        let router = builder.add_routes(self.routes.clone());
        let mut serving = pin!(router.serve_with_incoming_shutdown(connections, shutdown.begun()));
        let drained = async {
            shutdown.begun().await;
            self.report(ServingStatus::NotServing).await;
            tokio::time::sleep(self.drain).await;
        };
        tokio::select! {
            ended = &mut serving => return ended.map_err(Error::Transport),
            () = drained => {}
        }
        // tonic waits for its connections without end, and dropping its future would leave them running.
        cut.cancel();
        serving.await.map_err(Error::Transport)
    }

    /// The empty name stands for the whole server.
    async fn report(&self, status: ServingStatus) {
        for name in self.names.iter().chain([&""]) {
            self.health.set_service_status(name, status).await;
        }
    }
}

/// Refuses calls without the operator's key.
#[derive(Clone, Debug)]
pub struct RequireKey {
    key: OperatorKey,
}

impl Interceptor for RequireKey {
    fn call(&mut self, request: tonic::Request<()>) -> Result<tonic::Request<()>, Status> {
        let header = request
            .metadata()
            .get("authorization")
            .and_then(|value| value.to_str().ok());
        if self.key.allows(header) {
            return Ok(request);
        }
        let problem = if header.is_some() {
            "the key is not the right one"
        } else {
            "the call carries no key"
        };
        Err(Status::unauthenticated(format!(
            "{problem}: send the metadata `authorization: Bearer <operator key>`"
        )))
    }
}
