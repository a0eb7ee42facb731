//! From checked events to Kafka's acknowledgement: the one path that HTTP and gRPC share.
//!
//! Three steps. [`Acceptor::judge`] looks for events that were sent before and claims the ids of the others;
//! [`Acceptor::send`] queues the others in the order of the request; [`Acceptor::finish`] waits for Kafka and marks
//! what it has. Only then is anything acknowledged. A sender that goes away in between costs nothing: its claims
//! are pending, and a claim that is pending leads to producing.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::time::Duration;

use angarium_kafka::{Ack, SendError};
use angarium_model::{AccountId, Event, EventId, EventName, Position};
use angarium_runtime::{Clock, chain};
use tokio::time::Instant;

use crate::draft::{Draft, Fingerprint};
use crate::idempotency::{Claim, Found, Ids};
use crate::metrics::{Metrics, Outcome};
use crate::outlet::Outlet;

/// An event that Kafka holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Accepted {
    pub(crate) id: EventId,
    pub(crate) name: EventName,
    pub(crate) position: Position,
    /// Whether it was there before, and nothing was written now.
    pub(crate) duplicate: bool,
}

/// An id that was used for another event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Conflict {
    /// Of an earlier request.
    Earlier,
    /// Of this request: its index.
    Within(usize),
}

/// Why an event that nothing is wrong with was not acknowledged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// The queue to Kafka is full.
    QueueFull,
    /// Kafka did not acknowledge in time: it may have the event or not.
    NotAcknowledged,
    /// Kafka's own limit on a record is below ours.
    TooLarge,
}

/// Why an event was not acknowledged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    Conflict(Conflict),
    Failure(Failure),
}

/// Why the events of a request were not acknowledged, all of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    /// Indices of events whose id was used for another; nothing was produced.
    Conflicts(Vec<(usize, Conflict)>),
    /// This event failed, and it is the first. Others may be in Kafka; sent again, they are duplicates if they carry
    /// ids.
    Failed { event: usize, failure: Failure },
}

/// Accepts events.
#[derive(Debug)]
pub(crate) struct Acceptor {
    pub(crate) clock: Clock,
    pub(crate) ids: Ids,
    pub(crate) outlet: Outlet,
    pub(crate) produce_timeout: Duration,
    pub(crate) metrics: Metrics,
}

/// Events, and what is known of each.
#[derive(Debug)]
pub(crate) struct Judged {
    account: AccountId,
    events: Vec<(Event, Verdict)>,
}

#[derive(Debug)]
enum Verdict {
    /// To be produced; with its claim if it carries an id.
    Produce(Option<Held>),
    /// Accepted before.
    Known(Position),
    /// The same as an earlier event of the request.
    SameAs(usize),
    Conflict(Conflict),
}

/// A claim that the store knows of.
#[derive(Debug)]
struct Held {
    claim: Claim,
    /// Whether this request made it. Another request's is not ours to release.
    fresh: bool,
}

/// Events on their way to Kafka.
#[derive(Debug)]
pub(crate) struct Sent {
    begun: Instant,
    deadline: Instant,
    events: Vec<(EventId, EventName, Fate)>,
}

#[derive(Debug)]
enum Fate {
    Awaited(Ack, Option<Held>),
    Known(Position),
    SameAs(usize),
    Refused(Refusal),
}

impl Acceptor {
    /// Accepts all events of a request, or none.
    ///
    /// # Errors
    /// Why nothing is acknowledged.
    pub(crate) async fn accept_all(
        &self,
        account: AccountId,
        drafts: Vec<Draft>,
        trace: Option<&str>,
    ) -> Result<Vec<Accepted>, Refused> {
        let judged = self.judge(account, drafts).await;
        let conflicts = judged.conflicts();
        if !conflicts.is_empty() {
            self.release(judged.held()).await;
            return Err(Refused::Conflicts(conflicts));
        }
        let sent = self.send(judged, trace).await;
        let outcomes = self.finish(sent).await;
        let outcome = |(index, outcome): (usize, Result<Accepted, Refusal>)| {
            outcome.map_err(|refusal| match refusal {
                Refusal::Failure(failure) => Refused::Failed {
                    event: index,
                    failure,
                },
                Refusal::Conflict(conflict) => Refused::Conflicts(vec![(index, conflict)]),
            })
        };
        outcomes.into_iter().enumerate().map(outcome).collect()
    }

