//! Finds accounts by their external ids, for paths of HTTP.

use std::sync::Arc;
use std::time::Duration;

use angarium_model::{AccountId, ExternalId};
use angarium_rest::Accounts;
use futures::FutureExt as _;
use futures::future::BoxFuture;
use http::HeaderMap;
use tonic::Status;
use tonic::metadata::MetadataMap;

use crate::revisions;
use crate::store::Store;

/// What this registry has read of accounts.
pub(crate) struct Named {
    pub(crate) store: Arc<Store>,
    /// How long a request waits for a revision that it asks for.
    pub(crate) patience: Duration,
}

impl Accounts for Named {
    fn find<'a>(
        &'a self,
        external_id: &'a ExternalId,
        headers: &'a HeaderMap,
    ) -> BoxFuture<'a, Result<Option<AccountId>, Status>> {
        async move {
            let places = revisions::places(&MetadataMap::from_headers(headers.clone()))?;
            self.store.reached_all(places, self.patience).await?;
            Ok(self
                .store
                .read(|state| state.account_of(external_id).map(|account| account.id)))
        }
        .boxed()
    }
}
