//! Accepts events and acknowledges what Kafka holds (DESIGN §4).
//!
//! The way of an event:
//!
//! 1. HTTP (`http`) or gRPC (`grpc`) takes a request with a key that allows it, for an account that the directory has.
//! 2. `parse` (JSON) or `grpc::check` (messages) makes a `Draft` of each event, or names every mistake. `data` stays
//!    the producer's own bytes (E4).
//! 3. `accept` looks in `idempotency` for events that were sent before, fills in what is missing, hands the others in
//!    their order to `outlet`, and waits for Kafka.
//! 4. Only then the answer: 202 with the position of each event. Whatever is not 202 acknowledges nothing.
//!
//! Order: events of one request, and of requests that wait for each other's answers, are in Kafka in that order,
//! because an account has one partition and the producer is idempotent. Of a request that was not acknowledged some
//! events may be in Kafka; sent again with their ids, these are told apart for an hour, and are harmless later (D6).

mod accept;
mod budget;
mod catalogue;
mod config;
mod depth;
mod draft;
mod error;
mod grpc;
mod http;
mod idempotency;
mod metrics;
mod outlet;
mod own_types;
mod parse;
mod problem;
mod refusal;
mod service;

pub use config::{Config, Idempotency, Limits, StoreConfig, Traffic};
pub use error::Error;
pub use metrics::METRICS;
pub use service::{Handle, Service, Surroundings};
