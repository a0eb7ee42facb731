//! Recognises events that were sent before (DESIGN §4).
//!
//! Identity is (account, event name, event id) (E7). An id is claimed before its event is produced, and the claim
//! becomes a mark with the event's position once Kafka has it. Nothing here decides whether an event is kept: a
//! claim that came to no end, or a store that is away, leads to producing. A duplicate is harmless, a loss is not.

mod memory;
mod outage;
mod redis;

use std::time::Duration;

use angarium_model::{AccountId, EventId, EventName, Position};
use angarium_runtime::Clock;

use crate::config::{Idempotency, StoreConfig};
use crate::draft::Fingerprint;
use crate::metrics::Metrics;
use memory::MemoryStore;
use outage::Outage;
pub(crate) use redis::Error as RedisError;
use redis::RedisStore;
use tokio::time::Instant;

/// An id that a request wants to use, and for what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Claim {
    key: String,
    pub(crate) fingerprint: Fingerprint,
}

impl Claim {
    /// The account stands in braces: in a Redis Cluster all ids of one request are in one slot.
    pub(crate) fn new(account: AccountId, name: &EventName, id: &EventId, fingerprint: Fingerprint) -> Self {
        Self {
            key: format!("id:{{{account}}}:{name}:{id}"),
            fingerprint,
        }
    }

    pub(crate) fn key(&self) -> &str {
        &self.key
    }
}

/// What was known of a claimed id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// Nothing: it is claimed now.
    Nothing,
    /// The same event is being produced, or was when something went wrong.
    Pending,
    /// The same event was accepted.
    Accepted(Position),
    /// The id was used for another event.
    OtherEvent,
}

/// What a store holds for an id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Mark {
    fingerprint: Fingerprint,
    /// `None` while the claim is pending.
    position: Option<Position>,
}

impl Mark {
    const fn pending(claim: &Claim) -> Self {
        Self {
            fingerprint: claim.fingerprint,
            position: None,
        }
    }

    fn as_found_by(self, claim: &Claim) -> Found {
        match self.position {
            _ if self.fingerprint != claim.fingerprint => Found::OtherEvent,
            Some(position) => Found::Accepted(position),
            None => Found::Pending,
        }
    }
}

/// The ids that were used, as far as they are remembered.
#[derive(Debug)]
pub(crate) struct Ids {
    store: Store,
    lifetimes: Lifetimes,
    timeout: Duration,
    outage: Outage,
    metrics: Metrics,
}

/// How long marks are kept.
#[derive(Clone, Copy, Debug)]
struct Lifetimes {
    pending: Duration,
    accepted: Duration,
}

#[derive(Debug)]
enum Store {
    Redis(RedisStore),
    Memory(MemoryStore),
}

impl Ids {
    /// Opens the store; a Redis that is away is no error.
    ///
    /// # Errors
    /// If the address of Redis is wrong.
    pub(crate) fn open(config: &Idempotency, clock: Clock, metrics: Metrics) -> Result<Self, RedisError> {
        Ok(Self {
            store: match &config.store {
                StoreConfig::Redis { url, prefix } => {
                    Store::Redis(RedisStore::open(url, prefix, config.timeout)?)
                }
                StoreConfig::Memory { entries } => Store::Memory(MemoryStore::new(*entries, clock)),
            },
            lifetimes: Lifetimes {
                pending: config.pending,
                accepted: config.remember,
            },
            timeout: config.timeout,
            outage: Outage::default(),
            metrics,
        })
    }

    /// Claims ids, all in one round trip. Says of each what was known; if the store is away, nothing was.
    pub(crate) async fn claim(&self, claims: &[Claim]) -> Vec<Found> {
        if claims.is_empty() {
            return Vec::new();
        }
        let marks = match &self.store {
            Store::Memory(memory) => memory.claim(claims, self.lifetimes.pending),
            Store::Redis(redis) => {
                let asked = redis.claim(claims, self.lifetimes.pending);
                let Some(marks) = self.ask("claim", asked).await else {
                    self.metrics.unchecked(claims.len());
                    return vec![Found::Nothing; claims.len()];
                };
                marks
            }
        };
        let found = |(claim, mark): (&Claim, Option<Mark>)| {
            mark.map_or(Found::Nothing, |mark| mark.as_found_by(claim))
        };
        claims.iter().zip(marks).map(found).collect()
    }

    /// The answer of Redis; `None` if it is away.
    async fn ask<T>(
        &self,
        operation: &'static str,
        asked: impl Future<Output = Result<T, ::redis::RedisError>>,
    ) -> Option<T> {
        let began = Instant::now();
        let answer = self.outage.guard(self.timeout, asked).await;
        self.metrics.redis.asked(operation, began, answer.is_some());
        answer
    }

    /// Remembers that Kafka has these events.
    pub(crate) async fn accepted(&self, events: &[(&Claim, Position)]) {
        if events.is_empty() {
            return;
        }
        match &self.store {
            Store::Memory(memory) => memory.accepted(events, self.lifetimes.accepted),
            Store::Redis(redis) => {
                let asked = redis.accepted(events, self.lifetimes.accepted);
                self.ask("accepted", asked).await;
            }
        }
    }

    /// Forgets claims of events that were not produced, unless another request has got further meanwhile.
    pub(crate) async fn release(&self, claims: &[&Claim]) {
        if claims.is_empty() {
            return;
        }
        match &self.store {
            Store::Memory(memory) => memory.release(claims),
            Store::Redis(redis) => {
                self.ask("release", redis.release(claims)).await;
            }
        }
    }
}

#[cfg(test)]
mod tests;
