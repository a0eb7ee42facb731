//! Ingest alone: how many events it takes, beside what a bare producer gets acknowledged.
//!
//! The bare producer writes values of the same size to a topic of the same partitions, with as many under way. Both are fed by this
//! process. With ids, ingest looks each up in Redis; with schemas, it holds the data of each event against its type's.

use std::net::SocketAddr;
use std::time::Duration;

use angarium_kafka::Connection as Kafka;
use angarium_kafka::topics::{self, Layout};
use angarium_proto::event::v1;
use angarium_proto::event::v1::publish_stream_response::Outcome;
use angarium_proto::event::v1::publisher_service_client::PublisherServiceClient;
use angarium_proto::registry::v1 as registry;
use angarium_proto::registry::v1::registry_service_client::RegistryServiceClient;
use angarium_runtime::access::OperatorKey;
use angarium_runtime::grpc::{self, Client};
use angarium_runtime::{Shutdown, Tasks};
use angarium_testkit::poll::poll;
use anyhow::{Context, bail};
use bytes::Bytes;
use futures::future::try_join_all;
use futures::stream;
use http_body_util::Full;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE};
use hyper::{Request, StatusCode};
use serde::Serialize;
use tokio::time::Instant;
use tonic::Code;

use crate::connection::Connection;
use crate::epoch::nanos;
use crate::floor::{Producer, Topic};
use crate::measure::Bench;
use crate::payload::{EVENT_NAME, account_id};
use crate::publish::STREAMS;
use crate::report::{progress, rounded};
use crate::role::{Role, free_addresses};
use crate::stats::{median, per_second, ratio, spread};

/// Events are of so many accounts, in turn.
const ACCOUNTS: u64 = 16;
/// The size of an event, as JSON.
const EVENT_BYTES: usize = 1_024;
/// In one request over HTTP.
const ARRAY: u64 = 100;
/// Requests under way over HTTP, each on a connection of its own.
const CONNECTIONS: u64 = 16;
const START_LIMIT: Duration = Duration::from_secs(60);

/// How events come to ingest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    /// On gRPC streams, with ids, held against schemas.
    StreamWithIds,
    /// On gRPC streams.
    Stream,
    /// Over HTTP in arrays, with ids.
    Arrays,
}

/// What was measured of a way: medians over the pairs.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Figures {
    way: &'static str,
    events_per_s: f64,
    floor_events_per_s: f64,
    ratio: f64,
    ratio_spread: (f64, f64),
}

impl Way {
    const ALL: [Self; 3] = [Self::StreamWithIds, Self::Stream, Self::Arrays];

    const fn name(self) -> &'static str {
        match self {
            Self::StreamWithIds => "PublishStream, ids and schemas",
            Self::Stream => "PublishStream, neither",
            Self::Arrays => "HTTP, arrays of 100, ids",
        }
    }

    const fn has_ids(self) -> bool {
        !matches!(self, Self::Stream)
    }
}

/// A running registry and ingest, and what they are fed.
struct Fed {
    _roles: [Role; 2],
    http: SocketAddr,
    publishers: Vec<Client>,
    key: OperatorKey,
    topic: Topic,
    /// Of an event, as JSON.
    data: String,
}

