//! All services as processes over a real Kafka and a real Redis, apart from every other test on the same ones.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::path::Path;
use std::time::Duration;

use angarium_proto::registry::v1::registry_service_client::RegistryServiceClient;
use angarium_proto::registry::v1::{
    Account, CreateAccountRequest, CreateWebhookRequest, GetAccountRequest, Webhook,
};
use angarium_runtime::access::OperatorKey;
use angarium_runtime::grpc;
use anyhow::{Context, Result};
use tonic::Code;
use tonic::metadata::MetadataValue;

use crate::http::{self, Reply};
use crate::process::{self, Process};
use crate::receiver::Receiver;
use crate::tracker::FIRST_PROBE;

/// How long a service has to come up on a busy machine.
const START: Duration = Duration::from_secs(60);
/// Partitions of each topic. Fewer than in production: the machine of a test is small.
pub const PARTITIONS: NonZeroU32 = NonZeroU32::MIN.saturating_add(3);
/// The shortest that a broker allows: a killed fanout's partitions are free again after it.
const FANOUT_SESSION: &str = "6s";
/// The shortest that delivery allows, whose calls must end within it: a killed worker's partitions are free after it.
pub const DELIVERY_SESSION: Duration = Duration::from_secs(20);

/// What seals secrets in the registry topic.
pub const SEAL_KEYS: &str = "k1:QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUE=";

/// Where Kafka and Redis are.
#[derive(Clone, Debug)]
pub struct Backends {
    /// Brokers, `host:port`.
    pub kafka: String,
    /// `redis://…`.
    pub redis: String,
}

impl Backends {
    /// Those that `cargo xtask test` has started for all tests.
    ///
    /// # Errors
    /// When the test was started by other means.
    pub fn shared() -> Result<Self> {
        Ok(Self {
            kafka: variable("ANGARIUM_TEST_KAFKA")?,
            redis: variable("ANGARIUM_TEST_REDIS")?,
        })
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "tests have no settings; `cargo xtask test` tells them where things are"
)]
fn variable(name: &str) -> Result<String> {
    std::env::var(name).with_context(|| format!("{name} is not set: run the tests with `cargo xtask test`"))
}

/// All services.
#[derive(Debug)]
pub struct Stack {
    /// Their processes.
    pub registry: Process,
    /// Takes events.
    pub ingest: Process,
    /// Matches them.
    pub fanout: Process,
    /// Send them: one worker at first.
    pub delivery: Vec<Process>,
    env: BTreeMap<String, String>,
    key: OperatorKey,
    ingest_address: String,
    ingest_grpc: String,
    registry_endpoint: String,
    dir: tempfile::TempDir,
}

/// Posts events to the ingest of a stack.
#[derive(Clone, Debug)]
pub struct Publisher {
    ingest_address: String,
    key: OperatorKey,
}

impl Stack {
    /// Creates topics of its own and starts every service.
    ///
    /// # Errors
    /// When a service does not come up; its log is shown.
    pub async fn start(backends: &Backends) -> Result<Self> {
        Self::start_with(backends, &[]).await
    }

