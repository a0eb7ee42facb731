//! What is sent again because someone asks for it: replays, single events, what was put aside.
//!
//! 1. `request` checks what the caller sends.
//! 2. `log` looks into Kafka: where a time or an event lies, how many events a range has, what was put aside.
//! 3. `trail` tells who asks for it, in the audit log.
//! 4. What is to be sent is appended to the webhook's partition of its deliveries topic: an order, or the event once
//!    more. The partition's owner meets it in its turn (`hook/replay.rs`). So any worker can answer any call, and what was
//!    ordered outlives all of them.
//!
//! How far a replay is stands in the webhook's cursor.

mod dead_letters;
mod log;
mod progress;
mod refusal;
mod request;
mod trail;

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use angarium_directory::Directory;
use angarium_kafka::topics::{self, Names};
use angarium_kafka::{Connection, Outgoing, Producer, SendError, partition_of};
use angarium_model::{AccountId, Actor, Lane, Position, WebhookId};
use angarium_policy::expired;
use angarium_proto::audit::v1::audit_record::Asked;
use angarium_proto::convert;
use angarium_proto::delivery::v1;
use angarium_proto::delivery::v1::replay_service_server::ReplayService;
use angarium_proto::delivery::v1::{DeliveryRecord, ReplayOrder, replay_order};
use angarium_runtime::{Clock, Tasks, UnderWay, grpc, millis};
use bytes::BytesMut;
use prost::Message as _;
use tokio::sync::OnceCell;
use tokio::time::timeout;
use tonic::{Request, Response, Status};

use self::log::{Counted, Log};
use self::refusal::Refusal;
use self::request::{Start, Subject};
use self::trail::{Told, Trail};
use crate::cursor::Found;
use crate::cursors::Cursors;
use crate::error::Error;
use angarium_directory::lookup;

/// Calls under way at once in this worker that may read Kafka for seconds; of one account half as many.
const MOST: usize = 4;
/// Calls that only order something, of one account half as many: nobody waits with a cancellation for those that read.
const MOST_ORDERS: usize = 16;
/// The most that the clocks of two brokers may differ.
const CLOCKS: Duration = Duration::from_mins(5);
/// Kafka takes an order within this, or the caller is told that it may have been given or not.
const PATIENCE: Duration = Duration::from_secs(10);

/// Answers calls of `ReplayService`. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Replays {
    directory: Directory,
    kafka: Connection,
    names: Names,
    /// Of the deliveries of a lane: the other one has as many, and they stay as many (`topics apply`).
    partitions: Arc<OnceCell<NonZeroU32>>,
    producer: Producer,
    cursors: Cursors,
    log: Log,
    trail: Trail,
    clock: Clock,
    under_way: UnderWay<AccountId>,
    ordering: UnderWay<AccountId>,
}

/// Where a webhook's deliveries are.
#[derive(Clone, Copy, Debug)]
struct Place {
    webhook: WebhookId,
    lane: Lane,
    partition: i32,
}

/// What Replays stands on, beside Kafka.
#[derive(Clone, Debug)]
pub(crate) struct Means {
    pub(crate) directory: Directory,
    pub(crate) producer: Producer,
    pub(crate) cursors: Cursors,
    pub(crate) clock: Clock,
}

impl Replays {
    /// # Errors
    /// If librdkafka refuses the settings.
    pub(crate) fn open(
        kafka: &Connection,
        names: &Names,
        client_id: &str,
        means: Means,
        tasks: &Tasks,
    ) -> Result<Self, Error> {
        Ok(Self {
            directory: means.directory,
            kafka: kafka.clone(),
            names: names.clone(),
            partitions: Arc::default(),
            trail: Trail::open(kafka, names, client_id)?,
            producer: means.producer,
            cursors: means.cursors,
            log: Log::open(kafka, names, client_id, tasks)?,
            clock: means.clock,
            under_way: UnderWay::new(MOST, MOST / 2),
            ordering: UnderWay::new(MOST_ORDERS, MOST_ORDERS / 2),
        })
    }

    /// Finds the webhook, and where its deliveries are.
    async fn place(&self, subject: Subject, lane: Lane) -> Result<Place, Refusal> {
        let Subject { account, webhook } = subject;
        lookup::webhook(&self.directory, account, webhook)?;
        let ask = || topics::partitions(&self.kafka, self.names.deliveries(lane), PATIENCE);
        let partitions = self.partitions.get_or_try_init(ask).await;
        let partitions = partitions.map_err(|error| Refusal::Topics(Box::new(error)))?;
        Ok(Place {
            webhook,
            lane,
            partition: partition_of(webhook.as_bytes(), *partitions),
        })
    }

