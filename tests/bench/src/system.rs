//! Angarium as it runs: every role a process of its own, with the webhooks of a scenario.

use std::net::SocketAddr;
use std::time::Duration;

use angarium_proto::event::v1 as event;
use angarium_proto::event::v1::publisher_service_client::PublisherServiceClient;
use angarium_proto::registry::v1 as registry;
use angarium_proto::registry::v1::authentication::Method;
use angarium_proto::registry::v1::registry_service_client::RegistryServiceClient;
use angarium_runtime::access::OperatorKey;
use angarium_runtime::grpc::{self, Client};
use angarium_testkit::poll::poll;
use anyhow::{Context, bail};
use bytes::Bytes;
use hyper::header::HeaderValue;
use tokio::time::Instant;
use tonic::Code;

use crate::measure::Bench;
use crate::payload::{EVENT_NAME, PROBE, account_id};
use crate::proc::Usage;
use crate::publish::STREAMS;
use crate::receiver::{Receiver, path};
use crate::role::{Role, free_addresses};
use crate::scenario::{Scenario, Size};

/// How long the processes may take until events flow from end to end.
const START_LIMIT: Duration = Duration::from_secs(180);
/// How long a probe may be on its way before another follows.
const AGAIN: Duration = Duration::from_millis(200);

/// The running processes and how to reach them.
#[derive(Debug)]
pub(crate) struct System {
    roles: Vec<Role>,
    /// Where HTTP is served.
    pub(crate) ingest_http: SocketAddr,
    /// For each stream a connection of its own.
    pub(crate) publishers: Vec<Client>,
    /// What requests over HTTP carry.
    pub(crate) authorization: HeaderValue,
}

impl System {
    /// Starts all roles on the topics of `prefix`, makes accounts and webhooks, and waits until an event has
    /// gone through to every one of them.
    pub(crate) async fn start(
        bench: &Bench,
        prefix: &str,
        scenario: Scenario,
        size: Size,
        receiver: &Receiver,
    ) -> anyhow::Result<Self> {
        let key = OperatorKey::generate();
        let [ingest_http, ingest_grpc, registry] = free_addresses()?;
        let registry_endpoint = format!("http://{registry}");
        let settings = [
            ("ANGARIUM_KAFKA_BOOTSTRAP", bench.bootstrap.clone()),
            ("ANGARIUM_KAFKA_PREFIX", prefix.to_owned()),
            ("ANGARIUM_REDIS_URL", bench.redis.clone()),
            ("ANGARIUM_OPERATOR_KEY", key.expose().to_owned()),
            ("ANGARIUM_REGISTRY_LISTEN", registry.to_string()),
            ("ANGARIUM_REGISTRY_HTTP_LISTEN", "127.0.0.1:0".to_owned()),
            ("ANGARIUM_REGISTRY_ENDPOINT", registry_endpoint.clone()),
            ("ANGARIUM_SEAL_KEYS", "none".to_owned()),
            ("ANGARIUM_REGISTRY_WEBHOOKS_PER_ACCOUNT", "100000".to_owned()),
            ("ANGARIUM_INGEST_LISTEN", ingest_http.to_string()),
            ("ANGARIUM_INGEST_GRPC_LISTEN", ingest_grpc.to_string()),
            ("ANGARIUM_DELIVERY_GRPC_LISTEN", "127.0.0.1:0".to_owned()),
            (
                "ANGARIUM_DELIVERY_MAX_GROUP_EVENTS",
                scenario.max_group_events().to_string(),
            ),
            // What is measured is how fast webhooks catch up, not how long they wait before.
            (
                "ANGARIUM_DELIVERY_RETRY_CAP",
                if scenario.recovers() { "5s" } else { "5m" }.to_owned(),
            ),
            // The receiver is here, on a random port.
            ("ANGARIUM_EGRESS_ALLOW_HTTP", "true".to_owned()),
            ("ANGARIUM_EGRESS_ALLOW_LOOPBACK", "true".to_owned()),
            ("ANGARIUM_EGRESS_PORTS", "1-65535".to_owned()),
        ];
        let start = |name| Role::start(bench, name, &settings);
        let roles = ["registry", "ingest", "fanout", "delivery"]
            .into_iter()
            .map(start)
            .collect::<anyhow::Result<Vec<Role>>>()?;
        let publisher = || grpc::client(&format!("http://{ingest_grpc}"), &key);
        let publishers = (0..STREAMS)
            .map(|_| publisher())
            .collect::<Result<Vec<Client>, _>>()?;
        let mut system = Self {
            roles,
            ingest_http,
            publishers,
            authorization: HeaderValue::from_str(&format!("Bearer {}", key.expose()))?,
        };
        let deadline = Instant::now() + START_LIMIT;
        let registry = RegistryServiceClient::new(grpc::client(&registry_endpoint, &key)?);
        system.registry_answers(&registry).await?;
        populate(registry, size, receiver.address).await?;
        system.probe(size, receiver, deadline).await?;
        Ok(system)
    }

