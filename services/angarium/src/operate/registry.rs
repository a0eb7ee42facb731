//! Calls the registry.

use std::time::Duration;

use angarium_proto::audit::v1::audit_service_client::AuditServiceClient;
use angarium_proto::registry::v1::registry_service_client::RegistryServiceClient;
use angarium_proto::registry::v1::{
    Account, EventClass, EventType, ListAccountsRequest, ListEventTypesRequest, ListWebhooksRequest, Webhook,
};
use angarium_runtime::grpc::{Client, MAX_MESSAGE_BYTES, client};
use anyhow::Context;
use tonic::{Request, Response, Status};

use super::accounts::Accounts;
use super::call::{all_pages, explain};
use crate::cli::AtRegistry;
use crate::settings::Settings;

/// The longest that a call may take; the registry gives Kafka less.
const PATIENCE: Duration = Duration::from_secs(15);

/// The most entries of a page that the registry gives.
pub(super) const PAGE: u32 = 1_000;

/// A connection to the registry of the command line or the settings.
pub(super) struct Registry {
    pub(super) calls: RegistryServiceClient<Client>,
    pub(super) audit: AuditServiceClient<Client>,
    endpoint: String,
    pub(super) accounts: Accounts,
}

impl Registry {
    /// Reads where it is; connects at the first call.
    pub(super) fn at(at: &AtRegistry) -> anyhow::Result<Self> {
        let settings = Settings::read_to_call(&at.reach, at.registry.as_deref(), "registry")?;
        let client =
            client(&settings.registry_endpoint, settings.presented()).context("registry.endpoint")?;
        let audit = AuditServiceClient::new(client.clone()).max_decoding_message_size(MAX_MESSAGE_BYTES);
        let calls = RegistryServiceClient::new(client).max_decoding_message_size(MAX_MESSAGE_BYTES);
        Ok(Self {
            calls,
            audit,
            accounts: Accounts::of(&settings),
            endpoint: settings.registry_endpoint,
        })
    }

    /// All accounts.
    pub(super) async fn all_accounts(&mut self) -> Result<Vec<Account>, Status> {
        all_pages(async |page_token| {
            let page = ListAccountsRequest {
                page_size: PAGE,
                page_token,
                external_id: String::new(),
            };
            let answer = self.calls.list_accounts(request(page)).await?.into_inner();
            Ok((answer.accounts, answer.next_page_token))
        })
        .await
    }

    /// All webhooks of an account that are wanted.
    pub(super) async fn webhooks(&mut self, wanted: ListWebhooksRequest) -> Result<Vec<Webhook>, Status> {
        all_pages(async |page_token| {
            let page = ListWebhooksRequest {
                page_size: PAGE,
                page_token,
                ..wanted.clone()
            };
            let answer = self.calls.list_webhooks(request(page)).await?.into_inner();
            Ok((answer.webhooks, answer.next_page_token))
        })
        .await
    }

    /// All event types that events may have, of an account or of all, of this class or both.
    pub(super) async fn event_types(
        &mut self,
        account_id: Option<u64>,
        event_class: EventClass,
    ) -> Result<Vec<EventType>, Status> {
        all_pages(async |page_token| {
            let page = ListEventTypesRequest {
                account_id,
                event_class: event_class.into(),
                page_size: PAGE,
                page_token,
            };
            let answer = self.calls.list_event_types(request(page)).await?.into_inner();
            Ok((answer.event_types, answer.next_page_token))
        })
        .await
    }

    /// The answer, or what to tell the person who asked.
    pub(super) fn answer<T>(&self, result: Result<Response<T>, Status>) -> anyhow::Result<T> {
        self.told(result.map(Response::into_inner))
    }

    /// The same of what was taken out of an answer.
    pub(super) fn told<T>(&self, result: Result<T, Status>) -> anyhow::Result<T> {
        result.map_err(|status| {
            explain(
                "the registry",
                &self.endpoint,
                "it may yet come into force",
                &status,
            )
        })
    }
}

/// A request with a deadline.
pub(super) fn request<T>(message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.set_timeout(PATIENCE);
    request
}