    /// The same, with further settings.
    ///
    /// # Errors
    /// When a service does not come up; its log is shown.
    pub async fn start_with(backends: &Backends, settings: &[(&str, &str)]) -> Result<Self> {
        let dir = tempfile::tempdir()?;
        let key = OperatorKey::generate();
        let [http, grpc, registry, registry_http] = angarium_local::free_ports()?;
        let at = |port: u16| format!("127.0.0.1:{port}");
        let registry_endpoint = format!("http://{}", at(registry));
        let prefix = format!("test-{}", uuid::Uuid::new_v4().simple());
        let partitions = PARTITIONS.to_string();
        let delivery_session = format!("{}s", DELIVERY_SESSION.as_secs());
        let pairs = [
            ("ANGARIUM_KAFKA_BOOTSTRAP", backends.kafka.as_str()),
            ("ANGARIUM_KAFKA_PREFIX", &prefix),
            ("ANGARIUM_REDIS_URL", &backends.redis),
            ("ANGARIUM_OPERATOR_KEY", key.expose()),
            ("ANGARIUM_REGISTRY_LISTEN", &at(registry)),
            ("ANGARIUM_REGISTRY_HTTP_LISTEN", &at(registry_http)),
            ("ANGARIUM_REGISTRY_ENDPOINT", &registry_endpoint),
            ("ANGARIUM_SEAL_KEYS", SEAL_KEYS),
            // Scenarios of few accounts have many webhooks each.
            ("ANGARIUM_REGISTRY_WEBHOOKS_PER_ACCOUNT", "100000"),
            ("ANGARIUM_INGEST_LISTEN", &at(http)),
            ("ANGARIUM_INGEST_GRPC_LISTEN", &at(grpc)),
            // Nobody asks there; another stack on this machine may have the default port.
            ("ANGARIUM_DELIVERY_GRPC_LISTEN", "127.0.0.1:0"),
            ("ANGARIUM_FANOUT_GRPC_LISTEN", "127.0.0.1:0"),
            ("ANGARIUM_FANOUT_SESSION_TIMEOUT", FANOUT_SESSION),
            ("ANGARIUM_DELIVERY_SESSION_TIMEOUT", &delivery_session),
            // Receivers of tests are here, on random ports.
            ("ANGARIUM_EGRESS_ALLOW_HTTP", "true"),
            ("ANGARIUM_EGRESS_ALLOW_LOOPBACK", "true"),
            ("ANGARIUM_EGRESS_PORTS", "1-65535"),
            ("ANGARIUM_TOPICS_EVENTS", &partitions),
            ("ANGARIUM_TOPICS_DELIVERIES", &partitions),
            ("ANGARIUM_TOPICS_JOURNAL", &partitions),
        ];
        let both = pairs.iter().chain(settings);
        let env: BTreeMap<String, String> = both.map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        process::run(&["topics", "apply"], &env)?;
        let launch = |role| Process::start(role, env.clone(), dir.path());
        let mut stack = Self {
            registry: launch("registry")?,
            ingest: launch("ingest")?,
            fanout: launch("fanout")?,
            delivery: Vec::new(),
            env: env.clone(),
            key,
            ingest_address: at(http),
            ingest_grpc: format!("http://{}", at(grpc)),
            registry_endpoint,
            dir,
        };
        stack.add_delivery()?;
        stack.ready().await?;
        Ok(stack)
    }

