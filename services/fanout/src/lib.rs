//! Fanout decides which webhooks an event goes to.
//!
//! ```text
//!  angarium.events ──▶ source actor, one per owned partition ──▶ angarium.deliveries.realtime
//!                        │   decode, match, group by partition  └▶ angarium.deliveries.batch
//!                        │   await the reports, commit behind them
//!                        └▶ journal, best effort ──▶ angarium.journal
//!  registry ──Watch──▶ Directory (account → type → webhooks)
//! ```
//!
//! An event becomes one record per deliveries partition that has any of its webhooks, in the lane of its class
//! (E1). The record's key is the first webhook it names, so that key and partition agree; a record names at most
//! 1,000 webhooks, and an account with more of them in a partition gets several. An `eventInfo` that the producer
//! left out is made of the event's place in the events topic, so it is the same in every attempt and replay.
//!
//! `explain` answers why an event reaches a webhook or does not, from the same index and the same code.
//!
//! What must hold: deliveries of a partition repeat after a failure or a crash, and never skip (DESIGN §3).
//! `forwarding` decides; `source` and `producers` tell how it is carried out. Order per webhook follows: an account's
//! events are in one events partition, and one actor forwards it.

mod config;
mod error;
mod explain;
mod forwarding;
mod journal;
mod matching;
mod metrics;
mod producers;
mod reports;
mod service;
mod sight;
#[cfg(feature = "simulation")]
pub mod simulation;
mod source;
mod stage;

pub use config::Config;
pub use error::Error;
pub use explain::Explainer;
pub use metrics::METRICS;
pub use service::Service;
