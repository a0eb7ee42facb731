//! Calls the other services, always with the caller's own key: what it allows is decided there, not here.

use std::time::Duration;

use angarium_proto::audit::v1::audit_service_client::AuditServiceClient;
use angarium_proto::delivery::v1::delivery_service_client::DeliveryServiceClient;
use angarium_proto::delivery::v1::replay_service_client::ReplayServiceClient;
use angarium_proto::explain::v1::explain_service_client::ExplainServiceClient;
use angarium_proto::registry::v1::registry_service_client::RegistryServiceClient;
use angarium_runtime::access::OperatorKey;
use angarium_runtime::grpc::{Client, InvalidEndpoint, MAX_MESSAGE_BYTES, Shared};
use tonic::Request;

/// The longest that a call may take that a page waits for: a test of a webhook takes up to 15 s (D1).
const PATIENCE: Duration = Duration::from_secs(18);

/// A connection to each service.
#[derive(Clone, Debug)]
pub(crate) struct Backend {
    registry: Shared,
    fanout: Shared,
    delivery: Shared,
}

impl Backend {
    /// Connects at the first call.
    ///
    /// # Errors
    /// When an address is none.
    pub(crate) fn new(registry: &str, fanout: &str, delivery: &str) -> Result<Self, InvalidEndpoint> {
        Ok(Self {
            registry: Shared::new(registry)?,
            fanout: Shared::new(fanout)?,
            delivery: Shared::new(delivery)?,
        })
    }

    pub(crate) fn registry(&self, key: &OperatorKey) -> RegistryServiceClient<Client> {
        RegistryServiceClient::new(self.registry.with_key(key)).max_decoding_message_size(MAX_MESSAGE_BYTES)
    }

    pub(crate) fn audit(&self, key: &OperatorKey) -> AuditServiceClient<Client> {
        AuditServiceClient::new(self.registry.with_key(key)).max_decoding_message_size(MAX_MESSAGE_BYTES)
    }

    pub(crate) fn explain(&self, key: &OperatorKey) -> ExplainServiceClient<Client> {
        ExplainServiceClient::new(self.fanout.with_key(key)).max_decoding_message_size(MAX_MESSAGE_BYTES)
    }

    pub(crate) fn delivery(&self, key: &OperatorKey) -> DeliveryServiceClient<Client> {
        DeliveryServiceClient::new(self.delivery.with_key(key)).max_decoding_message_size(MAX_MESSAGE_BYTES)
    }

    pub(crate) fn replay(&self, key: &OperatorKey) -> ReplayServiceClient<Client> {
        ReplayServiceClient::new(self.delivery.with_key(key)).max_decoding_message_size(MAX_MESSAGE_BYTES)
    }
}

/// A request with a deadline.
pub(crate) fn request<T>(message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.set_timeout(PATIENCE);
    request
}