    /// Looks for events that were sent before, in this request too, and claims the ids of the others.
    pub(crate) async fn judge(&self, account: AccountId, drafts: Vec<Draft>) -> Judged {
        let mut first_with: HashMap<(EventName, EventId), (usize, Fingerprint)> = HashMap::new();
        let mut claims = Vec::new();
        // The claim's index stands for what the store will say of it.
        let mut open = Vec::with_capacity(drafts.len());
        for (index, draft) in drafts.iter().enumerate() {
            let Some(id) = &draft.id else {
                open.push(Err(Verdict::Produce(None)));
                continue;
            };
            let fingerprint = draft.fingerprint();
            open.push(match first_with.entry((draft.name.clone(), id.clone())) {
                Entry::Vacant(vacant) => {
                    vacant.insert((index, fingerprint));
                    claims.push(Claim::new(account, &draft.name, id, fingerprint));
                    Ok(())
                }
                Entry::Occupied(first) if first.get().1 == fingerprint => Err(Verdict::SameAs(first.get().0)),
                Entry::Occupied(first) => Err(Verdict::Conflict(Conflict::Within(first.get().0))),
            });
        }
        let found = self.ids.claim(&claims).await;
        let mut answers = claims.into_iter().zip(found).map(|(claim, found)| match found {
            Found::Nothing => Verdict::Produce(Some(Held { claim, fresh: true })),
            Found::Pending => Verdict::Produce(Some(Held { claim, fresh: false })),
            Found::Accepted(position) => Verdict::Known(position),
            Found::OtherEvent => Verdict::Conflict(Conflict::Earlier),
        });
        let now_ms = self.clock.now_ms();
        let judge = |(draft, open): (Draft, Result<(), Verdict>)| {
            let verdict = match open {
                Ok(()) => answers.next().unwrap_or(Verdict::Produce(None)),
                Err(verdict) => verdict,
            };
            (draft.into_event(account, now_ms), verdict)
        };
        Judged {
            account,
            events: drafts.into_iter().zip(open).map(judge).collect(),
        }
    }

    /// Queues the events in order. The first that cannot be queued keeps those after it from being: they would
    /// else overtake it.
    pub(crate) async fn send(&self, judged: Judged, trace: Option<&str>) -> Sent {
        let begun = Instant::now();
        let deadline = begun + self.produce_timeout;
        let mut failure = None;
        let route = if judged.any_to_produce() {
            self.outlet.route(judged.account, deadline).await
        } else {
            None
        };
        let mut unsent = Vec::new();
        let mut events = Vec::with_capacity(judged.events.len());
        for (event, verdict) in judged.events {
            let (id, name) = (event.id.clone(), event.name.clone());
            let fate = match verdict {
                Verdict::Known(position) => Fate::Known(position),
                Verdict::SameAs(index) => Fate::SameAs(index),
                Verdict::Conflict(conflict) => Fate::Refused(Refusal::Conflict(conflict)),
                Verdict::Produce(held) => {
                    let sent = match (failure, &route) {
                        (Some(failure), _) => Err(failure),
                        (None, None) => Err(Failure::NotAcknowledged),
                        (None, Some(route)) => route.send(event, trace).map_err(not_queued),
                    };
                    match sent {
                        Ok(ack) => Fate::Awaited(ack, held),
                        Err(reason) => {
                            failure = Some(reason);
                            unsent.extend(held);
                            Fate::Refused(Refusal::Failure(reason))
                        }
                    }
                }
            };
            events.push((id, name, fate));
        }
        self.release(unsent.iter()).await;
        Sent {
            begun,
            deadline,
            events,
        }
    }

