//! Why a call is refused, and how the caller learns of it.

use std::collections::HashMap;
use std::time::{Duration, UNIX_EPOCH};

use angarium_kafka::ReadError;
use angarium_model::{
    AccountId, EventName, ExternalId, KeyId, MaxWebhooks, Revision, Scope, Scopes, Signing, WebhookId,
};
use angarium_proto::{FieldError, InvalidWire, invalid_argument};
use angarium_runtime::{Full, grpc};
use angarium_signing::SecretError;
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt};

use crate::home::Home;
use crate::plan::{MAX_KEYS, MAX_TYPES};
use crate::record::Key;
use crate::seal::SealError;

/// When a caller may try again that was refused for a passing reason.
const RETRY_AFTER: Duration = Duration::from_secs(1);
/// Whose error reasons these are, as `google.rpc.ErrorInfo` wants it.
const DOMAIN: &str = "registry.angarium";
/// The reason that one registry gives another.
const NOT_WRITER: &str = "NOT_WRITER";

/// Why a call is refused.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refusal {
    #[error(transparent)]
    Invalid(#[from] InvalidWire),
    #[error("account {0} exists already; change it with UpdateAccount")]
    AccountExists(AccountId),
    #[error(
        "external id {external_id} is that of account {account}{}",
        free_at_ms.map_or_else(
            || "; take another".to_owned(),
            |at_ms| format!(", or was, or is about to be; others may have it from {} on", instant(at_ms))
        )
    )]
    ExternalIdTaken {
        external_id: ExternalId,
        account: AccountId,
        /// When others may have it; `None`: the account has it.
        free_at_ms: Option<i64>,
    },
    #[error(
        "account {account} has the external id {external_id}, which stays as it is: others name the account by it"
    )]
    ExternalIdStays {
        account: AccountId,
        external_id: ExternalId,
    },
    #[error("there is no account {0}; create it first with CreateAccount")]
    NoAccount(AccountId),
    #[error("account {account} has no webhook {id}; ListWebhooks shows those it has")]
    NoWebhook { account: AccountId, id: WebhookId },
    #[error(
        "webhook {id} of account {account} was deleted; until {} UndeleteWebhook brings it back", instant(*.until_ms)
    )]
    WebhookDeleted {
        account: AccountId,
        id: WebhookId,
        until_ms: i64,
    },
    #[error(
        "account {account} has no webhook {id} that was deleted and may be brought back; ListWebhooks with `deleted` shows those there are"
    )]
    NotDeleted { account: AccountId, id: WebhookId },
    #[error(
        "this request_id was used before, for {0}: for another webhook, more than 24 hours ago, or it was deleted since; take another request_id to create one"
    )]
    RequestIdUsed(WebhookId),
    #[error("{home} has no API key {id}; ListApiKeys shows those it has")]
    NoApiKey { home: Home, id: KeyId },
    #[error("{home} has no event type {name} of its own; ListEventTypes shows those there are")]
    NoEventType { home: Home, name: EventName },
    #[error("{home} has an event type {name} already; change it with UpdateEventType, or take another name")]
    EventTypeExists { home: Home, name: EventName },
    #[error(
        "{0} has {MAX_TYPES} event types, as many as it may have; delete those that nobody sends with DeleteEventType"
    )]
    TooManyEventTypes(Home),
    #[error(
        "webhook {webhook} takes events of the type {name}; take it out of its event_types first with UpdateWebhook"
    )]
    EventTypeInUse { name: EventName, webhook: WebhookId },
    #[error("what belongs to the platform is for keys of the platform; name the account of your key")]
    OfPlatform,
    #[error("this would give or change more than your own key allows: {0}; use a key that allows it")]
    BeyondCaller(Scopes),
    #[error(
        "this key would last longer than your own, which expires at {}; let it expire by then, or use a key that lasts", instant(*.0)
    )]
    OutlastsCaller(i64),
    #[error("the key of this call was revoked meanwhile")]
    Revoked,
    #[error(
        "the key of this call was changed meanwhile: it does not allow {0} any more, which this call needs"
    )]
    NotAllowedNow(Scope),
    #[error(
        "{0} has {MAX_KEYS} API keys, as many as it may have; revoke those that nobody uses with DeleteApiKey"
    )]
    TooManyApiKeys(Home),
    #[error(
        "{key} was changed meanwhile: its revision is {current}, not {given}; read it again, then repeat the change"
    )]
    Stale { key: Key, current: Revision, given: i64 },
    #[error("account {account} still has {count} {}; delete them first with DeleteWebhook", webhooks(*.count))]
    HasWebhooks { account: AccountId, count: usize },
    #[error("account {account} has {most} webhooks, as many as it may have (W3); delete one, or have max_webhooks of the account raised", most = .most.get())]
    TooManyWebhooks { account: AccountId, most: MaxWebhooks },
    #[error(
        "webhook {0} does not sign its calls; UpdateWebhook with authentication.signature has it sign them"
    )]
    NotSigned(WebhookId),
    #[error(
        "webhook {0} has {most} old secrets that sign still, as many as it may have; wait for the end of one, which GetWebhook \
         tells, end them with RevokeSecret, or give the new secret an overlap of 0, which ends them too",
        most = Signing::MAX_PREVIOUS
    )]
    TooManySecrets(WebhookId),
    #[error("the audit log cannot be read now; try again later")]
    NoAuditLog(#[source] ReadError),
    #[error(transparent)]
    TooMany(Full),
    #[error("too many writes are waiting for Kafka; try again later")]
    Busy,
    #[error(
        "Kafka does not take writes now, or no registry writes this account; nothing was written, try again later"
    )]
    NotWritten,
    #[error("another registry writes this account")]
    NotWriter,
    #[error(
        "this registry has not read as far as the revision that was asked for; try again, or ask another"
    )]
    Behind,
    #[error(
        "Kafka, or those who follow, did not answer in time; the write may yet come into force: look before you try again"
    )]
    Unknown,
    #[error("the webhook's secret could not be sealed; nothing was written, try again")]
    NotSealed(#[source] SealError),
    #[error("no secret could be made; give one along, or try again")]
    NoSecret(#[source] SecretError),
}

/// An instant of Unix milliseconds, as people read it.
fn instant(unix_ms: i64) -> humantime::Rfc3339Timestamp {
    let since = Duration::from_millis(u64::try_from(unix_ms).unwrap_or_default());
    humantime::format_rfc3339_seconds(UNIX_EPOCH + since)
}

const fn webhooks(count: usize) -> &'static str {
    if count == 1 { "webhook" } else { "webhooks" }
}

