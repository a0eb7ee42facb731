//! The delivery protocol as a model, of which every state within some bounds is visited. The README says what is in it.
//!
//! Read `rules` for what the protocol demands, then `owner` and `takeover` for how it goes, then `protocol` for the steps
//! and what must hold in each state. `configurations` says what is explored.

mod bits;
mod bounds;
mod check;
pub mod configurations;
mod cursors;
mod fanout;
mod joining;
mod ledger;
mod log;
mod mark;
mod orders;
mod owner;
mod parked;
mod promises;
mod protocol;
mod receiver;
mod redis;
mod rules;
mod sending;
mod takeover;
mod webhook;
mod window;
mod world;
mod writing;

pub use bits::Bits;
pub use bounds::{Bounds, Faults, Lane, View, WEBHOOKS, Zombie};
pub use check::{Report, Stuck, Trace, check, counterexample, stuck};
pub use fanout::Step as FanoutStep;
pub use log::Ordered;
pub use owner::{Act, Call};
pub use protocol::{Protocol, State, Step, property};
pub use rules::Rule;
