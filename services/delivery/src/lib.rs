//! Calls receivers: in order, at least once, signed, and again when they fail.
//!
//! Fanout writes one record per event and partition into the lane of the event's class; the record names the webhooks
//! of that partition that want the event. Here a partition of a lane has one owner, its **actor** (`actor`): a task
//! that holds all state of the partition's webhooks.
//!
//! 1. The actor reads the live stream. Each webhook that a record names is offered the event: it goes into the
//!    webhook's queue (real-time), or stays in Kafka until the webhook's timetable says so (batch) (`hook`).
//! 2. One POST at a time per webhook (D7). What queues up meanwhile is the next `group`: so throughput is not
//!    1/round trip.
//! 3. The call ([`call`]) goes where the egress policy allows, connects within 10 s and awaits the answer for 5 s (D1).
//!    2xx: the group is done. Anything else: it is sent again, the same events under the same id, after a back-off that
//!    doubles (D2). Others of the partition go on meanwhile: a queue that grows too long is dropped and later read back
//!    from Kafka.
//!    Each attempt proves anew who sends it: with every secret that is valid by then (`proof`).
//! 4. A webhook that fails, catches up, waits for its slot or is off is a durable *cursor* (`cursor`, `cursors`), and
//!    the partition's *place*, from which a new owner reads, passes its events behind that. Progress is in Redis every
//!    200 ms (`checkpoint`). A new owner takes over by claim and epoch set (`actor/takeover.rs`). So a crash repeats a
//!    little and loses nothing (D6), and what a frozen owner still writes is never read.
//! 5. `simulation` runs the deciding part, unchanged, in worlds where anything may fail between any two steps.
//!
//! Which webhook is where, secrets included, comes from the registry through `angarium-directory`.

mod actor;
mod body;
pub mod call;
mod checkpoint;
mod clocks;
mod config;
mod cursor;
mod cursors;
mod disabling;
mod error;
mod group;
mod hook;
mod metrics;
mod notices;
mod partition;
mod proof;
mod record;
mod replays;
mod server;
mod service;
#[cfg(any(test, feature = "simulation"))]
pub mod simulation;
mod target;
mod tester;

pub use checkpoint::{CheckpointError, Checkpoints, Memory};
pub use config::Config;
pub use error::Error;
pub use metrics::METRICS;
pub use service::{Dependencies, Handle, run};
