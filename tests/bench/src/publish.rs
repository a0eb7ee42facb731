//! Publishes a batch to ingest.

use std::net::SocketAddr;

use angarium_proto::event::v1;
use angarium_proto::event::v1::publish_stream_response::Outcome;
use angarium_proto::event::v1::publisher_service_client::PublisherServiceClient;
use angarium_runtime::grpc::Client;
use angarium_runtime::{Clock, Tasks};
use anyhow::{Context, bail};
use bytes::Bytes;
use futures::future::try_join_all;
use futures::stream;
use http_body_util::Full;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use hyper::{Request, StatusCode};

use crate::connection::Connection;
use crate::epoch::Epoch;
use crate::payload::{EVENT_NAME, Event};
use crate::workload::{Batch, Planned};

/// Producers that publish side by side, each on a connection of its own.
pub(crate) const STREAMS: usize = 4;
/// An account keeps its order by waiting for each answer: as many as [`SingleHttp`](crate::scenario::Scenario::SingleHttp) has accounts.
pub(crate) const CONNECTIONS: usize = 256;

/// A batch has been acknowledged.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Published {
    /// When the last acknowledgement came, by the epoch.
    pub(crate) last_ns: u64,
}

/// Makes the events of a side.
#[derive(Clone, Debug)]
pub(crate) struct Maker {
    /// Makes ids unique.
    pub(crate) name: String,
    pub(crate) epoch: Epoch,
    pub(crate) clock: Clock,
}

impl Maker {
    /// Waits until the event is due. It counts as sent when it was due, so that a publisher that is held up does
    /// not hide the time that events wait.
    async fn make(&self, planned: Planned) -> Event {
        if let Some(due) = planned.due_ns {
            tokio::time::sleep_until(self.epoch.at(due)).await;
        }
        let sent_ns = planned.due_ns.unwrap_or_else(|| self.epoch.now_ns());
        let timestamp_ms = u64::try_from(self.clock.now_ms()).unwrap_or_default();
        Event::new(&self.name, planned, sent_ns, timestamp_ms)
    }
}

/// On gRPC streams, as fast as ingest takes events.
pub(crate) async fn on_streams(clients: &[Client], batch: Batch, maker: &Maker) -> anyhow::Result<Published> {
    // One schedule is kept by one publisher.
    let clients = if batch.period_ns.is_some() {
        clients.get(..1).unwrap_or(clients)
    } else {
        clients
    };
    let lanes = u64::try_from(clients.len())?;
    let streams = clients.iter().zip(0..).map(async |(client, lane)| {
        let requests = stream::unfold(
            (batch.lane(lane, lanes).zip(0_u64..), maker.clone()),
            async |(mut plan, maker)| {
                let (planned, sequence) = plan.next()?;
                let event = maker.make(planned).await;
                Some((request(event, sequence), (plan, maker)))
            },
        );
        let mut publisher = PublisherServiceClient::new(client.clone());
        let mut answers = publisher.publish_stream(requests).await?.into_inner();
        let mut left = batch.lane(lane, lanes).count();
        while let Some(answer) = answers.message().await? {
            match answer.outcome {
                Some(Outcome::Accepted(_)) => left -= 1,
                Some(Outcome::Refused(refused)) => bail!("ingest refused an event: {}", refused.message),
                None => bail!("ingest gave an answer without an outcome"),
            }
        }
        if left > 0 {
            bail!("ingest left {left} events of a stream without an answer");
        }
        Ok(())
    });
    try_join_all(streams).await.context("publishing on streams")?;
    Ok(Published {
        last_ns: maker.epoch.now_ns(),
    })
}

fn request(event: Event, sequence: u64) -> v1::PublishStreamRequest {
    v1::PublishStreamRequest {
        sequence,
        account_id: event.account_id,
        event: Some(v1::Event {
            event_id: event.id,
            event_name: EVENT_NAME.to_owned(),
            timestamp: Some(event.timestamp_ms),
            event_info: String::new(),
            data: Bytes::from(event.data),
        }),
        ..v1::PublishStreamRequest::default()
    }
}

/// Over HTTP, one event a request, the next one on a connection once the last has been answered.
pub(crate) async fn over_http(
    ingest: SocketAddr,
    authorization: &HeaderValue,
    batch: Batch,
    maker: &Maker,
    tasks: &Tasks,
) -> anyhow::Result<Published> {
    let lanes = u64::try_from(CONNECTIONS)?;
    let connections = (0..lanes).map(async |lane| -> anyhow::Result<()> {
        let mut connection = Connection::open(ingest, tasks).await?;
        for planned in batch.lane(lane, lanes) {
            let event = maker.make(planned).await;
            let request = Request::post(format!("/v1/accounts/{}/events", event.account_id))
                .header(AUTHORIZATION, authorization.clone())
                .header(CONTENT_TYPE, "application/json")
                .body(Full::new(Bytes::from(event.json())))?;
            let (status, answer) = connection.send(request).await?;
            if status != StatusCode::ACCEPTED {
                bail!("ingest answered {status}: {}", String::from_utf8_lossy(&answer));
            }
        }
        Ok(())
    });
    try_join_all(connections).await.context("publishing over HTTP")?;
    Ok(Published {
        last_ns: maker.epoch.now_ns(),
    })
}
