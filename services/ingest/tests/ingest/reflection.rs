//! What tools learn of a running ingest without its .proto files.

use angarium_testkit::described;

use super::harness::{Ingest, KEY};

#[tokio::test]
async fn health_and_both_versions_of_reflection_tell_what_is_served_and_how_errors_are_written() {
    let ingest = Ingest::start().await;
    described::check(ingest.client(KEY), "angarium.event.v1.PublisherService")
        .await
        .unwrap();
}
