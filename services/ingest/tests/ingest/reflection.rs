//! What tools learn of a running ingest without its .proto files.

use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;
use tonic_reflection::pb::{v1, v1alpha};

use super::harness::{Ingest, KEY};

const SERVICE: &str = "angarium.event.v1.PublisherService";

#[tokio::test]
async fn health_and_both_versions_of_reflection_tell_what_is_served_and_how_errors_are_written() {
    let ingest = Ingest::start().await;
    let client = ingest.client(KEY);
    let request = HealthCheckRequest {
        service: SERVICE.to_owned(),
    };
    let health = HealthClient::new(client.clone()).check(request).await.unwrap();
    assert_eq!(health.into_inner().status(), ServingStatus::Serving);

    macro_rules! ask {
        ($version:ident) => {{
            use $version::server_reflection_client::ServerReflectionClient;
            use $version::server_reflection_request::MessageRequest;
            use $version::server_reflection_response::MessageResponse;
            let ask = |message_request| $version::ServerReflectionRequest {
                host: String::new(),
                message_request: Some(message_request),
            };
            let questions = futures::stream::iter([
                ask(MessageRequest::ListServices(String::new())),
                ask(MessageRequest::FileContainingSymbol(SERVICE.to_owned())),
                ask(MessageRequest::FileContainingSymbol(
                    "google.rpc.BadRequest".to_owned(),
                )),
            ]);
            let mut reflection = ServerReflectionClient::new(client.clone());
            let mut answers = reflection
                .server_reflection_info(questions)
                .await
                .unwrap()
                .into_inner();
            let mut answer = async || {
                answers
                    .message()
                    .await
                    .unwrap()
                    .unwrap()
                    .message_response
                    .unwrap()
            };
            let MessageResponse::ListServicesResponse(list) = answer().await else {
                panic!("no list")
            };
            let served: Vec<String> = list.service.into_iter().map(|service| service.name).collect();
            for name in [
                SERVICE,
                "grpc.health.v1.Health",
                "grpc.reflection.v1.ServerReflection",
                "grpc.reflection.v1alpha.ServerReflection",
            ] {
                assert!(served.iter().any(|other| other == name), "{name}: {served:?}");
            }
            for _ in 0..2 {
                let found = answer().await;
                assert!(
                    matches!(found, MessageResponse::FileDescriptorResponse(_)),
                    "{found:?}"
                );
            }
        }};
    }
    ask!(v1);
    ask!(v1alpha);
}
