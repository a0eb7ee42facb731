//! The webhook that a caller names.

use std::sync::Arc;
use std::time::Duration;

use angarium_directory::Directory;
use angarium_model::{AccountId, Webhook, WebhookId};
use tonic::Code;
use tonic_types::ErrorDetails;

/// When a caller may try again that was refused for a passing reason.
pub(crate) const RETRY_AFTER: Duration = Duration::from_secs(1);

/// Why there is no webhook.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NotFound {
    #[error(
        "account {account} has no webhook {id}; the registry's ListWebhooks shows those it has; one that is new may take \
         a moment to be known here"
    )]
    NoWebhook { account: AccountId, id: WebhookId },
    #[error("this worker has not heard from the registry yet; try again in a moment")]
    NotReady,
}

/// An account's webhook.
pub(crate) fn webhook(
    directory: &Directory,
    account: AccountId,
    id: WebhookId,
) -> Result<Arc<Webhook>, NotFound> {
    if !directory.is_ready() {
        return Err(NotFound::NotReady);
    }
    let found = directory.webhook(id);
    let found = found.filter(|webhook| webhook.account == account);
    found.ok_or(NotFound::NoWebhook { account, id })
}

impl NotFound {
    pub(crate) fn code(&self) -> Code {
        match self {
            Self::NoWebhook { .. } => Code::NotFound,
            Self::NotReady => Code::Unavailable,
        }
    }

    pub(crate) fn details(&self) -> ErrorDetails {
        match self {
            Self::NoWebhook { id, .. } => {
                ErrorDetails::with_resource_info("webhook", id.to_string(), "", self.to_string())
            }
            Self::NotReady => ErrorDetails::with_retry_info(Some(RETRY_AFTER)),
        }
    }
}
