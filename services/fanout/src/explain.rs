//! Tells why an event reaches a webhook, or does not: the question that administrators ask most.
//!
//! 1. `request` checks what the caller sends, and looks a stored event up by its position.
//! 2. The event is matched against the view of this moment, by what matches all events.
//! 3. `verdict` puts what came of it into words, beside what the journal recorded when the event was matched.
//!
//! The journal itself is listed as well (`listing`).
//!
//! It reads the events topic and the journal with readers of its own, and writes nothing: no event waits for an
//! explanation. Any worker answers, whichever partitions it has.

mod listing;
mod refusal;
mod request;
mod verdict;

use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use angarium_directory::{Directory, lookup};
use angarium_filter::Subject;
use angarium_journal::{accepted, matched};
use angarium_kafka::topics::{self, Names};
use angarium_kafka::{Connection, LogReader};
use angarium_model::{AcceptedAt, AccountId, Event, Position, WebhookId};
use angarium_proto::convert::position_to_wire;
use angarium_proto::explain::v1;
use angarium_proto::explain::v1::explain_service_server::{ExplainService, ExplainServiceServer};
use angarium_proto::journal::v1::journal_service_server::JournalServiceServer;
use angarium_proto::journal::v1::{EventReference, Matched};
use angarium_proto::{FILE_DESCRIPTOR_SET, METHOD_SCOPES};
use angarium_runtime::access::{Gate, OperatorKey};
use angarium_runtime::{Clock, Tasks, UnderWay, grpc};
use tokio::sync::OnceCell;
use tonic::{Request, Response, Status};

use self::refusal::Refusal;
use self::request::{Asked, Given};
use self::verdict::{Now, Then};
use crate::error::Error;

/// Calls under way at once in this worker, of one account half as many: each may read Kafka for seconds.
const MOST: usize = 4;
/// The most webhooks of an account that are explained at once.
const MAX_WEBHOOKS: usize = 1_000;
/// How long Kafka may take to say how many partitions the journal has.
const ASK: Duration = Duration::from_secs(10);

/// Answers `ExplainService`. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Explainer {
    directory: Directory,
    kafka: Connection,
    names: Names,
    events: LogReader,
    journal: LogReader,
    /// The journal of what went well.
    successes: LogReader,
    /// Of the journal.
    partitions: Arc<OnceCell<NonZeroU32>>,
    under_way: UnderWay<AccountId>,
    /// Pages of the journal: who looks at many keeps nobody from asking why.
    listed: UnderWay<AccountId>,
}

/// What is explained.
struct Explained {
    event: Event,
    /// Of an event that was accepted.
    accepted: Option<(Position, AcceptedAt)>,
}

impl Explainer {
    /// Nothing is contacted yet.
    ///
    /// # Errors
    /// If librdkafka refuses the settings.
    pub fn open(
        kafka: &Connection,
        names: &Names,
        client_id: &str,
        directory: Directory,
        tasks: &Tasks,
    ) -> Result<Self, Error> {
        let open = |topic: &str, of: &str| -> Result<LogReader, Error> {
            let client_id = format!("{client_id}-explain-{of}");
            Ok(LogReader::open(kafka, topic, &client_id, tasks)?)
        };
        Ok(Self {
            events: open(names.events(), "events")?,
            journal: open(names.journal(), "journal")?,
            successes: open(names.journal_ok(), "successes")?,
            directory,
            kafka: kafka.clone(),
            names: names.clone(),
            partitions: Arc::default(),
            under_way: UnderWay::new(MOST, MOST / 2),
            listed: UnderWay::new(MOST, MOST / 2),
        })
    }

    /// Listens, and serves gRPC until the shutdown begins. Returns where.
    ///
    /// # Errors
    /// When the address cannot be listened on.
    pub async fn serve(
        self,
        listen: SocketAddr,
        key: OperatorKey,
        clock: Clock,
        tasks: &Tasks,
    ) -> Result<SocketAddr, Error> {
        let (listener, address) = angarium_runtime::listen(listen)
            .await
            .map_err(|source| Error::Listen {
                address: listen,
                source,
            })?;
        let gate = Gate::new(key, Arc::new(self.directory.clone()), clock);
        let journal =
            JournalServiceServer::new(self.clone()).max_decoding_message_size(grpc::MAX_MESSAGE_BYTES);
        let service = ExplainServiceServer::new(self).max_decoding_message_size(grpc::MAX_MESSAGE_BYTES);
        let server = grpc::Server::new(gate, METHOD_SCOPES)
            .reflection(FILE_DESCRIPTOR_SET)?
            .add_service(service)
            .add_service(journal);
        tasks.spawn_critical("fanout grpc", server.serve(listener, tasks.shutdown().clone()));
        tracing::info!(%address, "fanout serves gRPC");
        Ok(address)
    }