impl Refusal {
    /// One mistake in a request.
    pub(crate) fn field(field: &str, message: impl Into<String>) -> Self {
        InvalidWire(vec![FieldError::new(field, message)]).into()
    }

    fn code(&self) -> Code {
        match self {
            Self::Invalid(_) => Code::InvalidArgument,
            Self::AccountExists(_)
            | Self::ExternalIdTaken { .. }
            | Self::EventTypeExists { .. }
            | Self::RequestIdUsed(_) => Code::AlreadyExists,
            Self::NoAccount(_)
            | Self::NoWebhook { .. }
            | Self::WebhookDeleted { .. }
            | Self::NotDeleted { .. }
            | Self::NoApiKey { .. }
            | Self::NoEventType { .. } => Code::NotFound,
            Self::OfPlatform | Self::BeyondCaller(_) | Self::OutlastsCaller(_) | Self::NotAllowedNow(_) => {
                Code::PermissionDenied
            }
            Self::Revoked => Code::Unauthenticated,
            Self::Stale { .. } => Code::Aborted,
            Self::HasWebhooks { .. }
            | Self::ExternalIdStays { .. }
            | Self::EventTypeInUse { .. }
            | Self::NotSigned(_)
            | Self::TooManySecrets(_) => Code::FailedPrecondition,
            Self::TooManyWebhooks { .. }
            | Self::TooManyApiKeys(_)
            | Self::TooManyEventTypes(_)
            | Self::TooMany(_)
            | Self::Busy => Code::ResourceExhausted,
            Self::NotWritten | Self::NotWriter | Self::Behind | Self::Unknown | Self::NoAuditLog(_) => {
                Code::Unavailable
            }
            Self::NoSecret(_) | Self::NotSealed(_) => Code::Internal,
        }
    }

