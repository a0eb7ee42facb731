//! A console with a registry behind it.

use std::net::SocketAddr;
use std::time::Duration;

use angarium_console::{Config, Service};
use angarium_kafka::MockBroker;
use angarium_kafka::topics::Layout;
use angarium_proto::access::v1::Role;
use angarium_proto::registry::v1::api_key::Grant;
use angarium_proto::registry::v1::registry_service_client::RegistryServiceClient;
use angarium_proto::registry::v1::{Account, ApiKey, CreateAccountRequest, CreateApiKeyRequest};
use angarium_runtime::access::OperatorKey;
use angarium_runtime::{Clock, Shutdown, Tasks, grpc};
use tempfile::TempDir;

use crate::browser::Browser;

/// A name that would run as a script where it is not escaped.
pub(crate) const HOSTILE: &str = "<script>alert(1)</script>\"'";
/// How long anything may take.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) struct Console {
    address: SocketAddr,
    pub(crate) registry: RegistryServiceClient<grpc::Client>,
    pub(crate) broker: MockBroker,
    pub(crate) tasks: Tasks,
    _folder: TempDir,
}

impl Console {
    /// With accounts 1234 and 5678, where nobody signs in.
    pub(crate) async fn local() -> Self {
        Self::start(true).await
    }

    /// The same where everybody signs in.
    pub(crate) async fn start(is_local: bool) -> Self {
        let broker = MockBroker::start(&Layout::default()).unwrap();
        let (tasks, clock, names) = (
            Tasks::new(Shutdown::new()),
            Clock::system(),
            Layout::default().names(),
        );
        let (key, loopback) = (OperatorKey::generate(), SocketAddr::from(([127, 0, 0, 1], 0)));
        let mut config = angarium_registry::Config::new(loopback, key.clone());
        config.followers_return = Duration::ZERO;
        config.listen_http = loopback;
        let kafka = broker.connection();
        let starting = angarium_registry::Service::start(config, &kafka, &names, clock.clone(), &tasks);
        let registry = format!("http://{}", starting.await.unwrap().address());
        let folder = tempfile::tempdir().unwrap();
        // Nobody is there.
        let nowhere = || "http://127.0.0.1:9".to_owned();
        let config = Config {
            local_operator: is_local.then(|| key.clone()),
            ..Config::new(
                loopback,
                registry.clone(),
                nowhere(),
                nowhere(),
                folder.path().to_owned(),
            )
        };
        let console = Service::start(config, &kafka, &names, clock, &tasks)
            .await
            .unwrap();
        let console = Self {
            address: console.address(),
            registry: RegistryServiceClient::new(grpc::client(&registry, &key).unwrap()),
            broker,
            tasks,
            _folder: folder,
        };
        console.create_account(1234, HOSTILE).await;
        console.create_account(5678, "Other").await;
        console
    }

    async fn create_account(&self, id: u64, name: &str) {
        let account = Account {
            id,
            name: name.to_owned(),
            ..Account::default()
        };
        let asked = CreateAccountRequest {
            account: Some(account),
        };
        self.registry.clone().create_account(asked).await.unwrap();
    }

    /// A key of account 1234 for an administrator.
    pub(crate) async fn api_key(&self) -> String {
        let key = ApiKey {
            account_id: Some(1234),
            name: "console".to_owned(),
            grant: Some(Grant::Role(Role::Administrator.into())),
            ..ApiKey::default()
        };
        let asked = CreateApiKeyRequest { api_key: Some(key) };
        self.registry
            .clone()
            .create_api_key(asked)
            .await
            .unwrap()
            .into_inner()
            .token
    }

    pub(crate) const fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn browser(&self) -> Browser {
        Browser::new(self.address)
    }

    pub(crate) async fn stop(self) {
        self.tasks.shutdown().begin();
        self.tasks.join(PATIENCE).await.unwrap();
    }
}
