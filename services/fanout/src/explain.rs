//! Tells why an event reaches a webhook, or does not: the question that administrators ask most.
//!
//! 1. `request` checks what the caller sends, and looks a stored event up by its position.
//! 2. The event is matched against the view of this moment, by what matches all events.
//! 3. `verdict` puts what came of it into words, beside what the journal recorded when the event was matched. Why it was
//!    so then, follows from what the webhooks were like, which the audit log tells (`past`).
//! 4. `calls` finds out how their calls go, and what came of the event.
//!
//! The journal itself is listed as well (`listing`).
//!
//! It reads the events topic, the journal and the audit log with readers of its own, and writes nothing: no event waits for an
//! explanation. Any worker answers, whichever partitions it has.

mod calls;
mod listing;
mod looked;
mod past;
mod refusal;
mod request;
mod verdict;

use std::collections::{HashMap, HashSet};
use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use angarium_directory::{Directory, Interest, lookup};
use angarium_journal::{accepted, matched};
use angarium_kafka::topics::{self, Names};
use angarium_kafka::{Connection, LogReader, partition_of};
use angarium_model::{AcceptedAt, AccountId, Event, Position, WebhookId};
use angarium_proto::convert::position_to_wire;
use angarium_proto::explain::v1;
use angarium_proto::explain::v1::explain_service_server::{ExplainService, ExplainServiceServer};
use angarium_proto::journal::v1::journal_service_server::JournalServiceServer;
use angarium_proto::journal::v1::{EventReference, Matched};
use angarium_proto::{FILE_DESCRIPTOR_SET, METHOD_SCOPES};
use angarium_runtime::access::{Gate, OperatorKey};
use angarium_runtime::{Clock, Tasks, UnderWay, chain, grpc};
use tokio::sync::OnceCell;
use tokio::time::{Instant, timeout_at};
use tonic::{Request, Response, Status};

use self::calls::{Calls, Sought};
use self::looked::Looked;
use self::past::{Looking, Was};
use self::refusal::Refusal;
use self::request::{Asked, Given};
use self::verdict::Then;
use crate::error::Error;

/// Calls under way at once in this worker, of one account half as many: each may read Kafka for seconds.
const MOST: usize = 4;
/// The most webhooks of an account that are explained at once.
const MAX_WEBHOOKS: usize = 1_000;
/// How long Kafka may take to say how many partitions a topic has.
const ASK: Duration = Duration::from_secs(10);
/// What is looked for in a log is looked for so long.
const LOOKS_BACK: Duration = Duration::from_secs(3);
/// A page of the journal waits so long for Kafka at most.
const PATIENCE: Duration = Duration::from_secs(12);
/// What is told beside the verdicts of now is there within this, or left out: who asks waits no longer than 15 s as a rule.
const WITHIN: Duration = Duration::from_secs(10);
/// Topics of which it is asked how many partitions they have.
const JOURNAL: usize = 0;
const AUDIT: usize = 1;

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
    audit: LogReader,
    /// Of the journal, and of the audit log.
    partitions: Arc<[OnceCell<NonZeroU32>; 2]>,
    clock: Clock,
    under_way: UnderWay<AccountId>,
    /// Pages of the journal: who looks at many keeps nobody from asking why.
    listed: UnderWay<AccountId>,
    /// Searches of the journal for how calls go: without room, it is left out.
    searched: UnderWay<AccountId>,
    /// Events that are shown.
    shown: UnderWay<AccountId>,
}

