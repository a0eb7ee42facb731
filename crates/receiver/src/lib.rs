#![doc = include_str!("../README.md")]

mod bounded;
#[cfg(feature = "axum")]
mod endpoint;
mod error;
mod gaps;
mod group;
mod inbox;
mod order;
mod seen;

pub use angarium_signing::{DEFAULT_TOLERANCE, Secret, Verifier};
#[cfg(feature = "axum")]
pub use endpoint::{Endpoint, MAX_BODY, Refusal, Verified};
pub use error::Error;
pub use gaps::{Continuity, Gaps};
pub use group::{Again, Arrival, Event, Group, Place};
pub use inbox::{Inbox, Sorted, Verdict};
pub use order::{Order, Reason};
#[cfg(feature = "redis")]
pub use seen::redis::{InRedis, RedisError, WINDOW};
pub use seen::{Key, Memory, Seen};
