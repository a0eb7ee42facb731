//! API keys: new ones, changes, new secrets.

use angarium_model::{AccountId, ApiKey, KeyId, Revision};
use angarium_proto::convert::{api_key_from_wire, check_name, grant_from_wire};
use angarium_proto::registry::v1;
use angarium_proto::{FieldError, InvalidWire, under};
use angarium_runtime::access::new_token;
use bytes::Bytes;
use uuid::Uuid;

use super::{check_mask, end_of_overlap, required};
use crate::home::Home;
use crate::patch::{ApiKeyPatch, Rotation};
use crate::plan::{ApiKeyWrite, Expected, Subject, Write};
use crate::refusal::Refusal;

const API_KEY: &str = "api_key";
const NAME: &str = "name";
const GRANT: &str = "grant";
const EXPIRES_AT_MS: &str = "expires_at_ms";

/// Checks a new API key, gives it an id that rises with time, and a secret.
pub(crate) fn create_api_key(request: v1::CreateApiKeyRequest, now_ms: i64) -> Result<Write, Refusal> {
    let wire = request.api_key.ok_or_else(|| required(API_KEY))?;
    let id = KeyId::from(Uuid::now_v7());
    let (token, hash) = new_token(id);
    let mut errors = Vec::new();
    check_expiry(wire.expires_at_ms, now_ms, &mut errors);
    let checked = api_key_from_wire(v1::ApiKey {
        id: id.to_string(),
        secret_hash: Bytes::copy_from_slice(hash.as_bytes()),
        previous_until_ms: None,
        ..wire
    });
    match checked {
        Ok(key) if errors.is_empty() => Ok(Write::ApiKey(ApiKeyWrite::Create {
            key: ApiKey {
                revision: Revision::default(),
                created_at_ms: now_ms,
                last_used_at_ms: None,
                ..key
            },
            token,
        })),
        checked => Err(wrong(errors, checked.err())),
    }
}

pub(crate) fn update_api_key(request: v1::UpdateApiKeyRequest, now_ms: i64) -> Result<Write, Refusal> {
    let wire = request.api_key.ok_or_else(|| required(API_KEY))?;
    let (mut errors, mut inner) = (Vec::new(), Vec::new());
    let paths = request.update_mask.map(|mask| mask.paths).unwrap_or_default();
    check_mask(&paths, &[NAME, GRANT, EXPIRES_AT_MS], &mut errors);
    let is_named = |field: &str| paths.is_empty() || paths.iter().any(|path| path == field);
    let named = named(wire.account_id, &wire.id, &mut inner);
    if is_named(NAME) {
        check_name(&wire.name, 1, &mut inner);
    }
    let grant = is_named(GRANT).then(|| grant_from_wire(wire.grant, wire.account_id.is_some(), &mut inner));
    if is_named(EXPIRES_AT_MS) {
        check_expiry(wire.expires_at_ms, now_ms, &mut errors);
    }
    match named {
        Some((home, id)) if errors.is_empty() && inner.is_empty() => Ok(Write::ApiKey(ApiKeyWrite::Update {
            home,
            id,
            expected: Expected::from_wire(wire.revision),
            patch: ApiKeyPatch {
                name: is_named(NAME).then_some(wire.name),
                grant: grant.flatten(),
                expires_at_ms: is_named(EXPIRES_AT_MS).then_some(wire.expires_at_ms),
            },
        })),
        _ => Err(wrong(errors, Some(inner))),
    }
}

pub(crate) fn rotate_api_key(request: &v1::RotateApiKeyRequest, now_ms: i64) -> Result<Write, Refusal> {
    let mut errors = Vec::new();
    let named = named(request.account_id, &request.id, &mut errors);
    let previous_until_ms = end_of_overlap(request.overlap_seconds, now_ms, &mut errors);
    let Some((home, id)) = named.filter(|_| errors.is_empty()) else {
        return Err(InvalidWire(errors).into());
    };
    let (token, hash) = new_token(id);
    Ok(Write::ApiKey(ApiKeyWrite::Rotate {
        home,
        id,
        expected: Expected::from_wire(request.revision),
        rotation: Rotation {
            token,
            hash,
            previous_until_ms,
        },
    }))
}

pub(crate) fn delete_api_key(request: &v1::DeleteApiKeyRequest) -> Result<Write, Refusal> {
    let (home, id) = api_key_name(request.account_id, &request.id)?;
    Ok(Write::ApiKey(ApiKeyWrite::Delete {
        home,
        id,
        expected: Expected::from_wire(request.revision),
    }))
}

pub(crate) fn note_api_key_use(request: &v1::NoteApiKeyUseRequest, now_ms: i64) -> Result<Write, Refusal> {
    let (home, id) = api_key_name(request.account_id, &request.id)?;
    Ok(Write::ApiKey(ApiKeyWrite::NoteUse {
        home,
        id,
        // By a clock that is ahead, nothing would be news for as long.
        at_ms: request.used_at_ms.min(now_ms),
    }))
}

pub(crate) fn read_api_key(request: &v1::GetApiKeyRequest) -> Result<Write, Refusal> {
    let (home, id) = api_key_name(request.account_id, &request.id)?;
    Ok(Write::Read(Subject::ApiKey { home, id }))
}

/// The API key that a request names.
pub(crate) fn api_key_name(account: Option<u64>, id: &str) -> Result<(Home, KeyId), Refusal> {
    let mut errors = Vec::new();
    named(account, id, &mut errors).ok_or_else(|| InvalidWire(errors).into())
}

/// The account that a request names, or the platform if it names none.
pub(crate) fn home(account: Option<u64>, errors: &mut Vec<FieldError>) -> Option<Home> {
    let Some(account) = account else {
        return Some(Home::Platform);
    };
    let account = AccountId::new(account)
        .map_err(|error| errors.push(FieldError::new("account_id", error.to_string())));
    account.ok().map(Home::Account)
}

fn named(account: Option<u64>, id: &str, errors: &mut Vec<FieldError>) -> Option<(Home, KeyId)> {
    let home = home(account, errors);
    let id = id
        .parse::<KeyId>()
        .map_err(|error| errors.push(FieldError::new("id", error.to_string())));
    home.zip(id.ok())
}

fn check_expiry(expires_at_ms: Option<i64>, now_ms: i64, errors: &mut Vec<FieldError>) {
    if expires_at_ms.is_some_and(|expires| expires <= now_ms) {
        let message = "has passed; to end a key now there is DeleteApiKey";
        errors.push(FieldError::new("api_key.expires_at_ms", message));
    }
}

fn wrong(mut errors: Vec<FieldError>, inner: Option<Vec<FieldError>>) -> Refusal {
    errors.extend(under(API_KEY, inner.unwrap_or_default()));
    InvalidWire(errors).into()
}
