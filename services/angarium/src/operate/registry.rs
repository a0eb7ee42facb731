//! Calls the registry.

use std::time::Duration;

use angarium_proto::registry::v1::registry_service_client::RegistryServiceClient;
use angarium_runtime::grpc::{Client, MAX_MESSAGE_BYTES, client};
use anyhow::Context;
use tonic::{Request, Response, Status};

use super::call::explain;
use crate::cli::AtRegistry;
use crate::settings::Settings;

/// The longest that a call may take; the registry gives Kafka less.
const PATIENCE: Duration = Duration::from_secs(15);

/// The most entries of a page that the registry gives.
pub(super) const PAGE: u32 = 1_000;

/// A connection to the registry of the command line or the settings.
pub(super) struct Registry {
    pub(super) calls: RegistryServiceClient<Client>,
    endpoint: String,
}

impl Registry {
    /// Reads where it is; connects at the first call.
    pub(super) fn at(at: &AtRegistry) -> anyhow::Result<Self> {
        let overrides = [
            ("registry.endpoint", &at.registry),
            ("operator.key", &at.reach.key),
        ];
        let settings = Settings::read_with(&at.reach.given, &overrides, &["registry", "operator"])?;
        let client = client(&settings.registry_endpoint, &settings.key).context("registry.endpoint")?;
        let calls = RegistryServiceClient::new(client).max_decoding_message_size(MAX_MESSAGE_BYTES);
        Ok(Self {
            calls,
            endpoint: settings.registry_endpoint,
        })
    }

    /// The answer, or what to tell the person who asked.
    pub(super) fn answer<T>(&self, result: Result<Response<T>, Status>) -> anyhow::Result<T> {
        result.map(Response::into_inner).map_err(|status| {
            explain(
                "the registry",
                &self.endpoint,
                "it may yet come into force",
                &status,
            )
        })
    }
}

/// A request with a deadline.
pub(super) fn request<T>(message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.set_timeout(PATIENCE);
    request
}
