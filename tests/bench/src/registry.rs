//! The registry: how soon it serves what is stored, what a webhook takes in memory, how fast it is read and written.
//!
//! The floor of a read is a call that does nothing, of the same server: its health. What is stored is written to the topic as the
//! registry would; a registry without anything in it is measured first, so that only what webhooks add is counted.

use std::cell::RefCell;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use angarium_kafka::topics::{self, Layout};
use angarium_kafka::{Connection, Outgoing, Producer, ProducerConfig, partition_of};
use angarium_proto::explain::v1::ExplainRequest;
use angarium_proto::explain::v1::explain_request::Event;
use angarium_proto::explain::v1::explain_service_client::ExplainServiceClient;
use angarium_proto::registry::v1 as registry;
use angarium_proto::registry::v1::authentication::Method;
use angarium_proto::registry::v1::registry_record::Entry;
use angarium_proto::registry::v1::registry_service_client::RegistryServiceClient;
use angarium_runtime::access::OperatorKey;
use angarium_runtime::grpc::{self, Client};
use angarium_testkit::poll::poll;
use anyhow::Context;
use futures::future::{join_all, try_join_all};
use prost::Message as _;
use serde::Serialize;
use tokio::time::Instant;
use tonic::{Code, Status};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;

use crate::epoch::nanos;
use crate::measure::Bench;
use crate::payload::{EVENT_NAME, account_id};
use crate::report::{progress, rounded};
use crate::role::{Role, free_addresses};
use crate::stats::{Latencies, per_second, ratio};

/// As many as the promise speaks of, or few to see that the benchmark works.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Extent {
    pub(crate) accounts: u64,
    pub(crate) webhooks_each: u64,
    /// Of each measurement.
    pub(crate) lasts: Duration,
}

/// What was measured.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Figures {
    webhooks: u64,
    /// From the start of the process until it answers.
    start_s: f64,
    /// Until fanout has them all, from its own start.
    fanout_start_s: f64,
    registry_bytes_per_webhook: f64,
    fanout_bytes_per_webhook: f64,
    reads_per_s: f64,
    floor_calls_per_s: f64,
    reads_ratio: f64,
    writes_per_s: f64,
    /// A write is answered once every follower confirms it: that it is in force everywhere within, 99 of 100, while all write.
    write_p99_ms: f64,
    /// When nobody else writes.
    write_ms: f64,
}

/// What calls came to.
#[derive(Clone, Copy, Debug)]
struct Called {
    per_s: f64,
    p99_ms: f64,
}

/// How long a process may take until it answers.
const START_LIMIT: Duration = Duration::from_secs(120);
/// Connections, and calls under way on each.
const CONNECTIONS: usize = 4;
const CALLS: usize = 32;
/// The most records that await Kafka.
const QUEUED: usize = 10_000;

/// A registry and a fanout over topics of their own.
struct Pair {
    registry: Role,
    fanout: Role,
    key: OperatorKey,
    endpoint: String,
    start: Duration,
    fanout_start: Duration,
}

/// Measures.
pub(crate) async fn run(bench: &Bench, extent: Extent) -> anyhow::Result<Figures> {
    let mut empty = Pair::start(bench, "empty", None).await?;
    let (registry_before, fanout_before) = empty.resident_kib()?;
    drop(empty);
    let mut full = Pair::start(bench, "full", Some(extent)).await?;
    let (registry_after, fanout_after) = full.resident_kib()?;
    let webhooks = extent.accounts * extent.webhooks_each;
    let each = |before: u32, after: u32| {
        let bytes = after.saturating_sub(before).saturating_mul(1_024);
        f64::from(bytes) / f64::from(u32::try_from(webhooks).unwrap_or(u32::MAX))
    };
    progress("registry: calls that do nothing");
    let floor_calls_per_s = full.calls(extent, health).await?.per_s;
    progress("registry: reads");
    let reads_per_s = full.calls(extent, read).await?.per_s;
    progress("registry: writes");
    let writes = full.calls(extent, write).await?;
    let write_ms = full.one_write_ms(extent).await?;
    full.registry.check()?;
    full.fanout.check()?;
    Ok(Figures {
        webhooks,
        start_s: full.start.as_secs_f64(),
        fanout_start_s: full.fanout_start.as_secs_f64(),
        registry_bytes_per_webhook: each(registry_before, registry_after),
        fanout_bytes_per_webhook: each(fanout_before, fanout_after),
        reads_per_s,
        floor_calls_per_s,
        reads_ratio: ratio(reads_per_s, floor_calls_per_s),
        writes_per_s: writes.per_s,
        write_p99_ms: writes.p99_ms,
        write_ms,
    })
}

