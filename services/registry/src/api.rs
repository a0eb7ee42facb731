//! The gRPC service.

use std::pin::Pin;
use std::sync::Arc;

use angarium_model::{Access, Account, AccountId, ExternalId, KeyId, KnownTypes, Scope, WebhookId};
use angarium_proto::convert::{
    Secrets, account_to_wire, api_key_to_wire, event_class_from_wire, webhook_to_wire,
};
use angarium_proto::registry::v1;
use angarium_proto::registry::v1::registry_service_server::RegistryService;
use angarium_proto::{FieldError, InvalidWire};
use angarium_runtime::grpc::access;
use angarium_runtime::millis;
use futures::Stream;
use tonic::metadata::MetadataMap;
use tonic::{Extensions, Request, Response, Status, Streaming};

use crate::changes::Change;
use crate::following::Followers;
use crate::home::Home;
use crate::page::Page;
use crate::plan::{RELIED_ON, is_news};
use crate::refusal::{Refusal, is_unknown};
use crate::request::{self, Listed, Wanted};
use crate::revisions;
use crate::routing::Routing;
use crate::state::State;
use crate::types;

/// Answers calls: reads from the store, has writes written.
#[derive(Debug)]
pub(crate) struct Api {
    routing: Arc<Routing>,
    followers: Followers,
}

type Answer<T> = Result<Response<T>, Status>;

impl Api {
    pub(crate) const fn new(routing: Arc<Routing>, followers: Followers) -> Self {
        Self { routing, followers }
    }

    /// What this registry has read of what belongs there, if the caller may know of it, at least up to the revision that came with the request.
    async fn state<T, R>(
        &self,
        request: &Request<R>,
        home: Home,
        look: impl FnOnce(&State) -> Result<T, Refusal>,
    ) -> Result<T, Status> {
        home.seen_by(access(request.extensions())?)?;
        self.routing
            .reached(revisions::places(request.metadata())?)
            .await?;
        Ok(self.routing.store.read(look)?)
    }

    /// Has an account written, once its external id is kept for it (ADR 27). Another registry that passes this on has seen to it.
    async fn write_account<C: Change>(&self, mut request: Request<C>) -> Answer<C::Answer> {
        let by = access(request.extensions())?;
        if !is_from_a_registry(&request, by) {
            let checked = request.get_ref().clone().check(self.routing.grounds(by))?;
            let until_ms = match checked.external_id() {
                Some((account, external_id)) => {
                    Some(self.keep(account, external_id, request.extensions()).await?)
                }
                None => None,
            };
            revisions::keep_until(until_ms, request.metadata_mut());
        }
        self.routing.write(request).await
    }

    /// Has an external id kept for an account; says until when that may be relied on, Unix milliseconds.
    async fn keep(
        &self,
        account: AccountId,
        external_id: &ExternalId,
        extensions: &Extensions,
    ) -> Result<i64, Status> {
        let reserve = v1::ReserveExternalIdRequest {
            account_id: account.get(),
            external_id: external_id.to_string(),
        };
        // From before it is written: what comes in between only shortens it.
        let until_ms = self.routing.clock.now_ms().saturating_add(millis(RELIED_ON));
        let request = Request::from_parts(MetadataMap::new(), extensions.clone(), reserve);
        match self.routing.write(request).await {
            Ok(_kept) => Ok(until_ms),
            // Whether it is kept is not known; that the account is not written is.
            Err(status) if is_unknown(&status) => Err(Refusal::NotWritten.into()),
            Err(status) => Err(status),
        }
    }

    /// The types that events of an account may have; those of the platform are everybody's.
    async fn types<R>(&self, request: &Request<R>, home: Home) -> Result<KnownTypes, Status> {
        let caller = Home::of(access(request.extensions())?.account);
        let asks = if home == Home::Platform { caller } else { home };
        self.state(request, asks, |state| {
            if let Home::Account(account) = home {
                state.account(account).ok_or(Refusal::NoAccount(account))?;
            }
            Ok(state.known_types(home.account()))
        })
        .await
    }
}

/// Whether another registry passes a request on, which has seen to what comes before it.
fn is_from_a_registry<T>(request: &Request<T>, by: Access) -> bool {
    by.scopes.contains(Scope::Serve) && revisions::is_passed_on(request.metadata())
}

#[tonic::async_trait]
impl RegistryService for Api {
    type WatchStream = Pin<Box<dyn Stream<Item = Result<v1::WatchResponse, Status>> + Send>>;

