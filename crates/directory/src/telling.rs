//! Tells the registry which API keys are used.

use std::sync::Arc;
use std::time::Duration;

use angarium_model::AccountId;
use angarium_proto::registry::v1::NoteApiKeyUseRequest;
use angarium_proto::registry::v1::registry_service_client::RegistryServiceClient;
use angarium_runtime::access::Used;
use angarium_runtime::{Shutdown, chain, grpc};
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};
use tonic::{Code, Status};

use crate::Shared;

/// How long the registry may take to note one: it writes it.
const WITHIN: Duration = Duration::from_secs(10);
/// How often it is tried; the next use in an hour is told anew.
const TRIES: u32 = 10;
/// Between them.
const PAUSE: Duration = Duration::from_secs(1);

/// Tells of one use after the other, until the shutdown begins. Nothing depends on it.
pub(crate) async fn run(
    shared: Arc<Shared>,
    registry: grpc::Address,
    mut used: mpsc::Receiver<Used>,
    shutdown: Shutdown,
) {
    let telling = async {
        while let Some(used) = used.recv().await {
            tell(&shared, &registry, used).await;
        }
    };
    tokio::select! {
        () = shutdown.begun() => {}
        () = telling => {}
    }
}

async fn tell(shared: &Shared, registry: &grpc::Address, used: Used) {
    for _try in 0..TRIES {
        // One that was revoked meanwhile is nobody's business any more.
        let Some(key) = shared.view().key(used.key) else {
            return;
        };
        let note = NoteApiKeyUseRequest {
            account_id: key.account.map(AccountId::get),
            id: used.key.to_string(),
            used_at_ms: used.at_ms,
        };
        let noted = timeout(WITHIN, noted(registry, note)).await;
        match noted.unwrap_or_else(|_elapsed| Err(Status::deadline_exceeded("the registry does not answer")))
        {
            Ok(()) => return,
            Err(status) if status.code() == Code::NotFound => return,
            Err(status) => {
                tracing::debug!(key = %used.key, error = chain(&status), "the use of a key is not noted yet");
                sleep(PAUSE).await;
            }
        }
    }
    tracing::info!(key = %used.key, "the use of a key is not noted: the registry does not take it");
}

/// A connection of its own: there is one key to tell of, once an hour.
async fn noted(registry: &grpc::Address, note: NoteApiKeyUseRequest) -> Result<(), Status> {
    let connection = registry
        .connect()
        .await
        .map_err(|error| Status::unavailable(error.to_string()))?;
    RegistryServiceClient::new(connection)
        .note_api_key_use(note)
        .await?;
    Ok(())
}
