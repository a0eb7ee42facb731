//! What the mock cluster hides: topics and their settings, transaction markers, retention, real rebalances.
//!
//! `cargo xtask test` starts a Kafka and says where it is. Every test has topics of its own.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test fails by panicking"
)]

mod real_broker {
    mod apply;
    mod group;
    mod harness;
    mod produce;
    mod reader;
}
