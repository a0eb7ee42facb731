//! API keys, as the registry itself knows them.

use std::sync::Arc;
use std::time::Duration;

use angarium_model::{Access, AccountId, ApiKey, KeyId};
use angarium_proto::registry::v1::NoteApiKeyUseRequest;
use angarium_runtime::access::{Keys, Used, Uses};
use angarium_runtime::{Shutdown, chain};
use futures::future::{BoxFuture, FutureExt as _};
use tokio::sync::mpsc;
use tokio::time::sleep;
use tonic::{Request, Status};

use crate::plan::is_news;
use crate::routing::Routing;
use crate::store::Store;
use crate::upstream::Upstream;

/// Before it is looked again whether what is known is in force.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// Knows the API keys that this registry has read.
#[derive(Clone, Debug)]
pub(crate) struct KnownKeys {
    store: Arc<Store>,
    upstream: Upstream,
    uses: Uses,
}

impl KnownKeys {
    /// Uses of them are taken down there.
    pub(crate) fn new(store: &Arc<Store>, upstream: &Upstream, uses: &Uses) -> Self {
        Self {
            store: Arc::clone(store),
            upstream: upstream.clone(),
            uses: uses.clone(),
        }
    }
}

impl Keys for KnownKeys {
    fn key(&self, id: KeyId) -> Option<Arc<ApiKey>> {
        self.store.read(|state| state.key(id).cloned())
    }

    fn is_in_force(&self) -> bool {
        self.upstream.is_in_force()
    }

    fn in_force(&self) -> BoxFuture<'_, ()> {
        async {
            while !self.upstream.is_in_force() {
                sleep(LOOK_AGAIN).await;
            }
        }
        .boxed()
    }

    fn used(&self, id: KeyId, at_ms: i64) {
        self.uses.note(id, at_ms);
    }
}

/// Notes which keys are used here, one after the other, until the shutdown begins. Nothing depends on it: what cannot be noted is forgotten,
/// and noted with the next use of the key.
pub(crate) async fn note_uses(
    routing: Arc<Routing>,
    uses: Uses,
    mut used: mpsc::Receiver<Used>,
    shutdown: Shutdown,
) {
    let noting = async {
        while let Some(used) = used.recv().await {
            if let Err(error) = note(&routing, used).await {
                tracing::debug!(key = %used.key, error = chain(&error), "the use of a key is not noted");
                uses.forget(used.key);
            }
        }
    };
    tokio::select! {
        () = shutdown.begun() => {}
        () = noting => {}
    }
}

async fn note(routing: &Routing, used: Used) -> Result<(), Status> {
    let known = routing.store.read(|state| state.key(used.key).cloned());
    // One that was revoked meanwhile is nobody's business any more.
    let Some(key) = known.filter(|key| is_news(key, used.at_ms)) else {
        return Ok(());
    };
    let mut request = Request::new(NoteApiKeyUseRequest {
        account_id: key.account.map(AccountId::get),
        id: key.id.to_string(),
        used_at_ms: used.at_ms,
    });
    request.extensions_mut().insert(Access::OPERATOR);
    routing.write(request).await?;
    Ok(())
}
