//! Scenarios over real processes, Kafka and Redis, one file a promise. Run them with `cargo xtask test`.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "these are tests, helpers included"
)]

mod accounts;
mod apply;
mod asked_for;
mod console;
mod dev;
mod doctor;
mod explained;
mod frozen;
mod fuzzed;
mod kafka_away;
mod kill;
mod known_at_once;
mod load;
mod mailed;
mod memory;
mod observed;
mod over_http;
mod receivers;
mod redis_away;
mod registries;
mod retry_state;
mod samples;
mod secrets;
mod senders;
mod sent_again;
mod separation;
mod setup;
mod stream;
mod telemetry;
mod workers_change;
mod workers_killed;
