//! Brings a request to the writer of its account, wherever that is.

use std::sync::Arc;
use std::time::Duration;

use angarium_model::{Access, Actor, Scope};
use angarium_policy::egress::Policy;
use angarium_runtime::{Clock, grpc};
use tokio::time::{Instant, timeout, timeout_at};
use tonic::metadata::MetadataMap;
use tonic::{Code, Request, Response, Status};

use crate::changes::Change;
use crate::peers::Peers;
use crate::plan::Write;
use crate::refusal::{Refusal, is_not_writer};
use crate::request::Grounds;
use crate::revisions;
use crate::sessions::Sessions;
use crate::store::Store;
use crate::writers::{Author, Open, Writers};

/// Brings requests to writers.
#[derive(Debug)]
pub(crate) struct Routing {
    pub(crate) store: Arc<Store>,
    pub(crate) writers: Writers,
    pub(crate) sessions: Arc<Sessions>,
    pub(crate) peers: Peers,
    pub(crate) clock: Clock,
    /// Where calls may lead.
    pub(crate) egress: Policy,
    /// How long a request waits for a writer, and then as long again for Kafka, and for the reader.
    pub(crate) patience: Duration,
}

impl Routing {
    /// Has a request written, here or elsewhere, and answers once this registry has read it back.
    pub(crate) async fn write<C: Change>(&self, request: Request<C>) -> Result<Response<C::Answer>, Status> {
        let (metadata, extensions, request) = request.into_parts();
        let is_passed_on = revisions::is_passed_on(&metadata);
        let by = self.caller(&metadata, grpc::access(&extensions)?)?;
        let deadline = Instant::now() + self.patience;
        let write = request.clone().check(self.grounds(by))?;
        write.home().seen_by(by)?;
        let partition = self.writers.partition_of(write.home());
        // An account whose external id is not kept, or not any more, is not written (ADR 27).
        let until_ms = write
            .external_id()
            .map(|_| revisions::kept_until_ms(&metadata).unwrap_or_default());
        let mut checked = Some(write);
        let mut moves = self.writers.moves(partition);
        loop {
            let answer = match self.writers.author(partition) {
                Author::This(open) => {
                    let write = match checked.take() {
                        Some(write) => write,
                        // The one before went with a writer that has ended.
                        None => request.clone().check(self.grounds(by))?,
                    };
                    self.write_here::<C>(&open, (write, by), (deadline, until_ms))
                        .await
                }
                Author::Other(endpoint) if !is_passed_on => {
                    self.pass_on(&endpoint, (&metadata, by), request.clone()).await
                }
                Author::Other(_) | Author::Nobody | Author::Unknown => None,
            };
            if let Some(answer) = answer {
                return answer;
            }
            if is_passed_on {
                return Err(Refusal::NotWriter.into());
            }
            // What another registry may have taken meanwhile is not known to be written: it is not asked again.
            if timeout_at(deadline, moves.next()).await.is_err() {
                return Err(Refusal::NotWritten.into());
            }
        }
    }

    pub(crate) fn grounds(&self, by: Access) -> Grounds<'_> {
        Grounds {
            store: &self.store,
            by,
            now_ms: self.clock.now_ms(),
            egress: &self.egress,
        }
    }

    /// Who wants something written: whoever calls, or, if another registry passes it on, whoever called that one.
    fn caller(&self, metadata: &MetadataMap, access: Access) -> Result<Access, Refusal> {
        let is_one_of_us = access.scopes.contains(Scope::Serve) && revisions::is_passed_on(metadata);
        if !is_one_of_us {
            return Ok(access);
        }
        match revisions::actor(metadata)? {
            None | Some(Actor::Operator) => Ok(access),
            Some(Actor::Key(id)) => self.store.read(|state| {
                let key = state.key(id).ok_or(Refusal::Revoked)?;
                Ok(key.access())
            }),
        }
    }

    /// Hands a write to the writer here; `None` if that has ended before it took the write.
    async fn write_here<C: Change>(
        &self,
        open: &Open,
        write: (Write, Access),
        (deadline, until_ms): (Instant, Option<i64>),
    ) -> Option<Result<Response<C::Answer>, Status>> {
        let answered = async {
            let stored = open.queue.write(write, deadline, until_ms).await?;
            self.confirmed(stored.place).await?;
            Ok(stored)
        };
        match answered.await {
            Ok(stored) => {
                let mut response = Response::new(C::answer(&stored));
                revisions::tell(stored.place, response.metadata_mut());
                Some(Ok(response))
            }
            Err(Refusal::NotWriter) => None,
            Err(refusal) => Some(Err(refusal.into())),
        }
    }

    /// Asks another registry; `None` if it has certainly not written it, so that it may be tried again.
    async fn pass_on<C: Change>(
        &self,
        endpoint: &str,
        (metadata, by): (&MetadataMap, Access),
        request: C,
    ) -> Option<Result<Response<C::Answer>, Status>> {
        let peer = self.peers.reach(endpoint).await?;
        let mut request = Request::new(request);
        revisions::pass_on(metadata, by.actor, request.metadata_mut());
        // It waits its own turn, then for Kafka, then to read it back.
        let longest = self.patience * 3;
        match timeout(longest, C::pass_on(request, peer)).await {
            Ok(Ok(answer)) => {
                // The caller sees its own write here too; if this registry is slow, the revision tells the caller.
                let places = revisions::places(answer.metadata()).unwrap_or_default();
                self.reached(places).await.ok();
                Some(Ok(answer))
            }
            Ok(Err(status)) if is_not_writer(&status) => None,
            Ok(Err(status)) if grpc::was_not_sent(&status) => {
                self.peers.forget(endpoint);
                None
            }
            Ok(Err(status)) if is_from_the_connection(&status) => {
                self.peers.forget(endpoint);
                Some(Err(Refusal::Unknown.into()))
            }
            Ok(Err(status)) => Some(Err(status)),
            Err(_elapsed) => {
                self.peers.forget(endpoint);
                Some(Err(Refusal::Unknown.into()))
            }
        }
    }

    /// Waits until every follower knows of a write that may act. Bounded by itself: more would be a mistake of ours.
    async fn confirmed(&self, (partition, offset): (i32, i64)) -> Result<(), Refusal> {
        let confirmed = self.sessions.confirmed(partition, offset);
        timeout(self.patience, confirmed)
            .await
            .map_err(|_elapsed| Refusal::Unknown)
    }

    /// Waits until this registry has read as far.
    pub(crate) async fn reached(&self, places: Vec<(i32, i64)>) -> Result<(), Refusal> {
        self.store.reached_all(places, self.patience).await
    }
}

/// Whether it is the connection that failed, and not the other registry that answered so.
fn is_from_the_connection(status: &Status) -> bool {
    let is_ours = matches!(
        status.code(),
        Code::Unknown | Code::Unavailable | Code::Cancelled | Code::Internal
    );
    is_ours && status.details().is_empty()
}
