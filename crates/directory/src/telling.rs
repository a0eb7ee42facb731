//! Tells the registry which API keys are used.

use std::sync::Arc;
use std::time::Duration;

use angarium_model::AccountId;
use angarium_proto::registry::v1::NoteApiKeyUseRequest;
use angarium_proto::registry::v1::registry_service_client::RegistryServiceClient;
use angarium_runtime::access::Used;
use angarium_runtime::{Shutdown, grpc};
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};

use crate::Shared;

/// How long the registry may take to note one: it writes it.
const WITHIN: Duration = Duration::from_secs(10);
/// Before the next is told, if the registry cannot be reached.
const PAUSE: Duration = Duration::from_secs(1);

/// Tells of one use after the other, until the shutdown begins. Nothing depends on it: what cannot be told is forgotten, and told with the
/// next use of the key. So an account that the registry has no room for holds up no other.
pub(crate) async fn run(
    shared: Arc<Shared>,
    registry: grpc::Address,
    mut used: mpsc::Receiver<Used>,
    shutdown: Shutdown,
) {
    let telling = async {
        let mut client = None;
        while let Some(used) = used.recv().await {
            // One that was revoked meanwhile is nobody's business any more.
            let Some(key) = shared.view().key(used.key) else {
                continue;
            };
            let note = NoteApiKeyUseRequest {
                account_id: key.account.map(AccountId::get),
                id: used.key.to_string(),
                used_at_ms: used.at_ms,
            };
            let reached = match client.take() {
                Some(reached) => Some(reached),
                None => {
                    let connected = timeout(WITHIN, registry.connect()).await;
                    connected
                        .ok()
                        .and_then(Result::ok)
                        .map(RegistryServiceClient::new)
                }
            };
            match reached {
                Some(mut reached) => {
                    if let Ok(Ok(_)) = timeout(WITHIN, reached.note_api_key_use(note)).await {
                        client = Some(reached);
                        continue;
                    }
                }
                None => sleep(PAUSE).await,
            }
            tracing::debug!(key = %used.key, "the use of a key is not noted");
            shared.uses.forget(used.key);
        }
    };
    tokio::select! {
        () = shutdown.begun() => {}
        () = telling => {}
    }
}