    async fn create_account(
        &self,
        request: Request<v1::CreateAccountRequest>,
    ) -> Answer<v1::CreateAccountResponse> {
        self.write_account(request).await
    }

    async fn get_account(&self, request: Request<v1::GetAccountRequest>) -> Answer<v1::GetAccountResponse> {
        if revisions::wants_latest(request.metadata()) {
            return self.routing.write(request).await;
        }
        let id = request::account_id("id", request.get_ref().id)?;
        let account = self.state(&request, Home::Account(id), |state| {
            state.account(id).cloned().ok_or(Refusal::NoAccount(id))
        });
        Ok(Response::new(v1::GetAccountResponse {
            account: Some(account_to_wire(&*account.await?)),
        }))
    }

    async fn list_accounts(
        &self,
        request: Request<v1::ListAccountsRequest>,
    ) -> Answer<v1::ListAccountsResponse> {
        const LIST: &str = "accounts";
        let mut errors = Vec::new();
        let asked = request.get_ref();
        let page = Page::<AccountId>::from_wire(asked.page_size, &asked.page_token, LIST, &mut errors);
        if !errors.is_empty() {
            return Err(Refusal::from(InvalidWire(errors)).into());
        }
        let external_id = Some(&*asked.external_id).filter(|text| !text.is_empty());
        let external_id = external_id.map(ExternalId::new).transpose();
        let external_id = external_id.map_err(|error| Refusal::field("external_id", error.to_string()))?;
        let seen = access(request.extensions())?;
        // Who is confined to an account sees that one alone.
        let home = Home::of(seen.account);
        let found = self.state(&request, home, |state| {
            let one = |account: Option<&Arc<Account>>| {
                let seen = account.filter(|account| seen.sees(account.id));
                (seen.into_iter().cloned().collect(), String::new())
            };
            Ok(match (&external_id, seen.account) {
                (Some(external_id), _) => one(state.account_of(external_id)),
                (None, None) => {
                    let rest = state.accounts_after(page.after).cloned();
                    page.cut(rest, LIST, |account| account.id)
                }
                (None, Some(own)) => one(state.account(own)),
            })
        });
        let (accounts, next_page_token) = found.await?;
        let accounts = accounts.iter().map(|account| account_to_wire(account)).collect();
        Ok(Response::new(v1::ListAccountsResponse {
            accounts,
            next_page_token,
        }))
    }

    async fn update_account(
        &self,
        request: Request<v1::UpdateAccountRequest>,
    ) -> Answer<v1::UpdateAccountResponse> {
        self.write_account(request).await
    }

    async fn reserve_external_id(
        &self,
        request: Request<v1::ReserveExternalIdRequest>,
    ) -> Answer<v1::ReserveExternalIdResponse> {
        self.routing.write(request).await
    }

    async fn delete_account(
        &self,
        request: Request<v1::DeleteAccountRequest>,
    ) -> Answer<v1::DeleteAccountResponse> {
        // Whoever still names the account by it is not led to another one for a while: if that cannot be had, the account goes
        // all the same.
        let id = request::account_id("id", request.get_ref().id)?;
        let account = self.routing.store.read(|state| state.account(id).cloned());
        let by = access(request.extensions())?;
        if let Some(external_id) = account.as_ref().and_then(|account| account.external_id.as_ref())
            && !is_from_a_registry(&request, by)
        {
            let kept = self.keep(id, external_id, request.extensions()).await;
            if let Err(error) = kept {
                tracing::info!(account = %id, %error, "the external id of an account that is deleted is not kept");
            }
        }
        self.routing.write(request).await
    }

    async fn create_webhook(
        &self,
        request: Request<v1::CreateWebhookRequest>,
    ) -> Answer<v1::CreateWebhookResponse> {
        self.routing.write(request).await
    }

    async fn get_webhook(&self, request: Request<v1::GetWebhookRequest>) -> Answer<v1::GetWebhookResponse> {
        if revisions::wants_latest(request.metadata()) {
            return self.routing.write(request).await;
        }
        let asked = request.get_ref();
        let (account, id) = request::webhook_key(asked.account_id, &asked.id)?;
        let webhook = self.state(&request, Home::Account(account), |state| {
            state.webhook(account, id).cloned()
        });
        let webhook = Some(webhook_to_wire(&*webhook.await?, Secrets::Omit));
        Ok(Response::new(v1::GetWebhookResponse { webhook }))
    }

