//! Whom a notice concerns, as the registry has it now.

use angarium_proto::registry::v1::registry_service_client::RegistryServiceClient;
use angarium_proto::registry::v1::{GetAccountRequest, GetWebhookRequest};
use angarium_runtime::grpc;
use lettre::Address;
use tonic::{Code, Status};
use url::Url;

use crate::decide::News;

/// A webhook, for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Subject {
    pub(crate) name: String,
    pub(crate) account_name: String,
    /// Scheme and host of its URL: the path may be a secret.
    pub(crate) receiver: String,
    pub(crate) contacts: Vec<Address>,
    /// Whether these are not the webhook's own.
    pub(crate) is_fallback: bool,
}

/// Asks the registry. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Subjects {
    registry: RegistryServiceClient<grpc::Client>,
    fallback: Vec<Address>,
}

impl Subjects {
    pub(crate) fn new(registry: grpc::Client, fallback: Vec<Address>) -> Self {
        let registry =
            RegistryServiceClient::new(registry).max_decoding_message_size(grpc::MAX_MESSAGE_BYTES);
        Self { registry, fallback }
    }

    /// The webhook that news is about; `None` if there is none any more.
    ///
    /// # Errors
    /// When the registry does not say.
    pub(crate) async fn of(&self, news: &News) -> Result<Option<Subject>, Status> {
        let mut registry = self.registry.clone();
        let webhook = registry.get_webhook(GetWebhookRequest {
            account_id: news.account.get(),
            id: news.webhook.to_string(),
        });
        let Some(webhook) = there(webhook.await)?.and_then(|answer| answer.webhook) else {
            return Ok(None);
        };
        let account = registry.get_account(GetAccountRequest {
            id: news.account.get(),
        });
        let account = there(account.await)?.and_then(|answer| answer.account);
        // The registry has checked them when they were written.
        let own: Vec<Address> = webhook
            .contacts
            .iter()
            .filter_map(|contact| contact.parse().ok())
            .collect();
        let is_fallback = own.is_empty();
        Ok(Some(Subject {
            name: webhook.name,
            account_name: account.map(|account| account.name).unwrap_or_default(),
            receiver: origin(&webhook.target_url),
            contacts: if is_fallback { self.fallback.clone() } else { own },
            is_fallback,
        }))
    }
}

/// What there is; `None` if there is nothing.
fn there<T>(answer: Result<tonic::Response<T>, Status>) -> Result<Option<T>, Status> {
    match answer {
        Ok(answer) => Ok(Some(answer.into_inner())),
        Err(status) if status.code() == Code::NotFound => Ok(None),
        Err(status) => Err(status),
    }
}

/// Scheme and host of a URL; nothing of what is none, which the registry lets nobody store.
fn origin(url: &str) -> String {
    Url::parse(url).map_or_else(|_none| String::new(), |url| url.origin().ascii_serialization())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_url_the_host_is_shown_and_no_path() {
        assert_eq!(
            origin("https://hooks.example.com:8443/T0/B1/secret?x=1"),
            "https://hooks.example.com:8443"
        );
        assert_eq!(
            origin("https://user:word@hooks.example.com"),
            "https://hooks.example.com"
        );
    }
}
