//! Other registries, which write what this one does not.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use angarium_proto::registry::v1::registry_service_client::RegistryServiceClient;
use angarium_runtime::access::OperatorKey;
use angarium_runtime::grpc;

pub(crate) type Peer = RegistryServiceClient<grpc::Client>;

/// Connections to other registries, by their endpoint. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Peers {
    key: OperatorKey,
    known: Arc<Mutex<HashMap<String, Peer>>>,
}

/// Far more than there are registries: addresses that are used no more are forgotten.
const MAX_KNOWN: usize = 64;

impl Peers {
    pub(crate) fn new(key: OperatorKey) -> Self {
        Self {
            key,
            known: Arc::default(),
        }
    }

    /// A client of the registry there, connected; `None` if it cannot be reached.
    pub(crate) async fn reach(&self, endpoint: &str) -> Option<Peer> {
        let known = self.known().get(endpoint).cloned();
        if known.is_some() {
            return known;
        }
        let address = grpc::Address::new(endpoint, &self.key)
            .inspect_err(|error| tracing::debug!(%error, "another registry says nowhere where it is"))
            .ok()?;
        let connection = address
            .connect()
            .await
            .inspect_err(|error| tracing::debug!(endpoint, %error, "another registry cannot be reached"))
            .ok()?;
        let peer = Peer::new(connection).max_decoding_message_size(grpc::MAX_MESSAGE_BYTES);
        let mut known = self.known();
        if known.len() >= MAX_KNOWN {
            known.clear();
        }
        known.insert(endpoint.to_owned(), peer.clone());
        Some(peer)
    }

    /// Its connection has failed: the next one begins with a new one.
    pub(crate) fn forget(&self, endpoint: &str) {
        self.known().remove(endpoint);
    }

    fn known(&self) -> MutexGuard<'_, HashMap<String, Peer>> {
        // Nothing panics while it is held, so a poisoned map is still whole.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