    /// What each role has used, by its name.
    ///
    /// # Errors
    /// When one has ended.
    pub(crate) fn usage(&mut self) -> anyhow::Result<Vec<(&'static str, Usage)>> {
        self.roles
            .iter_mut()
            .map(|role| Ok((role.name, role.usage()?)))
            .collect()
    }

    fn check(&mut self, deadline: Instant, what: &str) -> anyhow::Result<()> {
        self.roles.iter_mut().try_for_each(Role::check)?;
        if Instant::now() > deadline {
            bail!("{what} within {} s", START_LIMIT.as_secs());
        }
        Ok(())
    }

    /// Waits until the registry, another process, answers.
    async fn registry_answers(&mut self, registry: &RegistryServiceClient<Client>) -> anyhow::Result<()> {
        let answered = poll(START_LIMIT, async || {
            self.roles.iter_mut().try_for_each(Role::check)?;
            let mut registry = registry.clone();
            match registry
                .list_accounts(registry::ListAccountsRequest::default())
                .await
            {
                Ok(_) => Ok(Some(())),
                Err(status) if status.code() == Code::Unavailable => Ok(None),
                Err(status) => Err(status).context("the registry does not answer"),
            }
        });
        let late = || format!("the registry did not answer within {} s", START_LIMIT.as_secs());
        answered.await?.with_context(late)
    }

    /// The followers of the registry learn of webhooks a moment later, and partitions take their time to be
    /// assigned: events published before that are not ours to count.
    async fn probe(&mut self, size: Size, receiver: &Receiver, deadline: Instant) -> anyhow::Result<()> {
        let client = self.publishers.first().context("no publisher")?.clone();
        let mut ingest = PublisherServiceClient::new(client);
        loop {
            for account in 0..size.accounts {
                let mut hooks = account * size.fan..(account + 1) * size.fan;
                if hooks.all(|hook| usize::try_from(hook).is_ok_and(|hook| receiver.ledger.is_probed(hook))) {
                    continue;
                }
                if let Err(status) = ingest.publish(probe(account)).await
                    && !matches!(status.code(), Code::Unavailable | Code::NotFound)
                {
                    return Err(status).context("cannot publish");
                }
            }
            if tokio::time::timeout(AGAIN, receiver.ledger.probed())
                .await
                .is_ok()
            {
                return Ok(());
            }
            self.check(deadline, "events did not reach every webhook")?;
        }
    }
}

async fn populate(
    mut registry: RegistryServiceClient<Client>,
    size: Size,
    receiver: SocketAddr,
) -> anyhow::Result<()> {
    for account in 0..size.accounts {
        registry
            .create_account(create_account(account))
            .await
            .context("cannot create an account")?;
        for hook in account * size.fan..(account + 1) * size.fan {
            registry
                .create_webhook(create_webhook(account, hook, receiver))
                .await
                .context("cannot create a webhook")?;
        }
    }
    Ok(())
}

fn create_account(account: u64) -> registry::CreateAccountRequest {
    registry::CreateAccountRequest {
        account: Some(registry::Account {
            id: account_id(account),
            name: format!("account {account}"),
            ..registry::Account::default()
        }),
    }
}

/// Its secret is generated.
fn create_webhook(account: u64, hook: u64, receiver: SocketAddr) -> registry::CreateWebhookRequest {
    registry::CreateWebhookRequest {
        webhook: Some(registry::Webhook {
            account_id: account_id(account),
            name: format!("webhook {hook}"),
            target_url: format!("http://{receiver}{}", path(hook)),
            authentication: Some(registry::Authentication {
                method: Some(Method::Signature(registry::Signature::default())),
            }),
            event_types: vec![EVENT_NAME.to_owned()],
            active: Some(true),
            ..registry::Webhook::default()
        }),
        ..registry::CreateWebhookRequest::default()
    }
}

fn probe(account: u64) -> event::PublishRequest {
    event::PublishRequest {
        account_id: account_id(account),
        events: vec![event::Event {
            event_name: EVENT_NAME.to_owned(),
            data: Bytes::from_static(PROBE.as_bytes()),
            ..event::Event::default()
        }],
        ..event::PublishRequest::default()
    }
}