/// A line a figure.
pub(crate) fn table(figures: &Figures) -> String {
    let row = |name: &str, value: f64| format!("| {name} | {} |", rounded(value));
    [
        "| registry | |".to_owned(),
        "|---|---|".to_owned(),
        format!("| webhooks | {} |", figures.webhooks),
        row("serves after, s", figures.start_s),
        row("fanout has them all after, s", figures.fanout_start_s),
        row("bytes a webhook, registry", figures.registry_bytes_per_webhook),
        row("bytes a webhook, fanout", figures.fanout_bytes_per_webhook),
        row("reads/s", figures.reads_per_s),
        row("calls/s that do nothing", figures.floor_calls_per_s),
        row("ratio", figures.reads_ratio),
        row("writes/s", figures.writes_per_s),
        row("99 of 100 writes in force within, ms", figures.write_p99_ms),
        row("a write alone, ms", figures.write_ms),
    ]
    .join("\n")
}

impl Pair {
    async fn start(bench: &Bench, what: &str, filled: Option<Extent>) -> anyhow::Result<Self> {
        progress(&format!("registry: starting, {what}"));
        let connection = Connection::new(&bench.bootstrap);
        let layout = Layout {
            prefix: format!("{}-registry-{what}", bench.name),
            ..Layout::default()
        };
        topics::apply(&connection, &layout)
            .await
            .context("cannot make the topics")?;
        if let Some(extent) = filled {
            fill(&connection, &layout, extent).await?;
        }
        let key = OperatorKey::generate();
        let [registry, explain] = free_addresses()?;
        let endpoint = format!("http://{registry}");
        let settings = [
            ("ANGARIUM_KAFKA_BOOTSTRAP", bench.bootstrap.clone()),
            ("ANGARIUM_KAFKA_PREFIX", layout.prefix.clone()),
            ("ANGARIUM_OPERATOR_KEY", key.expose().to_owned()),
            ("ANGARIUM_REGISTRY_LISTEN", registry.to_string()),
            ("ANGARIUM_REGISTRY_HTTP_LISTEN", "127.0.0.1:0".to_owned()),
            ("ANGARIUM_REGISTRY_ENDPOINT", endpoint.clone()),
            ("ANGARIUM_FANOUT_GRPC_LISTEN", explain.to_string()),
            ("ANGARIUM_SEAL_KEYS", "none".to_owned()),
            ("ANGARIUM_REGISTRY_WEBHOOKS_PER_ACCOUNT", "100000".to_owned()),
        ];
        let begun = Instant::now();
        let mut registry = Role::start(bench, "registry", &settings)?;
        let client = RegistryServiceClient::new(grpc::client(&endpoint, &key)?);
        answers(&mut registry, || {
            let mut client = client.clone();
            let list = registry::ListAccountsRequest::default();
            async move { client.list_accounts(list).await.map(drop) }
        })
        .await?;
        let start = begun.elapsed();
        let begun = Instant::now();
        let mut fanout = Role::start(bench, "fanout", &settings)?;
        let client = ExplainServiceClient::new(grpc::client(&format!("http://{explain}"), &key)?);
        answers(&mut fanout, || {
            let mut client = client.clone();
            let sample = ExplainRequest {
                account_id: account_id(0),
                event: Some(Event::EventType(EVENT_NAME.to_owned())),
                ..ExplainRequest::default()
            };
            async move {
                match client.explain(sample).await {
                    // It knows that there is none.
                    Err(status) if status.code() == Code::NotFound => Ok(()),
                    explained => explained.map(drop),
                }
            }
        })
        .await?;
        Ok(Self {
            registry,
            fanout,
            key,
            endpoint,
            start,
            fanout_start: begun.elapsed(),
        })
    }

