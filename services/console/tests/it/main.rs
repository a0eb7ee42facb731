//! The pages over HTTP, with a registry behind them and a journal in a Kafka in memory.

mod browser;
mod harness;
mod log;
mod pages;
mod sign_in;