/// Measures each way, so many events a run.
pub(crate) async fn run(bench: &Bench, events: u64) -> anyhow::Result<Vec<Figures>> {
    let tasks = Tasks::new(Shutdown::new());
    let mut all = Vec::new();
    for way in Way::ALL {
        progress(&format!("ingest: {}", way.name()));
        let fed = Fed::start(bench, way).await?;
        let (mut ours, mut floors, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
        // The first pair warms both up.
        for pair in 0..=bench.pairs {
            let floor = fed.produce(events).await?;
            let name = format!("{}-{}-{pair}", bench.name, way.name().len());
            let took = fed.publish(way, events, &name, &tasks).await?;
            if pair > 0 {
                ours.push(took);
                floors.push(floor);
                ratios.push(ratio(took, floor));
            }
        }
        all.push(Figures {
            way: way.name(),
            events_per_s: median(&ours),
            floor_events_per_s: median(&floors),
            ratio: median(&ratios),
            ratio_spread: spread(&ratios),
        });
    }
    tasks.shutdown().begin();
    Ok(all)
}

/// A line a way.
pub(crate) fn table(all: &[Figures]) -> String {
    let head = "| ingest | events/s | a bare producer | ratio | spread |\n|---|---|---|---|---|".to_owned();
    let row = |figures: &Figures| {
        let (least, most) = figures.ratio_spread;
        format!(
            "| {} | {:.0} | {:.0} | {} | {} to {} |",
            figures.way,
            figures.events_per_s,
            figures.floor_events_per_s,
            rounded(figures.ratio),
            rounded(least),
            rounded(most)
        )
    };
    std::iter::once(head)
        .chain(all.iter().map(row))
        .collect::<Vec<_>>()
        .join("\n")
}

impl Fed {
    async fn start(bench: &Bench, way: Way) -> anyhow::Result<Self> {
        let prefix = format!("{}-ingest-{}", bench.name, way.name().len());
        let connection = Kafka::new(&bench.bootstrap);
        let layout = Layout {
            prefix: prefix.clone(),
            ..Layout::default()
        };
        let floor = Layout {
            prefix: format!("{prefix}-floor"),
            ..Layout::default()
        };
        for layout in [&layout, &floor] {
            topics::apply(&connection, layout)
                .await
                .context("cannot make the topics")?;
        }
        let key = OperatorKey::generate();
        let [http, grpc, registry] = free_addresses()?;
        let endpoint = format!("http://{registry}");
        let settings = [
            ("ANGARIUM_KAFKA_BOOTSTRAP", bench.bootstrap.clone()),
            ("ANGARIUM_KAFKA_PREFIX", prefix),
            ("ANGARIUM_REDIS_URL", bench.redis.clone()),
            ("ANGARIUM_OPERATOR_KEY", key.expose().to_owned()),
            ("ANGARIUM_REGISTRY_LISTEN", registry.to_string()),
            ("ANGARIUM_REGISTRY_HTTP_LISTEN", "127.0.0.1:0".to_owned()),
            ("ANGARIUM_REGISTRY_ENDPOINT", endpoint.clone()),
            ("ANGARIUM_SEAL_KEYS", "none".to_owned()),
            ("ANGARIUM_INGEST_LISTEN", http.to_string()),
            ("ANGARIUM_INGEST_GRPC_LISTEN", grpc.to_string()),
        ];
        let start = |name| Role::start(bench, name, &settings);
        let mut roles = [start("registry")?, start("ingest")?];
        let registry = RegistryServiceClient::new(grpc::client(&endpoint, &key)?);
        let example = set_up(&mut roles, registry, way).await?;
        let publisher = || grpc::client(&format!("http://{grpc}"), &key);
        let publishers = (0..STREAMS)
            .map(|_| publisher())
            .collect::<Result<Vec<Client>, _>>()?;
        let names = floor.names();
        let fed = Self {
            _roles: roles,
            http,
            publishers,
            topic: Topic {
                bootstrap: bench.bootstrap.clone(),
                name: names.events().to_owned(),
                partitions: floor.events,
            },
            key,
            data: padded(&example)?,
        };
        fed.is_taken().await?;
        Ok(fed)
    }

    /// Waits until ingest takes events of the last account.
    async fn is_taken(&self) -> anyhow::Result<()> {
        let client = self.publishers.first().context("no publisher")?;
        let taken = poll(START_LIMIT, async || {
            let request = v1::PublishRequest {
                account_id: account_id(ACCOUNTS - 1),
                events: vec![self.event(String::new())],
                ..v1::PublishRequest::default()
            };
            match PublisherServiceClient::new(client.clone()).publish(request).await {
                Ok(taken) if taken.get_ref().warning_count > 0 => {
                    bail!("the events are not as their schema has it: {taken:?}")
                }
                Ok(_) => Ok(Some(())),
                Err(status) if matches!(status.code(), Code::Unavailable | Code::NotFound) => Ok(None),
                Err(status) => Err(status).context("ingest does not take events"),
            }
        });
        taken.await?.context("ingest took no event in time")
    }

    fn event(&self, id: String) -> v1::Event {
        v1::Event {
            event_id: id,
            event_name: EVENT_NAME.to_owned(),
            timestamp: Some(1_727_414_643_000),
            event_info: String::new(),
            data: Bytes::from(self.data.clone()),
        }
    }

    /// Events a second that a bare producer has acknowledged.
    async fn produce(&self, events: u64) -> anyhow::Result<f64> {
        let producer = Producer::open(&self.topic.bootstrap)?;
        let value = vec![b'x'; EVENT_BYTES];
        let begun = Instant::now();
        for number in 0..events {
            producer.room().await?;
            let key = account_id(number % ACCOUNTS).to_string();
            producer.send(&self.topic, &key, &value)?;
        }
        producer.acknowledged().await?;
        Ok(per_second(events, nanos(begun.elapsed())))
    }

    /// Events a second that ingest has acknowledged.
    async fn publish(&self, way: Way, events: u64, name: &str, tasks: &Tasks) -> anyhow::Result<f64> {
        let begun = Instant::now();
        match way {
            Way::Arrays => self.over_http(events, name, tasks).await?,
            Way::StreamWithIds | Way::Stream => self.on_streams(way, events, name).await?,
        }
        Ok(per_second(events, nanos(begun.elapsed())))
    }

    async fn on_streams(&self, way: Way, events: u64, name: &str) -> anyhow::Result<()> {
        let each = events / u64::try_from(STREAMS)?;
        let streams = self.publishers.iter().zip(0_u64..).map(async |(client, lane)| {
            let requests = (0..each).map(|sequence| {
                let id = if way.has_ids() {
                    format!("{name}-{lane}-{sequence}")
                } else {
                    String::new()
                };
                v1::PublishStreamRequest {
                    sequence,
                    account_id: account_id(sequence % ACCOUNTS),
                    event: Some(self.event(id)),
                    ..v1::PublishStreamRequest::default()
                }
            });
            let requests: Vec<_> = requests.collect();
            let mut publisher = PublisherServiceClient::new(client.clone());
            let mut answers = publisher
                .publish_stream(stream::iter(requests))
                .await?
                .into_inner();
            let mut accepted = 0;
            while let Some(answer) = answers.message().await? {
                match answer.outcome {
                    Some(Outcome::Accepted(_)) => accepted += 1,
                    other => bail!("ingest refused an event: {other:?}"),
                }
            }
            anyhow::ensure!(accepted == each, "{accepted} of {each} events were answered");
            Ok(())
        });
        try_join_all(streams).await.context("publishing on streams")?;
        Ok(())
    }

    async fn over_http(&self, events: u64, name: &str, tasks: &Tasks) -> anyhow::Result<()> {
        let authorization = format!("Bearer {}", self.key.expose());
        let requests = events / ARRAY;
        let lanes = (0..CONNECTIONS).map(async |lane| -> anyhow::Result<()> {
            let mut connection = Connection::open(self.http, tasks).await?;
            for number in (lane..requests).step_by(usize::try_from(CONNECTIONS)?) {
                let array: Vec<_> = (0..ARRAY)
                    .map(|at| {
                        format!(
                            "{{\"eventId\":\"{name}-{number}-{at}\",\"eventName\":\"{EVENT_NAME}\",\"data\":{}}}",
                            self.data
                        )
                    })
                    .collect();
                let account = account_id(number % ACCOUNTS);
                let request = Request::post(format!("/v1/accounts/{account}/events"))
                    .header(AUTHORIZATION, &authorization)
                    .header(CONTENT_TYPE, "application/json")
                    .body(Full::new(Bytes::from(format!("[{}]", array.join(",")))))?;
                let (status, answer) = connection.send(request).await?;
                if status != StatusCode::ACCEPTED {
                    bail!("ingest answered {status}: {}", String::from_utf8_lossy(&answer));
                }
            }
            Ok(())
        });
        try_join_all(lanes).await.context("publishing over HTTP")?;
        Ok(())
    }
}

/// Makes the accounts, and returns the catalogue's example of the type that is published.
async fn set_up(
    roles: &mut [Role; 2],
    registry: RegistryServiceClient<Client>,
    way: Way,
) -> anyhow::Result<String> {
    let asked = registry::GetEventTypeRequest {
        account_id: None,
        name: EVENT_NAME.to_owned(),
    };
    let example = poll(START_LIMIT, async || {
        roles.iter_mut().try_for_each(Role::check)?;
        match registry.clone().get_event_type(asked.clone()).await {
            Ok(found) => Ok(found.into_inner().event_type),
            Err(status) if status.code() == Code::Unavailable => Ok(None),
            Err(status) => Err(status).context("the registry does not answer"),
        }
    });
    let example = example
        .await?
        .context("the registry did not answer in time")?
        .example;
    let reaction = if way == Way::StreamWithIds {
        registry::Reaction::Warn
    } else {
        registry::Reaction::Accept
    };
    for account in 0..ACCOUNTS {
        let account = registry::Account {
            id: account_id(account),
            name: format!("account {account}"),
            schema_violations: reaction.into(),
            ..registry::Account::default()
        };
        let create = registry::CreateAccountRequest {
            account: Some(account),
        };
        let created = registry.clone().create_account(create).await;
        created.context("cannot create an account")?;
    }
    Ok(example)
}

/// The data of an example, made as long as an event of this size has it.
fn padded(example: &str) -> anyhow::Result<String> {
    let mut example: serde_json::Value = serde_json::from_str(example)?;
    // An envelope with one event.
    let data = example
        .pointer_mut("/events/0/data")
        .and_then(serde_json::Value::as_object_mut)
        .context("the example has no data")?;
    let length = serde_json::to_string(&data)?.len();
    data.insert(
        "pad".to_owned(),
        "x".repeat(EVENT_BYTES.saturating_sub(length)).into(),
    );
    Ok(serde_json::to_string(&data)?)
}
