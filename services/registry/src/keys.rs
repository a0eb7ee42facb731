//! API keys, as the registry itself knows them.

use std::sync::Arc;
use std::time::Duration;

use angarium_model::{ApiKey, KeyId};
use angarium_runtime::access::Keys;
use futures::future::{BoxFuture, FutureExt as _};
use tokio::time::sleep;

use crate::store::Store;
use crate::upstream::Upstream;

/// Before it is looked again whether what is known is in force.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// Knows the API keys that this registry has read.
#[derive(Clone, Debug)]
pub(crate) struct KnownKeys {
    store: Arc<Store>,
    upstream: Upstream,
}

impl KnownKeys {
    pub(crate) fn new(store: &Arc<Store>, upstream: &Upstream) -> Self {
        Self {
            store: Arc::clone(store),
            upstream: upstream.clone(),
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
}
