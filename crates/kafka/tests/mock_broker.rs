//! What producers, group members, readers and tails promise, on librdkafka's own mock cluster.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod mock_broker {
    mod group;
    mod harness;
    mod produce;
    mod reader;
    mod tail;
}
