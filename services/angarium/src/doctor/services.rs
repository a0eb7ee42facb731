//! The services: whether they are where the settings say, are ready, and know the operator's key.

use std::time::Duration;

use angarium_proto::registry::v1::ListAccountsRequest;
use angarium_proto::registry::v1::registry_service_client::RegistryServiceClient;
use angarium_runtime::access::OperatorKey;
use angarium_runtime::grpc::{MAX_MESSAGE_BYTES, client};
use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::Full;
use tonic::{Code, Status};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

use super::finding::Finding;
use crate::operate::exchange;
use crate::settings::Settings;

/// For each of them.
const PATIENCE: Duration = Duration::from_secs(5);
const NOT_THERE: &str = "see that it runs, and that its endpoint in the settings is right from here";
const OTHER_KEY: &str =
    "give every service the same operator.key, and start again those that had another one";

pub(super) async fn ask(settings: &Settings) -> Vec<Finding> {
    let (fanout, delivery) = (&settings.fanout_endpoint, &settings.delivery_endpoint);
    let (registry, ingest, fanout, delivery) = tokio::join!(
        within("registry", registry(&settings.registry_endpoint, &settings.key)),
        within("ingest", ingest(&settings.ingest_endpoint)),
        within("fanout", health("fanout", fanout, &settings.key)),
        within("delivery", health("delivery", delivery, &settings.key)),
    );
    vec![registry, ingest, fanout, delivery]
}

async fn within(of: &str, asked: impl Future<Output = Finding>) -> Finding {
    let late = |_elapsed| {
        let found = format!("no answer within {} s", PATIENCE.as_secs());
        Finding::wrong(of, found, NOT_THERE)
    };
    tokio::time::timeout(PATIENCE, asked).await.unwrap_or_else(late)
}

/// Reads with the key that services present to it.
async fn registry(endpoint: &str, key: &OperatorKey) -> Finding {
    const OF: &str = "registry";
    let client = match client(endpoint, key) {
        Ok(client) => client,
        Err(error) => return Finding::wrong(OF, error.to_string(), NOT_THERE),
    };
    let mut calls = RegistryServiceClient::new(client).max_decoding_message_size(MAX_MESSAGE_BYTES);
    let page = ListAccountsRequest {
        page_size: 1,
        ..ListAccountsRequest::default()
    };
    match calls.list_accounts(page).await {
        Ok(_page) => Finding::good(OF, format!("{endpoint} answers, and knows the operator's key")),
        Err(status) => refused(OF, endpoint, &status),
    }
}

fn refused(of: &str, endpoint: &str, status: &Status) -> Finding {
    let found = format!("{endpoint} answers {:?}: {}", status.code(), status.message());
    match status.code() {
        Code::Unauthenticated | Code::PermissionDenied => Finding::wrong(of, found, OTHER_KEY),
        _ => Finding::wrong(of, found, NOT_THERE),
    }
}

/// Whether it can be asked; that it works, its log and its lag tell.
async fn health(of: &str, endpoint: &str, key: &OperatorKey) -> Finding {
    let client = match client(endpoint, key) {
        Ok(client) => client,
        Err(error) => return Finding::wrong(of, error.to_string(), NOT_THERE),
    };
    let answer = HealthClient::new(client)
        .check(HealthCheckRequest::default())
        .await;
    match answer.map(|answer| answer.into_inner().status()) {
        Ok(ServingStatus::Serving) => Finding::good(of, format!("{endpoint} answers")),
        Ok(status) => Finding::wrong(
            of,
            format!("{endpoint} is {}", status.as_str_name()),
            "it is about to end; ask again",
        ),
        Err(status) => refused(of, endpoint, &status),
    }
}

async fn ingest(endpoint: &str) -> Finding {
    const OF: &str = "ingest";
    let uri = format!("{}/readyz", endpoint.trim_end_matches('/'));
    let answer = match Request::get(uri).body(Full::new(Bytes::new())) {
        Ok(request) => exchange(request).await,
        Err(error) => Err(error.into()),
    };
    match answer {
        Ok((StatusCode::OK, _body)) => Finding::good(OF, format!("{endpoint} is ready")),
        Ok((status, body)) => Finding::wrong(
            OF,
            format!(
                "{endpoint} answers {status}: {}",
                String::from_utf8_lossy(&body).trim()
            ),
            "what it waits for is said before; once that is well it becomes ready by itself",
        ),
        Err(error) => Finding::wrong(OF, format!("{endpoint}: {error:#}"), NOT_THERE),
    }
}