    fn resident_kib(&mut self) -> anyhow::Result<(u32, u32)> {
        let registry = self.registry.usage()?.resident_kib;
        Ok((registry, self.fanout.usage()?.resident_kib))
    }

    fn clients(&self) -> anyhow::Result<Vec<Client>> {
        let client = |_| grpc::client(&self.endpoint, &self.key);
        Ok((0..CONNECTIONS).map(client).collect::<Result<_, _>>()?)
    }

    /// How many calls are answered in a second, and how fast, as many under way at once as the loader has.
    async fn calls<F>(&self, extent: Extent, call: fn(Client, u64, Extent) -> F) -> anyhow::Result<Called>
    where
        F: Future<Output = Result<(), Status>>,
    {
        let (next, begun) = (AtomicU64::new(0), Instant::now());
        let until = begun + extent.lasts;
        let clients = self.clients()?;
        let workers = clients
            .iter()
            .flat_map(|client| std::iter::repeat_n(client, CALLS));
        // All of them are one task's.
        let latencies = RefCell::new(Latencies::new()?);
        let one = async |client: &Client| -> Result<u64, Status> {
            let mut answered = 0;
            while Instant::now() < until {
                let sent = Instant::now();
                call(client.clone(), next.fetch_add(1, Ordering::Relaxed), extent).await?;
                latencies.borrow_mut().record_ns(nanos(sent.elapsed()));
                answered += 1;
            }
            Ok(answered)
        };
        let answered = try_join_all(workers.map(one)).await.context("a call failed")?;
        Ok(Called {
            per_s: per_second(answered.into_iter().sum(), nanos(begun.elapsed())),
            p99_ms: latencies.into_inner().quantile_ms(0.99),
        })
    }

    /// How long a write takes when nobody else writes: the middle of 100.
    async fn one_write_ms(&self, extent: Extent) -> anyhow::Result<f64> {
        let clients = self.clients()?;
        let client = clients.first().context("no connection")?;
        let mut took = Vec::new();
        for number in 0..100 {
            let begun = Instant::now();
            write(client.clone(), number, extent)
                .await
                .context("a write failed")?;
            took.push(begun.elapsed());
        }
        took.sort();
        let middle = took.get(took.len() / 2).context("no write")?;
        Ok(middle.as_secs_f64() * 1_000.0)
    }
}

/// Waits until another process answers.
async fn answers<F>(role: &mut Role, mut call: impl FnMut() -> F) -> anyhow::Result<()>
where
    F: Future<Output = Result<(), Status>>,
{
    let answered = poll(START_LIMIT, async || {
        role.check()?;
        match call().await {
            Ok(()) => Ok(Some(())),
            Err(status) if status.code() == Code::Unavailable => Ok(None),
            Err(status) => Err(status).context("it does not answer"),
        }
    });
    let late = || format!("no answer within {} s", START_LIMIT.as_secs());
    answered.await?.with_context(late)
}

async fn health(client: Client, _number: u64, _extent: Extent) -> Result<(), Status> {
    HealthClient::new(client)
        .check(HealthCheckRequest::default())
        .await
        .map(drop)
}

