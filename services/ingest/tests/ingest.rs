//! Ingest over an in-process Kafka, through its two doors.

#![expect(clippy::unwrap_used, reason = "helpers of a test fail it")]

mod ingest {
    mod bodies;
    mod bounds;
    mod grpc;
    mod harness;
    mod http;
    mod kafka_away;
    mod keys;
    mod reflection;
    mod repeats;
    mod strictness;
}
