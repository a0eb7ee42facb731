//! A registry that serves, its Kafka, and a client.

use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::time::Duration;

use angarium_kafka::topics::Layout;
use angarium_kafka::{From, MockBroker, Tail, TailEvent};
use angarium_model::MaxWebhooks;
use angarium_proto::registry::v1::registry_service_client::RegistryServiceClient;
use angarium_proto::registry::v1::{
    Account, Authentication, CreateAccountRequest, CreateWebhookRequest, GetWebhookRequest, NoAuthentication,
    Ordering, PayloadFormat, Signature, UpdateWebhookRequest, Webhook, authentication::Method,
};
use angarium_registry::{Config, SealKeys, Service};
use angarium_runtime::access::OperatorKey;
use angarium_runtime::{Clock, ManualClock, Shutdown, Tasks, chain, grpc};
use tonic::{Code, Status};
use tonic_types::StatusExt;

pub(crate) type Client = RegistryServiceClient<grpc::Client>;

/// What the registry's clock shows.
pub(crate) const NOW_MS: i64 = 1_725_604_147_000;
const DEADLINE: Duration = Duration::from_secs(20);

pub(crate) struct Registry {
    pub(crate) client: Client,
    /// Where it serves.
    endpoint: String,
    /// Where it serves HTTP.
    pub(crate) http: SocketAddr,
    broker: Option<MockBroker>,
    config: Config,
    clock: ManualClock,
    tasks: Tasks,
}

impl Registry {
    pub(crate) async fn start() -> Self {
        Self::with_quota(MaxWebhooks::new(1_000).ok()).await
    }

    /// With so many webhooks an account; with the default if it is not given.
    pub(crate) async fn with_quota(webhooks_per_account: Option<MaxWebhooks>) -> Self {
        let broker = MockBroker::start(&Layout::default()).unwrap();
        let mut config = Config::new(SocketAddr::from(([127, 0, 0, 1], 0)), OperatorKey::generate());
        config.followers_return = Duration::ZERO;
        config.webhooks_per_account = webhooks_per_account.unwrap_or(config.webhooks_per_account);
        Self::serve(broker, config, NOW_MS).await
    }

    /// With account 1234.
    pub(crate) async fn with_account() -> Self {
        let registry = Self::start().await;
        registry.create_account(1234, "Acme").await;
        registry
    }

    async fn serve(broker: MockBroker, config: Config, now_ms: i64) -> Self {
        let tasks = Tasks::new(Shutdown::new());
        let (clock, manual) = Clock::manual(now_ms);
        let names = Layout::default().names();
        let started = Service::start(config.clone(), &broker.connection(), &names, clock, &tasks).await;
        let started = started.unwrap();
        let endpoint = format!("http://{}", started.address());
        let client = Client::new(grpc::client(&endpoint, &config.key).unwrap());
        Self {
            client,
            endpoint,
            http: started.http(),
            broker: Some(broker),
            config,
            clock: manual,
            tasks,
        }
    }

    /// What the registry's clock shows from now on.
    pub(crate) fn set_clock(&self, now_ms: i64) {
        self.clock.set(now_ms);
    }

    /// Ends the registry and starts another one over the same Kafka.
    pub(crate) async fn restart(self) -> Self {
        self.restart_at(NOW_MS).await
    }

    /// The same at another time.
    pub(crate) async fn restart_at(mut self, now_ms: i64) -> Self {
        self.tasks.shutdown().begin();
        self.tasks.join(DEADLINE).await.unwrap();
        Self::serve(self.broker.take().unwrap(), self.config.clone(), now_ms).await
    }

    /// The same with these keys for secrets.
    pub(crate) async fn with_keys(mut self, keys: &str) -> Self {
        self.config.seal_keys = SealKeys::parse(keys).unwrap();
        self.restart().await
    }

    /// Why it does not start with these keys.
    pub(crate) async fn fails_with_keys(mut self, keys: &str) -> String {
        self.tasks.shutdown().begin();
        self.tasks.join(DEADLINE).await.unwrap();
        self.config.seal_keys = SealKeys::parse(keys).unwrap();
        let tasks = Tasks::new(Shutdown::new());
        let connection = self.broker.as_ref().unwrap().connection();
        let (clock, _) = Clock::manual(NOW_MS);
        let names = Layout::default().names();
        let started = Service::start(self.config.clone(), &connection, &names, clock, &tasks).await;
        assert!(started.is_err());
        // The reader has failed, and says why.
        chain(&tasks.join(DEADLINE).await.unwrap_err())
    }

    /// Every value of the registry topic, as Kafka holds them.
    pub(crate) async fn topic(&self) -> Vec<u8> {
        let tasks = Tasks::new(Shutdown::new());
        let connection = self.broker.as_ref().unwrap().connection();
        let names = Layout::default().names();
        let (_tail, mut events) =
            Tail::open(&connection, names.registry(), From::Beginning, "test", &tasks).unwrap();
        let mut all = Vec::new();
        while let Some(TailEvent::Record(record)) = events.recv().await {
            all.extend(record.value.unwrap_or_default());
        }
        tasks.shutdown().begin();
        all
    }

