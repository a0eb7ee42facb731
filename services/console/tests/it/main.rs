//! The pages over HTTP, with a registry behind them and a journal in a Kafka in memory.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "these are tests, helpers included"
)]

mod browser;
mod harness;
mod log;
mod pages;
mod sign_in;
