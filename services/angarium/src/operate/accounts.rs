//! Finds the accounts that commands are about: by their ids, and by their external ids at the registry.

use angarium_model::{AccountRef, ExternalId};
use angarium_proto::registry::v1::ListAccountsRequest;
use angarium_proto::registry::v1::registry_service_client::RegistryServiceClient;
use angarium_runtime::access::OperatorKey;
use angarium_runtime::grpc::client;
use anyhow::Context as _;

use super::call::explain;
use super::registry::request;
use crate::cli::WrongUse;
use crate::failed::{Failed, Why};
use crate::settings::Settings;

/// Where accounts are found.
pub(super) struct Accounts {
    registry: String,
    key: OperatorKey,
    of_profile: Option<AccountRef>,
}

impl Accounts {
    pub(super) fn of(settings: &Settings) -> Self {
        Self {
            registry: settings.registry_endpoint.clone(),
            key: settings.presented().clone(),
            of_profile: settings.account.clone(),
        }
    }

    /// The id of the account that was given, or of that of the profile.
    ///
    /// # Errors
    /// When there is neither, which is asking for too little, or no such account.
    pub(super) async fn id(&self, given: Option<&AccountRef>) -> anyhow::Result<u64> {
        match given_or(given, self.of_profile.as_ref())? {
            AccountRef::Id(id) => Ok(id.get()),
            AccountRef::External(external_id) => match self.find(external_id).await? {
                Some(id) => Ok(id),
                None => Err(Failed::new(Why::NotThere, none(external_id)).into()),
            },
        }
    }

    /// The account that was given, or that of the profile, as it is named there.
    ///
    /// # Errors
    /// When there is neither.
    pub(super) fn named(&self, given: Option<&AccountRef>) -> Result<AccountRef, WrongUse> {
        given_or(given, self.of_profile.as_ref()).cloned()
    }

    /// The same where no account stands for the platform, whatever the profile has.
    pub(super) async fn home(&self, given: Option<&AccountRef>) -> anyhow::Result<Option<u64>> {
        match given {
            None => Ok(None),
            given => self.id(given).await.map(Some),
        }
    }

    /// The id of the account that has an external id.
    pub(super) async fn find(&self, external_id: &ExternalId) -> anyhow::Result<Option<u64>> {
        let client = client(&self.registry, &self.key).context("registry.endpoint")?;
        let asked = ListAccountsRequest {
            external_id: external_id.to_string(),
            ..ListAccountsRequest::default()
        };
        let answer = RegistryServiceClient::new(client)
            .list_accounts(request(asked))
            .await;
        let told = |status| explain("the registry", &self.registry, "ask again", &status);
        let found = answer.map_err(told)?.into_inner().accounts;
        Ok(found.first().map(|account| account.id))
    }
}

/// The account that was given, or that of the profile.
///
/// # Errors
/// When there is neither: the command line asks for too little.
pub(super) fn given_or<'a>(
    given: Option<&'a AccountRef>,
    of_profile: Option<&'a AccountRef>,
) -> Result<&'a AccountRef, WrongUse> {
    const NONE: WrongUse = WrongUse("which account? give --account ID, or a --profile that has one");
    given.or(of_profile).ok_or(NONE)
}

/// What to say where no account has an external id.
pub(super) fn none(external_id: &ExternalId) -> String {
    format!(
        "there is no account with the external id {external_id}, or the key does not see it; `angarium account list` shows those that it sees"
    )
}
