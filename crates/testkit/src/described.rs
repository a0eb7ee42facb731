//! What tools such as grpcurl learn of a running server without its .proto files.

use angarium_runtime::grpc::Client;
use anyhow::{Context, Result, ensure};
use futures::stream;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;
use tonic_reflection::pb::{v1, v1alpha};

/// The types of error details, as an example of what is no service.
const ERROR_DETAILS: &str = "google.rpc.BadRequest";

/// Asks `service` for its health, and both versions of reflection for what is served and how errors are written.
///
/// # Errors
/// When something is missing, or the server does not answer.
pub async fn check(client: Client, service: &str) -> Result<()> {
    let request = HealthCheckRequest {
        service: service.to_owned(),
    };
    let health = HealthClient::new(client.clone()).check(request).await?;
    ensure!(
        health.into_inner().status() == ServingStatus::Serving,
        "{service} does not serve"
    );

    // The versions are the same but for the names of their types.
    macro_rules! ask {
        ($version:ident) => {{
            use $version::server_reflection_client::ServerReflectionClient;
            use $version::server_reflection_request::MessageRequest;
            use $version::server_reflection_response::MessageResponse;
            let ask = |message_request| $version::ServerReflectionRequest {
                host: String::new(),
                message_request: Some(message_request),
            };
            let questions = stream::iter([
                ask(MessageRequest::ListServices(String::new())),
                ask(MessageRequest::FileContainingSymbol(service.to_owned())),
                ask(MessageRequest::FileContainingSymbol(ERROR_DETAILS.to_owned())),
            ]);
            let mut reflection = ServerReflectionClient::new(client.clone());
            let mut answers = reflection.server_reflection_info(questions).await?.into_inner();
            let mut answer = async || -> Result<MessageResponse> {
                let answer = answers.message().await?.context("the answers end too early")?;
                answer.message_response.context("an answer is empty")
            };
            let list = answer().await?;
            let MessageResponse::ListServicesResponse(list) = list else {
                anyhow::bail!("no list of services, but {list:?}")
            };
            let served: Vec<String> = list.service.into_iter().map(|service| service.name).collect();
            for name in [
                service,
                "grpc.health.v1.Health",
                "grpc.reflection.v1.ServerReflection",
                "grpc.reflection.v1alpha.ServerReflection",
            ] {
                ensure!(served.iter().any(|other| other == name), "{name}: {served:?}");
            }
            for _ in 0..2 {
                let found = answer().await?;
                ensure!(
                    matches!(found, MessageResponse::FileDescriptorResponse(_)),
                    "{found:?}"
                );
            }
        }};
    }
    ask!(v1);
    ask!(v1alpha);
    Ok(())
}