    fn details(&self) -> ErrorDetails {
        let message = self.to_string();
        match self {
            Self::AccountExists(id) | Self::NoAccount(id) | Self::ExternalIdTaken { account: id, .. } => {
                ErrorDetails::with_resource_info("account", id.to_string(), "", message)
            }
            Self::NoWebhook { id, .. }
            | Self::WebhookDeleted { id, .. }
            | Self::NotDeleted { id, .. }
            | Self::RequestIdUsed(id) => {
                ErrorDetails::with_resource_info("webhook", id.to_string(), "", message)
            }
            Self::NoApiKey { id, .. } => {
                ErrorDetails::with_resource_info("api_key", id.to_string(), "", message)
            }
            Self::NoEventType { name, .. } | Self::EventTypeExists { name, .. } => {
                ErrorDetails::with_resource_info("event_type", name.as_str(), "", message)
            }
            Self::EventTypeInUse { webhook, .. } => {
                let subject = Key::Webhook(*webhook).to_string();
                ErrorDetails::with_precondition_failure_violation("EVENT_TYPE_IN_USE", subject, message)
            }
            Self::OfPlatform => ErrorDetails::with_error_info("OF_PLATFORM", DOMAIN, HashMap::new()),
            Self::BeyondCaller(beyond) => {
                let metadata = HashMap::from([("scopes".to_owned(), beyond.to_string())]);
                ErrorDetails::with_error_info("BEYOND_CALLER", DOMAIN, metadata)
            }
            Self::OutlastsCaller(expires_at_ms) => {
                let metadata = HashMap::from([("expires_at_ms".to_owned(), expires_at_ms.to_string())]);
                ErrorDetails::with_error_info("OUTLASTS_CALLER", DOMAIN, metadata)
            }
            Self::NotAllowedNow(scope) => {
                let metadata = HashMap::from([("scope".to_owned(), scope.name().to_owned())]);
                ErrorDetails::with_error_info("SCOPE_MISSING", DOMAIN, metadata)
            }
            Self::Revoked => ErrorDetails::with_error_info("KEY_INVALID", DOMAIN, HashMap::new()),
            Self::TooManyApiKeys(home) | Self::TooManyEventTypes(home) => {
                ErrorDetails::with_quota_failure_violation(home.to_string(), message)
            }
            Self::Stale { current, .. } => {
                let metadata = HashMap::from([("current_revision".to_owned(), current.to_string())]);
                ErrorDetails::with_error_info("REVISION_CONFLICT", DOMAIN, metadata)
            }
            Self::HasWebhooks { account, .. } => {
                let subject = Key::Account(*account).to_string();
                ErrorDetails::with_precondition_failure_violation("HAS_WEBHOOKS", subject, message)
            }
            Self::ExternalIdStays { account, .. } => {
                let subject = Key::Account(*account).to_string();
                ErrorDetails::with_precondition_failure_violation("EXTERNAL_ID_STAYS", subject, message)
            }
            Self::NotSigned(id) => {
                let subject = Key::Webhook(*id).to_string();
                ErrorDetails::with_precondition_failure_violation("NOT_SIGNED", subject, message)
            }
            Self::TooManySecrets(id) => {
                let subject = Key::Webhook(*id).to_string();
                ErrorDetails::with_precondition_failure_violation("TOO_MANY_SECRETS", subject, message)
            }
            Self::TooManyWebhooks { account, .. } => {
                ErrorDetails::with_quota_failure_violation(Key::Account(*account).to_string(), message)
            }
            Self::NotWriter => ErrorDetails::with_error_info(NOT_WRITER, DOMAIN, HashMap::new()),
            Self::TooMany(_) | Self::Busy | Self::NotWritten | Self::Behind | Self::NoAuditLog(_) => {
                ErrorDetails::with_retry_info(Some(RETRY_AFTER))
            }
            Self::Unknown => ErrorDetails::with_error_info(grpc::OUTCOME_UNKNOWN, DOMAIN, HashMap::new()),
            Self::NotSealed(_) => ErrorDetails::with_error_info("NOT_SEALED", DOMAIN, HashMap::new()),
            Self::NoSecret(_) => ErrorDetails::with_error_info("NO_SECRET", DOMAIN, HashMap::new()),
            Self::Invalid(_) => ErrorDetails::new(),
        }
    }
}

