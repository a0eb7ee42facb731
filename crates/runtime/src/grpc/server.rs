//! Serves gRPC: keys, health, reflection, limits, and an end that is bounded.

use std::convert::Infallible;
use std::pin::pin;
use std::time::Duration;

use angarium_model::Scope;

use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tonic::body::Body;
use tonic::codegen::http::{Request, Response};
use tonic::codegen::{Body as HttpBody, Bytes, Service, StdError};
use tonic::server::NamedService;
use tonic::service::Routes;
use tonic::transport;
use tonic_health::ServingStatus;
use tonic_health::pb::health_server::HealthServer;
use tonic_health::server::{HealthReporter, HealthService};

use super::guarded::Guarded;
use super::severable::{Bounds, accept};
use super::{KEEPALIVE_ANSWER, KEEPALIVE_EVERY, MAX_MESSAGE_BYTES};
use crate::Shutdown;
use crate::access::Gate;

/// Calls in flight on one connection; more wait.
const MAX_STREAMS: u32 = 1024;

/// As ingest's HTTP has it by default: a connection costs some KiB, and one that says nothing in time is closed.
const BOUNDS: Bounds = Bounds {
    connections: 10_000,
    handshake: Duration::from_secs(10),
};

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
    gate: Gate,
    scopes: &'static [(&'static str, Scope)],
    routes: Routes,
    health: HealthReporter,
    names: Vec<&'static str>,
    timeout: Option<Duration>,
    drain: Duration,
    bounds: Bounds,
}