async fn read(client: Client, number: u64, extent: Extent) -> Result<(), Status> {
    let number = scattered(number) % (extent.accounts * extent.webhooks_each);
    let request = registry::GetWebhookRequest {
        account_id: account_id(number / extent.webhooks_each),
        id: webhook_id(number),
    };
    RegistryServiceClient::new(client)
        .get_webhook(request)
        .await
        .map(drop)
}

/// Of another account each time: one of an account has its turn at once.
async fn write(client: Client, number: u64, extent: Extent) -> Result<(), Status> {
    let account = scattered(number) % extent.accounts;
    let mut request = registry::UpdateWebhookRequest {
        webhook: Some(registry::Webhook {
            account_id: account_id(account),
            id: webhook_id(account * extent.webhooks_each),
            description: format!("changed {number} times"),
            ..registry::Webhook::default()
        }),
        update_mask: None,
    };
    request.update_mask.get_or_insert_default().paths = vec!["description".to_owned()];
    RegistryServiceClient::new(client)
        .update_webhook(request)
        .await
        .map(drop)
}

/// Numbers without an order, each once in 2^64.
const fn scattered(number: u64) -> u64 {
    number.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 16
}

fn webhook_id(number: u64) -> String {
    format!("wh_{number:032x}")
}

/// Writes accounts and webhooks to the topic, as the registry stores them.
async fn fill(connection: &Connection, layout: &Layout, extent: Extent) -> anyhow::Result<()> {
    let names = layout.names();
    let partitions = topics::partitions(connection, names.registry(), START_LIMIT).await?;
    let producer = Producer::open(
        connection,
        &ProducerConfig {
            client_id: "angarium-bench".to_owned(),
            max_queued: QUEUED * 2,
            max_queued_kib: 256 * 1_024,
            delivery_timeout: Some(START_LIMIT),
            gapless: false,
            linger: Duration::from_millis(5),
        },
    )?;
    let store = |partition, key: String, entry| {
        let value = registry::RegistryRecord { entry: Some(entry) }.encode_to_vec();
        producer.send(Outgoing {
            topic: names.registry(),
            partition,
            key: key.as_bytes(),
            value: Some(&value),
            headers: &[],
        })
    };
    let mut sent = Vec::new();
    for account in 0..extent.accounts {
        let partition = partition_of(account_id(account).to_string().as_bytes(), partitions);
        let key = format!("account/{}", account_id(account));
        sent.push(store(partition, key, Entry::Account(stored_account(account)))?);
        for number in account * extent.webhooks_each..(account + 1) * extent.webhooks_each {
            let key = format!("webhook/{}", webhook_id(number));
            let entry = Entry::Webhook(stored_webhook(account, number));
            sent.push(store(partition, key, entry)?);
        }
        if sent.len() >= QUEUED {
            acknowledged(std::mem::take(&mut sent)).await?;
        }
    }
    acknowledged(sent).await
}

async fn acknowledged(sent: Vec<angarium_kafka::Ack>) -> anyhow::Result<()> {
    for acked in join_all(sent).await {
        acked.context("Kafka did not take a record")?;
    }
    Ok(())
}

fn stored_account(account: u64) -> registry::Account {
    registry::Account {
        id: account_id(account),
        name: format!("account {account}"),
        created_at_ms: 1,
        ..registry::Account::default()
    }
}

/// As people set them up: a name, an address, a secret and a few types.
fn stored_webhook(account: u64, number: u64) -> registry::Webhook {
    registry::Webhook {
        id: webhook_id(number),
        account_id: account_id(account),
        name: format!("webhook {number}"),
        target_url: format!("https://receiver-{account}.example.com/hooks/{number}"),
        authentication: Some(registry::Authentication {
            method: Some(Method::Signature(registry::Signature {
                secret: "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwMfKQ9r8GKYo=".to_owned(),
                ..registry::Signature::default()
            })),
        }),
        event_types: vec![EVENT_NAME.to_owned(), "COURSE_*".to_owned()],
        active: Some(true),
        created_at_ms: 1,
        ..registry::Webhook::default()
    }
}