/// What is explained.
#[derive(Debug)]
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
        clock: Clock,
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
            audit: open(names.audit(), "audit")?,
            clock,
            directory,
            kafka: kafka.clone(),
            names: names.clone(),
            partitions: Arc::default(),
            under_way: UnderWay::new(MOST, MOST / 2),
            listed: UnderWay::new(MOST, MOST / 2),
            searched: UnderWay::new(MOST, MOST / 2),
            shown: UnderWay::new(MOST, MOST / 2),
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
        tasks: &Tasks,
    ) -> Result<SocketAddr, Error> {
        let (listener, address) = angarium_runtime::listen(listen)
            .await
            .map_err(|source| Error::Listen {
                address: listen,
                source,
            })?;
        let gate = Gate::new(key, Arc::new(self.directory.clone()), self.clock.clone());
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
        let asked = request::explain(asked, |account| self.directory.known_types(account))?;
        let (account, webhook, with_calls) = (asked.account, asked.webhook, asked.with_calls);
        let deadline = Instant::now() + WITHIN;
        let looked = self.look(asked, deadline).await?;
        let (mut answer, went_to) = looked.told(&self.directory.view());
        if with_calls {
            let sought = Sought {
                account,
                webhook,
                event: looked.explained.accepted,
                calls_of: looked.webhooks.iter().map(|webhook| webhook.id).collect(),
                went_to,
                now_ms: self.clock.now_ms(),
            };
            in_time(deadline, self.calls(&sought)).await.tell(&mut answer);
        }
        Ok(answer)
    }

    /// All that verdicts are made of.
    async fn look(&self, asked: Asked, deadline: Instant) -> Result<Looked, Refusal> {
        let account = asked.account;
        let _permit = self.under_way.begin(account)?;
        // One that is gone may have been there when the event was matched.
        let (webhooks, unknown) = match self.webhooks(account, asked.webhook) {
            Ok(webhooks) => (webhooks, None),
            Err(Refusal::NotFound(none @ lookup::NotFound::NoWebhook { .. }))
                if matches!(asked.given, Given::Position(_)) =>
            {
                (Vec::new(), Some(none))
            }
            Err(refusal) => return Err(refusal),
        };
        let explained = self.explained(account, asked.given).await?;
        let then = match explained.accepted {
            Some((position, accepted_at)) => self.recorded(account, position, accepted_at).await?,
            None => None,
        };
        let then = then.map(|(matched, at_ms)| Then::new(matched, at_ms));
        let truncated = webhooks.len() > MAX_WEBHOOKS;
        let webhooks = webhooks.into_iter().take(MAX_WEBHOOKS);
        let webhooks: Vec<_> = webhooks.filter_map(|id| self.directory.interest(id)).collect();
        let deleted = self.deleted(asked.webhook, then.as_ref());
        if let Some(unknown) = unknown
            && deleted.is_empty()
        {
            return Err(unknown.into());
        }
        let was = match &then {
            Some(then) => in_time(deadline, self.past(account, then, &webhooks, &deleted)).await,
            None => HashMap::new(),
        };
        Ok(Looked {
            explained,
            then,
            webhooks,
            deleted,
            was,
            truncated,
        })
    }

    /// Webhooks that wanted the type of the event when it was matched, and are gone; only the one that is asked for, if one is.
    fn deleted(&self, asked: Option<WebhookId>, then: Option<&Then>) -> Vec<WebhookId> {
        let named = then.into_iter().flat_map(Then::named);
        let meant = named.filter(|id| asked.is_none_or(|asked| asked == *id));
        let gone = meant.filter(|id| self.directory.interest(*id).is_none());
        gone.take(MAX_WEBHOOKS).collect()
    }

    /// What webhooks were like then, as far as they are not the same now.
    async fn past(
        &self,
        account: AccountId,
        then: &Then,
        webhooks: &[Arc<Interest>],
        deleted: &[WebhookId],
    ) -> Result<HashMap<WebhookId, Was>, Refusal> {
        let changed = webhooks
            .iter()
            .filter(|webhook| webhook.revision.offset() > then.revision())
            .map(|webhook| webhook.id);
        let wanted: HashSet<_> = changed.chain(deleted.iter().copied()).collect();
        if wanted.is_empty() {
            return Ok(HashMap::new());
        }
        let looking = Looking::for_these(wanted, (then.revision(), then.at_ms()));
        let partition = self.partition_in(AUDIT, account).await?;
        Ok(looking.look(&self.audit, partition, account).await?)
    }

    async fn calls(&self, sought: &Sought) -> Result<Calls, Refusal> {
        let _permit = self.searched.begin(sought.account)?;
        let partition = self.partition_in(JOURNAL, sought.account).await?;
        let logs = [&self.journal, &self.successes];
        Ok(Calls::look(logs, partition, sought).await?)
    }

    async fn event(&self, asked: v1::GetEventRequest) -> Result<v1::GetEventResponse, Refusal> {
        let (account, position) = request::get_event(asked)?;
        let _permit = self.shown.begin(account)?;
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
        let partitions = self.partitions(JOURNAL).await?;
        Ok(matched(&self.journal, partitions, account, position, accepted_at).await?)
    }

    /// How many partitions a topic has.
    async fn partitions(&self, of: usize) -> Result<NonZeroU32, Refusal> {
        let topic = [self.names.journal(), self.names.audit()][of];
        let ask = || topics::partitions(&self.kafka, topic, ASK);
        let partitions = self.partitions[of].get_or_try_init(ask).await;
        Ok(*partitions.map_err(|error| Refusal::Topics(Box::new(error)))?)
    }

    /// Where a topic has what is of an account.
    async fn partition_in(&self, of: usize, account: AccountId) -> Result<i32, Refusal> {
        let partitions = self.partitions(of).await?;
        Ok(partition_of(account.to_string().as_bytes(), partitions))
    }
}

/// What is found in time; else nothing, for what is known is told all the same.
async fn in_time<T: Default>(deadline: Instant, looking: impl Future<Output = Result<T, Refusal>>) -> T {
    match timeout_at(deadline, looking).await {
        Ok(Ok(found)) => found,
        Ok(Err(refusal)) => {
            tracing::info!(error = chain(&refusal), "a part of an explanation is left out");
            T::default()
        }
        Err(_elapsed) => T::default(),
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