/// Whether another registry has refused a write since it does not write the account.
pub(crate) fn is_not_writer(status: &Status) -> bool {
    let info = status.get_details_error_info();
    info.is_some_and(|info| info.reason == NOT_WRITER && info.domain == DOMAIN)
}

/// Whether nobody knows whether it was written.
pub(crate) fn is_unknown(status: &Status) -> bool {
    let info = status.get_details_error_info();
    info.is_some_and(|info| info.reason == grpc::OUTCOME_UNKNOWN && info.domain == DOMAIN)
}

impl From<Refusal> for Status {
    fn from(refusal: Refusal) -> Self {
        if let Refusal::Invalid(InvalidWire(errors)) = &refusal {
            return invalid_argument(errors);
        }
        if matches!(refusal, Refusal::NoSecret(_) | Refusal::NotSealed(_)) {
            tracing::error!(
                error = angarium_runtime::chain(&refusal),
                "a signing secret could not be made or sealed"
            );
        }
        Self::with_error_details(refusal.code(), refusal.to_string(), refusal.details())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of_external_ids(account: AccountId) -> [Refusal; 2] {
        let external_id = || ExternalId::new("acme").unwrap();
        [
            Refusal::ExternalIdTaken {
                external_id: external_id(),
                account,
                free_at_ms: Some(1),
            },
            Refusal::ExternalIdStays {
                account,
                external_id: external_id(),
            },
        ]
    }

    #[test]
    fn whatever_is_refused_says_so_to_a_machine_too() {
        let account = AccountId::new(1234).unwrap();
        let id = WebhookId::from_bytes([1; 16]);
        let refusals = [
            Refusal::field("id", "is wrong"),
            Refusal::AccountExists(account),
            Refusal::NoAccount(account),
            Refusal::NoWebhook { account, id },
            Refusal::WebhookDeleted {
                account,
                id,
                until_ms: 1,
            },
            Refusal::NotDeleted { account, id },
            Refusal::RequestIdUsed(id),
            Refusal::NoApiKey {
                home: Home::Platform,
                id: KeyId::from_bytes([1; 16]),
            },
            Refusal::NoEventType {
                home: Home::Platform,
                name: EventName::new("A").unwrap(),
            },
            Refusal::EventTypeExists {
                home: Home::Platform,
                name: EventName::new("A").unwrap(),
            },
            Refusal::EventTypeInUse {
                name: EventName::new("A").unwrap(),
                webhook: id,
            },
            Refusal::TooManyEventTypes(Home::Platform),
            Refusal::OfPlatform,
            Refusal::NoAuditLog(ReadError::TimedOut),
            Refusal::BeyondCaller(Scopes::ALL),
            Refusal::OutlastsCaller(1),
            Refusal::NotAllowedNow(Scope::Read),
            Refusal::Revoked,
            Refusal::TooManyApiKeys(Home::Account(account)),
            Refusal::Stale {
                key: Key::Account(account),
                current: Revision::from_offset(2),
                given: 1,
            },
            Refusal::HasWebhooks { account, count: 1 },
            Refusal::TooManyWebhooks {
                account,
                most: MaxWebhooks::new(5).unwrap(),
            },
            Refusal::NotSigned(id),
            Refusal::TooManySecrets(id),
            Refusal::TooMany(Full::One(1)),
            Refusal::Busy,
            Refusal::NotWritten,
            Refusal::NotWriter,
            Refusal::Behind,
            Refusal::Unknown,
            Refusal::NotSealed(SealError::NoRandom),
            Refusal::NoSecret("whsec_".parse::<angarium_signing::Secret>().unwrap_err()),
        ];
        for refusal in refusals.into_iter().chain(of_external_ids(account)) {
            let told = refusal.to_string();
            assert!(
                !Status::from(refusal).get_error_details_vec().is_empty(),
                "{told}"
            );
        }
    }
}