    async fn replay(
        &self,
        by: Actor,
        wire: v1::ReplayWebhookRequest,
    ) -> Result<v1::ReplayWebhookResponse, Refusal> {
        let asked = request::replay(&wire)?;
        let _permit = self.under_way.begin(asked.subject.account)?;
        let place = self.place(asked.subject, asked.lane).await?;
        let told = Told {
            by,
            // Its range is all that matters: a page is a part of what was asked for first.
            asked: Asked::ReplayWebhook(v1::ReplayWebhookRequest {
                page_token: String::new(),
                ..wire
            }),
        };
        if let (Some(page), Start::Time(from_ms)) = (asked.dead_letters, asked.start) {
            let times = from_ms..asked.until_ms.unwrap_or(i64::MAX);
            if !asked.dry_run {
                self.trail.tell(asked.subject, told).await?;
            }
            return self
                .resend_dead_letters(asked.subject, place, (times, page), asked.dry_run)
                .await;
        }
        let (from, after) = match asked.start {
            Start::Time(from_ms) => (self.log.offset_at(place, from_ms).await?, None),
            Start::Position(position) => {
                let event = self.log.event(asked.subject.account, position).await?;
                // The brokers' clocks may differ; what is too early is left out by its position.
                let about_ms = event.accepted_at.unix_ms().saturating_sub(millis(CLOCKS));
                let from = self.log.offset_at(place, about_ms.max(0)).await?;
                (from, Some(position.offset - 1))
            }
        };
        let end = self.log.end(place).await?;
        let until = match asked.until_ms {
            Some(until_ms) => self.log.offset_at(place, until_ms).await?.min(end),
            None => end,
        };
        if asked.dry_run {
            // What was not sent yet comes in its turn, and not again.
            let found = self.found(place).await?;
            let until = progress::done_until(&found, place.webhook).map_or(until, |done| done.min(until));
            let Counted { events, more } = self
                .log
                .count(place, from..until, after, self.clock.now_ms())
                .await?;
            return Ok(v1::ReplayWebhookResponse {
                events,
                more,
                ..v1::ReplayWebhookResponse::default()
            });
        }
        let range = replay_order::Range {
            from,
            until,
            after_source_offset: after,
        };
        self.trail.tell(asked.subject, told).await?;
        let order = replay_order::Order::Replay(range);
        let replay_id = self.order(asked.subject, place, order).await?;
        Ok(v1::ReplayWebhookResponse {
            replay_id,
            ..v1::ReplayWebhookResponse::default()
        })
    }

    async fn cancel(&self, by: Actor, wire: v1::CancelReplayRequest) -> Result<(), Refusal> {
        let (subject, lane, of) = request::cancel(&wire)?;
        let _permit = self.ordering.begin(subject.account)?;
        let place = self.place(subject, lane).await?;
        if let Some(of) = of {
            self.log.ordered(place, of).await?;
        }
        let asked = Asked::CancelReplay(wire);
        self.trail.tell(subject, Told { by, asked }).await?;
        let cancel = replay_order::Order::Cancel(replay_order::Cancel { of });
        self.order(subject, place, cancel).await?;
        Ok(())
    }

    async fn progress(&self, wire: v1::GetReplayRequest) -> Result<v1::GetReplayResponse, Refusal> {
        let (subject, lane, id) = request::progress(&wire)?;
        let _permit = self.under_way.begin(subject.account)?;
        let place = self.place(subject, lane).await?;
        let range = self.log.ordered(place, id).await?;
        let found = self.found(place).await?;
        let (state, done_permille) = progress::of(&found, place.webhook, id, range.from);
        Ok(v1::GetReplayResponse {
            state: state.into(),
            done_permille,
        })
    }

    /// What is on record of the partition.
    async fn found(&self, place: Place) -> Result<Found, Refusal> {
        let reading = self.cursors.found(place.lane, place.partition);
        let found = timeout(PATIENCE, reading).await;
        Ok(found.map_err(|_elapsed| Refusal::Slow)??)
    }

