//! Checks what callers send. Every mistake of a request is told at once, with the path of its field.

mod api_key;
mod event_type;
mod filter;
mod list;
mod patch;
pub(crate) mod repeat;
mod secret;
mod webhook;

use std::time::Duration;

use angarium_model::{Access, Account, AccountId, ExternalId, KnownTypes, Revision, WebhookId};
use angarium_policy::egress::Policy;
use angarium_proto::convert::{account_from_wire, disabled_from_wire};
use angarium_proto::registry::v1;
use angarium_proto::{FieldError, InvalidWire, under};
use angarium_runtime::millis;

use crate::patch::AccountPatch;
use crate::plan::{Expected, Reserve, Subject, Write};
use crate::refusal::Refusal;
use crate::store::Store;

pub(crate) use api_key::{
    api_key_name, create_api_key, delete_api_key, home, note_api_key_use, read_api_key, rotate_api_key,
    update_api_key,
};
pub(crate) use event_type::{
    check_example, create_event_type, delete_event_type, event_type_name, update_event_type,
};
pub(crate) use filter::test_filter;
pub(crate) use list::{Listed, Wanted};
pub(crate) use patch::update_webhook;
pub(crate) use secret::{revoke_secret, rotate_secret};
pub(crate) use webhook::create_webhook;

/// What requests are checked by, beside themselves.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Grounds<'a> {
    /// What was read so far: for the event types that there are.
    pub(crate) store: &'a Store,
    /// Who asks: what is told of mistakes names nothing that they may not see.
    pub(crate) by: Access,
    pub(crate) now_ms: i64,
    /// Where calls may lead.
    pub(crate) egress: &'a Policy,
}

impl Grounds<'_> {
    /// The types that events of an account may have; of an account that the caller does not see, those that everybody's
    /// may have.
    pub(crate) fn types(&self, account: u64) -> KnownTypes {
        let account = AccountId::new(account).ok();
        let seen = account.filter(|account| self.by.sees(*account));
        self.store.read(|state| state.known_types(seen))
    }
}

pub(crate) fn create_account(request: v1::CreateAccountRequest, now_ms: i64) -> Result<Write, Refusal> {
    let wire = request.account.ok_or_else(|| required("account"))?;
    let account = account_from_wire(wire).map_err(|errors| InvalidWire(under("account", errors)))?;
    Ok(Write::CreateAccount(Account {
        revision: Revision::default(),
        created_at_ms: now_ms,
        ..account
    }))
}

pub(crate) fn update_account(request: v1::UpdateAccountRequest) -> Result<Write, Refusal> {
    const NAME: &str = "name";
    const MAX_WEBHOOKS: &str = "max_webhooks";
    const UNKNOWN_TYPES: &str = "unknown_types";
    const SCHEMA_VIOLATIONS: &str = "schema_violations";
    const EXTERNAL_ID: &str = "external_id";
    let wire = request.account.ok_or_else(|| required("account"))?;
    let expected = Expected::from_wire(wire.revision);
    let mut errors = Vec::new();
    let paths = request.update_mask.map(|mask| mask.paths).unwrap_or_default();
    check_mask(
        &paths,
        &[NAME, MAX_WEBHOOKS, UNKNOWN_TYPES, SCHEMA_VIOLATIONS, EXTERNAL_ID],
        &mut errors,
    );
    let is_named = |field: &str| paths.is_empty() || paths.iter().any(|path| path == field);
    // What is not to be changed is not looked at.
    let text = |field: &str, given: String| if is_named(field) { given } else { String::new() };
    let (name, external_id) = (text(NAME, wire.name), text(EXTERNAL_ID, wire.external_id));
    let max_webhooks = wire.max_webhooks.filter(|_| is_named(MAX_WEBHOOKS));
    let named = |field: &str, given: i32| if is_named(field) { given } else { 0 };
    match account_from_wire(v1::Account {
        name,
        external_id,
        max_webhooks,
        unknown_types: named(UNKNOWN_TYPES, wire.unknown_types),
        schema_violations: named(SCHEMA_VIOLATIONS, wire.schema_violations),
        ..wire
    }) {
        Ok(account) if errors.is_empty() => Ok(Write::UpdateAccount {
            id: account.id,
            expected,
            patch: AccountPatch {
                name: is_named(NAME).then_some(account.name),
                max_webhooks: is_named(MAX_WEBHOOKS).then_some(account.max_webhooks),
                unknown_types: is_named(UNKNOWN_TYPES).then_some(account.strictness.unknown_types),
                schema_violations: is_named(SCHEMA_VIOLATIONS)
                    .then_some(account.strictness.schema_violations),
                external_id: account.external_id,
            },
        }),
        Ok(_) => Err(InvalidWire(errors).into()),
        Err(more) => {
            errors.extend(under("account", more));
            Err(InvalidWire(errors).into())
        }
    }
}

pub(crate) fn delete_account(request: &v1::DeleteAccountRequest) -> Result<Write, Refusal> {
    let id = account_id("id", request.id)?;
    Ok(Write::DeleteAccount {
        id,
        expected: Expected::from_wire(request.revision),
    })
}