impl Server {
    /// A server with a health service and nothing else. `scopes` says what a caller of each method needs, by its path, in
    /// order; a method that is not among them is served to nobody.
    #[must_use]
    pub fn new(gate: Gate, scopes: &'static [(&'static str, Scope)]) -> Self {
        let health = HealthReporter::new();
        let service = HealthServer::new(HealthService::from_health_reporter(health.clone()));
        Self {
            gate,
            scopes,
            routes: Routes::new(service),
            health,
            names: Vec::new(),
            timeout: None,
            drain: DRAIN,
            bounds: BOUNDS,
        }
    }

    /// Adds a service that only calls with a key reach that allows them; health reports it as serving. The methods find
    /// what the caller was let in with ([`super::access`]). Set the service's [`MAX_MESSAGE_BYTES`] first.
    #[must_use]
    pub fn add_service<S, B>(mut self, service: S) -> Self
    where
        S: Service<Request<Body>, Response = Response<B>, Error = Infallible>,
        S: NamedService + Clone + Send + Sync + 'static,
        S::Future: Send + 'static,
        B: HttpBody<Data = Bytes> + Send + 'static,
        B::Error: Into<StdError>,
    {
        let guarded = Guarded::new(service, self.gate.clone(), self.scopes);
        self.routes = self.routes.add_service(guarded);
        self.names.push(S::NAME);
        self
    }

    /// Lets tools such as grpcurl ask, with any key, for what is served here, and read the details of errors. Both
    /// versions of reflection are served: tools differ in the one they ask for.
    ///
    /// # Errors
    /// When the descriptor set is broken.
    pub fn reflection(self, descriptors: &'static [u8]) -> Result<Self, Error> {
        let builder = || {
            [
                descriptors,
                tonic_health::pb::FILE_DESCRIPTOR_SET,
                tonic_types::pb::FILE_DESCRIPTOR_SET,
                tonic_reflection::pb::v1::FILE_DESCRIPTOR_SET,
                tonic_reflection::pb::v1alpha::FILE_DESCRIPTOR_SET,
            ]
            .into_iter()
            .fold(
                tonic_reflection::server::Builder::configure().include_reflection_service(false),
                tonic_reflection::server::Builder::register_encoded_file_descriptor_set,
            )
        };
        let v1 = builder().build_v1().map_err(Error::Descriptors)?;
        let v1alpha = builder().build_v1alpha().map_err(Error::Descriptors)?;
        Ok(self
            .add_service(v1.max_decoding_message_size(MAX_MESSAGE_BYTES))
            .add_service(v1alpha.max_decoding_message_size(MAX_MESSAGE_BYTES)))
    }

    /// The services behind their gate, to be called from within this process.
    #[must_use]
    pub fn services(&self) -> Routes {
        self.routes.clone()
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
        let connections = accept(listener, self.bounds, cut.clone());
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

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use futures::StreamExt;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpStream;
    use tonic::{Code, Request};
    use tonic_health::pb::health_client::HealthClient;
    use tonic_health::pb::{FILE_DESCRIPTOR_SET, HealthCheckRequest, HealthCheckResponse};
    use tonic_reflection::pb::v1::ServerReflectionRequest;
    use tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient;
    use tonic_reflection::pb::v1::server_reflection_request::MessageRequest;
    use tonic_reflection::pb::v1::server_reflection_response::MessageResponse;

    use tonic_types::StatusExt as _;

    use super::*;
    use crate::access::OperatorKey;
    use crate::access::gate::tests::NoKeys;
    use crate::grpc::{Client, client};
    use crate::{Clock, Tasks};

    const REFLECTION: &str = "grpc.reflection.v1.ServerReflection";
    const DEADLINE: Duration = Duration::from_secs(20);

    struct Running {
        tasks: Tasks,
        endpoint: String,
        key: OperatorKey,
    }

    async fn start(drain: Duration) -> Running {
        start_with(drain, BOUNDS).await
    }

    async fn start_with(drain: Duration, bounds: Bounds) -> Running {
        let key = OperatorKey::generate();
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let tasks = Tasks::new(Shutdown::new());
        let gate = Gate::new(key.clone(), Arc::new(NoKeys), Clock::system());
        let server = Server::new(gate, &[])
            .reflection(FILE_DESCRIPTOR_SET)
            .unwrap()
            .drain(drain);
        let server = Server { bounds, ..server };
        tasks.spawn_critical("server", server.serve(listener, tasks.shutdown().clone()));
        Running { tasks, endpoint, key }
    }

    impl Running {
        fn keyless(&self) -> transport::Channel {
            transport::Endpoint::from_shared(self.endpoint.clone())
                .unwrap()
                .connect_lazy()
        }

        fn client(&self, key: &OperatorKey) -> Client {
            client(&self.endpoint, key).unwrap()
        }
    }

    fn about(service: &str) -> HealthCheckRequest {
        HealthCheckRequest {
            service: service.to_owned(),
        }
    }

    fn list_services() -> impl tonic::IntoStreamingRequest<Message = ServerReflectionRequest> {
        let message_request = Some(MessageRequest::ListServices(String::new()));
        Request::new(futures::stream::iter([ServerReflectionRequest {
            host: String::new(),
            message_request,
        }]))
    }

    fn serving(response: &HealthCheckResponse) -> bool {
        response.status() == tonic_health::pb::health_check_response::ServingStatus::Serving
    }

    #[tokio::test]
    async fn health_needs_no_key_and_knows_every_service() {
        let running = start(DRAIN).await;
        let mut health = HealthClient::new(running.keyless());
        for service in ["", REFLECTION] {
            assert!(
                serving(health.check(about(service)).await.unwrap().get_ref()),
                "{service}"
            );
        }
        let unknown = health.check(about("nobody")).await.unwrap_err();
        assert_eq!(unknown.code(), Code::NotFound);
    }

    #[tokio::test]
    async fn other_services_are_refused_without_the_key_and_told_what_to_send() {
        let running = start(DRAIN).await;
        let mut keyless = ServerReflectionClient::new(running.keyless());
        let refused = keyless.server_reflection_info(list_services()).await.unwrap_err();
        assert_eq!(refused.code(), Code::Unauthenticated);
        assert!(
            refused
                .message()
                .contains("carries no key: send `authorization: Bearer")
        );
        assert_eq!(refused.get_details_error_info().unwrap().reason, "KEY_MISSING");

        let mut wrong = ServerReflectionClient::new(running.client(&OperatorKey::generate()));
        let refused = wrong.server_reflection_info(list_services()).await.unwrap_err();
        assert_eq!(refused.code(), Code::Unauthenticated);
        assert!(refused.message().contains("not the right one"));
        assert_eq!(refused.get_details_error_info().unwrap().reason, "KEY_INVALID");
        assert!(!refused.message().contains(running.key.expose()));
    }

    #[tokio::test]
    async fn the_key_opens_reflection() {
        let running = start(DRAIN).await;
        let mut reflection = ServerReflectionClient::new(running.client(&running.key));
        let mut answers = reflection
            .server_reflection_info(list_services())
            .await
            .unwrap()
            .into_inner();
        let answer = answers.next().await.unwrap().unwrap().message_response.unwrap();
        let MessageResponse::ListServicesResponse(list) = answer else {
            panic!("{answer:?}")
        };
        assert!(
            list.service
                .iter()
                .any(|service| service.name == "grpc.health.v1.Health")
        );
    }

    #[tokio::test]
    async fn a_connection_that_says_nothing_is_closed_and_one_that_spoke_is_kept() {
        const HANDSHAKE: Duration = Duration::from_millis(200);
        let bounds = Bounds {
            handshake: HANDSHAKE,
            ..BOUNDS
        };
        let running = start_with(DRAIN, bounds).await;
        let mut health = HealthClient::new(running.keyless());
        let mut watch = health.watch(about("")).await.unwrap().into_inner();
        assert!(serving(&watch.next().await.unwrap().unwrap()));

        let address = running.endpoint.trim_start_matches("http://");
        for said in ["", "PRI * HTTP/2.0"] {
            let mut silent = TcpStream::connect(address).await.unwrap();
            silent.write_all(said.as_bytes()).await.unwrap();
            let mut answer = Vec::new();
            let ended = tokio::time::timeout(DEADLINE, silent.read_to_end(&mut answer));
            drop(ended.await.unwrap());
        }
        // Opened before those and older than the time they had.
        running.tasks.shutdown().begin();
        assert!(!serving(&watch.next().await.unwrap().unwrap()));
    }

    #[tokio::test]
    async fn beyond_the_bound_connections_wait_until_another_ends() {
        let bounds = Bounds {
            connections: 1,
            ..BOUNDS
        };
        let running = start_with(DRAIN, bounds).await;
        let address = running.endpoint.trim_start_matches("http://");
        let first = TcpStream::connect(address).await.unwrap();
        let mut health = HealthClient::new(running.keyless());
        let mut waiting = Box::pin(health.check(about("")));
        let answered = tokio::time::timeout(Duration::from_millis(300), &mut waiting).await;
        assert!(answered.is_err(), "served beyond the bound");
        drop(first);
        let answered = tokio::time::timeout(DEADLINE, waiting).await.unwrap();
        assert!(serving(answered.unwrap().get_ref()));
    }

    #[tokio::test]
    async fn a_stream_that_never_ends_does_not_keep_the_server() {
        let running = start(Duration::ZERO).await;
        let mut health = HealthClient::new(running.keyless());
        let mut watch = health.watch(about("")).await.unwrap().into_inner();
        assert!(serving(&watch.next().await.unwrap().unwrap()));
        running.tasks.shutdown().begin();
        running.tasks.join(DEADLINE).await.unwrap();
        while let Some(Ok(_change)) = watch.next().await {}
        assert!(health.check(about("")).await.is_err());
    }

    #[tokio::test]
    async fn watchers_learn_of_the_shutdown_while_calls_drain() {
        let running = start(DEADLINE).await;
        let mut health = HealthClient::new(running.keyless());
        let mut watch = health.watch(about("")).await.unwrap().into_inner();
        assert!(serving(&watch.next().await.unwrap().unwrap()));
        running.tasks.shutdown().begin();
        assert!(!serving(&watch.next().await.unwrap().unwrap()));
        drop(watch);
        running.tasks.join(DEADLINE).await.unwrap();
    }
}
