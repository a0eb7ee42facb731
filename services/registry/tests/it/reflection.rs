//! What tools learn of a running registry without its .proto files.

use angarium_testkit::described;

use crate::harness::Registry;

#[tokio::test]
async fn health_and_both_versions_of_reflection_tell_what_is_served_and_how_errors_are_written() {
    let registry = Registry::start().await;
    described::check(registry.channel(), "angarium.registry.v1.RegistryService")
        .await
        .unwrap();
}