    /// Starts another delivery worker with the same settings, the last in [`Stack::delivery`] from now on.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn add_delivery(&mut self) -> Result<()> {
        let name = match self.delivery.len() {
            0 => "delivery".to_owned(),
            others => format!("delivery-{}", others + 1),
        };
        let worker = Process::start_named(name, "delivery", self.env.clone(), self.dir.path())?;
        self.delivery.push(worker);
        Ok(())
    }

    /// Waits until registry and ingest serve.
    ///
    /// # Errors
    /// When they do not; their logs are shown.
    pub async fn ready(&mut self) -> Result<()> {
        let registry = self.registry_client()?;
        self.registry
            .wait_until(START, || has_writer(registry.clone()))
            .await?;
        let address = self.ingest_address.clone();
        let serves = || async {
            http::get(&address, "/readyz")
                .await
                .is_ok_and(|reply| reply.status == 200)
        };
        self.ingest.wait_until(START, serves).await
    }

    /// The folder with the logs.
    #[must_use]
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// The settings of its processes, for commands: see [`process::run`].
    #[must_use]
    pub const fn env(&self) -> &BTreeMap<String, String> {
        &self.env
    }

    /// Where ingest serves gRPC.
    #[must_use]
    pub fn ingest_grpc(&self) -> &str {
        &self.ingest_grpc
    }

    /// Where ingest serves HTTP: host and port.
    #[must_use]
    pub fn ingest_http(&self) -> &str {
        &self.ingest_address
    }

    /// Where the registry serves gRPC.
    #[must_use]
    pub fn registry_endpoint(&self) -> &str {
        &self.registry_endpoint
    }

    /// The key that opens everything.
    #[must_use]
    pub fn key(&self) -> &OperatorKey {
        &self.key
    }

    /// A client of the registry.
    ///
    /// # Errors
    /// Never in practice: the endpoint is made here.
    pub fn registry_client(&self) -> Result<RegistryServiceClient<grpc::Client>> {
        Ok(RegistryServiceClient::new(grpc::client(
            &self.registry_endpoint,
            &self.key,
        )?))
    }

    /// Creates an account.
    ///
    /// # Errors
    /// When the registry refuses.
    pub async fn create_account(&self, id: u64) -> Result<()> {
        let account = Account {
            id,
            name: format!("account {id}"),
            ..Account::default()
        };
        self.registry_client()?
            .create_account(CreateAccountRequest {
                account: Some(account),
            })
            .await?;
        Ok(())
    }

    /// Creates a webhook; returns it with its secret.
    ///
    /// # Errors
    /// When the registry refuses.
    pub async fn create_webhook(&self, webhook: Webhook) -> Result<Webhook> {
        let request = CreateWebhookRequest {
            webhook: Some(webhook),
            ..CreateWebhookRequest::default()
        };
        let response = self
            .registry_client()?
            .create_webhook(request)
            .await?
            .into_inner();
        response.webhook.context("the registry answers with the webhook")
    }

    /// Waits until fanout matches this hook's webhook: an event published right after its creation may come before
    /// fanout has learnt of it. The webhooks that were created before are known by then too. What was received is
    /// forgotten.
    ///
    /// # Errors
    /// When no event of this type reaches the hook.
    pub async fn wait_until_matched(
        &self,
        receiver: &Receiver,
        account: u64,
        event: &str,
        hook: &str,
    ) -> Result<()> {
        const TRIES: u64 = 3;
        const EACH: Duration = Duration::from_secs(30);
        for probe in 0..TRIES {
            let body = format!(
                r#"{{"eventName":"{event}","data":{{"n":{}}}}}"#,
                FIRST_PROBE + probe
            );
            self.publish(account, "application/json", body).await?;
            let came = receiver
                .wait_for("a probe", EACH, |all| all.iter().any(|one| &*one.hook == hook))
                .await;
            if came.is_ok() {
                receiver.forget();
                return Ok(());
            }
        }
        anyhow::bail!(
            "no probe reaches {hook}; {}\n{}",
            receiver.arrivals(),
            self.logs()
        )
    }

    /// Posts a body to ingest.
    ///
    /// # Errors
    /// When there is no answer; a refusal is an answer.
    pub async fn publish(
        &self,
        account: u64,
        content_type: &str,
        body: impl Into<bytes::Bytes>,
    ) -> Result<Reply> {
        self.publisher().publish(account, content_type, body).await
    }

    /// Publishes while the stack's processes are killed and started.
    #[must_use]
    pub fn publisher(&self) -> Publisher {
        Publisher {
            ingest_address: self.ingest_address.clone(),
            key: self.key.clone(),
        }
    }

    /// The ends of all logs, for a person.
    #[must_use]
    pub fn logs(&self) -> String {
        let others = [&self.registry, &self.ingest, &self.fanout];
        let all = others.into_iter().chain(&self.delivery);
        let ends: Vec<String> = all
            .map(|process| format!("{}: {}", process.name(), process.log_end()))
            .collect();
        ends.join("\n")
    }
}

/// Whether what is asked of the registry as it is now is answered: it says so itself, or knows who does.
pub async fn has_writer(mut registry: RegistryServiceClient<grpc::Client>) -> bool {
    let mut latest = tonic::Request::new(GetAccountRequest::default());
    latest
        .metadata_mut()
        .insert("angarium-read", MetadataValue::from_static("latest"));
    let refused = registry.get_account(latest).await.err();
    refused.is_none_or(|status| status.code() == Code::NotFound)
}

impl Publisher {
    /// Posts a body to ingest.
    ///
    /// # Errors
    /// When there is no answer; a refusal is an answer.
    pub async fn publish(
        &self,
        account: u64,
        content_type: &str,
        body: impl Into<bytes::Bytes>,
    ) -> Result<Reply> {
        let path = format!("/v1/accounts/{account}/events");
        http::post(
            &self.ingest_address,
            &path,
            self.key.expose(),
            content_type,
            body.into(),
        )
        .await
    }
}