    /// Waits for Kafka, until the deadline, and marks what it has. One outcome for each event, in order.
    pub(crate) async fn finish(&self, sent: Sent) -> Vec<Result<Accepted, Refusal>> {
        let mut outcomes: Vec<Result<Accepted, Refusal>> = Vec::with_capacity(sent.events.len());
        let (mut marks, mut any_produced) = (Vec::new(), false);
        for (id, name, fate) in sent.events {
            let accepted = |position, duplicate| Accepted {
                id,
                name,
                position,
                duplicate,
            };
            outcomes.push(match fate {
                Fate::Known(position) => Ok(accepted(position, true)),
                Fate::Refused(refusal) => Err(refusal),
                Fate::SameAs(index) => match outcomes.get(index) {
                    Some(Ok(first)) => Ok(accepted(first.position, true)),
                    Some(Err(refusal)) => Err(*refusal),
                    None => Err(Refusal::Failure(Failure::NotAcknowledged)),
                },
                // One after the other is no slower: a partition's acknowledgements come in order. A claim whose
                // record failed stays pending, because Kafka may have it; sent again, it is produced.
                Fate::Awaited(ack, held) => match acknowledged(ack, sent.deadline).await {
                    Some(position) => {
                        any_produced = true;
                        marks.extend(held.map(|held| (held.claim, position)));
                        Ok(accepted(position, false))
                    }
                    None => Err(Refusal::Failure(Failure::NotAcknowledged)),
                },
            });
        }
        if any_produced {
            self.metrics.produced(sent.begun.elapsed().as_secs_f64());
        }
        let marks: Vec<(&Claim, Position)> =
            marks.iter().map(|(claim, position)| (claim, *position)).collect();
        self.ids.accepted(&marks).await;
        for accepted in outcomes.iter().flatten() {
            let outcome = if accepted.duplicate {
                Outcome::Duplicate
            } else {
                Outcome::Accepted
            };
            self.metrics.acknowledged(outcome);
        }
        outcomes
    }

    async fn release(&self, held: impl Iterator<Item = &Held>) {
        let claims: Vec<&Claim> = held.filter(|held| held.fresh).map(|held| &held.claim).collect();
        self.ids.release(&claims).await;
    }
}

impl Judged {
    fn conflicts(&self) -> Vec<(usize, Conflict)> {
        let conflict = |(index, (_, verdict)): (usize, &(Event, Verdict))| match verdict {
            Verdict::Conflict(conflict) => Some((index, *conflict)),
            _ => None,
        };
        self.events.iter().enumerate().filter_map(conflict).collect()
    }

    fn held(&self) -> impl Iterator<Item = &Held> {
        self.events.iter().filter_map(|(_, verdict)| match verdict {
            Verdict::Produce(held) => held.as_ref(),
            _ => None,
        })
    }

    fn any_to_produce(&self) -> bool {
        self.events
            .iter()
            .any(|(_, verdict)| matches!(verdict, Verdict::Produce(_)))
    }
}

fn not_queued(error: SendError) -> Failure {
    match error {
        SendError::QueueFull => Failure::QueueFull,
        SendError::TooLarge => Failure::TooLarge,
        other => {
            tracing::warn!(error = chain(&other), "an event could not be queued for Kafka");
            Failure::NotAcknowledged
        }
    }
}

async fn acknowledged(ack: Ack, deadline: Instant) -> Option<Position> {
    match tokio::time::timeout_at(deadline, ack).await {
        Ok(Ok(acked)) => Some(Position {
            partition: acked.partition,
            offset: acked.offset,
        }),
        Ok(Err(error)) => {
            // An outage is told once, by the Kafka client; what is no outage is told here.
            if error.is_retryable() {
                tracing::debug!(error = chain(&error), "an event was not acknowledged");
            } else {
                tracing::warn!(error = chain(&error), "an event was not acknowledged");
            }
            None
        }
        Err(_elapsed) => None,
    }
}