    async fn answer(&self, asked: v1::ExplainRequest) -> Result<v1::ExplainResponse, Refusal> {
        let Asked {
            account,
            webhook,
            given,
        } = request::explain(asked, |account| self.directory.known_types(account))?;
        let _permit = self.under_way.begin(account)?;
        let webhooks = self.webhooks(account, webhook)?;
        let explained = self.explained(account, given).await?;
        let then = match explained.accepted {
            Some((position, accepted_at)) => self.recorded(account, position, accepted_at).await?,
            None => None,
        };
        let info = explained.info();
        let subject = Subject::new(&explained.event, &info);
        let now = Now::of(&self.directory.view(), &explained.event, &subject);
        let then = then.map(|(matched, at_ms)| Then::new(matched, at_ms));
        let truncated = webhooks.len() > MAX_WEBHOOKS;
        let explanations = webhooks
            .into_iter()
            .take(MAX_WEBHOOKS)
            .filter_map(|id| self.directory.interest(id))
            .map(|webhook| verdict::explanation(&webhook, &now, then.as_ref(), &subject));
        Ok(v1::ExplainResponse {
            explanations: explanations.collect(),
            event: Some(explained.reference()),
            accepted_at_ms: explained.accepted.map(|(_, accepted_at)| accepted_at.unix_ms()),
            recorded: then.as_ref().map(Then::recorded),
            truncated,
        })
    }

    async fn event(&self, asked: v1::GetEventRequest) -> Result<v1::GetEventResponse, Refusal> {
        let (account, position) = request::get_event(asked)?;
        let _permit = self.under_way.begin(account)?;
        // Of an account that is not there, nobody is told whether there was an event.
        self.is_there(account)?;
        let found = self.explained(account, Given::Position(position)).await?;
        Ok(v1::GetEventResponse {
            event: Some(found.reference()),
            accepted_at_ms: found.accepted.map_or(0, |(_, accepted_at)| accepted_at.unix_ms()),
            timestamp: found.event.timestamp.get(),
            event_info: found.info(),
            data: String::from_utf8_lossy(found.event.data.bytes()).into_owned(),
        })
    }

    fn is_there(&self, account: AccountId) -> Result<(), Refusal> {
        if !self.directory.is_ready() {
            return Err(lookup::NotFound::NotReady.into());
        }
        let found = self.directory.account(account);
        found
            .map(drop)
            .ok_or_else(|| lookup::NotFound::NoAccount(account).into())
    }

    /// The webhook that is asked for, or all of the account, at most one more than are explained.
    fn webhooks(&self, account: AccountId, asked: Option<WebhookId>) -> Result<Vec<WebhookId>, Refusal> {
        if let Some(id) = asked {
            lookup::interest(&self.directory, account, id)?;
            return Ok(vec![id]);
        }
        self.is_there(account)?;
        Ok(self.directory.view().webhooks_of(account, MAX_WEBHOOKS + 1))
    }

    async fn explained(&self, account: AccountId, given: Given) -> Result<Explained, Refusal> {
        match given {
            Given::Sample(event) => Ok(Explained {
                event,
                accepted: None,
            }),
            Given::Position(position) => {
                let found = accepted(&self.events, account, position).await?;
                let found = found.ok_or(Refusal::NoEvent { account, position })?;
                Ok(Explained {
                    event: found.event,
                    accepted: Some((position, found.accepted_at)),
                })
            }
        }
    }

    async fn recorded(
        &self,
        account: AccountId,
        position: Position,
        accepted_at: AcceptedAt,
    ) -> Result<Option<(Matched, i64)>, Refusal> {
        let partitions = self.partitions().await?;
        Ok(matched(&self.journal, partitions, account, position, accepted_at).await?)
    }

    /// How many partitions the journal has.
    async fn partitions(&self) -> Result<NonZeroU32, Refusal> {
        let ask = || topics::partitions(&self.kafka, self.names.journal(), ASK);
        let partitions = self.partitions.get_or_try_init(ask).await;
        Ok(*partitions.map_err(|error| Refusal::Topics(Box::new(error)))?)
    }
}

impl Explained {
    /// `eventInfo` as receivers get it.
    fn info(&self) -> String {
        match (&self.event.info, self.accepted) {
            (Some(info), _) => info.as_str().to_owned(),
            (None, Some((position, accepted_at))) => position.event_info(accepted_at),
            (None, None) => String::new(),
        }
    }

    fn reference(&self) -> EventReference {
        EventReference {
            position: self.accepted.map(|(position, _)| position_to_wire(position)),
            event_id: self.event.id.as_str().to_owned(),
            event_name: self.event.name.as_str().to_owned(),
        }
    }
}

#[tonic::async_trait]
impl ExplainService for Explainer {
    async fn explain(
        &self,
        request: Request<v1::ExplainRequest>,
    ) -> Result<Response<v1::ExplainResponse>, Status> {
        let asked = lookup::seen(request, |asked| asked.account_id)?;
        Ok(Response::new(self.answer(asked).await?))
    }

    async fn get_event(
        &self,
        request: Request<v1::GetEventRequest>,
    ) -> Result<Response<v1::GetEventResponse>, Status> {
        let asked = lookup::seen(request, |asked| asked.account_id)?;
        Ok(Response::new(self.event(asked).await?))
    }
}
