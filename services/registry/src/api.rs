//! The gRPC service.

use std::pin::Pin;
use std::sync::Arc;

use angarium_model::{AccountId, Catalogue, EventType, Lane, WebhookId};
use angarium_proto::convert::{Secrets, account_to_wire, webhook_to_wire};
use angarium_proto::registry::v1::registry_service_server::RegistryService;
use angarium_proto::registry::v1::{self, EventClass};
use angarium_proto::{FieldError, InvalidWire};
use angarium_runtime::{Clock, Shutdown};
use futures::Stream;
use tonic::{Request, Response, Status};

use crate::page::Page;
use crate::refusal::Refusal;
use crate::request;
use crate::store::Store;
use crate::watch::Watcher;
use crate::writer::Writers;

/// Answers calls: reads from the store, writes through the writers.
#[derive(Debug)]
pub(crate) struct Api {
    store: Arc<Store>,
    writers: Writers,
    clock: Clock,
    shutdown: Shutdown,
}

type Answer<T> = Result<Response<T>, Status>;

impl Api {
    pub(crate) const fn new(store: Arc<Store>, writers: Writers, clock: Clock, shutdown: Shutdown) -> Self {
        Self {
            store,
            writers,
            clock,
            shutdown,
        }
    }
}

#[tonic::async_trait]
impl RegistryService for Api {
    type WatchStream = Pin<Box<dyn Stream<Item = Result<v1::WatchResponse, Status>> + Send>>;

    async fn create_account(
        &self,
        request: Request<v1::CreateAccountRequest>,
    ) -> Answer<v1::CreateAccountResponse> {
        let write = request::create_account(request.into_inner(), self.clock.now_ms())?;
        let stored = self.writers.write(write).await?;
        Ok(Response::new(v1::CreateAccountResponse {
            account: stored.account(),
        }))
    }

    async fn get_account(&self, request: Request<v1::GetAccountRequest>) -> Answer<v1::GetAccountResponse> {
        let id = request::account_id("id", request.into_inner().id)?;
        let account = self
            .store
            .read(|state| state.account(id).cloned())
            .ok_or(Refusal::NoAccount(id))?;
        Ok(Response::new(v1::GetAccountResponse {
            account: Some(account_to_wire(&account)),
        }))
    }

    async fn list_accounts(
        &self,
        request: Request<v1::ListAccountsRequest>,
    ) -> Answer<v1::ListAccountsResponse> {
        const LIST: &str = "accounts";
        let request = request.into_inner();
        let mut errors = Vec::new();
        let page = Page::<AccountId>::from_wire(request.page_size, &request.page_token, LIST, &mut errors);
        if !errors.is_empty() {
            return Err(Refusal::from(InvalidWire(errors)).into());
        }
        let (accounts, next_page_token) = self.store.read(|state| {
            page.cut(state.accounts_after(page.after).cloned(), LIST, |account| {
                account.id
            })
        });
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
        let stored = self
            .writers
            .write(request::update_account(request.into_inner())?)
            .await?;
        Ok(Response::new(v1::UpdateAccountResponse {
            account: stored.account(),
        }))
    }

    async fn delete_account(
        &self,
        request: Request<v1::DeleteAccountRequest>,
    ) -> Answer<v1::DeleteAccountResponse> {
        self.writers
            .write(request::delete_account(request.get_ref())?)
            .await?;
        Ok(Response::new(v1::DeleteAccountResponse {}))
    }

    async fn create_webhook(
        &self,
        request: Request<v1::CreateWebhookRequest>,
    ) -> Answer<v1::CreateWebhookResponse> {
        let write = request::create_webhook(request.into_inner(), self.clock.now_ms())?;
        let stored = self.writers.write(write).await?;
        Ok(Response::new(v1::CreateWebhookResponse {
            webhook: stored.webhook(),
        }))
    }

    async fn get_webhook(&self, request: Request<v1::GetWebhookRequest>) -> Answer<v1::GetWebhookResponse> {
        let request = request.into_inner();
        let (account, id) = request::webhook_key(request.account_id, &request.id)?;
        let webhook = self.store.read(|state| state.webhook(account, id).cloned());
        let webhook = webhook.ok_or(Refusal::NoWebhook { account, id })?;
        let webhook = Some(webhook_to_wire(&webhook, Secrets::Omit));
        Ok(Response::new(v1::GetWebhookResponse { webhook }))
    }

    async fn list_webhooks(
        &self,
        request: Request<v1::ListWebhooksRequest>,
    ) -> Answer<v1::ListWebhooksResponse> {
        let request = request.into_inner();
        let list = format!("webhooks of {}", request.account_id);
        let mut errors = Vec::new();
        let page = Page::<WebhookId>::from_wire(request.page_size, &request.page_token, &list, &mut errors);
        let account = AccountId::new(request.account_id)
            .map_err(|error| errors.push(FieldError::new("account_id", error.to_string())));
        let account = match account {
            Ok(account) if errors.is_empty() => account,
            _ => return Err(Refusal::from(InvalidWire(errors)).into()),
        };
        let (webhooks, next_page_token) = self.store.read(|state| {
            state.account(account).ok_or(Refusal::NoAccount(account))?;
            let rest = state.webhooks_after(account, page.after).cloned();
            Ok::<_, Refusal>(page.cut(rest, &list, |webhook| webhook.id))
        })?;
        let webhooks = webhooks
            .iter()
            .map(|webhook| webhook_to_wire(webhook, Secrets::Omit))
            .collect();
        Ok(Response::new(v1::ListWebhooksResponse {
            webhooks,
            next_page_token,
        }))
    }

    async fn update_webhook(
        &self,
        request: Request<v1::UpdateWebhookRequest>,
    ) -> Answer<v1::UpdateWebhookResponse> {
        let stored = self
            .writers
            .write(request::update_webhook(request.into_inner())?)
            .await?;
        Ok(Response::new(v1::UpdateWebhookResponse {
            webhook: stored.webhook(),
        }))
    }

    async fn disable_webhook(
        &self,
        request: Request<v1::DisableWebhookRequest>,
    ) -> Answer<v1::DisableWebhookResponse> {
        let write = request::disable_webhook(request.into_inner(), self.clock.now_ms())?;
        let stored = self.writers.write(write).await?;
        Ok(Response::new(v1::DisableWebhookResponse {
            webhook: stored.webhook(),
        }))
    }

    async fn delete_webhook(
        &self,
        request: Request<v1::DeleteWebhookRequest>,
    ) -> Answer<v1::DeleteWebhookResponse> {
        self.writers
            .write(request::delete_webhook(request.get_ref())?)
            .await?;
        Ok(Response::new(v1::DeleteWebhookResponse {}))
    }

    async fn list_event_types(
        &self,
        _request: Request<v1::ListEventTypesRequest>,
    ) -> Answer<v1::ListEventTypesResponse> {
        let wire = |known: EventType| v1::EventType {
            name: known.name.to_owned(),
            event_class: match known.lane {
                Lane::Realtime => EventClass::Realtime.into(),
                Lane::Batch => EventClass::Batch.into(),
            },
            example: known.example.to_owned(),
        };
        let event_types = Catalogue.types().map(wire).collect();
        Ok(Response::new(v1::ListEventTypesResponse { event_types }))
    }

    async fn watch(&self, request: Request<v1::WatchRequest>) -> Answer<Self::WatchStream> {
        let watcher = Watcher::new(
            Arc::clone(&self.store),
            request.into_inner(),
            self.shutdown.clone(),
        );
        Ok(Response::new(Box::pin(watcher.into_stream())))
    }
}