    /// The same with writes that time out soon, of which one may wait.
    pub(crate) async fn impatient(mut self) -> Self {
        self.config.write_timeout = Duration::from_secs(2);
        self.config.max_waiting = NonZeroUsize::MIN;
        self.restart().await
    }

    /// Where those who follow find it.
    pub(crate) fn address(&self) -> grpc::Address {
        grpc::Address::new(&self.endpoint, &self.config.key).unwrap()
    }

    /// A connection for another service's client.
    pub(crate) fn channel(&self) -> grpc::Client {
        grpc::client(&self.endpoint, &self.config.key).unwrap()
    }

    /// A client that presents another key.
    pub(crate) fn bearing(&self, token: &str) -> Client {
        Client::new(self.channel_bearing(token))
    }

    /// A connection that presents another key.
    pub(crate) fn channel_bearing(&self, token: &str) -> grpc::Client {
        let key = OperatorKey::new(token).unwrap();
        grpc::client(&self.endpoint, &key).unwrap()
    }

    /// The operator's key.
    pub(crate) fn key(&self) -> &str {
        self.config.key.expose()
    }

    /// Takes Kafka away.
    pub(crate) fn lose_kafka(&mut self) {
        self.broker = None;
    }

    pub(crate) async fn create_account(&self, id: u64, name: &str) -> Account {
        let account = Account {
            id,
            name: name.into(),
            ..Account::default()
        };
        let request = CreateAccountRequest {
            account: Some(account),
        };
        self.client
            .clone()
            .create_account(request)
            .await
            .unwrap()
            .into_inner()
            .account
            .unwrap()
    }

    pub(crate) async fn create_webhook(&self, webhook: Webhook) -> Webhook {
        let request = CreateWebhookRequest {
            webhook: Some(webhook),
            ..CreateWebhookRequest::default()
        };
        self.client
            .clone()
            .create_webhook(request)
            .await
            .unwrap()
            .into_inner()
            .webhook
            .unwrap()
    }

    /// Creates one that signs, with a secret that the registry makes.
    pub(crate) async fn create_signed(&self) -> Webhook {
        let signed = Webhook {
            authentication: signature(""),
            ..webhook()
        };
        self.create_webhook(signed).await
    }

    /// Changes the fields that `paths` name; all if there are none.
    pub(crate) async fn update_webhook(&self, webhook: Webhook, paths: &[&str]) -> Result<Webhook, Status> {
        let changed = self.client.clone().update_webhook(update(webhook, paths)).await?;
        Ok(changed.into_inner().webhook.unwrap())
    }

    pub(crate) async fn read_webhook(&self, webhook: &Webhook) -> Webhook {
        let read = self.client.clone().get_webhook(get(webhook)).await.unwrap();
        read.into_inner().webhook.unwrap()
    }
}

pub(crate) fn update(webhook: Webhook, paths: &[&str]) -> UpdateWebhookRequest {
    let mut request = UpdateWebhookRequest {
        webhook: Some(webhook),
        update_mask: None,
    };
    request.update_mask.get_or_insert_default().paths = paths.iter().map(ToString::to_string).collect();
    request
}

pub(crate) fn get(webhook: &Webhook) -> GetWebhookRequest {
    GetWebhookRequest {
        account_id: webhook.account_id,
        id: webhook.id.clone(),
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        self.tasks.shutdown().begin();
    }
}

/// A webhook of account 1234 that does not sign.
pub(crate) fn webhook() -> Webhook {
    Webhook {
        account_id: 1234,
        name: "HR".into(),
        target_url: "https://example.com/hooks".into(),
        authentication: Some(Authentication {
            method: Some(Method::None(NoAuthentication {})),
        }),
        event_types: vec!["COURSE_*".into()],
        active: Some(true),
        ordering: Ordering::Ordered.into(),
        payload_format: PayloadFormat::Envelope.into(),
        ..Webhook::default()
    }
}

pub(crate) fn signature(secret: &str) -> Option<Authentication> {
    Some(Authentication {
        method: Some(Method::Signature(Signature {
            secret: secret.into(),
            ..Signature::default()
        })),
    })
}

/// The secret that an answer shows; empty when it shows none.
pub(crate) fn shown_secret(webhook: &Webhook) -> &str {
    match webhook.authentication.as_ref().unwrap().method.as_ref().unwrap() {
        Method::Signature(signature) => &signature.secret,
        _ => panic!("the webhook does not sign: {webhook:?}"),
    }
}

/// The fields that a refusal names.
pub(crate) fn wrong_fields(status: &Status) -> Vec<String> {
    assert_eq!(status.code(), Code::InvalidArgument, "{status:?}");
    let details = status.get_details_bad_request().unwrap();
    details
        .field_violations
        .into_iter()
        .map(|violation| violation.field)
        .collect()
}