    async fn list_webhooks(
        &self,
        request: Request<v1::ListWebhooksRequest>,
    ) -> Answer<v1::ListWebhooksResponse> {
        let asked = request.get_ref();
        let mut errors = Vec::new();
        let by = access(request.extensions())?;
        let types = self.routing.grounds(by).types(asked.account_id);
        let wanted = Wanted::from_wire(asked, &types, &mut errors);
        let list = wanted.list(asked.account_id);
        let page = Page::<WebhookId>::from_wire(asked.page_size, &asked.page_token, &list, &mut errors);
        let account = AccountId::new(asked.account_id)
            .map_err(|error| errors.push(FieldError::new("account_id", error.to_string())));
        let account = match account {
            Ok(account) if errors.is_empty() => account,
            _ => return Err(Refusal::from(InvalidWire(errors)).into()),
        };
        let found = self.state(&request, Home::Account(account), |state| {
            state.account(account).ok_or(Refusal::NoAccount(account))?;
            Ok(wanted.page(state, account, &page, &list))
        });
        let (listed, next_page_token) = found.await?;
        let webhooks = listed.into_iter().map(Listed::into_wire).collect();
        Ok(Response::new(v1::ListWebhooksResponse {
            webhooks,
            next_page_token,
        }))
    }

    async fn update_webhook(
        &self,
        request: Request<v1::UpdateWebhookRequest>,
    ) -> Answer<v1::UpdateWebhookResponse> {
        self.routing.write(request).await
    }

    async fn rotate_secret(
        &self,
        request: Request<v1::RotateSecretRequest>,
    ) -> Answer<v1::RotateSecretResponse> {
        self.routing.write(request).await
    }

    async fn revoke_secret(
        &self,
        request: Request<v1::RevokeSecretRequest>,
    ) -> Answer<v1::RevokeSecretResponse> {
        self.routing.write(request).await
    }

    async fn disable_webhook(
        &self,
        request: Request<v1::DisableWebhookRequest>,
    ) -> Answer<v1::DisableWebhookResponse> {
        self.routing.write(request).await
    }

    async fn reseal_webhook(
        &self,
        request: Request<v1::ResealWebhookRequest>,
    ) -> Answer<v1::ResealWebhookResponse> {
        self.routing.write(request).await
    }

    async fn delete_webhook(
        &self,
        request: Request<v1::DeleteWebhookRequest>,
    ) -> Answer<v1::DeleteWebhookResponse> {
        self.routing.write(request).await
    }

    async fn undelete_webhook(
        &self,
        request: Request<v1::UndeleteWebhookRequest>,
    ) -> Answer<v1::UndeleteWebhookResponse> {
        self.routing.write(request).await
    }

    async fn create_api_key(
        &self,
        request: Request<v1::CreateApiKeyRequest>,
    ) -> Answer<v1::CreateApiKeyResponse> {
        self.routing.write(request).await
    }

    async fn get_api_key(&self, request: Request<v1::GetApiKeyRequest>) -> Answer<v1::GetApiKeyResponse> {
        if revisions::wants_latest(request.metadata()) {
            return self.routing.write(request).await;
        }
        let asked = request.get_ref();
        let (home, id) = request::api_key_name(asked.account_id, &asked.id)?;
        let key = self.state(&request, home, |state| state.key_of(home, id).cloned());
        let api_key = Some(api_key_to_wire(&*key.await?, Secrets::Omit));
        Ok(Response::new(v1::GetApiKeyResponse { api_key }))
    }

    async fn list_api_keys(
        &self,
        request: Request<v1::ListApiKeysRequest>,
    ) -> Answer<v1::ListApiKeysResponse> {
        let asked = request.get_ref();
        let mut errors = Vec::new();
        let list = format!(
            "keys of {}",
            asked
                .account_id
                .map_or("the platform".to_owned(), |id| id.to_string())
        );
        let page = Page::<KeyId>::from_wire(asked.page_size, &asked.page_token, &list, &mut errors);
        let home = request::home(asked.account_id, &mut errors);
        let Some(home) = home.filter(|_| errors.is_empty()) else {
            return Err(Refusal::from(InvalidWire(errors)).into());
        };
        let found = self.state(&request, home, |state| {
            if let Home::Account(account) = home {
                state.account(account).ok_or(Refusal::NoAccount(account))?;
            }
            Ok(page.cut(state.keys_after(home, page.after).cloned(), &list, |key| key.id))
        });
        let (keys, next_page_token) = found.await?;
        Ok(Response::new(v1::ListApiKeysResponse {
            api_keys: keys
                .iter()
                .map(|key| api_key_to_wire(key, Secrets::Omit))
                .collect(),
            next_page_token,
        }))
    }

