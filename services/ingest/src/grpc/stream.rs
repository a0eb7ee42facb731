//! One PublishStream: many events under way, each answered once.
//!
//! A single task reads what has come in, in chunks, queues it for Kafka in its order, and answers each chunk when
//! Kafka has acknowledged it. While too many requests await Kafka, or the caller does not take its answers, it
//! does not read, so HTTP/2 flow control slows the caller. It ends when the caller has sent everything and
//! everything is answered, when the caller is gone, or, once the shutdown has begun, when what was read is answered.
//! It has a share of the budget of open streams, and one of the budget of requests while it has events under way.

use std::collections::BTreeMap;
use std::sync::Arc;

use angarium_model::{Access, AccountId, AccountRef};
use angarium_proto::event::v1;
use angarium_proto::event::v1::publish_stream_response::Outcome;
use angarium_proto::event::v1::refused::Reason as WireReason;
use angarium_runtime::Shutdown;
use futures::future::{BoxFuture, join_all};
use futures::stream::{FuturesUnordered, StreamExt as _};
use tokio::sync::mpsc;
use tonic::{Code, Status, Streaming};
use tonic_types::{ErrorDetails, StatusExt as _};

use super::{asked, check, field_of, known_account, to_wire, warnings_to_wire};
use crate::accept::{Accepted, Failure, Refusal, Sent};
use crate::budget::Share;
use crate::config::Rules;
use crate::draft::Draft;
use crate::metrics::Reason;
use crate::problem::{Part, Problems, Shape, Warnings};
use crate::refusal;
use crate::service::Core;

/// The most requests of one stream that await Kafka.
const MAX_IN_FLIGHT: usize = 1_024;
/// The most that are read at once.
pub(super) const CHUNK: usize = 256;

type Answer = v1::PublishStreamResponse;

/// One stream.
#[derive(Debug)]
pub(super) struct PublishStream {
    core: Arc<Core>,
    /// What the caller was let in with. The gate ends the requests once the key does.
    access: Access,
    trace: Option<String>,
    /// Goes before `answers`: a caller who sees the end can rely on it.
    _open: Option<Share>,
    answers: mpsc::Sender<Result<Answer, Status>>,
}

/// The caller is gone: nobody takes answers.
struct Gone;

impl PublishStream {
    pub(super) const fn new(
        core: Arc<Core>,
        access: Access,
        trace: Option<String>,
        open: Option<Share>,
        answers: mpsc::Sender<Result<Answer, Status>>,
    ) -> Self {
        Self {
            core,
            access,
            trace,
            _open: open,
            answers,
        }
    }

    pub(super) async fn run(self, requests: Streaming<v1::PublishStreamRequest>, shutdown: Shutdown) {
        let mut chunks = requests.ready_chunks(CHUNK);
        let mut settling: FuturesUnordered<BoxFuture<'_, Vec<Answer>>> = FuturesUnordered::new();
        let mut in_flight = 0;
        // Of the budget of requests; there is none only while nothing is in flight.
        let mut share = None;
        let mut last_word = None;
        let mut reading = true;
        while reading || !settling.is_empty() {
            tokio::select! {
                Some(answers) = settling.next(), if !settling.is_empty() => {
                    in_flight -= answers.len();
                    if settling.is_empty() {
                        share = None;
                    }
                    if self.answer(answers).await.is_err() {
                        return;
                    }
                }
                () = shutdown.begun(), if reading => {
                    reading = false;
                    last_word = Some(shutting_down());
                }
                chunk = chunks.next(), if reading && in_flight + CHUNK <= MAX_IN_FLIGHT => {
                    let mut requests = Vec::new();
                    for item in chunk.into_iter().flatten() {
                        match item {
                            Ok(request) => requests.push(request),
                            Err(status) => last_word = Some(status),
                        }
                    }
                    reading = !requests.is_empty() && last_word.is_none();
                    if share.is_none() && !requests.is_empty() {
                        share = self.core.budget.wait(self.core.config.produce_timeout).await;
                    }
                    let (refused, groups) = if share.is_some() {
                        let accounts: Vec<_> = requests
                            .iter()
                            .map(|request| asked(request.account_id, &request.account_external_id))
                            .collect();
                        self.core.look_for(accounts.iter().flatten(), self.access).await;
                        self.checked(requests, &accounts)
                    } else {
                        (self.overloaded(requests), Vec::new())
                    };
                    if self.answer(refused).await.is_err() {
                        return;
                    }
                    // Accounts have no order among them; within one, `send` returns before the next chunk is read.
                    for (asked, sent) in join_all(groups.into_iter().map(|group| self.send(group))).await {
                        in_flight += asked.len();
                        settling.push(Box::pin(self.settle(asked, sent)));
                    }
                    if settling.is_empty() {
                        share = None;
                    }
                }
            }
        }
        if let Some(status) = last_word {
            // A caller that is gone has no use for it.
            drop(self.answers.send(Err(status)).await);
        }
    }

    /// What is answered when no share could be had.
    fn overloaded(&self, requests: Vec<v1::PublishStreamRequest>) -> Vec<Answer> {
        let refused = |request: v1::PublishStreamRequest| {
            let why = wire(
                WireReason::Overloaded,
                String::new(),
                refusal::TOO_MANY.to_owned(),
            );
            self.refused(request.sequence, Reason::Overloaded, why)
        };
        requests.into_iter().map(refused).collect()
    }

