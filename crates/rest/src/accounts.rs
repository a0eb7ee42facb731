//! Accounts in paths: `1234`, their id, or `ext:acme-gmbh`, their external id. Methods know the id alone.

use angarium_model::{Access, AccountId, AccountRef, ExternalId};
use futures::future::BoxFuture;
use http::HeaderMap;
use prost_reflect::{FieldDescriptor, Kind};
use tonic::Status;

use crate::problem::{self, Error, Problem};
use crate::routes::Found;

/// Who knows accounts by their external ids.
pub trait Accounts: Send + Sync + 'static {
    /// The account that has it, if there is one. The headers of the request may say how new the answer must be.
    fn find<'a>(
        &'a self,
        external_id: &'a ExternalId,
        headers: &'a HeaderMap,
    ) -> BoxFuture<'a, Result<Option<AccountId>, Status>>;
}

/// Whether a field of a path names an account: nothing else is called by a number.
pub(crate) fn is_named_by(field: &FieldDescriptor) -> bool {
    matches!(field.kind(), Kind::Uint64)
}

/// Puts its id in the place of an external id. Of an account that the caller does not see it is said that there is none.
///
/// # Errors
/// That there is none, or none that could be.
pub(crate) async fn by_id(
    found: &mut Found<'_>,
    accounts: &dyn Accounts,
    access: Access,
    headers: &HeaderMap,
) -> Result<(), Problem> {
    for (path, text) in &mut found.given {
        let Some(field) = path.last().filter(|field| is_named_by(field)) else {
            continue;
        };
        let asked = text.parse::<AccountRef>().map_err(|error| {
            Problem::invalid(vec![Error::parameter(field.json_name(), error.to_string())])
        })?;
        let AccountRef::External(external_id) = asked else {
            continue;
        };
        let known = accounts.find(&external_id, headers).await;
        let known = known.map_err(|status| problem::of_status(&status, found.route))?;
        match known.filter(|account| access.sees(*account)) {
            Some(account) => *text = account.to_string(),
            None => return Err(Problem::no_account(&external_id)),
        }
    }
    Ok(())
}