    async fn update_api_key(
        &self,
        request: Request<v1::UpdateApiKeyRequest>,
    ) -> Answer<v1::UpdateApiKeyResponse> {
        self.routing.write(request).await
    }

    async fn rotate_api_key(
        &self,
        request: Request<v1::RotateApiKeyRequest>,
    ) -> Answer<v1::RotateApiKeyResponse> {
        self.routing.write(request).await
    }

    async fn delete_api_key(
        &self,
        request: Request<v1::DeleteApiKeyRequest>,
    ) -> Answer<v1::DeleteApiKeyResponse> {
        self.routing.write(request).await
    }

    async fn note_api_key_use(
        &self,
        request: Request<v1::NoteApiKeyUseRequest>,
    ) -> Answer<v1::NoteApiKeyUseResponse> {
        let asked = request.get_ref();
        let (home, id) = request::api_key_name(asked.account_id, &asked.id)?;
        let is_news = self.routing.store.read(|state| {
            let key = state.key_of(home, id);
            key.map(|key| is_news(key, asked.used_at_ms))
        });
        // Every service tells of every key: most is known already.
        if is_news.is_ok_and(|is_news| !is_news) {
            return Ok(Response::new(v1::NoteApiKeyUseResponse {}));
        }
        self.routing.write(request).await
    }

    async fn test_filter(&self, request: Request<v1::TestFilterRequest>) -> Answer<v1::TestFilterResponse> {
        let mut errors = Vec::new();
        let home = request::home(request.get_ref().account_id, &mut errors);
        let types = self.types(&request, home.unwrap_or(Home::Platform)).await?;
        let answer = request::test_filter(request.into_inner(), &types, errors)?;
        Ok(Response::new(answer))
    }

    async fn create_event_type(
        &self,
        request: Request<v1::CreateEventTypeRequest>,
    ) -> Answer<v1::CreateEventTypeResponse> {
        self.routing.write(request).await
    }

    async fn update_event_type(
        &self,
        request: Request<v1::UpdateEventTypeRequest>,
    ) -> Answer<v1::UpdateEventTypeResponse> {
        self.routing.write(request).await
    }

    async fn delete_event_type(
        &self,
        request: Request<v1::DeleteEventTypeRequest>,
    ) -> Answer<v1::DeleteEventTypeResponse> {
        self.routing.write(request).await
    }

    async fn get_event_type(
        &self,
        request: Request<v1::GetEventTypeRequest>,
    ) -> Answer<v1::GetEventTypeResponse> {
        let asked = request.get_ref();
        let (home, name) = request::event_type_name(asked.account_id, &asked.name)?;
        let types = self.types(&request, home).await?;
        let event_type = types::get(&types, home.account(), &name)?;
        Ok(Response::new(v1::GetEventTypeResponse {
            event_type: Some(event_type),
        }))
    }

    async fn list_event_types(
        &self,
        request: Request<v1::ListEventTypesRequest>,
    ) -> Answer<v1::ListEventTypesResponse> {
        let asked = request.get_ref();
        let mut errors = Vec::new();
        let lane = event_class_from_wire(asked.event_class());
        let list = format!("event types of {:?} {:?}", asked.account_id, asked.event_class());
        let page = Page::<types::Place>::from_wire(asked.page_size, &asked.page_token, &list, &mut errors);
        let home = request::home(asked.account_id, &mut errors);
        let Some(home) = home.filter(|_| errors.is_empty()) else {
            return Err(Refusal::from(InvalidWire(errors)).into());
        };
        let types = self.types(&request, home).await?;
        let all = types::all(&types, lane);
        let rest = all
            .into_iter()
            .filter(|(place, _)| page.after.as_ref().is_none_or(|after| place > after));
        let (page, next_page_token) = page.cut(rest, &list, |(place, _)| place.clone());
        Ok(Response::new(v1::ListEventTypesResponse {
            event_types: page.into_iter().map(|(_, known)| known).collect(),
            next_page_token,
        }))
    }

    async fn watch(&self, request: Request<Streaming<v1::WatchRequest>>) -> Answer<Self::WatchStream> {
        let following = self.followers.follow(request.into_inner()).await?;
        Ok(Response::new(Box::pin(following)))
    }
}
