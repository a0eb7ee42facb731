//! A running ingest, and what a producer and a reader of the topic do.

use std::num::NonZeroU32;
use std::time::Duration;

use angarium_directory::Directory;
use angarium_ingest::{Config, Handle, Service, Surroundings};
use angarium_kafka::topics::Layout;
use angarium_kafka::{Connection, Limit, LogReader, MockBroker, Record, partition_of};
use angarium_model::{Account, AccountId, Event, ExternalId, Revision};
use angarium_proto::convert::event_from_record;
use angarium_proto::event::v1::EventRecord;
use angarium_proto::event::v1::publisher_service_client::PublisherServiceClient;
use angarium_runtime::access::OperatorKey;
use angarium_runtime::{Clock, Shutdown, Tasks, grpc};
use bytes::Bytes;
use http::{HeaderMap, Request, Response, StatusCode, header};
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use prost::Message as _;
use serde_json::Value;

pub(super) const KEY: &str = "a-key-for-these-tests";
/// The account of all samples (E7).
pub(super) const ACCOUNT: u64 = 1234;
/// Of that account.
pub(super) const EXTERNAL_ID: &str = "acme-gmbh";
/// Another account that exists.
pub(super) const OTHER: u64 = 1010;
pub(super) const NOW_MS: i64 = 1_727_414_643_000;
/// What must happen happens within this; a test that waits longer has failed.
pub(super) const PATIENCE: Duration = Duration::from_secs(30);

pub(super) struct Ingest {
    pub(super) handle: Handle,
    pub(super) tasks: Tasks,
    pub(super) connection: Connection,
    pub(super) directory: Directory,
    /// `None` once it was taken away, or if there never was one.
    pub(super) broker: Option<MockBroker>,
}

/// An answer, read to its end.
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Value,
}

impl Answer {
    pub(super) fn header(&self, name: header::HeaderName) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// Of each accepted event its position and whether it is a duplicate.
    pub(super) fn accepted(&self) -> Vec<(String, bool)> {
        assert_eq!(self.status, StatusCode::ACCEPTED, "{}", self.body);
        let event = |event: &Value| {
            (
                event["position"].as_str().unwrap().to_owned(),
                event["duplicate"].as_bool().unwrap(),
            )
        };
        self.body["accepted"]
            .as_array()
            .unwrap()
            .iter()
            .map(event)
            .collect()
    }

    pub(super) fn pointers(&self) -> Vec<&str> {
        self.body["errors"]
            .as_array()
            .unwrap()
            .iter()
            .map(|error| error["pointer"].as_str().unwrap())
            .collect()
    }
}

impl Ingest {
    pub(super) async fn start() -> Self {
        Self::with(|_| {}).await
    }

    /// With settings of the test's own.
    pub(super) async fn with(settings: impl FnOnce(&mut Config)) -> Self {
        let broker = MockBroker::start(&Layout::default()).unwrap();
        Self::over(broker.connection(), Some(broker), settings).await
    }

    pub(super) async fn over(
        connection: Connection,
        broker: Option<MockBroker>,
        settings: impl FnOnce(&mut Config),
    ) -> Self {
        let any = "127.0.0.1:0".parse().unwrap();
        let mut config = Config::new(any, any, OperatorKey::new(KEY).unwrap());
        settings(&mut config);
        let account = |id| Account {
            external_id: (id == ACCOUNT).then(|| ExternalId::new(EXTERNAL_ID).unwrap()),
            revision: Revision::from_offset(1),
            ..Account::new(AccountId::new(id).unwrap())
        };
        let directory = Directory::fixed([account(ACCOUNT), account(OTHER)], []);
        let around = Surroundings {
            kafka: connection.clone(),
            topics: Layout::default().names(),
            directory: directory.clone(),
            clock: Clock::manual(NOW_MS).0,
        };
        let tasks = Tasks::new(Shutdown::new());
        let handle = Service::start(config, around, &tasks).await.unwrap();
        Self {
            handle,
            tasks,
            connection,
            directory,
            broker,
        }
    }

    /// Publishes JSON to the samples' account.
    pub(super) async fn post(&self, body: impl Into<Bytes>) -> Answer {
        self.request(Self::publish(ACCOUNT).body(Full::new(body.into())).unwrap())
            .await
    }

    /// A request to publish, with the key.
    pub(super) fn publish(account: u64) -> http::request::Builder {
        Request::post(format!("/v1/accounts/{account}/events"))
            .header(header::AUTHORIZATION, format!("Bearer {KEY}"))
            .header(header::CONTENT_TYPE, "application/json")
    }

    pub(super) async fn request(&self, request: Request<Full<Bytes>>) -> Answer {
        let stream = tokio::net::TcpStream::connect(self.handle.http()).await.unwrap();
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.unwrap();
        self.tasks
            .spawn("test's connection", async move { drop(connection.await) });
        let response = tokio::time::timeout(PATIENCE, sender.send_request(request))
            .await
            .unwrap()
            .unwrap();
        let (head, body) = Response::into_parts(response);
        let body = body.collect().await.unwrap().to_bytes();
        let body = serde_json::from_slice(&body).unwrap_or_else(|_| String::from_utf8_lossy(&body).into());
        Answer {
            status: head.status,
            headers: head.headers,
            body,
        }
    }

    pub(super) fn grpc(&self, key: &str) -> PublisherServiceClient<grpc::Client> {
        PublisherServiceClient::new(self.client(key))
    }

    pub(super) fn client(&self, key: &str) -> grpc::Client {
        let key = OperatorKey::new(key).unwrap();
        grpc::client(&format!("http://{}", self.handle.grpc()), &key).unwrap()
    }

    /// The records of an account's partition of the events topic, all of them.
    pub(super) async fn records(&self, account: u64) -> Vec<Record> {
        let reader = LogReader::open(
            &self.connection,
            Layout::default().names().events(),
            "test",
            &self.tasks,
        )
        .unwrap();
        let partition = partition_of(account.to_string().as_bytes(), NonZeroU32::new(12).unwrap());
        let (mut records, mut next) = (Vec::new(), 0);
        loop {
            let limit = Limit {
                records: 1_000,
                bytes: 8 << 20,
            };
            let chunk = reader.read(partition, next, limit).await.unwrap();
            records.extend(chunk.records);
            next = chunk.next;
            if next >= chunk.end {
                return records;
            }
        }
    }

    pub(super) async fn events(&self, account: u64) -> Vec<Event> {
        let event =
            |record: Record| event_from_record(EventRecord::decode(record.value.unwrap()).unwrap()).unwrap();
        self.records(account).await.into_iter().map(event).collect()
    }

    /// The ids of these events, in Kafka's order.
    pub(super) async fn ids(&self, account: u64) -> Vec<String> {
        let events = self.events(account).await;
        events.into_iter().map(|event| event.id.into_string()).collect()
    }
}

/// A right event with an id.
pub(super) fn event(id: &str) -> String {
    format!(
        r#"{{"eventId":"{id}","eventName":"CI_STATS","timestamp":1725604147,"data":{{"seatLimit": 30}}}}"#
    )
}