    /// Sorts requests by account, in their order; the answers to those that are wrong are there at once.
    fn checked(
        &self,
        requests: Vec<v1::PublishStreamRequest>,
        accounts: &[Result<AccountRef, Status>],
    ) -> (Vec<Answer>, Vec<Group>) {
        let mut refused = Vec::new();
        let mut groups: BTreeMap<AccountId, Group> = BTreeMap::new();
        // Looked up once for each account, not for each event.
        let mut rules: BTreeMap<AccountId, Rules> = BTreeMap::new();
        for (request, account) in requests.into_iter().zip(accounts) {
            let v1::PublishStreamRequest {
                sequence,
                account_id: _,
                event,
                account_external_id,
            } = request;
            let draft = match known_account(&self.core, account, self.access) {
                Ok(account) => check::one(
                    event,
                    rules.entry(account).or_insert_with(|| self.core.rules(account)),
                )
                .map(|draft| (account, draft))
                .map_err(|problems| (refusal::reason(&problems), invalid(&problems))),
                Err((status, reason)) => Err((reason, no_account(field_of(&account_external_id), &status))),
            };
            match draft {
                Ok((account, (draft, warnings))) => {
                    let group = groups.entry(account).or_insert_with(|| Group::new(account));
                    group.asked.push(Asked { sequence, warnings });
                    group.drafts.push(draft);
                }
                Err((reason, why)) => refused.push(self.refused(sequence, reason, why)),
            }
        }
        (refused, groups.into_values().collect())
    }

    async fn send(&self, group: Group) -> (Vec<Asked>, Sent) {
        let judged = self.core.acceptor.judge(group.account, group.drafts).await;
        (
            group.asked,
            self.core.acceptor.send(judged, self.trace.as_deref()).await,
        )
    }

    async fn settle(&self, asked: Vec<Asked>, sent: Sent) -> Vec<Answer> {
        let outcomes = self.core.acceptor.finish(sent).await;
        let answer =
            |(Asked { sequence, warnings }, outcome): (Asked, Result<Accepted, Refusal>)| match outcome {
                Ok(accepted) => {
                    self.core.acceptor.metrics.warned(warnings.total);
                    Answer {
                        sequence,
                        outcome: Some(Outcome::Accepted(to_wire(accepted))),
                        warnings: warnings_to_wire(&warnings, &Shape::StreamMessage),
                    }
                }
                Err(Refusal::Conflict(conflict)) => {
                    let shape = Shape::StreamMessage;
                    let problem = refusal::conflict(0, conflict, &shape);
                    let field = shape.path(&problem.part);
                    self.refused(
                        sequence,
                        Reason::Conflict,
                        wire(WireReason::Conflict, field, problem.detail),
                    )
                }
                Err(Refusal::Failure(failure)) => {
                    let (message, reason, _) = refusal::failure(failure);
                    let wire_reason = match failure {
                        Failure::QueueFull => WireReason::Overloaded,
                        Failure::NotAcknowledged => WireReason::Unavailable,
                        Failure::TooLarge => WireReason::Invalid,
                    };
                    let field = match failure {
                        Failure::TooLarge => Shape::StreamMessage.path(&Part::Event(0)),
                        Failure::QueueFull | Failure::NotAcknowledged => String::new(),
                    };
                    self.refused(sequence, reason, wire(wire_reason, field, message.to_owned()))
                }
            };
        asked.into_iter().zip(outcomes).map(answer).collect()
    }

    fn refused(&self, sequence: u64, reason: Reason, refused: v1::Refused) -> Answer {
        self.core.acceptor.metrics.refused(reason);
        Answer {
            sequence,
            outcome: Some(Outcome::Refused(refused)),
            warnings: Vec::new(),
        }
    }

    async fn answer(&self, answers: Vec<Answer>) -> Result<(), Gone> {
        for answer in answers {
            self.answers.send(Ok(answer)).await.map_err(|_closed| Gone)?;
        }
        Ok(())
    }
}

/// A request that is to be answered.
struct Asked {
    sequence: u64,
    /// What is odd about its event, to be told once it is accepted.
    warnings: Warnings,
}

/// The events of one account in a chunk, and their requests.
struct Group {
    account: AccountId,
    asked: Vec<Asked>,
    drafts: Vec<Draft>,
}

impl Group {
    const fn new(account: AccountId) -> Self {
        Self {
            account,
            asked: Vec::new(),
            drafts: Vec::new(),
        }
    }
}

fn shutting_down() -> Status {
    Status::with_error_details(
        Code::Unavailable,
        "this ingest is shutting down: call again, another will answer",
        ErrorDetails::with_retry_info(Some(refusal::RETRY_BUSY)),
    )
}

fn invalid(problems: &Problems) -> v1::Refused {
    let field = problems
        .listed
        .first()
        .map(|problem| problems.shape.path(&problem.part))
        .unwrap_or_default();
    let details: Vec<String> = problems
        .listed
        .iter()
        .map(|problem| format!("{}: {}", problems.shape.path(&problem.part), problem.detail))
        .collect();
    wire(WireReason::Invalid, field, details.join("; "))
}

fn no_account(field: &str, status: &Status) -> v1::Refused {
    let reason = if status.code() == Code::Unavailable {
        WireReason::Unavailable
    } else {
        WireReason::Invalid
    };
    wire(reason, field.to_owned(), status.message().to_owned())
}

fn wire(reason: WireReason, field: String, message: String) -> v1::Refused {
    v1::Refused {
        reason: reason.into(),
        field,
        message,
    }
}