    async fn resend(&self, by: Actor, wire: v1::ResendEventRequest) -> Result<(), Refusal> {
        let (subject, position) = request::resend(&wire)?;
        let _permit = self.ordering.begin(subject.account)?;
        let asked = Asked::ResendEvent(wire);
        self.resend_one(subject, position, Some(Told { by, asked })).await
    }

    /// Appends an event once more, for one webhook; once it is told who asks for it, unless that is told already.
    async fn resend_one(
        &self,
        subject: Subject,
        position: Position,
        told: Option<Told>,
    ) -> Result<(), Refusal> {
        // As it happens: someone waits for it.
        let place = self.place(subject, Lane::Realtime).await?;
        let found = self.log.event(subject.account, position).await?;
        if expired(found.accepted_at, self.clock.now_ms()) {
            return Err(Refusal::NoEvent(position));
        }
        let record = DeliveryRecord {
            resent: true,
            ..convert::delivery_of(found.event, position, found.accepted_at)
        };
        if let Some(told) = told {
            self.trail.tell(subject, told).await?;
        }
        self.append(subject, place, record).await?;
        Ok(())
    }

    /// Appends an order; the offset is what it is called by.
    async fn order(
        &self,
        subject: Subject,
        place: Place,
        order: replay_order::Order,
    ) -> Result<i64, Refusal> {
        let record = DeliveryRecord {
            account_id: subject.account.get(),
            replay_order: Some(ReplayOrder { order: Some(order) }),
            ..DeliveryRecord::default()
        };
        self.append(subject, place, record).await
    }

    async fn append(&self, subject: Subject, place: Place, record: DeliveryRecord) -> Result<i64, Refusal> {
        let mut webhook_ids = BytesMut::new();
        convert::append_webhook_id(&mut webhook_ids, place.webhook);
        let record = DeliveryRecord {
            webhook_ids: webhook_ids.freeze(),
            registry_revision: self.directory.revision(subject.account).offset(),
            ..record
        };
        let sent = self.producer.send(Outgoing {
            topic: self.names.deliveries(place.lane),
            partition: place.partition,
            key: place.webhook.as_bytes(),
            value: Some(&record.encode_to_vec()),
            headers: &[],
        });
        let ack = sent.map_err(|error| match error {
            SendError::QueueFull => Refusal::Busy,
            error => Refusal::NotSent(error),
        })?;
        let acked = timeout(PATIENCE, ack)
            .await
            .map_err(|_elapsed| Refusal::Unknown)??;
        Ok(acked.offset)
    }
}

#[tonic::async_trait]
impl ReplayService for Replays {
    async fn replay_webhook(
        &self,
        request: Request<v1::ReplayWebhookRequest>,
    ) -> Result<Response<v1::ReplayWebhookResponse>, Status> {
        let by = grpc::access(request.extensions())?.actor;
        let asked = lookup::seen(request, |asked| asked.account_id)?;
        Ok(Response::new(self.replay(by, asked).await?))
    }

    async fn cancel_replay(
        &self,
        request: Request<v1::CancelReplayRequest>,
    ) -> Result<Response<v1::CancelReplayResponse>, Status> {
        let by = grpc::access(request.extensions())?.actor;
        let asked = lookup::seen(request, |asked| asked.account_id)?;
        self.cancel(by, asked).await?;
        Ok(Response::new(v1::CancelReplayResponse {}))
    }

    async fn get_replay(
        &self,
        request: Request<v1::GetReplayRequest>,
    ) -> Result<Response<v1::GetReplayResponse>, Status> {
        let asked = lookup::seen(request, |asked| asked.account_id)?;
        Ok(Response::new(self.progress(asked).await?))
    }

    async fn resend_event(
        &self,
        request: Request<v1::ResendEventRequest>,
    ) -> Result<Response<v1::ResendEventResponse>, Status> {
        let by = grpc::access(request.extensions())?.actor;
        let asked = lookup::seen(request, |asked| asked.account_id)?;
        self.resend(by, asked).await?;
        Ok(Response::new(v1::ResendEventResponse {}))
    }

    async fn list_dead_letters(
        &self,
        request: Request<v1::ListDeadLettersRequest>,
    ) -> Result<Response<v1::ListDeadLettersResponse>, Status> {
        let asked = lookup::seen(request, |asked| asked.account_id)?;
        Ok(Response::new(self.list_dead_letters(asked).await?))
    }
}
