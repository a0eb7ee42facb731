//! The account and the webhook that a caller names, for services that answer from a directory.

use std::sync::Arc;
use std::time::Duration;

use angarium_model::{AccountId, Webhook, WebhookId};
use angarium_runtime::grpc;
use tonic::{Code, Request, Status};
use tonic_types::{ErrorDetails, StatusExt as _};

use crate::{Directory, Interest};

/// When a caller may try again that was refused for a passing reason.
pub const RETRY_AFTER: Duration = Duration::from_secs(1);

/// Why there is no account or webhook.
#[derive(Debug, thiserror::Error)]
pub enum NotFound {
    /// There is no such account, or the caller does not see it.
    #[error("there is no account {0}; create it first, with the registry's CreateAccount")]
    NoAccount(AccountId),
    /// The account has no such webhook.
    #[error(
        "account {account} has no webhook {id}; the registry's ListWebhooks shows those it has; one that is new may take \
         a moment to be known here"
    )]
    NoWebhook {
        /// The account.
        account: AccountId,
        /// What was asked for.
        id: WebhookId,
    },
    /// Nothing is known yet.
    #[error("this worker has not heard from the registry yet; try again in a moment")]
    NotReady,
}

/// What is asked of an account that the caller sees. To others it is as if there were no such account.
///
/// # Errors
/// That there is no such account, or that nobody was let in.
pub fn seen<T>(request: Request<T>, account_id: fn(&T) -> u64) -> Result<T, Status> {
    let access = grpc::access(request.extensions())?;
    let message = request.into_inner();
    match AccountId::new(account_id(&message)) {
        Ok(account) if !access.sees(account) => {
            let unseen = NotFound::NoAccount(account);
            Err(Status::with_error_details(
                unseen.code(),
                unseen.to_string(),
                unseen.details(),
            ))
        }
        // What is no id is told with all that is wrong.
        Ok(_) | Err(_) => Ok(message),
    }
}

/// An account's webhook.
///
/// # Errors
/// That there is none, or that nothing is known yet.
pub fn webhook(directory: &Directory, account: AccountId, id: WebhookId) -> Result<Arc<Webhook>, NotFound> {
    if !directory.is_ready() {
        return Err(NotFound::NotReady);
    }
    let found = directory.webhook(id);
    let found = found.filter(|webhook| webhook.account == account);
    found.ok_or(NotFound::NoWebhook { account, id })
}

/// What an account's webhook wants.
///
/// # Errors
/// That there is none, or that nothing is known yet.
pub fn interest(directory: &Directory, account: AccountId, id: WebhookId) -> Result<Arc<Interest>, NotFound> {
    if !directory.is_ready() {
        return Err(NotFound::NotReady);
    }
    let found = directory.interest(id);
    let found = found.filter(|interest| interest.account == account);
    found.ok_or(NotFound::NoWebhook { account, id })
}

impl NotFound {
    /// As gRPC has it.
    #[must_use]
    pub fn code(&self) -> Code {
        match self {
            Self::NoAccount(_) | Self::NoWebhook { .. } => Code::NotFound,
            Self::NotReady => Code::Unavailable,
        }
    }

    /// What programs are told beside the message.
    #[must_use]
    pub fn details(&self) -> ErrorDetails {
        match self {
            Self::NoAccount(id) => {
                ErrorDetails::with_resource_info("account", id.to_string(), "", self.to_string())
            }
            Self::NoWebhook { id, .. } => {
                ErrorDetails::with_resource_info("webhook", id.to_string(), "", self.to_string())
            }
            Self::NotReady => ErrorDetails::with_retry_info(Some(RETRY_AFTER)),
        }
    }
}