/// Checks that an external id is to be kept for an account.
pub(crate) fn reserve_external_id(
    request: &v1::ReserveExternalIdRequest,
    now_ms: i64,
) -> Result<Write, Refusal> {
    let mut errors = Vec::new();
    let account = AccountId::new(request.account_id);
    let account = account.map_err(|error| errors.push(FieldError::new("account_id", error.to_string())));
    let external_id = ExternalId::new(&request.external_id);
    let external_id =
        external_id.map_err(|error| errors.push(FieldError::new("external_id", error.to_string())));
    match (account, external_id) {
        (Ok(account), Ok(external_id)) => Ok(Write::ReserveExternalId(Reserve {
            external_id,
            account,
            now_ms,
        })),
        _ => Err(InvalidWire(errors).into()),
    }
}

pub(crate) fn reseal_webhook(request: &v1::ResealWebhookRequest) -> Result<Write, Refusal> {
    let (account, id) = webhook_key(request.account_id, &request.id)?;
    Ok(Write::ResealWebhook { account, id })
}

pub(crate) fn read_account(request: &v1::GetAccountRequest) -> Result<Write, Refusal> {
    let account = account_id("id", request.id)?;
    Ok(Write::Read(Subject::Account(account)))
}

pub(crate) fn read_webhook(request: &v1::GetWebhookRequest) -> Result<Write, Refusal> {
    let (account, id) = webhook_key(request.account_id, &request.id)?;
    Ok(Write::Read(Subject::Webhook { account, id }))
}

pub(crate) fn delete_webhook(request: &v1::DeleteWebhookRequest, now_ms: i64) -> Result<Write, Refusal> {
    let (account, id) = webhook_key(request.account_id, &request.id)?;
    Ok(Write::DeleteWebhook {
        account,
        id,
        expected: Expected::from_wire(request.revision),
        now_ms,
    })
}

pub(crate) fn undelete_webhook(request: &v1::UndeleteWebhookRequest, now_ms: i64) -> Result<Write, Refusal> {
    let (account, id) = webhook_key(request.account_id, &request.id)?;
    Ok(Write::UndeleteWebhook { account, id, now_ms })
}

/// Checks that a webhook is to be switched off (D3). The revision is required: without it, what delivery saw would win
/// over what an administrator has changed since.
pub(crate) fn disable_webhook(request: v1::DisableWebhookRequest, now_ms: i64) -> Result<Write, Refusal> {
    let mut errors = Vec::new();
    let key = named_webhook(request.account_id, &request.id, &mut errors);
    let disabled = disabled_from_wire(v1::Disabled {
        reason: request.reason,
        detail: request.detail,
        at_ms: now_ms,
    });
    let disabled = disabled.map_err(|wrong| errors.extend(wrong));
    if request.revision < 1 {
        let message = "is required: the revision of the webhook that was acted on, from 1";
        errors.push(FieldError::new("revision", message));
    }
    match (key, disabled) {
        (Some((account, id)), Ok(disabled)) if errors.is_empty() => Ok(Write::DisableWebhook {
            account,
            id,
            expected: Expected::from_wire(request.revision),
            disabled,
        }),
        _ => Err(InvalidWire(errors).into()),
    }
}

/// The account that a request names.
pub(crate) fn account_id(field: &str, id: u64) -> Result<AccountId, Refusal> {
    AccountId::new(id).map_err(|error| Refusal::field(field, error.to_string()))
}

/// The webhook that a request names.
pub(crate) fn webhook_key(account: u64, id: &str) -> Result<(AccountId, WebhookId), Refusal> {
    let mut errors = Vec::new();
    named_webhook(account, id, &mut errors).ok_or_else(|| InvalidWire(errors).into())
}

fn named_webhook(account: u64, id: &str, errors: &mut Vec<FieldError>) -> Option<(AccountId, WebhookId)> {
    let account = AccountId::new(account)
        .map_err(|error| errors.push(FieldError::new("account_id", error.to_string())));
    let id = id
        .parse::<WebhookId>()
        .map_err(|error| errors.push(FieldError::new("id", error.to_string())));
    account.ok().zip(id.ok())
}

/// Until when what is replaced stays good beside what takes its place, Unix milliseconds; `None`: it ends at once.
fn end_of_overlap(seconds: Option<u32>, now_ms: i64, errors: &mut Vec<FieldError>) -> Option<i64> {
    /// Unless the caller says otherwise.
    const OVERLAP: Duration = Duration::from_hours(24);
    const LONGEST: Duration = Duration::from_hours(7 * 24);
    let overlap = seconds.map_or(OVERLAP, |seconds| Duration::from_secs(seconds.into()));
    if overlap > LONGEST {
        let message = format!(
            "is {} s; allowed are 0 to {} s",
            overlap.as_secs(),
            LONGEST.as_secs()
        );
        errors.push(FieldError::new("overlap_seconds", message));
    }
    (!overlap.is_zero()).then(|| now_ms.saturating_add(millis(overlap)))
}

fn required(field: &str) -> Refusal {
    Refusal::field(field, "is required")
}

fn check_mask(paths: &[String], known: &[&str], errors: &mut Vec<FieldError>) {
    /// Far more than there are fields.
    const MAX_PATHS: usize = 64;
    /// How much of a path is told again, in characters.
    const SHOWN: usize = 64;
    if paths.len() > MAX_PATHS {
        let message = format!("has {} paths; at most {MAX_PATHS} are allowed", paths.len());
        errors.push(FieldError::new("update_mask", message));
        return;
    }
    for (index, path) in paths
        .iter()
        .enumerate()
        .filter(|(_, path)| !known.contains(&path.as_str()))
    {
        let shown: String = path.chars().take(SHOWN).collect();
        let message = format!("{shown:?} cannot be changed; what can be is {}", known.join(", "));
        errors.push(FieldError::new(format!("update_mask.paths[{index}]"), message));
    }
}
