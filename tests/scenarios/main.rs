//! Scenarios over real processes, Kafka and Redis, one file a promise. Run them with `cargo xtask test`.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "these are tests, helpers included"
)]

mod dev;
mod kafka_away;
mod kill;
mod samples;
mod sent_again;
mod setup;
mod stream;
